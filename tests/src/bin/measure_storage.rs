//! What storing takes, row by row: a store is fed directly, without HTTP, by a fleet that descends
//! from a recorded or an invented host. Every row is measured in a process of its own.
//!
//! `measure-storage --folder DIR all` prints the table. The folder should be on the disk in
//! question and have room for some gigabytes.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for the terminal"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use e2e::fleet::{Trace, invented};
use e2e::measure::{Feed, Shape, Table, Usage, open, quantile};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::{SampleBuffer, Selector, SeriesSource};
use system_stats_storage::{FoldScope, Storage};

/// 2025-01-01T00:00:00Z, in milliseconds since 1970: the start of an hour and a day.
const START: i64 = 1_735_689_600_000;
const HOUR: i64 = 3600;

#[derive(Parser)]
struct Arguments {
    /// Where databases are made, and removed afterwards.
    #[arg(long)]
    folder: PathBuf,
    /// A recorded trace, for instance `tests/data/node_exporter.trace`; an invented host otherwise.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// A database to use instead of SQLite files: it has to be empty, and stays.
    #[arg(long)]
    url: Option<String>,
    #[command(subcommand)]
    row: Measured,
}

#[derive(Clone, Debug, Subcommand)]
enum Measured {
    /// Every row, with sizes that take about a quarter of an hour.
    All,
    /// Processor time, bytes written, memory and latency of commits while a window fills.
    Ingest {
        /// How many hosts, of about a thousand series each.
        #[arg(long, default_value_t = 300)]
        hosts: usize,
        /// Simulated minutes.
        #[arg(long, default_value_t = 60)]
        minutes: i64,
    },
    /// Bytes at rest of some hours, and how fast they are read again.
    Rest {
        /// How many hosts.
        #[arg(long, default_value_t = 64)]
        hosts: usize,
        /// Simulated hours.
        #[arg(long, default_value_t = 25)]
        hours: i64,
    },
    /// Bytes written a day by a small fleet.
    Day {
        /// How many hosts.
        #[arg(long, default_value_t = 5)]
        hosts: usize,
        /// Simulated hours, from which the day is reckoned.
        #[arg(long, default_value_t = 6)]
        hours: i64,
    },
    /// From the start to the first answer.
    Restart {
        /// How many hosts.
        #[arg(long, default_value_t = 1000)]
        hosts: usize,
        /// Scrapes in the journal.
        #[arg(long, default_value_t = 15)]
        scrapes: i64,
    },
    /// Memory after days in which a part of the hosts is replaced every hour.
    Churn {
        /// How many hosts at a time.
        #[arg(long, default_value_t = 100)]
        hosts: usize,
        /// Simulated hours.
        #[arg(long, default_value_t = 168)]
        hours: i64,
        /// Percent of the hosts replaced in each.
        #[arg(long, default_value_t = 10)]
        percent: usize,
    },
}

fn main() {
    let arguments = Arguments::parse();
    if matches!(arguments.row, Measured::All) {
        return each(&arguments);
    }
    let trace = match &arguments.trace {
        Some(path) => Trace::read(path).unwrap_or_else(|e| panic!("{e}")),
        None => invented(240, 1),
    };
    let database = Database::new(&arguments.folder, arguments.url.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("{e}"));
    let table = runtime.block_on(async {
        match arguments.row {
            Measured::All => Table::default(),
            Measured::Ingest { hosts, minutes } => ingest(&trace, &database, hosts, minutes).await,
            Measured::Rest { hosts, hours } => rest(&trace, &database, hosts, hours).await,
            Measured::Day { hosts, hours } => day(&trace, &database, hosts, hours).await,
            Measured::Restart { hosts, scrapes } => {
                restart(&trace, &database, hosts, scrapes).await
            }
            Measured::Churn {
                hosts,
                hours,
                percent,
            } => churn(&trace, &database, hosts, hours, percent).await,
        }
    });
    print!("{table}");
}

/// Starts this program once for every row.
fn each(arguments: &Arguments) {
    let rows: [&[&str]; 7] = [
        &["rest"],
        &["ingest"],
        &["day"],
        &["restart"],
        &["restart", "--hosts=300", "--scrapes=239"],
        &["churn", "--percent=0"],
        &["churn"],
    ];
    println!("| what | figure | target |\n|---|---|---|");
    for row in rows {
        let own = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
        let mut command = Command::new(own);
        command.arg("--folder").arg(&arguments.folder);
        if let Some(trace) = &arguments.trace {
            command.arg("--trace").arg(trace);
        }
        if let Some(url) = &arguments.url {
            command.arg("--url").arg(url);
        }
        let status = command.args(row).status();
        if !status.is_ok_and(|status| status.success()) {
            println!("| {} | failed | |", row.join(" "));
        }
    }
}

