//! What pushes of the hardware monitor's contract and its reads take, measured over loopback
//! against a running aggregator of the same build, this program's own share included.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that measures"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Parser;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::programs::{Aggregator, NO_TARGETS};

/// The example of the contract's document, but for the name.
const EXAMPLE: &str = r#""cpu":{"total_percent":95},"memory":{"percent":92,"swap_percent":55},"disks":[{"mountpoint":"/","percent":95,"inode_percent":95}],"sensors_temperature":{"coretemp":[{"label":"Core 0","current":90,"high":85}]},"time_drift":{"drift_seconds":120},"network":[{"bytes_recv":0,"bytes_sent":0,"errin":150,"errout":0}],"custom_alert":true,"zombie_processes":2,"critical_processes":{"nginx":false,"sshd":true}"#;
const READS: [&str; 4] = ["/metrics", "/alerts", "/health", "/hosts"];

/// Measures contract-B pushes and reads. Build the aggregator in the same profile first.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many devices there are.
    #[arg(long, default_value_t = 10_000)]
    devices: usize,
    /// How many connections push at once.
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// How many pushes are measured.
    #[arg(long, default_value_t = 60_000)]
    pushes: usize,
    /// How often each read is made.
    #[arg(long, default_value_t = 20)]
    reads: usize,
    /// Another database than a new SQLite file.
    #[arg(long)]
    storage_url: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let storage = arguments.storage_url.as_deref().unwrap_or("sqlite://t.db");
    let mut command = Aggregator::command_on(folder.path(), storage);
    let aggregator = Aggregator::run(command.arg("--log.level=warn"));
    println!("| what | count | per second | p50 ms | p99 ms | max ms | server CPU s |");
    println!("|---|---|---|---|---|---|---|");
    let row = |what: &str, took: Took| {
        let rate = took.sorted.len() as f64 / took.whole.as_secs_f64();
        let at =
            |share: f64| millis(took.sorted[((took.sorted.len() - 1) as f64 * share) as usize]);
        println!(
            "| {what} | {} | {rate:.0} | {:.1} | {:.1} | {:.1} | {:.2} |",
            took.sorted.len(),
            at(0.5),
            at(0.99),
            at(1.0),
            took.cpu
        );
    };
    row(
        "first push of a device, 12 alerts each",
        push(&aggregator, &arguments, arguments.devices),
    );
    row(
        "push, judged and committed",
        push(&aggregator, &arguments, arguments.pushes),
    );
    for path in READS {
        let before = cpu(&aggregator);
        let began = Instant::now();
        let read = |_| {
            let began = Instant::now();
            let answer = Request::get(path).send(aggregator.address);
            assert_eq!(answer.status, 200, "{path}");
            began.elapsed()
        };
        let mut sorted: Vec<Duration> = (0..arguments.reads).map(read).collect();
        sorted.sort_unstable();
        let (whole, cpu) = (began.elapsed(), cpu(&aggregator) - before);
        row(&format!("GET {path}"), Took { sorted, whole, cpu });
    }
}

struct Took {
    sorted: Vec<Duration>,
    whole: Duration,
    cpu: f64,
}

fn push(aggregator: &Aggregator, arguments: &Arguments, count: usize) -> Took {
    let (next, before, began) = (AtomicUsize::new(0), cpu(aggregator), Instant::now());
    let worker = || {
        let mut connection = Connection::open(aggregator.address);
        let mut took = Vec::with_capacity(count / arguments.connections * 2);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return took;
            }
            took.push(connection.push(number % arguments.devices));
        }
    };
    let mut sorted = thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.connections)
            .map(|_| scope.spawn(worker))
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join().unwrap());
        joined.flatten().collect::<Vec<Duration>>()
    });
    let whole = began.elapsed();
    sorted.sort_unstable();
    let cpu = cpu(aggregator) - before;
    Took { sorted, whole, cpu }
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let buffer = vec![0; 4096];
        Self { stream, buffer }
    }

    /// Pushes the example as this device; how long the answer took.
    fn push(&mut self, device: usize) -> Duration {
        let body = format!(r#"{{"agent_id":"device-{device}",{EXAMPLE}}}"#);
        let request = format!(
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        while !self.buffer[..length].ends_with(br#"{"ok":true}"#) {
            let read = self.stream.read(&mut self.buffer[length..]).unwrap();
            length += read;
            let so_far = String::from_utf8_lossy(&self.buffer[..length]);
            assert!(read > 0 && so_far.starts_with("HTTP/1.1 200"), "{so_far}");
        }
        began.elapsed()
    }
}

/// The processor time that the aggregator has used, in seconds.
fn cpu(aggregator: &Aggregator) -> f64 {
    let path = format!("/proc/{}/stat", aggregator.process.id());
    let text = fs::read_to_string(path).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    // utime and stime, in ticks of 10 ms.
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
