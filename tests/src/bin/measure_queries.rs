//! What queries take over HTTP, beside a Prometheus that holds the same series: both are fed by
//! remote write, both are asked in turn, and the best of some answers counts. The memory of a
//! question is the most that was resident while it was answered, and what was before.
//!
//! `measure-queries` prints the table; the aggregator has to be built beside it, in the same
//! profile. The variable `PROMETHEUS` names the build to compare with; targets are against 3.5.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::measure::{Table, Usage, forget_peak};
use e2e::peers::Prometheus;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::random::Random;
use e2e::remote_write::{self, Series};

/// The newest sample, in seconds since 1970: 2025-01-02T00:00:00Z.
const END: i64 = 1_735_776_000;
const HOUR: i64 = 3600;
const MEGABYTE: u64 = 1_000_000;

#[derive(Parser)]
struct Arguments {
    /// Hosts with 112 processor series each, a sample a minute for a day.
    #[arg(long, default_value_t = 100)]
    hosts: usize,
    /// Answers of each server to each question.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only questions whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
}

/// A question, and how much of Prometheus' time it may take.
struct Shape {
    name: &'static str,
    query: &'static str,
    /// How long the range is, in seconds; none for one time.
    length: i64,
    step: i64,
    target: &'static str,
}

const fn shape(
    name: &'static str,
    query: &'static str,
    (length, step): (i64, i64),
    target: &'static str,
) -> Shape {
    Shape {
        name,
        query,
        length,
        step,
        target,
    }
}

const SHAPES: [Shape; 7] = [
    shape(
        "sum by (job) (rate[5m]), 4,000 series, 2 h @ 60 s",
        "sum by (job) (rate(m[5m]))",
        (2 * HOUR, 60),
        "0.25",
    ),
    shape(
        "sum by (instance) (rate[1h])",
        "sum by (instance) (rate(m[1h]))",
        (2 * HOUR, 60),
        "0.2",
    ),
    shape(
        "m / on (4 labels) m, 4,000 out",
        "m / on (job, instance, path, method) m",
        (2 * HOUR, 60),
        "0.12",
    ),
    shape(
        "rate[5m], 400 out",
        "rate(m{job=\"job-3\"}[5m])",
        (2 * HOUR, 60),
        "0.35",
    ),
    shape(
        "fleet CPU rate, 24 h @ 60 s",
        "sum by (instance) (rate(node_cpu_seconds_total[5m]))",
        (24 * HOUR - 60, 60),
        "0.1",
    ),
    shape(
        "fleet CPU rate, instant",
        "sum by (instance) (rate(node_cpu_seconds_total[5m]))",
        (0, 0),
        "0.3",
    ),
    shape(
        "one host's panel, 1 h @ 15 s",
        "sum by (mode) (rate(node_cpu_seconds_total{instance=\"host-7:9100\"}[5m]))",
        (HOUR, 15),
        "1",
    ),
];

impl Shape {
    fn path(&self) -> String {
        let query = http::percent(self.query);
        if self.length == 0 {
            return format!("/api/v1/query?query={query}&time={END}");
        }
        let (start, step) = (END - self.length, self.step);
        format!("/api/v1/query_range?query={query}&start={start}&end={END}&step={step}")
    }
}

fn main() {
    let arguments = Arguments::parse();
    let prometheus = Prometheus::start_with(
        NO_TARGETS,
        &[
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.retention.time=100y",
        ],
    );
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let ours = Aggregator::resume(&folder, &["--storage.retention.time=0"]);
    let mut series = requests();
    series.extend(processors(arguments.hosts));
    let samples: usize = series.iter().map(|one| one.samples.len()).sum();
    println!("{} series, {samples} samples", series.len());
    for (name, address) in [("Prometheus", prometheus.address), ("ours", ours.address)] {
        let begin = Instant::now();
        remote_write::send(address, &series, 600_000);
        println!("{name} took them in {:.1} s", begin.elapsed().as_secs_f64());
    }

    let mut table = Table::default();
    for shape in SHAPES
        .iter()
        .filter(|shape| shape.name.contains(&arguments.only))
    {
        let path = shape.path();
        let memory = [("ours", &ours.process), ("Prometheus", &prometheus.process)]
            .map(|(name, process)| Memory::before(name, process.id().to_string()));
        let (mut theirs, mut own) = (Duration::MAX, Duration::MAX);
        let mut bytes = 0;
        for _ in 0..arguments.runs {
            theirs = theirs.min(ask(prometheus.address, &path).0);
            let (time, length) = ask(ours.address, &path);
            (own, bytes) = (own.min(time), length);
        }
        let figure = format!(
            "{:.3} ({:.2} ms beside {:.2} ms, {bytes} bytes)",
            own.as_secs_f64() / theirs.as_secs_f64(),
            own.as_secs_f64() * 1e3,
            theirs.as_secs_f64() * 1e3,
        );
        let memory = memory.map(|memory| memory.after()).join(", ");
        println!("{}: {figure}; {memory}", shape.name);
        table.add(shape.name, figure, shape.target);
        table.add(format!("memory of it: {}", shape.name), memory, "");
    }
    for (name, process) in [("ours", &ours.process), ("Prometheus", &prometheus.process)] {
        let resident = Usage::of(&process.id().to_string()).resident / MEGABYTE;
        table.add(
            format!("memory afterwards, {name}"),
            format!("{resident} MB"),
            "",
        );
    }
    println!("\n| question | ratio | at most |\n|---|---|---|\n{table}");
}