/// A database of this run.
struct Database {
    url: String,
    /// Its files, to be removed.
    files: Option<PathBuf>,
}

impl Database {
    fn new(folder: &Path, url: Option<&str>) -> Self {
        if let Some(url) = url {
            return Self {
                url: url.to_owned(),
                files: None,
            };
        }
        let files = folder.join(format!("measure-{}", std::process::id()));
        std::fs::create_dir_all(&files).unwrap_or_else(|e| panic!("{}: {e}", files.display()));
        let url = format!("sqlite://{}", files.join("store.db").display());
        Self {
            url,
            files: Some(files),
        }
    }

    /// What its files take; of a server nothing is known here.
    fn bytes(&self) -> u64 {
        let entries = self
            .files
            .as_ref()
            .and_then(|files| std::fs::read_dir(files).ok());
        let sizes = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| e.metadata().ok());
        sizes.map(|file| file.len()).sum()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(files) = &self.files {
            let _ = std::fs::remove_dir_all(files);
        }
    }
}

async fn close(storage: Storage) {
    storage.close().await.unwrap_or_else(|e| panic!("{e}"));
}

/// Waits until background work has come to rest: no processor time worth a percent in a second.
async fn settled() {
    loop {
        let before = Usage::own();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if Usage::own().since(before).cpu < Duration::from_millis(20) {
            return;
        }
    }
}

fn per(bytes: u64, samples: u64) -> f64 {
    bytes as f64 / samples.max(1) as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

async fn ingest(trace: &Trace, database: &Database, hosts: usize, minutes: i64) -> Table {
    let shape = Shape { hosts, seed: 1 };
    let before = Usage::own();
    let idle = Feed::new(trace, shape, START).idle(minutes.min(10) * 60);
    let own = Usage::own().since(before).cpu.as_secs_f64() / idle as f64;
    let mut feed = Feed::new(trace, shape, START);
    let storage = open(&database.url, Feed::options()).await;
    let before = Usage::own();
    feed.name(&storage);
    let named = Usage::own();
    feed.run(&storage, minutes * 60).await;
    let full = Usage::own();
    settled().await;
    let after = Usage::own();
    let used = after.since(named);
    let status = storage.status();
    let (samples, series) = (feed.samples, feed.series() as u64);
    let cpu = used.cpu.as_secs_f64() / samples as f64 - own;
    let mut table = Table::default();
    let name = format!("{series} series, {minutes} min");
    table.add(
        format!(
            "CPU of the storage path, {name} (the fleet's own {:.3} taken off)",
            own * 1e6
        ),
        format!("{:.3} s per million samples", cpu * 1e6),
        "≤ 0.08",
    );
    table.add(
        format!("bytes written, {name}"),
        format!("{:.2} B/sample", per(used.written, samples)),
        "≤ 4",
    );
    table.add(
        format!("memory, {name}: all of it; samples alone; before the first sample"),
        format!(
            "{:.0}; {:.0}; {:.0} B per series",
            per(full.since(before).resident, series),
            per(status.sample_bytes, series),
            per(named.since(before).resident, series),
        ),
        "≤ 350",
    );
    let mut commits = std::mem::take(&mut feed.commits);
    table.add(
        format!("append and commit of a second's scrapes, {name}: median, p99, greatest"),
        format!(
            "{:.1}, {:.1}, {:.1} ms",
            millis(quantile(&mut commits, 0.5)),
            millis(quantile(&mut commits, 0.99)),
            millis(quantile(&mut commits, 1.0)),
        ),
        "≤ 50",
    );
    close(storage).await;
    table
}

async fn rest(trace: &Trace, database: &Database, hosts: usize, hours: i64) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let storage = open(&database.url, Feed::options()).await;
    for _ in 0..hours {
        feed.run(&storage, HOUR).await;
        let folded = storage.fold(FoldScope::Everything).await;
        folded.unwrap_or_else(|e| panic!("{e}"));
    }
    let name = format!("{hosts} hosts, {hours} h");
    let mut table = Table::default();
    let status = storage.status();
    table.add(
        format!("in the journal, {name}"),
        format!("{:.3} B/sample", per(status.journal_bytes, feed.samples)),
        "",
    );
    table.add(
        format!("at rest, all files, {name}"),
        format!("{:.3} B/sample", per(database.bytes(), feed.samples)),
        "≤ 0.60",
    );
    let range = TimeRange {
        start: feed.now() - 24 * HOUR * 1000,
        end: feed.now(),
    };
    let metric = Matcher::equal("__name__", "node_load1");
    let one = Matcher::equal("instance", "host-01-0000:9100");
    for (what, target, matchers) in [
        ("one series", "≤ 0.5 ms", vec![metric.clone(), one]),
        ("one metric over all hosts", "≤ 5 ms", vec![metric]),
    ] {
        let selector = Selector { matchers, range };
        let mut times = Vec::new();
        let mut samples = 0;
        for _ in 0..20 {
            let start = Instant::now();
            samples = read(&storage, &selector).await;
            times.push(start.elapsed());
        }
        table.add(
            format!("{what}, 24 h ({samples} samples), warm, median, {name}"),
            format!("{:.2} ms", millis(quantile(&mut times, 0.5))),
            target,
        );
    }
    close(storage).await;
    table
}

