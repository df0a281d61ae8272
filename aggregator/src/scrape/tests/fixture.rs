//! One target, its memory, and what of it is in the store.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::append::Appender;
use system_stats_model::labels::{JOB, METRIC_NAME};
use system_stats_model::sample::{Millis, TimeRange, is_stale};
use system_stats_model::source::{Selector, SeriesSource as _};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{self, Config, ScrapeConfig};
use crate::discovery::listed;
use crate::scrape::client::{Answer, Client};
use crate::scrape::error::ScrapeError;
use crate::scrape::ingest::{Memory, Scraped, When};
use crate::scrape::metrics::ScrapeMetrics;
use crate::scrape::target;
use crate::scrape::worker::Shared;

/// The time of the first scrape: 2023-11-14T22:13:20Z.
pub(super) const START: Millis = 1_700_000_000_000;

/// A configuration with one job and one target, `more` being further keys of the job.
pub(super) fn config(address: &str, more: &str) -> Config {
    let text = format!(
        "scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{address}']}}], {more}}}]"
    );
    config::parse(&text, "prometheus.yml").unwrap()
}

pub(super) fn job(address: &str, more: &str) -> ScrapeConfig {
    config(address, more)
        .scrape_configs
        .into_iter()
        .next()
        .unwrap()
}

pub(super) async fn storage() -> Arc<Storage> {
    let store = Arc::new(MemoryStore::new());
    Arc::new(Storage::open(store, Options::default()).await.unwrap())
}

/// Installs the one provider of cryptography; a second time changes nothing.
pub(super) fn provide_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A target that is given answers by hand.
pub(super) struct Fixture {
    pub(super) storage: Arc<Storage>,
    pub(super) shared: Shared,
    pub(super) memory: Memory,
    pub(super) clock: Clock,
}

impl Fixture {
    pub(super) async fn new(more: &str) -> Self {
        let storage = storage().await;
        let appender = Arc::<Storage>::clone(&storage);
        Self::with(storage, appender, more)
    }

    pub(super) fn with(storage: Arc<Storage>, appender: Arc<dyn Appender>, more: &str) -> Self {
        provide_crypto();
        let job = job("h:1", more);
        let mut targets = target::of_job(&job, &listed(&job.discoveries.lists)).targets;
        let clock = Clock::manual(START);
        let shared = Shared {
            target: targets.remove(0),
            client: Arc::new(Client::new(&job).unwrap()),
            job: Arc::new(job),
            appender,
            systems: Arc::<Storage>::clone(&storage),
            metadata: Arc::default(),
            clock: clock.clone(),
            metrics: ScrapeMetrics::default(),
            state: Arc::default(),
        };
        Self {
            storage,
            shared,
            memory: Memory::default(),
            clock,
        }
    }

    /// A scrape `seconds` after the start.
    pub(super) fn scrape_with(
        &mut self,
        seconds: i64,
        answer: Result<Answer, ScrapeError>,
    ) -> Scraped {
        let at = START + seconds * 1000;
        self.clock.set(at);
        let started = Instant::now();
        self.memory
            .ingest(&self.shared, answer, When { at, started })
    }

    /// A scrape that is answered in the text format.
    pub(super) fn scrape(&mut self, seconds: i64, body: &str) -> Scraped {
        self.scrape_with(seconds, Ok(text(body)))
    }

    /// The samples of all series but the report's, `series: seconds=value …`, one series a line.
    /// The target's own labels are left out.
    pub(super) async fn stored(&self) -> String {
        let all = everything(&self.storage).await;
        let is_report = |line: &str| line.starts_with("up") || line.starts_with("scrape_");
        let lines = all.lines().filter(|line| !is_report(line));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// The samples of one report series.
    pub(super) async fn report(&self, name: &str) -> String {
        let all = everything(&self.storage).await;
        let line = all
            .lines()
            .find(|line| line.split(':').next() == Some(name));
        line.and_then(|line| line.split_once(": "))
            .map_or(String::new(), |(_, values)| values.to_owned())
    }
}

pub(super) fn text(body: &str) -> Answer {
    Answer {
        body: body.as_bytes().to_vec(),
        content_type: Some("text/plain; version=0.0.4".to_owned()),
    }
}

/// Every sample in the store, times in seconds after the start.
pub(super) async fn everything(storage: &Storage) -> String {
    let all = Selector {
        matchers: Vec::new(),
        range: TimeRange::ALL,
    };
    let snapshot = storage.snapshot(std::slice::from_ref(&all)).await.unwrap();
    let mut lines = Vec::new();
    snapshot
        .for_each(&all, &mut |labels, samples| {
            let own = |(name, value): &(&str, &str)| {
                *name != METRIC_NAME && !(*name == JOB && *value == "j") && *value != "h:1"
            };
            let others: Vec<String> = labels
                .iter()
                .filter(own)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mut line = labels.metric_name().to_owned();
            if !others.is_empty() {
                write!(line, "{{{}}}", others.join(",")).unwrap();
            }
            line.push(':');
            for (timestamp, value) in samples.timestamps.iter().zip(samples.values) {
                let seconds = (timestamp - START) as f64 / 1000.0;
                let value = if is_stale(*value) {
                    "end".to_owned()
                } else {
                    value.to_string()
                };
                write!(line, " {seconds}={value}").unwrap();
            }
            lines.push(line);
            ControlFlow::Continue(())
        })
        .unwrap();
    lines.sort();
    lines.join("\n")
}
