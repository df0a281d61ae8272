//! Scraping: one loop per target that fetches its metrics on schedule and hands them to the store.
//!
//! A scrape becomes one batch: all its samples, the ends of series that were there before and are
//! not any more, and the report series (`up`, `scrape_*`) appear together or not at all. A scrape
//! that fails, for whatever reason, leaves the ends of all its series and `up 0`.
//!
//! * `target` - from the configuration to labels and URLs
//! * `worker` - the loop; `client` and `content` ask and judge the answer
//! * `ingest`, `reading`, `merge`, `cache`, `report` - from the answer to rows
//! * `system` - the `/system` document of our own exporter

mod cache;
mod client;
mod content;
mod error;
mod ingest;
mod merge;
mod metrics;
mod reading;
mod report;
mod status;
mod system;
mod target;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use system_stats_model::append::Appender;
use system_stats_model::labels::Labels;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::Client;
use self::ingest::Memory;
pub use self::metrics::ScrapeMetrics;
use self::status::State;
pub use self::status::{Health, TargetStatus};
pub use self::system::SystemSink;
use self::target::{Target, fnv64a};
use self::worker::{Ending, Shared, Worker};
use crate::clock::{Clock, Schedule};
use crate::config::{Config, ScrapeConfig};
use crate::metadata::Metadata;

/// Owns the loops of all targets.
pub struct Scraper {
    appender: Arc<dyn Appender>,
    systems: Arc<dyn SystemSink>,
    metadata: Arc<Metadata>,
    clock: Clock,
    host_name: String,
    metrics: ScrapeMetrics,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    running: Mutex<Vec<Running>>,
}

/// A target whose loop runs.
struct Running {
    shared: Arc<Shared>,
    schedule: Schedule,
    memory: Arc<tokio::sync::Mutex<Memory>>,
    ending: Ending,
}

/// What makes two targets the same one: the job, the labels of its series, the URL.
type Key = (String, Labels, Url);

impl Running {
    fn key(&self) -> Key {
        let (job, target) = (&self.shared.job, &self.shared.target);
        (
            job.job_name.clone(),
            target.labels.clone(),
            target.url.clone(),
        )
    }
}

impl Scraper {
    /// A scraper without targets. `store` takes the samples, and the `/system` documents.
    pub fn new<S: Appender + SystemSink + 'static>(store: Arc<S>, clock: Clock) -> Self {
        Self {
            appender: Arc::<S>::clone(&store),
            systems: store,
            metadata: Arc::default(),
            clock,
            host_name: String::new(),
            metrics: ScrapeMetrics::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            running: Mutex::default(),
        }
    }

    /// Names the machine, so that two servers with the same configuration scrape at different
    /// moments. To be called before [`Scraper::apply`].
    #[must_use]
    pub fn on_host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host_name);
        self
    }

    /// Names whom to tell what targets say about their metrics. To be called before
    /// [`Scraper::apply`].
    #[must_use]
    pub fn telling(mut self, metadata: Arc<Metadata>) -> Self {
        self.metadata = metadata;
        self
    }

    /// What the scraper counts about itself.
    pub fn metrics(&self) -> &ScrapeMetrics {
        &self.metrics
    }

    /// Puts a configuration into effect. Targets that it does not change go on undisturbed; those
    /// that are the same but scraped differently keep what they remember; those that are gone end
    /// their series. Has to be called within a tokio runtime.
    pub fn apply(&self, config: &Config) {
        let seed =
            fnv64a(format!("{}{}", self.host_name, config.global.external_labels).as_bytes());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shutdown.is_cancelled() {
            return;
        }
        let mut before: HashMap<Key, Running> = running
            .drain(..)
            .map(|running| (running.key(), running))
            .collect();
        for job in &config.scrape_configs {
            let (targets, problems) = target::of_job(job);
            for problem in problems {
                tracing::error!(pool = job.job_name, "{problem}");
            }
            let pool = Pool::new(job, before.values());
            for target in targets {
                let schedule = Schedule::new(target.interval, target.hash(), seed);
                let key = (
                    job.job_name.clone(),
                    target.labels.clone(),
                    target.url.clone(),
                );
                let next = match before.remove(&key) {
                    Some(same) if same.is_as(&pool, &target, schedule) => same,
                    other => self.start(&pool, target, schedule, other),
                };
                running.push(next);
            }
        }
        for gone in before.into_values() {
            gone.ending.removed.cancel();
        }
        self.metrics
            .targets
            .set(i64::try_from(running.len()).unwrap_or(i64::MAX));
    }

    /// Starts a loop, with the memory of the one before it.
    fn start(
        &self,
        pool: &Pool,
        target: Target,
        schedule: Schedule,
        before: Option<Running>,
    ) -> Running {
        let (memory, state) = match before {
            Some(before) => {
                before.ending.replaced.cancel();
                (before.memory, Arc::clone(&before.shared.state))
            }
            None => (Arc::default(), Arc::new(State::default())),
        };
        let shared = Arc::new(Shared {
            target,
            job: Arc::clone(&pool.job),
            client: Arc::clone(&pool.client),
            appender: Arc::clone(&self.appender),
            systems: Arc::clone(&self.systems),
            metadata: Arc::clone(&self.metadata),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            state,
        });
        let ending = Ending {
            shutdown: self.shutdown.clone(),
            removed: CancellationToken::new(),
            replaced: CancellationToken::new(),
        };
        let worker = Worker {
            shared: Arc::clone(&shared),
            schedule,
            ending: ending.clone(),
            memory: Arc::clone(&memory),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(worker.run());
        Running {
            shared,
            schedule,
            memory,
            ending,
        }
    }

    /// What is known about every target, in the order of the configuration.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().map(Running::status).collect()
    }

    /// Ends all loops and waits for them. Series are not ended: the targets are still there.
    pub async fn stop(&self) {
        {
            let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            self.shutdown.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Running {
    /// Whether it does already what is asked for.
    fn is_as(&self, pool: &Pool, target: &Target, schedule: Schedule) -> bool {
        self.shared.job == pool.job && self.shared.target == *target && self.schedule == schedule
    }

    fn status(&self) -> TargetStatus {
        let (target, last) = (&self.shared.target, self.shared.state.last());
        TargetStatus {
            pool: self.shared.job.job_name.clone(),
            labels: target.labels.clone(),
            discovered: target.discovered.clone(),
            url: target.shown_url(),
            interval: target.interval,
            timeout: target.timeout,
            health: last.health,
            last_error: last.error,
            last_scrape: last.scrape,
            last_duration: last.duration,
            samples: last.samples,
        }
    }
}

/// What the targets of a job share.
struct Pool {
    /// The job without its targets: two jobs that differ in them only are the same pool.
    job: Arc<ScrapeConfig>,
    client: Arc<Client>,
}

impl Pool {
    /// Keeps the connections of the job as it was, where it has not changed.
    fn new<'r>(job: &ScrapeConfig, mut running: impl Iterator<Item = &'r Running>) -> Self {
        let job = ScrapeConfig {
            static_configs: Vec::new(),
            ..job.clone()
        };
        match running.find(|running| *running.shared.job == job) {
            Some(same) => Self {
                job: Arc::clone(&same.shared.job),
                client: Arc::clone(&same.shared.client),
            },
            None => Self {
                client: Arc::new(Client::new(&job)),
                job: Arc::new(job),
            },
        }
    }
}

#[cfg(test)]
mod tests;
