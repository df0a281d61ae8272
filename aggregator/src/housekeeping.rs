//! Recurring jobs that nobody waits for.
//!
//! The scheduler starts a job again while its last run still goes on; `exclusive` is the one
//! wrapper that forbids it. Runs belong to a tracker, so that stopping waits for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::task::TaskTracker;

/// A job could not be scheduled.
#[derive(Debug, thiserror::Error)]
#[error("cannot schedule the job {job:?}: {reason}")]
pub struct HousekeepingError {
    /// The job's name.
    pub job: &'static str,
    /// What the scheduler says.
    pub reason: String,
}

/// The scheduler and the runs it has started.
pub struct Housekeeping {
    scheduler: JobScheduler,
    runs: TaskTracker,
}

impl Housekeeping {
    /// A scheduler without jobs.
    ///
    /// # Errors
    /// [`HousekeepingError`] when the scheduler cannot be made.
    pub async fn new() -> Result<Self, HousekeepingError> {
        let scheduler = JobScheduler::new()
            .await
            .map_err(|error| failed("scheduler", &error))?;
        Ok(Self {
            scheduler,
            runs: TaskTracker::new(),
        })
    }

    /// Runs `job` every `period`, the first time after one period, never beside itself.
    ///
    /// # Errors
    /// [`HousekeepingError`] when the scheduler refuses it.
    pub async fn every<F, R>(
        &self,
        name: &'static str,
        period: Duration,
        job: F,
    ) -> Result<(), HousekeepingError>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let run = exclusive(name, self.runs.clone(), job);
        let job = Job::new_repeated_async(period, move |_, _| Box::pin(run()))
            .map_err(|error| failed(name, &error))?;
        self.scheduler
            .add(job)
            .await
            .map_err(|error| failed(name, &error))?;
        Ok(())
    }

    /// Starts the clock.
    ///
    /// # Errors
    /// [`HousekeepingError`] when the scheduler cannot be started.
    pub async fn start(&self) -> Result<(), HousekeepingError> {
        self.scheduler
            .start()
            .await
            .map_err(|error| failed("scheduler", &error))
    }

    /// Starts nothing any more and waits for what runs.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler of recurring jobs did not stop cleanly");
        }
        self.runs.close();
        self.runs.wait().await;
    }
}

fn failed(job: &'static str, error: &JobSchedulerError) -> HousekeepingError {
    HousekeepingError {
        job,
        reason: error.to_string(),
    }
}

/// Makes a job that does nothing while its last run has not ended.
fn exclusive<F, R>(
    name: &'static str,
    runs: TaskTracker,
    job: F,
) -> impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let running = Arc::new(Mutex::new(()));
    move || {
        let Ok(guard) = Arc::clone(&running).try_lock_owned() else {
            tracing::debug!(job = name, "skipped: its last run still goes on");
            return Box::pin(std::future::ready(())) as Pin<Box<_>>;
        };
        let run = job();
        Box::pin(runs.track_future(async move {
            run.await;
            drop(guard);
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_job_never_runs_beside_itself() {
        let (started, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let run = exclusive("slow", TaskTracker::new(), {
            let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
            move || {
                started.fetch_add(1, Ordering::SeqCst);
                let go_on = Arc::clone(&go_on);
                async move { go_on.notified().await }
            }
        });
        let first = run();
        run().await;
        assert_eq!(
            started.load(Ordering::SeqCst),
            1,
            "the second call found the first running"
        );
        go_on.notify_one();
        first.await;
        go_on.notify_one();
        run().await;
        assert_eq!(
            started.load(Ordering::SeqCst),
            2,
            "free again after the first ended"
        );
    }

    #[tokio::test]
    async fn stopping_waits_for_a_run() {
        let housekeeping = Housekeeping::new().await.unwrap();
        let (go_on, ended) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let run = exclusive("slow", housekeeping.runs.clone(), {
            let (go_on, ended) = (Arc::clone(&go_on), Arc::clone(&ended));
            move || {
                let (go_on, ended) = (Arc::clone(&go_on), Arc::clone(&ended));
                async move {
                    go_on.notified().await;
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let run = run();
        let ended_at_stop = async {
            housekeeping.stop().await;
            ended.load(Ordering::SeqCst)
        };
        go_on.notify_one();
        let (ended_at_stop, ()) = tokio::join!(biased; ended_at_stop, run);
        assert_eq!(ended_at_stop, 1);
    }
}
