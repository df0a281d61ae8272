//! The targets of one job, as they come and go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use system_stats_model::labels::Labels;
use tokio_util::sync::CancellationToken;

use super::Common;
use super::client::Client;
use super::ingest::Memory;
use super::status::{DroppedTargets, State, TargetStatus};
use super::target::{self, Target};
use super::worker::{Ending, Shared, Worker};
use crate::clock::Schedule;
use crate::config::{Discoveries, ScrapeConfig};
use crate::discovery::Found;

/// Targets that are left out are told one by one up to this number.
const MAX_TOLD: usize = 10;

/// A job, and the loops of its targets.
pub(super) struct Pool {
    common: Arc<Common>,
    /// Held while the targets are brought in line with it.
    source: Mutex<Source>,
    members: Mutex<Members>,
}

/// What a job says, ready to be put into effect.
pub(super) struct Source {
    /// Without its discoveries: two jobs that differ in them only are scraped alike.
    pub(super) job: Arc<ScrapeConfig>,
    pub(super) discoveries: Discoveries,
    pub(super) client: Arc<Client>,
    /// What the discoveries give; a pool that has the same goes on with its own.
    pub(super) found: Option<Found>,
    /// Tells the schedules of servers apart.
    pub(super) seed: u64,
}

#[derive(Default)]
struct Members {
    running: Vec<Running>,
    /// What relabelling dropped, as far as it is shown, and how much that is.
    dropped: Vec<Labels>,
    dropped_count: u64,
    /// Ends the loop that follows what is found; none while there is nothing to follow.
    following: Option<CancellationToken>,
    is_over: bool,
}

/// A target whose loop runs.
struct Running {
    shared: Arc<Shared>,
    schedule: Schedule,
    memory: Arc<tokio::sync::Mutex<Memory>>,
    ending: Ending,
}

/// What makes two targets of a job the same one: the labels of its series, the URL.
type Key = (Labels, Url);

fn key(target: &Target) -> Key {
    (target.labels.clone(), target.url.clone())
}

impl Running {
    /// Whether it does already what is asked for.
    fn is_as(&self, source: &Source, target: &Target, schedule: Schedule) -> bool {
        self.shared.job == source.job && self.shared.target == *target && self.schedule == schedule
    }

