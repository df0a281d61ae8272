use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use system_stats_wire::SystemStats;
use tokio::sync::Notify;

use crate::family::Families;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// Every collector.
    Metrics,
    /// Every block of `/system`.
    System,
}

/// Steps that some thread has not come back from.
pub(super) type Stuck = Mutex<HashSet<(Work, usize)>>;

/// How a step went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) seconds: f64,
    pub(super) failure: Option<Failure>,
}

/// Why a step has nothing to say.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// There is nothing to measure, which is no error.
    pub(super) is_absence: bool,
}

impl Failure {
    pub(super) fn of(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            is_absence: false,
        }
    }
}

/// One request's work and how far it is. Worker and watchdog share it; who has the current
/// generation may go on.
pub(crate) struct Task {
    pub(super) work: Work,
    state: Mutex<State>,
    finished: Notify,
}

struct State {
    /// Grows each time that a thread is given up on.
    generation: u64,
    next: usize,
    names: Vec<&'static str>,
    began: Option<Instant>,
    is_done: bool,
    families: Families,
    outcomes: Vec<Outcome>,
    stats: SystemStats,
}

impl Task {
    pub(super) fn new(work: Work) -> Arc<Self> {
        Arc::new(Self {
            work,
            state: Mutex::new(State {
                generation: 0,
                next: 0,
                names: Vec::new(),
                began: None,
                is_done: false,
                families: Families::default(),
                outcomes: Vec::new(),
                stats: SystemStats::default(),
            }),
            finished: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the task up where it is.
    pub(super) fn take_up(&self, names: &[&'static str]) -> u64 {
        let mut state = self.state();
        state.names = names.to_vec();
        state.generation
    }

    /// The next step for the thread of that generation; `None` if it has none.
    pub(super) fn next_step(&self, generation: u64, stuck: &Stuck) -> Option<usize> {
        let mut state = self.state();
        loop {
            if state.generation != generation || state.is_done {
                return None;
            }
            let step = state.next;
            let Some(name) = state.names.get(step).copied() else {
                state.is_done = true;
                self.finished.notify_one();
                return None;
            };
            let is_stuck = stuck
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&(self.work, step));
            if !is_stuck {
                state.began = Some(Instant::now());
                return Some(step);
            }
            state.next += 1;
            state.outcomes.push(Outcome {
                name,
                seconds: 0.0,
                failure: Some(Failure::of("it still hangs since an earlier scrape")),
            });
        }
    }

    /// Takes in what a step of a scrape has found. False if nobody waits for it any more.
    pub(super) fn finish_step(
        &self,
        generation: u64,
        families: Families,
        failure: Option<Failure>,
    ) -> bool {
        self.advance(generation, failure, |state| state.families.extend(families))
    }

    /// Takes in what a block of `/system` has filled. False if nobody waits for it any more.
    pub(super) fn finish_section(
        &self,
        generation: u64,
        stats: SystemStats,
        failure: Option<Failure>,
    ) -> bool {
        self.advance(generation, failure, |state| state.stats = stats)
    }

    fn advance(
        &self,
        generation: u64,
        failure: Option<Failure>,
        take_in: impl FnOnce(&mut State),
    ) -> bool {
        let mut state = self.state();
        if state.generation != generation {
            return false;
        }
        take_in(&mut state);
        state.end_step(failure);
        true
    }

    /// When the running step began; `None` between steps and before the first.
    pub(super) fn step_began(&self) -> Option<Instant> {
        self.state().began
    }

    /// Leaves the running step behind, and the thread that runs it.
    pub(super) fn give_up_step(&self, stuck: &Stuck) {
        let mut state = self.state();
        state.generation += 1;
        if state.began.is_some() {
            let step = (self.work, state.next);
            stuck
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(step);
            state.end_step(Some(Failure::of("it took too long")));
        }
    }

    /// Ends the task as it is. True if a thread is still busy with it.
    pub(super) fn give_up(&self, stuck: &Stuck) -> bool {
        if self.state().is_done {
            return false;
        }
        self.give_up_step(stuck);
        let mut state = self.state();
        state.is_done = true;
        let missing: Vec<&'static str> = state.names.iter().skip(state.next).copied().collect();
        state
            .outcomes
            .extend(missing.into_iter().map(|name| Outcome {
                name,
                seconds: 0.0,
                failure: Some(Failure::of("there was no time left for it")),
            }));
        true
    }

    /// Waits for the last step.
    pub(super) async fn finished(&self) {
        self.finished.notified().await;
    }

    pub(super) fn take_families(&self) -> (Families, Vec<Outcome>) {
        let mut state = self.state();
        (
            std::mem::take(&mut state.families),
            std::mem::take(&mut state.outcomes),
        )
    }

    pub(super) fn stats(&self) -> SystemStats {
        self.state().stats.clone()
    }
}

impl State {
    fn end_step(&mut self, failure: Option<Failure>) {
        let seconds = self
            .began
            .take()
            .map_or(0.0, |began| began.elapsed().as_secs_f64());
        if let Some(name) = self.names.get(self.next).copied() {
            self.outcomes.push(Outcome {
                name,
                seconds,
                failure,
            });
        }
        self.next += 1;
    }
}
