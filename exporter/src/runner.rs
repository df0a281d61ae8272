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

/// How long the thread may take.
#[derive(Clone, Copy, Debug)]
struct Deadlines {
    /// For one step.
    step: Duration,
    /// For all of them together, if the client does not say less.
    task: Duration,
}

const DEADLINES: Deadlines = Deadlines {
    step: Duration::from_millis(1_500),
    task: Duration::from_secs(4),
};
/// Requests that may wait for their turn; one more is refused.
const MAX_WAITING: usize = 40;

/// Too many requests wait already.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_WAITING} requests are waiting; ask again later")]
pub(crate) struct Busy;

/// The collecting thread and its watchdog.
pub(crate) struct Runner {
    config: Arc<Config>,
    deadlines: Deadlines,
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
        Self::start_with(config, DEADLINES)
    }

    fn start_with(config: Config, deadlines: Deadlines) -> Result<Self, std::io::Error> {
        let runner = Self {
            config: Arc::new(config),
            deadlines,
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
        let longest = self.deadlines.task;
        let deadline = patience.map_or(longest, |patience| patience.min(longest));
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
            let step_deadline = task.step_began().unwrap_or(now) + self.deadlines.step;
            let until = deadline.min(step_deadline.max(now + Duration::from_millis(1)));
            if tokio::time::timeout_at(until.into(), task.finished())
                .await
                .is_ok()
            {
                return;
            }
            let is_late = task
                .step_began()
                .is_none_or(|began| began.elapsed() >= self.deadlines.step);
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

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::config::Roots;
    use crate::encode::Format;
    use crate::fixture::Fixture;

    const QUICK: Deadlines = Deadlines {
        step: Duration::from_millis(500),
        task: Duration::from_secs(20),
    };

    fn runner(fixture: &Fixture, deadlines: Deadlines) -> Arc<Runner> {
        let config = Config {
            roots: Roots {
                procfs: fixture.path("proc"),
                sysfs: fixture.path("sys"),
                rootfs: fixture.path("root"),
                udev_data: fixture.path("udev"),
            },
            ..Config::default()
        };
        Arc::new(Runner::start_with(config, deadlines).unwrap())
    }

    /// A file whose opening blocks until somebody writes to it.
    fn hang(fixture: &Fixture, path: &str) {
        let path = fixture.path(path);
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    async fn scrape(runner: &Arc<Runner>, patience: Option<Duration>) -> String {
        let tasks = TaskTracker::new();
        let families = runner.metrics(&tasks, patience).await.unwrap();
        Format::Text.encode(&families)
    }

    fn success(text: &str, collector: &str) -> Option<bool> {
        let start = format!("node_scrape_collector_success{{collector=\"{collector}\"}} ");
        text.lines()
            .find_map(|line| Some(line.strip_prefix(&start)? == "1"))
    }

    #[tokio::test]
    async fn a_collector_that_hangs_costs_its_own_series_and_waits_once() {
        let fixture = Fixture::unpack("vm");
        hang(&fixture, "proc/loadavg");
        let runner = runner(&fixture, QUICK);

        let first = scrape(&runner, None).await;
        assert_eq!(success(&first, "loadavg"), Some(false));
        assert_eq!(success(&first, "meminfo"), Some(true));
        assert_eq!(success(&first, "vmstat"), Some(true));
        assert!(first.contains("node_memory_MemTotal_bytes 2048000000"));

        let again = Instant::now();
        let second = scrape(&runner, None).await;
        assert!(again.elapsed() < QUICK.step, "{:?}", again.elapsed());
        assert_eq!(success(&second, "loadavg"), Some(false));
        assert_eq!(success(&second, "vmstat"), Some(true));
    }

    #[tokio::test]
    async fn a_collector_that_comes_back_is_asked_again() {
        let fixture = Fixture::unpack("vm");
        hang(&fixture, "proc/loadavg");
        let runner = runner(&fixture, QUICK);
        assert_eq!(
            success(&scrape(&runner, None).await, "loadavg"),
            Some(false)
        );

        // The old thread reads this and comes back; whoever opens the path from now on finds a
        // file.
        let fifo = fixture.path("proc/loadavg");
        let writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        fs::remove_file(&fifo).unwrap();
        fs::write(&fifo, "0.5 0.25 0.125 1/2 3\n").unwrap();
        drop(writer);
        let back = async {
            while success(&scrape(&runner, None).await, "loadavg") != Some(true) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), back)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn no_answer_is_later_than_the_client_waits() {
        let fixture = Fixture::unpack("vm");
        hang(&fixture, "proc/loadavg");
        let patient = Deadlines {
            step: Duration::from_mins(1),
            ..QUICK
        };
        let runner = runner(&fixture, patient);
        let text = scrape(&runner, Some(Duration::from_secs(1))).await;
        assert_eq!(success(&text, "cpu"), Some(true));
        assert_eq!(success(&text, "loadavg"), Some(false));
        assert_eq!(success(&text, "vmstat"), Some(false));
        assert!(!text.contains("node_vmstat_pgfault"));
        // What had no time left is asked again at once; what hangs is not.
        let text = scrape(&runner, None).await;
        assert_eq!(success(&text, "vmstat"), Some(true));
        assert_eq!(success(&text, "loadavg"), Some(false));
    }

    #[tokio::test]
    async fn a_block_of_system_that_hangs_stays_null() {
        let fixture = Fixture::unpack("vm");
        hang(&fixture, "proc/meminfo");
        let runner = runner(&fixture, QUICK);
        let stats = runner.system(&TaskTracker::new()).await.unwrap();
        assert_eq!(stats.memory.total, None);
        assert_eq!(stats.cpu.logical_cores, Some(2));
        assert_eq!(stats.system.hostname.as_deref(), Some("toy-vm"));
    }

    #[tokio::test]
    async fn many_requests_at_once_are_all_answered_or_refused() {
        let fixture = Fixture::unpack("vm");
        let runner = runner(&fixture, QUICK);
        let tasks = TaskTracker::new();
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..2 * MAX_WAITING {
            let (runner, tasks) = (Arc::clone(&runner), tasks.clone());
            requests.spawn(async move { runner.metrics(&tasks, None).await.is_ok() });
        }
        let answers = requests.join_all().await;
        let answered = answers.iter().filter(|answered| **answered).count();
        assert!(answered >= MAX_WAITING, "{answered} answered");
    }
}
