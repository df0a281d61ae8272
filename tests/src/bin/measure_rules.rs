//! What evaluating rules takes, beside a Prometheus that evaluates the same rules over the same
//! series at the same time: processor time of the whole program for each interval.
//!
//! `measure-rules` prints the table; the aggregator has to be built beside it, in the same
//! profile. The variable `PROMETHEUS` names the build to compare with. Nothing is scraped: samples
//! of the past and of the minutes to come are written before, so that what is measured is the
//! evaluation and the storing of its results.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::measure::{Table, Usage};
use e2e::peers::Prometheus;
use e2e::process::Process;
use e2e::programs::Aggregator;
use e2e::random::Random;
use e2e::remote_write::{self, Series};
use e2e::wait::{self, epoch_seconds};

/// How often rules are evaluated, and how far samples are apart, in seconds.
const INTERVAL: i64 = 15;
/// How much of the past rules can look at, in seconds.
const PAST: i64 = 600;
/// Rules in a group.
const GROUP: usize = 50;

#[derive(Parser)]
struct Arguments {
    /// How many hosts.
    #[arg(long, default_value_t = 100)]
    hosts: usize,
    /// How many rules.
    #[arg(long, default_value_t = 1000)]
    rules: usize,
    /// How many intervals are measured.
    #[arg(long, default_value_t = 4)]
    intervals: u32,
}

fn main() {
    let arguments = Arguments::parse();
    let rules = Folder::new();
    let file = rules.write("rules.yml", groups(arguments.rules));
    // Groups without rules yet: they are given when the samples are there.
    let configuration = |files: &str| {
        format!(
            "global: {{evaluation_interval: {INTERVAL}s}}\nrule_files: [{files}]\nscrape_configs: []\n"
        )
    };
    let prometheus = Prometheus::start_with(
        &configuration(""),
        &[
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
        ],
    );
    let folder = Folder::new();
    folder.write("prometheus.yml", configuration(""));
    let ours = Aggregator::resume(
        &folder,
        &["--web.enable-lifecycle", "--rules.builtin=false"],
    );

    let measured = i64::from(arguments.intervals) * INTERVAL;
    let now = epoch_seconds();
    // Loading, two intervals to warm up, and the measurement; what is left over is patience.
    let series = fleet(arguments.hosts, now - PAST, now + measured + 300);
    let samples: usize = series.iter().map(|one| one.samples.len()).sum();
    println!(
        "{} series, {samples} samples, {} rules",
        series.len(),
        arguments.rules
    );
    for address in [prometheus.address, ours.address] {
        remote_write::send(address, &series, 600_000);
    }
    let with_rules = configuration(&format!("'{}'", file.display()));
    prometheus.configure(&with_rules);
    folder.write("prometheus.yml", &with_rules);
    for address in [prometheus.address, ours.address] {
        let reloaded = Request::new("POST", "/-/reload").send(address);
        assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    }
    let count = "count(ALERTS{alertstate=\"firing\"}) by (alertstate)";
    let path = format!("/api/v1/query?query={}", http::percent(count));
    let limit = Duration::from_secs(4 * INTERVAL.unsigned_abs());
    let firing = |address| {
        let answer = http::get_json(address, &path);
        let value = answer["data"]["result"][0]["value"][1].as_str();
        value.map(str::to_owned)
    };
    for address in [prometheus.address, ours.address] {
        wait::until_some("alerts fire", limit, || firing(address));
    }
    thread::sleep(Duration::from_secs(INTERVAL.unsigned_abs()));

    let usage = |process: &Process| Usage::of(&process.id().to_string());
    let before = [&prometheus.process, &ours.process].map(usage);
    let began = Instant::now();
    thread::sleep(Duration::from_secs(measured.unsigned_abs()));
    let took = began.elapsed();
    let after = [&prometheus.process, &ours.process].map(usage);
    assert!(
        epoch_seconds() < now + measured + 300,
        "the samples have ended"
    );
    let intervals = took.as_secs_f64() / INTERVAL as f64;
    let [theirs, own] = [0, 1].map(|at| {
        let used = after[at].since(before[at]).cpu;
        used.as_secs_f64() / intervals
    });
    check("Prometheus", prometheus.address);
    check("ours", ours.address);
    let alerts =
        [prometheus.address, ours.address].map(|address| firing(address).unwrap_or_default());
    assert_eq!(
        alerts[0], alerts[1],
        "Prometheus and ours have the same alerts"
    );
    let mut table = Table::default();
    let all = format!("{} rules over {} hosts", arguments.rules, arguments.hosts);
    table.add(
        format!("{all}, CPU for each {INTERVAL} s"),
        format!("{own:.3} s"),
        "3 s",
    );
    table.add(
        "ratio to Prometheus",
        format!("{:.3} ({theirs:.3} s)", own / theirs),
        "0.4",
    );
    table.add("alerts that fire", &*alerts[1], "");
    println!("\n| what | figure | at most |\n|---|---|---|\n{table}");
}

/// That all rules of a server work; tells how long their last evaluations took.
fn check(name: &str, address: SocketAddr) {
    let groups = http::get_json(address, "/api/v1/rules")["data"]["groups"].clone();
    let groups = groups.as_array().cloned().unwrap_or_default();
    let last = groups
        .iter()
        .filter_map(|group| group["evaluationTime"].as_f64());
    println!(
        "{name}: the last evaluations of all groups took {:.3} s",
        last.sum::<f64>()
    );
    let rules = groups
        .iter()
        .filter_map(|group| group["rules"].as_array())
        .flatten();
    let broken: Vec<_> = rules.filter(|rule| rule["health"] != "ok").collect();
    assert!(broken.is_empty(), "{name}: {broken:?}");
}

