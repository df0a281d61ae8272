//! What the same samples take elsewhere: the figures that `measure-storage` is compared with, from
//! other people's programs, whose paths are given.
//!
//! Sizes at rest come from an import of the very samples that `measure-storage rest` stores.
//! Everything else comes from scraping a simulated fleet over loopback, so it holds HTTP and
//! parsing too, and only the written bytes and the memory may be set beside those of a store alone.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for the terminal"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use e2e::fleet::{Host, Trace, invented};
use e2e::http::Request;
use e2e::measure::{Table, Usage};
use e2e::process::{self, Process};

/// 2025-01-01T00:00:00Z, in seconds since 1970.
const START: i64 = 1_735_689_600;
const INTERVAL: i64 = 15;

#[derive(Parser)]
struct Arguments {
    /// Where the programs keep their data; removed afterwards.
    #[arg(long)]
    folder: PathBuf,
    /// A recorded trace; an invented host otherwise.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// How many hosts.
    #[arg(long, default_value_t = 8)]
    hosts: usize,
    #[command(subcommand)]
    peer: Peer,
}

#[derive(Subcommand)]
enum Peer {
    /// Bytes at rest in blocks that promtool makes.
    PrometheusRest {
        #[arg(long, default_value = "/usr/bin/promtool")]
        promtool: PathBuf,
        /// Simulated hours.
        #[arg(long, default_value_t = 4)]
        hours: i64,
    },
    /// Bytes at rest, bytes written and processor time of an import.
    VictoriaRest {
        #[arg(long, default_value = "/usr/bin/victoria-metrics")]
        victoria_metrics: PathBuf,
        /// Simulated hours.
        #[arg(long, default_value_t = 4)]
        hours: i64,
    },
    /// Prometheus scraping a simulated fleet every second.
    PrometheusScrape {
        #[arg(long, default_value = "/usr/bin/prometheus")]
        prometheus: PathBuf,
        /// The fleet.
        #[arg(long)]
        simulator: PathBuf,
        /// For how long.
        #[arg(long, default_value_t = 240)]
        seconds: u64,
    },
    /// `VictoriaMetrics` scraping a simulated fleet every second.
    VictoriaScrape {
        #[arg(long, default_value = "/usr/bin/victoria-metrics")]
        victoria_metrics: PathBuf,
        /// The fleet.
        #[arg(long)]
        simulator: PathBuf,
        /// For how long.
        #[arg(long, default_value_t = 240)]
        seconds: u64,
    },
}

