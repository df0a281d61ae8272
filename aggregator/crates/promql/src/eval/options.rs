use std::fmt;
use std::num::NonZeroUsize;

use system_stats_model::sample::Millis;

use crate::plan::{Lookup, TimeSpan};
use crate::value::Value;

/// Why an evaluation has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its time is over.
    TimedOut,
    /// Nobody waits for it any more.
    Canceled,
}

/// How to evaluate.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The times to evaluate at.
    pub span: TimeSpan,
    /// How far to look around.
    pub lookup: Lookup,
    /// The largest number of samples held at once.
    pub max_samples: usize,
    /// The largest number of series that one selector may pick.
    pub max_series: usize,
    /// Whether names that an operation drops are visible until the end of the query.
    pub delayed_name_removal: bool,
    /// How many threads may work on it.
    pub threads: NonZeroUsize,
    /// Whether samples are counted for each step.
    pub per_step: bool,
    /// Asked between series: whether to go on.
    pub stop: Option<&'a (dyn Fn() -> Option<Stop> + Sync)>,
}

impl Options<'_> {
    /// Evaluation at `span` with Prometheus' defaults: five minutes of lookback, subqueries every
    /// minute, 50 million samples; one thread.
    #[must_use]
    pub fn new(span: TimeSpan) -> Self {
        Self {
            span,
            lookup: Lookup {
                lookback: 300_000,
                subquery_step: 60_000,
            },
            max_samples: 50_000_000,
            max_series: usize::MAX,
            delayed_name_removal: false,
            threads: NonZeroUsize::MIN,
            per_step: false,
            stop: None,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("span", &self.span)
            .field("lookup", &self.lookup)
            .field("max_samples", &self.max_samples)
            .field("max_series", &self.max_series)
            .field("delayed_name_removal", &self.delayed_name_removal)
            .field("threads", &self.threads)
            .field("per_step", &self.per_step)
            .finish_non_exhaustive()
    }
}

/// What an evaluation yields.
#[derive(Clone, Debug)]
pub struct Output {
    /// The result.
    pub value: Value,
    /// What is probably wrong; each text ends in `(line:column)`.
    pub warnings: Vec<String>,
    /// What may be unintended; each text ends in `(line:column)`.
    pub infos: Vec<String>,
    /// What it took.
    pub statistics: Statistics,
}

/// What an evaluation took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Samples that selectors looked at, summed over all steps.
    pub total_samples: u64,
    /// The largest number of samples held at once.
    pub peak_samples: usize,
    /// Samples that were looked at for each step, if asked for.
    pub per_step: Vec<(Millis, u64)>,
}
