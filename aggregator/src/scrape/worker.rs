//! The loop of one target.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use system_stats_model::append::Appender;
use system_stats_model::sample::Millis;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Asked, Client};
use super::error::ScrapeError;
use super::ingest::{Memory, Scraped, When};
use super::metrics::ScrapeMetrics;
use super::status::State;
use super::system::{self, Due, SystemSink};
use super::target::Target;
use crate::clock::Clock;
use crate::clock::Schedule;
use crate::config::ScrapeConfig;
use crate::metadata::Metadata;

/// Bodies above this are read beside the runtime's own threads.
const INLINE_BODY_BYTES: usize = 128 << 10;

/// What the loop of a target works with.
pub(super) struct Shared {
    pub(super) target: Target,
    pub(super) job: Arc<ScrapeConfig>,
    pub(super) client: Arc<Client>,
    pub(super) appender: Arc<dyn Appender>,
    pub(super) systems: Arc<dyn SystemSink>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) clock: Clock,
    pub(super) metrics: ScrapeMetrics,
    pub(super) state: Arc<State>,
}

/// How a loop is told to end.
#[derive(Clone)]
pub(super) struct Ending {
    /// The program stops: nothing more is written.
    pub(super) shutdown: CancellationToken,
    /// The target is no more: its series end, a while later.
    pub(super) removed: CancellationToken,
    /// Another loop takes the target over, and the memory with it.
    pub(super) replaced: CancellationToken,
}

impl Ending {
    async fn begun(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.removed.cancelled() => {}
            () = self.replaced.cancelled() => {}
        }
    }
}

/// One target's loop.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) schedule: Schedule,
    pub(super) ending: Ending,
    /// Held as long as the loop runs, so that a successor waits.
    pub(super) memory: Arc<Mutex<Memory>>,
    pub(super) tasks: TaskTracker,
}

impl Worker {
    /// Scrapes until the end begins; then ends the series, if that is what is asked for.
    pub(super) async fn run(self) {
        let mut memory = tokio::select! {
            biased;
            () = self.ending.shutdown.cancelled() => return,
            () = self.ending.replaced.cancelled() => return,
            memory = Arc::clone(&self.memory).lock_owned() => memory,
        };
        // Under another configuration the same text may be another series.
        memory.cache.forget_texts();
        let mut last = None;
        let mut due = Due::default();
        let system_fetch = Arc::new(Mutex::new(()));
        loop {
            let now = self.shared.clock.now();
            let scheduled = self.schedule.next(last, now);
            if let Some(last) = last {
                self.shared
                    .metrics
                    .missed
                    .inc_by(self.schedule.missed(last, scheduled));
            }
            let wait = millis(scheduled - now);
            tokio::select! {
                biased;
                () = self.ending.begun() => break,
                () = tokio::time::sleep(wait) => {}
            }
            let at = self
                .schedule
                .sample_time(scheduled, self.shared.clock.now());
            let scraped;
            (memory, scraped) = match self.scrape(memory, at).await {
                Ok(done) => done,
                Err(Some(given_up)) => {
                    memory = given_up;
                    break;
                }
                Err(None) => return,
            };
            last = Some(scheduled);
            if scraped.error.is_none() && scraped.counts.is_own_exporter && due.take() {
                self.fetch_system(&system_fetch);
            }
            self.shared.state.note(&self.shared, at, &scraped);
        }
        if self.ending.removed.is_cancelled() && memory.has_stored() {
            self.end(&mut memory, last).await;
        }
    }

    /// Fetches and stores. Gives the memory back without a result when the end begins while the
    /// answer is awaited, and not even that when the runtime is gone.
    async fn scrape(
        &self,
        mut memory: OwnedMutexGuard<Memory>,
        at: Millis,
    ) -> Result<(OwnedMutexGuard<Memory>, Scraped), Option<OwnedMutexGuard<Memory>>> {
        let shared = &self.shared;
        let started = Instant::now();
        let (timeout, limits) = (shared.target.timeout, &shared.job.limits);
        let asked = Asked::metrics(timeout, limits, memory.body_bytes);
        let fetch = async {
            if let Some(found) = shared.target.crowd {
                let limit = limits.target_limit;
                return Err(ScrapeError::Targets { found, limit });
            }
            shared.client.get(&shared.target.url, asked).await
        };
        let answer = tokio::select! {
            biased;
            () = self.ending.begun() => return Err(Some(memory)),
            fetched = AssertUnwindSafe(fetch).catch_unwind() => fetched
                .unwrap_or_else(|panic| Err(ScrapeError::from_panic(&*panic))),
        };
        let when = When { at, started };
        if answer
            .as_ref()
            .is_ok_and(|answer| answer.body.len() > INLINE_BODY_BYTES)
        {
            let worker_shared = Arc::clone(shared);
            let ingest = move || {
                let scraped = memory.ingest(&worker_shared, answer, when);
                (memory, scraped)
            };
            return self.tasks.spawn_blocking(ingest).await.map_err(|error| {
                let labels = &shared.target.labels;
                tracing::error!(target_labels = %labels, %error, "the target is not scraped any more");
                None
            });
        }
        let scraped = memory.ingest(shared, answer, when);
        Ok((memory, scraped))
    }

    /// One fetch at a time; a slow one must not hold up the next scrape.
    fn fetch_system(&self, turn: &Arc<Mutex<()>>) {
        let Ok(turn) = Arc::clone(turn).try_lock_owned() else {
            return;
        };
        let (shared, ending) = (Arc::clone(&self.shared), self.ending.clone());
        self.tasks.spawn(async move {
            let _turn = turn;
            tokio::select! {
                () = ending.begun() => {}
                () = system::fetch(&shared) => {}
            }
        });
    }

    /// Marks the end of all series at what would have been the next scrape; but only when, two
    /// intervals and a bit later, the target has not come back.
    async fn end(&self, memory: &mut Memory, last: Option<Millis>) {
        let now = self.shared.clock.now();
        let at = self.schedule.next(last, now);
        let interval = self.shared.target.interval;
        let wait = millis(at - now) + interval + interval / 10;
        tokio::select! {
            biased;
            () = self.ending.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        if let Err(error) = memory.store_end(&self.shared, at) {
            let labels = &self.shared.target.labels;
            tracing::warn!(target_labels = %labels, %error, "the series of a removed target do not end");
        }
    }
}

fn millis(millis: Millis) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