fn main() {
    let arguments = Arguments::parse();
    let trace = match &arguments.trace {
        Some(path) => Trace::read(path).unwrap_or_else(|e| panic!("{e}")),
        None => invented(240, 1),
    };
    let folder = arguments
        .folder
        .join(format!("peer-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    // Whatever is named in a configuration is looked for beside it.
    let folder = folder.canonicalize().unwrap_or(folder);
    let hosts = arguments.hosts;
    let mut table = Table::default();
    match &arguments.peer {
        Peer::PrometheusRest { promtool, hours } => {
            prometheus_rest(
                &mut table,
                promtool,
                &folder,
                Host::fleet(&trace, hosts, 1),
                *hours,
            );
        }
        Peer::VictoriaRest {
            victoria_metrics,
            hours,
        } => {
            let fleet = Host::fleet(&trace, hosts, 1);
            victoria_rest(&mut table, victoria_metrics, &folder, fleet, *hours);
        }
        Peer::PrometheusScrape {
            prometheus,
            simulator,
            seconds,
        } => {
            let (_fleet, config) = simulated(simulator, &arguments, &folder);
            let port = free_port();
            let mut command = Command::new(prometheus);
            command
                .arg(format!("--config.file={}", config.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    folder.join("data").display()
                ))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"));
            let name = "Prometheus";
            scrape(
                &mut table,
                name,
                &mut command,
                hosts * trace.series.len(),
                *seconds,
            );
        }
        Peer::VictoriaScrape {
            victoria_metrics,
            simulator,
            seconds,
        } => {
            let (_fleet, config) = simulated(simulator, &arguments, &folder);
            let port = free_port();
            let mut command = Command::new(victoria_metrics);
            command
                .arg(format!("-promscrape.config={}", config.display()))
                .arg(format!(
                    "-storageDataPath={}",
                    folder.join("data").display()
                ))
                .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
            let name = "VictoriaMetrics";
            scrape(
                &mut table,
                name,
                &mut command,
                hosts * trace.series.len(),
                *seconds,
            );
        }
    }
    print!("{table}");
    let _ = fs::remove_dir_all(&folder);
}

/// Writes the samples of some hours, one a line, times as `time` prints them; returns how many.
fn write_samples(
    file: &Path,
    mut fleet: Vec<Host>,
    hours: i64,
    time: impl Fn(i64) -> String,
) -> u64 {
    let out = File::create(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut out = BufWriter::new(out);
    let mut samples = 0;
    for tick in 0..hours * 3600 / INTERVAL {
        let time = time(START + tick * INTERVAL);
        for (number, host) in fleet.iter_mut().enumerate() {
            let values = host.scrape().to_vec();
            for (text, value) in host.texts().zip(values) {
                let (name, labels) = text.split_once('{').unwrap_or((text, "}"));
                let comma = if labels == "}" { "" } else { "," };
                let line = writeln!(
                    out,
                    "{name}{{instance=\"host-{number}\",job=\"node\"{comma}{labels} {value} {time}"
                );
                line.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                samples += 1;
            }
        }
    }
    let ended = writeln!(out, "# EOF").and_then(|()| out.flush());
    ended.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    samples
}

fn prometheus_rest(
    table: &mut Table,
    promtool: &Path,
    folder: &Path,
    fleet: Vec<Host>,
    hours: i64,
) {
    let (file, blocks) = (folder.join("samples"), folder.join("blocks"));
    let hosts = fleet.len();
    let samples = write_samples(&file, fleet, hours, |seconds| seconds.to_string());
    let mut command = Command::new(promtool);
    command
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks]);
    let made = process::run(&mut command);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let bytes = size(&blocks);
    table.add(
        format!("Prometheus, at rest, {hosts} hosts, {hours} h"),
        format!("{:.3} B/sample", bytes as f64 / samples as f64),
        "",
    );
}

fn victoria_rest(table: &mut Table, program: &Path, folder: &Path, fleet: Vec<Host>, hours: i64) {
    let (file, data) = (folder.join("samples"), folder.join("data"));
    let hosts = fleet.len();
    let samples = write_samples(&file, fleet, hours, |seconds| format!("{seconds}000"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut command = Command::new(program);
    command
        .arg(format!("-storageDataPath={}", data.display()))
        .arg("-retentionPeriod=100y")
        .arg(format!("-httpListenAddr={address}"));
    let process = Process::start("victoria-metrics", &mut command);
    wait_for(address);
    let before = Usage::of(&process.id().to_string());
    let body = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for lines in pieces(&body, 8 << 20) {
        let sent = Request::new("POST", "/api/v1/import/prometheus")
            .body(lines)
            .send(address);
        assert_eq!(sent.status, 204, "{}", sent.text());
    }
    for path in ["/internal/force_flush", "/internal/force_merge"] {
        let asked = Request::get(path).send(address);
        assert!(asked.status < 300, "{}", asked.text());
    }
    rest(&process);
    let used = Usage::of(&process.id().to_string()).since(before);
    let per = |bytes: u64| bytes as f64 / samples as f64;
    table.add(
        format!("VictoriaMetrics, at rest, {hosts} hosts, {hours} h"),
        format!("{:.3} B/sample", per(size(&data))),
        "",
    );
    table.add(
        "VictoriaMetrics, import: processor time, parsing of text included; written",
        format!(
            "{:.3} s per million; {:.2} B/sample",
            used.cpu.as_secs_f64() * 1e6 / samples as f64,
            per(used.written)
        ),
        "",
    );
}

/// Cuts at ends of lines, the last one (a comment) left out.
fn pieces(body: &[u8], length: usize) -> impl Iterator<Item = Vec<u8>> {
    let end = body.len().saturating_sub(b"# EOF\n".len());
    let mut rest = &body[..end];
    std::iter::from_fn(move || {
        let whole = rest.len().min(length);
        let end = rest[..whole].iter().rposition(|&byte| byte == b'\n')? + 1;
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece.to_vec())
    })
}

fn simulated(program: &Path, arguments: &Arguments, folder: &Path) -> (Process, PathBuf) {
    let mut command = Command::new(program);
    command.arg(format!("--hosts={}", arguments.hosts));
    if let Some(trace) = &arguments.trace {
        command.arg("--trace").arg(trace);
    }
    let mut fleet = Process::start("fleet-simulator", &mut command);
    let targets = fleet.wait_for("its targets", |line| {
        line.starts_with('[').then(|| line.to_owned())
    });
    let path = folder.join("targets.json");
    fs::write(&path, targets).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: node\n  \
         file_sd_configs:\n  - files: ['{}']\n",
        path.display()
    );
    fs::write(&config, text).unwrap_or_else(|e| panic!("{}: {e}", config.display()));
    (fleet, config)
}

fn scrape(table: &mut Table, name: &str, command: &mut Command, series: usize, seconds: u64) {
    let process = Process::start(name, command);
    let id = process.id().to_string();
    // The first scrapes, with all the names, are not what is measured.
    thread::sleep(Duration::from_secs(10));
    let before = Usage::of(&id);
    thread::sleep(Duration::from_secs(seconds));
    let after = Usage::of(&id);
    let used = after.since(before);
    let samples = series as f64 * seconds as f64;
    table.add(
        format!(
            "{name}, {series} series every second: processor time with HTTP and parsing; written"
        ),
        format!(
            "{:.3} s per million; {:.2} B/sample",
            used.cpu.as_secs_f64() * 1e6 / samples,
            used.written as f64 / samples
        ),
        "",
    );
    table.add(
        format!("{name}, memory with {seconds} samples a series"),
        format!("{:.0} B per series", after.resident as f64 / series as f64),
        "",
    );
}

fn free_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    bound.unwrap_or_else(|e| panic!("{e}")).port()
}

fn wait_for(address: SocketAddr) {
    let start = Instant::now();
    while Request::get("/health").try_send(address).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{address} does not answer"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a process has done what it does in the background.
fn rest(process: &Process) {
    let id = process.id().to_string();
    loop {
        let before = Usage::of(&id);
        thread::sleep(Duration::from_secs(5));
        if Usage::of(&id).since(before).cpu < Duration::from_millis(100) {
            return;
        }
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
