//! Scraping: one loop per target that fetches its metrics on schedule and hands them to the store.
//!
//! A scrape becomes one batch: all its samples, the ends of series that were there before and are
//! not any more, and the report series (`up`, `scrape_*`) appear together or not at all. A scrape
//! that fails, for whatever reason, leaves the ends of all its series and `up 0`.
//!
//! * `pool` - the targets of a job, as they come and go
//! * `target` - from what was found to labels and URLs
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
mod pool;
mod reading;
mod report;
mod status;
mod system;
mod target;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use system_stats_model::append::Appender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::Client;
pub use self::metrics::ScrapeMetrics;
use self::pool::{Pool, Source};
pub use self::status::{DroppedTargets, Health, TargetStatus};
pub use self::system::SystemSink;
use self::target::fnv64a;
use crate::client::ClientError;
use crate::clock::Clock;
use crate::config::{Config, Discoveries, ScrapeConfig};
use crate::discovery::Discovery;
use crate::metadata::Metadata;

/// Owns the loops of all targets.
pub struct Scraper {
    common: Arc<Common>,
    discovery: Arc<Discovery>,
    host_name: String,
    pools: Mutex<Vec<Arc<Pool>>>,
}

/// What all loops share.
#[derive(Clone)]
struct Common {
    appender: Arc<dyn Appender>,
    systems: Arc<dyn SystemSink>,
    metadata: Arc<Metadata>,
    clock: Clock,
    metrics: ScrapeMetrics,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A configuration that can be put into effect.
pub struct Prepared(Vec<Source>);

/// A job cannot be scraped as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("scrape_configs[{at}], job {name:?}: {source}")]
pub struct PrepareError {
    /// Which, from 0.
    pub at: usize,
    /// Its name.
    pub name: String,
    /// Why not.
    pub source: ClientError,
}

impl Scraper {
    /// A scraper without targets. `store` takes the samples, and the `/system` documents.
    pub fn new<S: Appender + SystemSink + 'static>(store: Arc<S>, clock: Clock) -> Self {
        let common = Common {
            appender: Arc::<S>::clone(&store),
            systems: store,
            metadata: Arc::default(),
            clock,
            metrics: ScrapeMetrics::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        };
        Self {
            common: Arc::new(common),
            discovery: Arc::default(),
            host_name: String::new(),
            pools: Mutex::default(),
        }
    }

    /// Names the machine, so that two servers with the same configuration scrape at different
    /// moments. To be called before [`Scraper::prepare`].
    #[must_use]
    pub fn on_host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host_name);
        self
    }

    /// Names whom to tell what targets say about their metrics, and who finds targets. To be called
    /// before [`Scraper::prepare`].
    #[must_use]
    pub fn with(mut self, metadata: &Arc<Metadata>, discovery: &Arc<Discovery>) -> Self {
        Arc::make_mut(&mut self.common).metadata = Arc::clone(metadata);
        self.discovery = Arc::clone(discovery);
        self
    }

    /// What the scraper counts about itself.
    pub fn metrics(&self) -> &ScrapeMetrics {
        &self.common.metrics
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files that a configuration names, and begins to look for new targets. Changes
    /// nothing of what is in effect. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`PrepareError`] when a job cannot be scraped as it is configured.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, PrepareError> {
        let pools = self.pools();
        let labels = &config.global.external_labels;
        let seed = fnv64a(format!("{}{labels}", self.host_name).as_bytes());
        let jobs = config.scrape_configs.iter().enumerate();
        let prepare = |(at, job): (usize, &ScrapeConfig)| {
            let before = pools.iter().find(|pool| pool.is_of(&job.job_name));
            self.source(job, seed, before).map_err(|source| {
                let name = job.job_name.clone();
                PrepareError { at, name, source }
            })
        };
        let sources: Result<Vec<Source>, PrepareError> = jobs.map(prepare).collect();
        sources.map(Prepared)
    }

    /// Keeps the connections of the job as it was, where they are made as before.
    fn source(
        &self,
        job: &ScrapeConfig,
        seed: u64,
        pool: Option<&Arc<Pool>>,
    ) -> Result<Source, ClientError> {
        let before = pool.map(|pool| pool.source());
        let same = before.as_ref().filter(|before| {
            let is_compressed = before.job.enable_compression == job.enable_compression;
            is_compressed && before.job.client == job.client
        });
        let client = match same {
            Some(same) => Arc::clone(&same.client),
            None => Arc::new(Client::new(job)?),
        };
        let is_same = |before: &Source| before.discoveries == job.discoveries;
        let found = if before.is_some_and(|before| is_same(&before)) {
            None
        } else {
            Some(self.discovery.start(&job.discoveries)?)
        };
        let bare = ScrapeConfig {
            discoveries: Discoveries::default(),
            ..job.clone()
        };
        Ok(Source {
            job: Arc::new(bare),
            discoveries: job.discoveries.clone(),
            client,
            found,
            seed,
        })
    }

    /// Puts a configuration into effect. Targets that it does not change go on undisturbed; those
    /// that are the same but scraped differently keep what they remember; those that are gone end
    /// their series. Has to be called within a tokio runtime.
    pub fn apply(&self, prepared: Prepared) {
        let mut pools = self.pools();
        if self.common.shutdown.is_cancelled() {
            return;
        }
        let mut before = std::mem::take(&mut *pools);
        for source in prepared.0 {
            let name = &source.job.job_name;
            let pool = match before.iter().position(|pool| pool.is_of(name)) {
                Some(at) => {
                    let pool = before.swap_remove(at);
                    pool.renew(source);
                    pool
                }
                None => Pool::start(&self.common, source),
            };
            pools.push(pool);
        }
        for gone in before {
            gone.end();
        }
    }

    /// What is known about every target, in the order of the configuration.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let pools = self.pools().clone();
        pools.iter().flat_map(|pool| pool.targets()).collect()
    }

    /// What relabelling dropped, by the name of the job; every job is there.
    pub fn dropped_targets(&self) -> BTreeMap<String, DroppedTargets> {
        let pools = self.pools().clone();
        let dropped = pools.iter().map(|pool| (pool.name(), pool.dropped()));
        dropped.collect()
    }

    /// Ends all loops and waits for them. Series are not ended: the targets are still there.
    pub async fn stop(&self) {
        {
            let pools = self.pools();
            self.common.shutdown.cancel();
            for pool in pools.iter() {
                pool.settle();
            }
        }
        self.common.tasks.close();
        self.common.tasks.wait().await;
    }
}

impl Common {
    /// Counts targets: those of one pool, and those that were there before.
    fn count(&self, now: usize, before: usize) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let targets = &self.metrics.targets;
        targets.inc_by(count(now) - count(before));
    }
}

#[cfg(test)]
mod tests;
