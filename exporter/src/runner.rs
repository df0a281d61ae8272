//! Runs collectors, and the blocks of `/system`, on one thread of their own, and watches it.
//!
//! A step that takes too long is given up on: what it would have said is missing, the steps
//! after it go on on a new thread, and it is not tried again until the old thread comes back
//! from it. So an answer is never late by more than the deadline, and a driver that hangs costs
//! one thread, not one for every scrape.

mod task;
mod worker;

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use system_stats_wire::SystemStats;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::family::{Families, Kind};
use crate::sampler::History;
pub(crate) use task::Work;
use task::{Outcome, Stuck, Task};
use worker::Worker;

/// How long one step may take.
const STEP_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long all of them may take together, if the client does not say less.
const DEADLINE: Duration = Duration::from_secs(4);
/// Requests that may wait for their turn; one more is refused.
const MAX_WAITING: usize = 40;

/// Too many requests wait already.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_WAITING} requests are waiting; ask again later")]
pub(crate) struct Busy;

/// The collecting thread and its watchdog.
pub(crate) struct Runner {
    config: Arc<Config>,
    history: Arc<Mutex<History>>,
    stuck: Arc<Stuck>,
    worker: Mutex<Option<Sender<Arc<Task>>>>,
    places: Arc<Semaphore>,
    turn: Semaphore,
    /// Whether each collector failed when it was last asked, so that the log says it once.
    failed: Mutex<HashMap<&'static str, bool>>,
}

impl Runner {
    /// Starts the thread, which takes its first reading at once.
    pub(crate) fn start(config: Config) -> Result<Self, std::io::Error> {
        let runner = Self {
            config: Arc::new(config),
            history: Arc::default(),
            stuck: Arc::default(),
            worker: Mutex::new(None),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Semaphore::new(1),
            failed: Mutex::default(),
        };
        runner.replace_worker(None)?;
        Ok(runner)
    }

    /// Everything that is measured, whatever is late left out and marked as failed.
    pub(crate) async fn metrics(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        patience: Option<Duration>,
    ) -> Result<Families, Busy> {
        let task = Task::new(Work::Metrics);
        self.run(tasks, Arc::clone(&task), patience).await?;
        let (mut families, outcomes) = task.take_families();
        self.report(&outcomes);
        describe(&outcomes, &mut families);
        Ok(families)
    }

    /// The object that `/system` answers with, whatever is late left `null`.
    pub(crate) async fn system(self: &Arc<Self>, tasks: &TaskTracker) -> Result<SystemStats, Busy> {
        let task = Task::new(Work::System);
        self.run(tasks, Arc::clone(&task), None).await?;
        Ok(task.stats())
    }

    /// Waits for a turn and sees the task through. The watching goes on if the client does not
    /// wait for it, so that the next one finds the thread in good order.
    async fn run(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        task: Arc<Task>,
        patience: Option<Duration>,
    ) -> Result<(), Busy> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Busy)?;
        let deadline = patience.map_or(DEADLINE, |patience| patience.min(DEADLINE));
        let runner = Arc::clone(self);
        let watching = tasks.spawn(async move {
            let _place = place;
            // The semaphore is never closed; if it were, there would be no turn to wait for.
            let _turn = runner.turn.acquire().await;
            runner.watch(&task, Instant::now() + deadline).await;
        });
        // It ends by itself; a panic in it leaves the task as far as it came.
        let _ = watching.await;
        Ok(())
    }

    async fn watch(&self, task: &Arc<Task>, deadline: Instant) {
        self.hand_out(task);
        loop {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let step_deadline = task.step_began().unwrap_or(now) + STEP_DEADLINE;
            let until = deadline.min(step_deadline.max(now + Duration::from_millis(1)));
            if tokio::time::timeout_at(until.into(), task.finished())
                .await
                .is_ok()
            {
                return;
            }
            let is_late = task
                .step_began()
                .is_none_or(|began| began.elapsed() >= STEP_DEADLINE);
            if is_late && Instant::now() < deadline {
                task.give_up_step(&self.stuck);
                tracing::debug!("a collector hangs; going on without it");
                if let Err(error) = self.replace_worker(Some(Arc::clone(task))) {
                    tracing::error!(%error, "cannot start another collecting thread");
                    break;
                }
            }
        }
        if task.give_up(&self.stuck)
            && let Err(error) = self.replace_worker(None)
        {
            tracing::error!(%error, "cannot start another collecting thread");
        }
    }

    fn hand_out(&self, task: &Arc<Task>) {
        let sent = {
            let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
            worker
                .as_ref()
                .is_some_and(|worker| worker.send(Arc::clone(task)).is_ok())
        };
        // A thread that is gone is replaced; if that fails too, the deadline ends the task.
        if !sent && let Err(error) = self.replace_worker(Some(Arc::clone(task))) {
            tracing::error!(%error, "cannot start another collecting thread");
        }
    }

    fn replace_worker(&self, task: Option<Arc<Task>>) -> std::io::Result<()> {
        let sender = Worker::spawn(
            Arc::clone(&self.config),
            Arc::clone(&self.history),
            Arc::clone(&self.stuck),
        )?;
        if let Some(task) = task {
            // A new thread is listening.
            let _ = sender.send(task);
        }
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(())
    }

    /// Says once in the log that a collector fails, and once that it works again. What this host
    /// does not have is no news.
    fn report(&self, outcomes: &[Outcome]) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        for outcome in outcomes {
            let collector = outcome.name;
            let is_news = outcome
                .failure
                .as_ref()
                .is_some_and(|failure| !failure.is_absence);
            let was = failed.insert(collector, is_news).unwrap_or(false);
            match &outcome.failure {
                Some(failure) if is_news && !was => {
                    tracing::warn!(collector, error = %failure.reason, "a collector fails");
                }
                Some(failure) => {
                    tracing::debug!(collector, error = %failure.reason, "no data");
                }
                None if was => tracing::info!(collector, "a collector works again"),
                None => {}
            }
        }
    }
}

/// The families that say how the collectors did.
fn describe(outcomes: &[Outcome], families: &mut Families) {
    let duration = families.add(
        "node_scrape_collector_duration_seconds",
        "node_exporter: Duration of a collector scrape.",
        Kind::Gauge,
    );
    for outcome in outcomes {
        duration.push(&[("collector", outcome.name)], outcome.seconds);
    }
    let success = families.add(
        "node_scrape_collector_success",
        "node_exporter: Whether a collector succeeded.",
        Kind::Gauge,
    );
    for outcome in outcomes {
        let value = f64::from(u8::from(outcome.failure.is_none()));
        success.push(&[("collector", outcome.name)], value);
    }
}