    /// The target is no more.
    fn end(self) {
        self.ending.removed.cancel();
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

impl Pool {
    /// Starts the loops of the targets that are found at once, and follows what is found later.
    pub(super) fn start(common: &Arc<Common>, source: Source) -> Arc<Self> {
        let pool = Arc::new(Self {
            common: Arc::clone(common),
            source: Mutex::new(source),
            members: Mutex::default(),
        });
        pool.follow();
        pool.bring_in_line();
        pool
    }

    /// Puts what a job says now in the place of what it said. Targets that it does not change go
    /// on undisturbed; those that are the same but scraped differently keep what they remember.
    pub(super) fn renew(self: &Arc<Self>, source: Source) {
        let is_found_anew = {
            let mut own = self.source();
            let before = std::mem::replace(&mut *own, source);
            let is_found_anew = own.found.is_some();
            own.found = own.found.take().or(before.found);
            is_found_anew
        };
        if is_found_anew {
            self.follow();
        }
        self.bring_in_line();
    }

    /// Whether it is of the job of this name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.source().job.job_name == name
    }

    /// What the job says.
    pub(super) fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns the loop that looks at what is found later.
    fn follow(self: &Arc<Self>) {
        let changes = self.source().found.as_ref().and_then(Found::changes);
        let mut members = self.members();
        if let Some(before) = members.following.take() {
            before.cancel();
        }
        let Some(mut changes) = changes else {
            return;
        };
        let stop = self.common.shutdown.child_token();
        members.following = Some(stop.clone());
        let pool = Arc::clone(self);
        self.common.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = changes.changed() => {}
                }
                let looking = Arc::clone(&pool);
                let look = move || looking.bring_in_line();
                if let Err(error) = pool.common.tasks.spawn_blocking(look).await {
                    tracing::error!(%error, "the targets that were found are not scraped");
                }
            }
        });
    }

    /// Starts and ends loops, so that those run whose targets there are.
    fn bring_in_line(&self) {
        let mut source = self.source();
        let Some(found) = &mut source.found else {
            return;
        };
        let (found, is_complete) = (found.targets(), found.is_complete());
        let chosen = target::of_job(&source.job, &found);
        tell(&source.job.job_name, &chosen.problems);

        let mut members = self.members();
        if members.is_over || self.common.shutdown.is_cancelled() {
            return;
        }
        members.dropped = chosen.dropped;
        members.dropped_count = chosen.dropped_count;
        let count = members.running.len();
        let before = members.running.drain(..);
        let mut before: HashMap<Key, Running> = before
            .map(|running| (key(&running.shared.target), running))
            .collect();
        for target in chosen.targets {
            let schedule = Schedule::new(target.interval, target.hash(), source.seed);
            let next = match before.remove(&key(&target)) {
                Some(same) if same.is_as(&source, &target, schedule) => same,
                other => self.launch(&source, target, schedule, other),
            };
            members.running.push(next);
        }
        // Before everybody has been asked nobody is known to be gone.
        if is_complete {
            before.into_values().for_each(Running::end);
        } else {
            members.running.extend(before.into_values());
        }
        self.common.count(members.running.len(), count);
    }

    /// Starts a loop, with the memory of the one before it.
    fn launch(
        &self,
        source: &Source,
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
        let common = &self.common;
        let shared = Arc::new(Shared {
            target,
            job: Arc::clone(&source.job),
            client: Arc::clone(&source.client),
            appender: Arc::clone(&common.appender),
            systems: Arc::clone(&common.systems),
            metadata: Arc::clone(&common.metadata),
            clock: common.clock.clone(),
            metrics: common.metrics.clone(),
            state,
        });
        let ending = Ending {
            shutdown: common.shutdown.clone(),
            removed: CancellationToken::new(),
            replaced: CancellationToken::new(),
        };
        let worker = Worker {
            shared: Arc::clone(&shared),
            schedule,
            ending: ending.clone(),
            memory: Arc::clone(&memory),
            tasks: common.tasks.clone(),
        };
        common.tasks.spawn(worker.run());
        Running {
            shared,
            schedule,
            memory,
            ending,
        }
    }

    /// What is known about its targets.
    pub(super) fn targets(&self) -> Vec<TargetStatus> {
        self.members().running.iter().map(Running::status).collect()
    }

    /// What relabelling dropped.
    pub(super) fn dropped(&self) -> DroppedTargets {
        let members = self.members();
        DroppedTargets {
            discovered: members.dropped.clone(),
            count: members.dropped_count,
        }
    }

    /// The job's name.
    pub(super) fn name(&self) -> String {
        self.source().job.job_name.clone()
    }

    /// The job is not in the configuration any more: its targets are gone.
    pub(super) fn end(&self) {
        let mut members = self.members();
        members.is_over = true;
        if let Some(following) = members.following.take() {
            following.cancel();
        }
        self.common.count(0, members.running.len());
        members.running.drain(..).for_each(Running::end);
    }

    /// Tells loops apart.
    #[cfg(test)]
    pub(super) fn loops(&self) -> Vec<usize> {
        let members = self.members();
        let loops = members.running.iter();
        loops.map(|it| Arc::as_ptr(&it.shared) as usize).collect()
    }

    /// Waits until no loop is being started.
    pub(super) fn settle(&self) {
        drop(self.members());
    }
}

/// Tells which targets are left out.
fn tell(pool: &str, problems: &[String]) {
    for problem in problems.iter().take(MAX_TOLD) {
        tracing::error!(pool, "{problem}");
    }
    if problems.len() > MAX_TOLD {
        let more = problems.len() - MAX_TOLD;
        tracing::error!(pool, more, "more targets are left out");
    }
}
