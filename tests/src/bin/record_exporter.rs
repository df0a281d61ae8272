//! Records a real exporter, so that sizes can be measured with what real hosts expose.
//!
//! `record-exporter capture` scrapes and appends every body to a file; it may be stopped at any
//! time. `record-exporter compact` makes a trace of such a file, a hundred times smaller.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for the terminal"
)]

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use e2e::fleet::compact;
use e2e::http::Request;
use e2e::peers::bound_address;
use e2e::process::Process;

#[derive(Parser)]
enum Arguments {
    /// Starts an exporter, scrapes it and keeps what it says.
    Capture {
        /// The program, which has to take `--web.listen-address`: `node_exporter` or ours.
        #[arg(long, default_value = "/usr/bin/prometheus-node-exporter")]
        exporter: PathBuf,
        /// The path that it answers on.
        #[arg(long, default_value = "/metrics")]
        path: String,
        /// Seconds between two scrapes.
        #[arg(long, default_value_t = 15)]
        every: u64,
        /// How many scrapes.
        #[arg(long, default_value_t = 241)]
        scrapes: u32,
        /// Where the bodies go.
        capture: PathBuf,
    },
    /// Makes a trace of a capture.
    Compact {
        /// What `capture` wrote.
        capture: PathBuf,
        /// Where the trace goes.
        trace: PathBuf,
    },
}

fn main() {
    match Arguments::parse() {
        Arguments::Capture {
            exporter,
            path,
            every,
            scrapes,
            capture,
        } => {
            let mut command = std::process::Command::new(&exporter);
            command.arg("--web.listen-address=127.0.0.1:0");
            let mut process = Process::start("exporter", &mut command);
            let address = process.wait_for("its address", bound_address);
            let every = Duration::from_secs(every);
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&capture)
                .unwrap_or_else(|e| panic!("{}: {e}", capture.display()));
            let start = Instant::now();
            for number in 0..scrapes {
                thread::sleep((every * number).saturating_sub(start.elapsed()));
                scrape(address, &path, &mut file);
            }
        }
        Arguments::Compact { capture, trace } => {
            let made = compact(&capture).unwrap_or_else(|e| panic!("{e}"));
            made.write(&trace).unwrap_or_else(|e| panic!("{e}"));
            let (series, scrapes) = (made.series.len(), made.times.len());
            println!("{}: {series} series, {scrapes} scrapes", trace.display());
        }
    }
}

fn scrape(address: SocketAddr, path: &str, file: &mut impl std::io::Write) {
    #[expect(clippy::disallowed_methods, reason = "a record says when it was made")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_millis());
    let response = Request::get(path).send(address);
    assert_eq!(response.status, 200, "{}", response.text());
    let mut entry = format!("{now} {}\n", response.body.len()).into_bytes();
    entry.extend_from_slice(&response.body);
    file.write_all(&entry).unwrap_or_else(|e| panic!("{e}"));
}