/// Rules of the kinds that people write: four thresholds, three rates, two aggregations and a
/// join of ten, three of them recorded.
fn groups(count: usize) -> String {
    let mut text = "groups:\n".to_owned();
    for at in 0..count {
        if at % GROUP == 0 {
            let _ = writeln!(text, "- name: group {}\n  rules:", at / GROUP);
        }
        let (kind, bound) = (at % 10, at / 10);
        let disk = ["sda", "sdb"][bound % 2];
        let mount = ["/", "/srv", "/home"][bound % 3];
        let mode = ["user", "system", "iowait", "steal"][bound % 4];
        let expr = match kind {
            0 => format!("node_load1 > {}", 100 + bound),
            1 => format!(
                "node_filesystem_avail_bytes{{mountpoint=\"{mount}\"}} < {}",
                1000 + bound
            ),
            2 => format!(
                "(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) * 100 > {}",
                98.0 + bound as f64 / 100.0
            ),
            3 => format!("up{{job=\"node\"}} == 0 or absent(up) * {bound}"),
            4 => format!(
                "rate(node_network_receive_errs_total[{}m]) > {}",
                1 + bound % 5,
                100 + bound
            ),
            5 => format!(
                "rate(node_disk_io_time_seconds_total{{device=\"{disk}\"}}[{}m]) > {}",
                1 + bound % 5,
                10 + bound
            ),
            6 => format!(
                "instance:network:rate{bound} = rate(node_network_receive_bytes_total{{device!=\"lo\"}}[5m])"
            ),
            7 => format!(
                "instance_mode:cpu:rate{bound} = sum by (instance, mode) (rate(node_cpu_seconds_total{{mode=\"{mode}\"}}[{}m]))",
                1 + bound % 5
            ),
            8 => format!(
                "instance:cpu:busy{bound} = 1 - avg by (instance) (rate(node_cpu_seconds_total{{mode=\"idle\"}}[{}m]))",
                1 + bound % 5
            ),
            _ => format!(
                "(node_filesystem_avail_bytes{{mountpoint=\"{mount}\"}} < {}) * on (instance) \
                 group_left (nodename) node_uname_info",
                1000 + bound
            ),
        };
        let _ = match expr.split_once(" = ") {
            Some((name, expr)) => writeln!(text, "  - {{record: '{name}', expr: '{expr}'}}"),
            None => writeln!(
                text,
                "  - alert: Alert{at}\n    expr: '{expr}'\n    for: {}m\n    labels: {{severity: \
                 warning}}\n    annotations: {{summary: '{{{{ $labels.instance }}}} has {{{{ $value \
                 | humanize }}}}'}}",
                bound % 2
            ),
        };
    }
    text
}

/// What a host exposes, every 15 seconds: one of fifty is in trouble.
fn fleet(hosts: usize, start: i64, end: i64) -> Vec<Series> {
    let mut random = Random::new(7);
    let mut all = Vec::new();
    for host in 0..hosts {
        let instance = format!("host-{host}:9100");
        let is_ill = host % 50 == 3;
        let shift = random.below(INTERVAL.unsigned_abs() * 1000).cast_signed();
        let mut add = |name: &str, labels: &[(&str, &str)], first: f64, step: f64| {
            let own = [("__name__", name), ("job", "node"), ("instance", &instance)];
            let mut series = Series::new(&[&own, labels].concat());
            let mut value = first;
            for at in (start..end).step_by(15) {
                series
                    .samples
                    .push((at * 1000 + shift, (value * 100.0).round() / 100.0));
                value += step * (0.5 + random.below(1000) as f64 / 1000.0);
            }
            all.push(series);
        };
        let high = |low: f64, high: f64| if is_ill { high } else { low };
        add("up", &[], high(1.0, 0.0), 0.0);
        add("node_load1", &[], high(0.5, 500.0), 0.0);
        add("node_memory_MemTotal_bytes", &[], 16e9, 0.0);
        add(
            "node_memory_MemAvailable_bytes",
            &[],
            high(8e9, 1e6),
            high(1e3, 0.0),
        );
        let node = format!("node-{host}");
        let info = [
            ("nodename", &*node),
            ("release", "6.1.0"),
            ("machine", "x86_64"),
        ];
        add("node_uname_info", &info, 1.0, 0.0);
        for number in 0..30 {
            add(&format!("node_other_{number}"), &[], 1.0, 1.0);
        }
        for mountpoint in ["/", "/srv", "/home"] {
            let labels = [
                ("mountpoint", mountpoint),
                ("device", "/dev/sda1"),
                ("fstype", "ext4"),
            ];
            add("node_filesystem_size_bytes", &labels, 1e12, 0.0);
            add(
                "node_filesystem_avail_bytes",
                &labels,
                high(5e11, 500.0),
                0.0,
            );
            add("node_filesystem_files_free", &labels, 1e6, -1.0);
        }
        for device in ["lo", "eth0", "eth1"] {
            let labels = [("device", device)];
            for metric in [
                "receive_bytes",
                "transmit_bytes",
                "receive_errs",
                "transmit_errs",
            ] {
                let name = format!("node_network_{metric}_total");
                add(&name, &labels, 1e6, high(1e3, 1e6));
            }
        }
        for device in ["sda", "sdb"] {
            let labels = [("device", device)];
            for metric in ["io_time_seconds", "read_bytes", "written_bytes"] {
                add(
                    &format!("node_disk_{metric}_total"),
                    &labels,
                    1e3,
                    high(5.0, 1e5),
                );
            }
        }
        for cpu in ["0", "1", "2", "3"] {
            for mode in [
                "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user",
            ] {
                let labels = [("cpu", cpu), ("mode", mode)];
                add("node_cpu_seconds_total", &labels, 1e4, 2.0);
            }
        }
    }
    all
}