/// What a server held before a question.
struct Memory {
    name: &'static str,
    process: String,
    before: Usage,
}

impl Memory {
    fn before(name: &'static str, process: String) -> Self {
        forget_peak(&process);
        let before = Usage::of(&process);
        Self {
            name,
            process,
            before,
        }
    }

    fn after(&self) -> String {
        let after = Usage::of(&self.process);
        let [before, peak, left] =
            [self.before.peak, after.peak, after.resident].map(|bytes| bytes / MEGABYTE);
        let name = self.name;
        format!("{name} {before} MB, at most {peak} MB, then {left} MB without files")
    }
}

/// How long the whole answer takes, and how long it is.
fn ask(address: SocketAddr, path: &str) -> (Duration, usize) {
    let request = Request::get(path);
    let begin = Instant::now();
    let answer = request.send(address);
    let took = begin.elapsed();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    (took, answer.body.len())
}

/// 4,000 counters, every 15 seconds for three hours.
fn requests() -> Vec<Series> {
    let mut random = Random::new(1);
    let mut all = Vec::new();
    for job in 0..10 {
        for instance in 0..40 {
            for path in 0..5 {
                for method in ["GET", "POST"] {
                    let labels = [
                        ("__name__", "m".to_owned()),
                        ("job", format!("job-{job}")),
                        ("instance", format!("instance-{job}-{instance}:8080")),
                        ("path", format!("/path/{path}")),
                        ("method", method.to_owned()),
                    ];
                    all.push(counter(&mut random, &labels, 3 * HOUR, 15));
                }
            }
        }
    }
    all
}

/// 14 processors in 8 modes a host, every minute for a day.
fn processors(hosts: usize) -> Vec<Series> {
    const MODES: [&str; 8] = [
        "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user",
    ];
    let mut random = Random::new(2);
    let mut all = Vec::new();
    for host in 0..hosts {
        for cpu in 0..14 {
            for mode in MODES {
                let labels = [
                    ("__name__", "node_cpu_seconds_total".to_owned()),
                    ("job", "node".to_owned()),
                    ("instance", format!("host-{host}:9100")),
                    ("cpu", cpu.to_string()),
                    ("mode", mode.to_owned()),
                ];
                all.push(counter(&mut random, &labels, 24 * HOUR, 60));
            }
        }
    }
    all
}

/// Steps of hundredths, as counters of seconds have them; the scrapes of a host share their times.
fn counter(random: &mut Random, labels: &[(&str, String)], length: i64, interval: i64) -> Series {
    let pairs: Vec<(&str, &str)> = labels
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut series = Series::new(&pairs);
    let instance = labels.iter().find(|(name, _)| *name == "instance");
    let phase = instance.map_or(0, |(_, instance)| phase(instance, interval));
    let mut hundredths = random.below(1_000_000);
    for tick in 0..length / interval {
        hundredths += random.below(1500);
        let at = (END - length + tick * interval) * 1000 + phase;
        series.samples.push((at, hundredths as f64 / 100.0));
    }
    series
}

fn phase(instance: &str, interval: i64) -> i64 {
    let hash = instance.bytes().fold(7u64, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    Random::new(hash)
        .below(interval.unsigned_abs() * 1000)
        .cast_signed()
}
