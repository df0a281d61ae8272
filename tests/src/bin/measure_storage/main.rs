//! What storing takes, row by row: a store is fed directly, without HTTP, by a fleet that descends
//! from a recorded or an invented host. Every row is measured in a process of its own.
//!
//! `measure-storage --folder DIR all` prints the table. The folder should be on the disk in
//! question and have room for some gigabytes.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod churn;
mod delete;
mod fold;
mod ingest;
mod rest;
mod restart;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use e2e::fleet::{Trace, invented};
use e2e::measure::{Table, Usage};
use system_stats_storage::{Options, Storage, Store};

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
        /// Simulated seconds between two scrapes of a host.
        #[arg(long, default_value_t = 15)]
        interval: i64,
    },
    /// Commits while an hour goes into blocks, and while a backup is taken.
    Fold {
        /// How many hosts.
        #[arg(long, default_value_t = 100)]
        hosts: usize,
    },
    /// How long deletions take until they are acknowledged.
    Delete {
        /// How many hosts.
        #[arg(long, default_value_t = 100)]
        hosts: usize,
        /// Simulated hours that are in blocks.
        #[arg(long, default_value_t = 4)]
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
        #[arg(long, default_value_t = 2000)]
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
            Measured::Ingest { hosts, minutes } => {
                ingest::window(&trace, &database, hosts, minutes).await
            }
            Measured::Rest {
                hosts,
                hours,
                interval,
            } => rest::measured(&trace, &database, hosts, hours, interval).await,
            Measured::Fold { hosts } => fold::measured(&trace, &database, hosts).await,
            Measured::Delete { hosts, hours } => {
                delete::measured(&trace, &database, hosts, hours).await
            }
            Measured::Day { hosts, hours } => ingest::day(&trace, &database, hosts, hours).await,
            Measured::Restart { hosts, scrapes } => {
                restart::measured(&trace, &database, hosts, scrapes).await
            }
            Measured::Churn {
                hosts,
                hours,
                percent,
            } => churn::measured(&trace, &database, hosts, hours, percent).await,
        }
    });
    print!("{table}");
}

/// Starts this program once for every row.
fn each(arguments: &Arguments) {
    let rows: [&[&str]; 10] = [
        &["rest"],
        &["rest", "--interval=60", "--hours=49"],
        &["ingest"],
        &["fold"],
        &["delete"],
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

    /// Opens it.
    async fn open(&self, options: Options) -> (Storage, Arc<dyn Store>) {
        let store = system_stats_sql::open(&self.url).await;
        let store: Arc<dyn Store> = store.unwrap_or_else(|e| panic!("{e}"));
        let storage = Storage::open(Arc::clone(&store), options).await;
        (storage.unwrap_or_else(|e| panic!("{e}")), store)
    }
}

/// What is in use of a database.
async fn size(store: &Arc<dyn Store>) -> u64 {
    store.size().await.unwrap_or_else(|e| panic!("{e}"))
}

/// Says how far a row has come, now and then.
struct Progress {
    what: &'static str,
    start: Instant,
    said: Instant,
}

impl Progress {
    fn of(what: &'static str) -> Self {
        let start = Instant::now();
        let said = start;
        Self { what, start, said }
    }

    fn at(&mut self, done: i64, of: i64) {
        if self.said.elapsed() >= Duration::from_secs(5) {
            self.said = Instant::now();
            let seconds = self.start.elapsed().as_secs();
            eprintln!("{}: {done} of {of} after {seconds} s", self.what);
        }
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
