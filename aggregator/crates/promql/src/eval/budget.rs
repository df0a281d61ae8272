use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::error::EvalError;
use super::options::{Options, Statistics, Stop};
use crate::value::Timeline;

/// How many cells a column may have for each sample that is allowed: columns of series that come
/// and go have holes, which cost memory too.
const CELLS_PER_SAMPLE: usize = 4;

/// So many cells may be looked at between two questions whether to go on.
const UNASKED: usize = 1 << 18;

/// Asks now and then whether to go on.
pub(crate) struct Pace<'b> {
    budget: &'b Budget<'b>,
    unasked: usize,
}

impl Pace<'_> {
    /// Another piece of work is done, of so many cells.
    pub(crate) fn step(&mut self, cells: usize) -> Result<(), EvalError> {
        self.unasked = self.unasked.saturating_add(cells);
        if self.unasked < UNASKED {
            return Ok(());
        }
        self.unasked = 0;
        self.budget.check()
    }
}

/// Counts what an evaluation holds and looks at, and stops it.
pub(crate) struct Budget<'a> {
    max_samples: usize,
    held: AtomicUsize,
    peak: AtomicUsize,
    total: AtomicU64,
    per_step: Option<(Timeline, Mutex<Vec<u64>>)>,
    stop: Option<&'a (dyn Fn() -> Option<Stop> + Sync)>,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(options: &Options<'a>) -> Self {
        let timeline = options.span.timeline();
        Self {
            max_samples: options.max_samples,
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            per_step: options
                .per_step
                .then(|| (timeline, Mutex::new(vec![0; timeline.steps]))),
            stop: options.stop,
        }
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        match self.stop.and_then(|stop| stop()) {
            None => Ok(()),
            Some(Stop::TimedOut) => Err(EvalError::TimedOut),
            Some(Stop::Canceled) => Err(EvalError::Canceled),
        }
    }

    /// For a loop whose rounds are too short to ask in each of them.
    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace {
            budget: self,
            unasked: 0,
        }
    }

    /// Counts samples that are held from now on.
    pub(crate) fn hold(&self, samples: usize) -> Result<(), EvalError> {
        let held = self.held.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(held, Ordering::Relaxed);
        if held > self.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok(())
    }

    pub(crate) fn release(&self, samples: usize) {
        self.held.fetch_sub(samples, Ordering::Relaxed);
    }

    /// Whether so many cells may be allocated.
    pub(crate) fn check_cells(&self, rows: usize, columns: usize) -> Result<(), EvalError> {
        let limit = self.max_samples.saturating_mul(CELLS_PER_SAMPLE);
        match rows.checked_mul(columns) {
            Some(cells) if cells <= limit => Ok(()),
            _ => Err(EvalError::TooManySamples),
        }
    }

    pub(crate) fn counts_steps(&self) -> bool {
        self.per_step.is_some()
    }

    /// Counts samples that were looked at in all steps together.
    pub(crate) fn looked_at(&self, samples: u64) {
        self.total.fetch_add(samples, Ordering::Relaxed);
    }

    /// Counts samples for the steps of `on`, which may be a subquery's: what lies before the
    /// query's own steps belongs to the first one that follows.
    pub(crate) fn looked_at_steps(&self, on: &Timeline, counts: impl Iterator<Item = u64>) {
        let Some((timeline, steps)) = &self.per_step else {
            return;
        };
        let Ok(mut steps) = steps.lock() else {
            return;
        };
        for (at, count) in counts.enumerate() {
            let behind = on.time(at).saturating_sub(timeline.start).max(0);
            let to = usize::try_from(behind / timeline.step).unwrap_or(usize::MAX);
            let last = steps.len().saturating_sub(1);
            if let Some(step) = steps.get_mut(to.min(last)) {
                *step += count;
            }
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let per_step = self.per_step.as_ref().and_then(|(timeline, steps)| {
            let steps = steps.lock().ok()?;
            let steps = steps.iter().enumerate();
            Some(
                steps
                    .map(|(at, count)| (timeline.time(at), *count))
                    .collect(),
            )
        });
        Statistics {
            total_samples: self.total.load(Ordering::Relaxed),
            peak_samples: self.peak.load(Ordering::Relaxed),
            per_step: per_step.unwrap_or_default(),
        }
    }
}
