//! How long the dashboard's pages take to answer while a thousand hosts are scraped, how much they
//! weigh, and what it costs to keep many of them fresh.
//!
//! `measure-pages` prints a table; the two programs have to be built beside it.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for the terminal"
)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::measure::{Table, Usage, quantile};
use e2e::programs::{Aggregator, Exporter};
use e2e::wait;

#[derive(Parser)]
struct Arguments {
    /// How many hosts; all of them are this machine, under names of their own.
    #[arg(long, default_value_t = 1000)]
    hosts: usize,
    /// Seconds between two scrapes of a host.
    #[arg(long, default_value_t = 15)]
    interval: u64,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// How many pages are kept fresh at once in the last row.
    #[arg(long, default_value_t = 32)]
    streams: usize,
}

fn main() {
    let arguments = Arguments::parse();
    let few = [
        "--collector.disable-defaults",
        "--collector.system",
        "--collector.loadavg",
    ];
    let exporter = Exporter::start(&few);
    let folder = Folder::new();
    let mut configuration = format!(
        "global:\n  scrape_interval: {0}s\n  scrape_timeout: {0}s\nscrape_configs:\n  - job_name: \
         hosts\n    static_configs:\n",
        arguments.interval
    );
    for number in 0..arguments.hosts {
        let _ = write!(
            configuration,
            "      - targets: ['{}']\n        labels: {{instance: 'web-{number:04}'}}\n",
            exporter.address
        );
    }
    let aggregator = Aggregator::start(&folder, &configuration);
    let patience = Duration::from_secs(arguments.interval * 6 + 30);
    wait::until("three readings of every host", patience, || {
        let hosts = aggregator.get("/hosts");
        let hosts = hosts["hosts"].as_array().cloned().unwrap_or_default();
        let ready = hosts
            .iter()
            .filter(|host| host["metric_count"].as_u64() >= Some(3));
        let ready = ready.count();
        if ready >= arguments.hosts {
            Ok(())
        } else {
            Err(ready)
        }
    });

    let mut table = Table::default();
    for (path, target) in [
        ("/dashboard", "p99 30 ms"),
        ("/dashboard?sort=-cpu&page=3", "p99 30 ms"),
        ("/dashboard?q=web-07", "p99 30 ms"),
        ("/dashboard/hosts/web-0500", ""),
        (
            "/api/dashboard/hosts/web-0500/panels?range=3600&width=1000",
            "",
        ),
    ] {
        table.add(path, latency(&aggregator, path, arguments.requests), target);
    }
    table.add(
        format!("{} pages kept fresh", arguments.streams),
        streams(&aggregator, arguments.streams),
        "",
    );
    println!("{table}");
}

fn latency(aggregator: &Aggregator, path: &str, requests: usize) -> String {
    let mut times = Vec::with_capacity(requests);
    let mut bytes = 0;
    for _ in 0..requests {
        let begun = Instant::now();
        let request = Request::get(path).header("Accept-Encoding", "gzip");
        let answer = request.send(aggregator.address);
        times.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{path}");
        bytes = answer.body.len();
    }
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, {bytes} bytes",
        millis(quantile(&mut times, 0.5)),
        millis(quantile(&mut times, 0.99)),
    )
}

/// Processor time beyond that of the scrapes, and bytes, for each page.
fn streams(aggregator: &Aggregator, count: usize) -> String {
    const SECONDS: u32 = 20;
    let process = aggregator.process.id().to_string();
    let used = || {
        let before = Usage::of(&process);
        thread::sleep(Duration::from_secs(SECONDS.into()));
        Usage::of(&process).since(before).cpu
    };
    let quiet = used();
    let bytes = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let mut stream = TcpStream::connect(aggregator.address)
            .unwrap_or_else(|error| panic!("a stream: {error}"));
        let request = "GET /dashboard/events?table=1 HTTP/1.1\r\nHost: x\r\n\
                       Accept-Encoding: gzip\r\n\r\n";
        stream
            .write_all(request.as_bytes())
            .unwrap_or_else(|error| panic!("a stream: {error}"));
        let bytes = Arc::clone(&bytes);
        // It ends with the aggregator.
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                bytes.fetch_add(length, Ordering::Relaxed);
            }
        });
    }
    let busy = used().saturating_sub(quiet);
    let each = f64::from(SECONDS) * count as f64;
    format!(
        "each takes {:.1} ms of a processor and {:.0} bytes a second",
        millis(busy) / each,
        bytes.load(Ordering::Relaxed) as f64 / each,
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