async fn read(storage: &Storage, selector: &Selector) -> usize {
    let snapshot = storage.snapshot(std::slice::from_ref(selector)).await;
    let snapshot = snapshot.unwrap_or_else(|e| panic!("{e}"));
    let set = snapshot.select(selector).unwrap_or_else(|e| panic!("{e}"));
    let mut buffer = SampleBuffer::default();
    let mut samples = 0;
    for at in 0..set.labels().len() {
        let read = set.read(at, selector.range, &mut buffer);
        read.unwrap_or_else(|e| panic!("{e}"));
        samples += std::hint::black_box(&buffer).values.len();
    }
    samples
}

async fn day(trace: &Trace, database: &Database, hosts: usize, hours: i64) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let storage = open(&database.url, Feed::options()).await;
    let before = Usage::own();
    feed.run(&storage, hours * HOUR).await;
    settled().await;
    let used = Usage::own().since(before);
    let daily = used.written as f64 * 24.0 / hours as f64;
    let mut table = Table::default();
    table.add(
        format!("written a day, {hosts} hosts, reckoned from {hours} h with a commit a scrape"),
        format!(
            "{:.2} GB ({:.2} B/sample)",
            daily / 1e9,
            per(used.written, feed.samples)
        ),
        "≤ 0.5",
    );
    close(storage).await;
    table
}

async fn restart(trace: &Trace, database: &Database, hosts: usize, scrapes: i64) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let storage = open(&database.url, Feed::options()).await;
    feed.run(&storage, scrapes * 15).await;
    close(storage).await;
    // What the first life has left in memory is not the second's.
    let (series, samples) = (feed.series(), feed.samples);
    let newest = feed.now();
    drop(feed);
    let start = Instant::now();
    let storage = open(&database.url, Feed::options()).await;
    let opened = start.elapsed();
    let selector = Selector {
        matchers: vec![
            Matcher::equal("__name__", "node_load1"),
            Matcher::equal("instance", "host-01-0000:9100"),
        ],
        range: TimeRange {
            start: newest - 300_000,
            end: newest,
        },
    };
    let found = read(&storage, &selector).await;
    let answered = start.elapsed();
    let mut table = Table::default();
    table.add(
        format!("restart, {series} series, {samples} samples in the journal: open; first answer"),
        format!(
            "{:.2}; {:.2} s ({found} samples read)",
            opened.as_secs_f64(),
            answered.as_secs_f64()
        ),
        "≤ 1.5",
    );
    close(storage).await;
    table
}

async fn churn(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    hours: i64,
    percent: usize,
) -> Table {
    let fleet = |number: usize, hosts, start| {
        let seed = number as u64;
        Feed::new(trace, Shape { hosts, seed }, start)
    };
    let storage = open(&database.url, Feed::options()).await;
    let before = Usage::own();
    let part = hosts * percent / 100;
    let mut fleets = vec![fleet(1, hosts - part, START)];
    let mut greatest = 0;
    for hour in 0..hours {
        let start = START + hour * HOUR * 1000;
        if part > 0 {
            // The youngest hosts are replaced by others; the rest stays.
            fleets.truncate(1);
            let number = 2 + usize::try_from(hour).unwrap_or(0);
            fleets.push(fleet(number, part, start));
        }
        for minute in 0..60 {
            for fleet in &mut fleets {
                fleet.run(&storage, 60).await;
                fleet.commits.clear();
            }
            if minute % 10 == 0 {
                greatest = greatest.max(Usage::own().since(before).resident);
            }
        }
        // Whoever waits for a quiet moment finds one.
        if hour % 4 == 3 {
            settled().await;
        }
    }
    settled().await;
    let used = Usage::own().since(before);
    let samples: u64 = fleets.iter().map(|fleet| fleet.samples).sum();
    let mut table = Table::default();
    table.add(
        format!(
            "memory after {hours} h, {hosts} hosts, {percent} % replaced an hour: at the end; greatest"
        ),
        format!(
            "{:.0}; {:.0} MB ({} series in memory, {samples} samples)",
            used.resident as f64 / 1e6,
            greatest as f64 / 1e6,
            storage.status().series
        ),
        "≤ 1.5 × that without",
    );
    close(storage).await;
    table
}
