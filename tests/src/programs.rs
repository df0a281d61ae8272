//! Our two programs, as built beside the running test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::folder::{self, Folder};
use crate::http::{self, Request, Response};
use crate::peers::bound_address;
use crate::process::Process;
use crate::wait;

/// A command of one of our programs with nothing of the developer's environment.
#[track_caller]
fn command(name: &str) -> Command {
    let path = folder::build().join(name);
    assert!(
        path.exists(),
        "{} is not there: run `tests/run`, or `cargo build --workspace --bins` first",
        path.display(),
    );
    let mut command = Command::new(path);
    command.env_clear().env("RUST_BACKTRACE", "1");
    command
}

/// A command of `system-stats-exporter`.
#[track_caller]
pub fn exporter() -> Command {
    command("system-stats-exporter")
}

/// A command of `system-stats-aggregator`.
#[track_caller]
pub fn aggregator() -> Command {
    command("system-stats-aggregator")
}

/// A running exporter on a free port.
#[derive(Debug)]
pub struct Exporter {
    /// Where it answers.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
}

impl Exporter {
    /// Starts it with these flags beside the address.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Exporter {
        let mut command = exporter();
        command
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments);
        let mut process = Process::start("system-stats-exporter", &mut command);
        let address = process.wait_for("its address", bound_address);
        Exporter { address, process }
    }

    /// What `/metrics` says in the text format 0.0.4.
    #[track_caller]
    pub fn text(&self) -> String {
        let response = Request::get("/metrics").send(self.address);
        assert_eq!(response.status, 200);
        response.text()
    }
}

/// A running aggregator on a free port, with a folder of its own.
#[derive(Debug)]
pub struct Aggregator {
    /// Where it answers.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
}

impl Aggregator {
    /// Starts it in a folder: configuration from `prometheus.yml` there, database in `t.db` there.
    #[track_caller]
    pub fn start(folder: &Folder, configuration: &str) -> Aggregator {
        folder.write("prometheus.yml", configuration);
        Aggregator::resume(folder, &[])
    }

    /// Starts it on what is in the folder, with further flags.
    #[track_caller]
    pub fn resume(folder: &Folder, arguments: &[&str]) -> Aggregator {
        let mut command = Aggregator::command(folder.path());
        Aggregator::run(command.args(arguments))
    }

    /// Runs a command that was put together by hand.
    #[track_caller]
    pub fn run(command: &mut Command) -> Aggregator {
        let mut process = Process::start("system-stats-aggregator", command);
        let is_page = |line: &str| {
            line.contains("http://")
                .then(|| bound_address(line))
                .flatten()
        };
        let address = process.wait_for("the line with its address", is_page);
        Aggregator { address, process }
    }

    /// The command that [`Aggregator::resume`] runs.
    #[track_caller]
    pub fn command(folder: &Path) -> Command {
        Aggregator::command_on(folder, "sqlite://t.db")
    }

    /// The same on another database.
    #[track_caller]
    pub fn command_on(folder: &Path, storage: &str) -> Command {
        let mut command = aggregator();
        command
            .current_dir(folder)
            .arg("--config.file=prometheus.yml")
            .arg(format!("--storage.url={storage}"))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--local-exporter.listen-address=");
        command
    }

    /// `GET` of JSON that must be there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        http::get_json(self.address, path)
    }

    /// Waits until so many hours of packs are in blocks.
    #[track_caller]
    pub fn wait_for_blocks(&self, hours: usize) {
        wait::until("hours in blocks", Duration::from_mins(1), || {
            let metrics = Request::get("/metrics").header("Accept", "text/plain");
            let metrics = metrics.send(self.address).text();
            let name = "system_stats_aggregator_storage_block_windows ";
            let windows = metrics.lines().find_map(|line| line.strip_prefix(name));
            let windows: usize = windows.unwrap().parse().unwrap();
            if windows >= hours {
                Ok(())
            } else {
                Err(windows)
            }
        });
    }

    /// A push in contract A.
    #[track_caller]
    pub fn push(&self, reading: &Value) -> Response {
        Request::post("/metrics", reading).send(self.address)
    }

    /// The readings of a host, oldest first.
    #[track_caller]
    pub fn readings(&self, host: &str) -> Vec<Value> {
        let data = self.get(&format!("/data?hostname={}", http::percent(host)));
        let rows = data["data"]
            .as_array()
            .expect("an array of readings")
            .clone();
        assert_eq!(data["count"], rows.len());
        rows
    }

    /// The active targets as `/api/v1/targets` lists them.
    #[track_caller]
    pub fn targets(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/targets");
        answer["data"]["activeTargets"]
            .as_array()
            .expect("an array of targets")
            .clone()
    }

    /// Waits until every target that `pick` chooses has this health, and returns them.
    #[track_caller]
    pub fn wait_for_health(&self, health: &str, pick: impl Fn(&Value) -> bool) -> Vec<Value> {
        wait::until(
            &format!("targets are {health}"),
            Duration::from_secs(20),
            || {
                let targets: Vec<Value> = self.targets().into_iter().filter(|t| pick(t)).collect();
                let is_so = !targets.is_empty() && targets.iter().all(|t| t["health"] == health);
                if is_so { Ok(targets) } else { Err(targets) }
            },
        )
    }

    /// Asks it to stop and waits for its end.
    #[track_caller]
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.process.signal("TERM");
        self.process.wait_for_end(Duration::from_secs(10))
    }
}

/// A configuration that scrapes nothing.
pub const NO_TARGETS: &str = "scrape_configs: []\n";

/// A configuration that scrapes each of these every second, as a job of its own.
pub fn scraping(targets: &[(&str, SocketAddr)]) -> String {
    let head = "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n";
    targets
        .iter()
        .fold(head.to_owned(), |mut text, (name, address)| {
            let targets = format!("    static_configs:\n      - targets: ['{address}']\n");
            text.extend(["  - job_name: ", name, "\n", &targets]);
            text
        })
}

/// The path of the repository's own `prometheus.yml`.
pub fn shipped_configuration() -> PathBuf {
    folder::repository().join("prometheus.yml")
}
