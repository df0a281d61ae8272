//! Functions over the samples of a window, for all windows of a series at once.
//!
//! Windows move forward, so everything keeps two indices that only grow. Where the definition
//! allows it, a window costs the same whatever its length; sums do so only where the result is
//! the same to the last bit or nearly so.

pub(crate) mod buckets;
mod counting;
pub(crate) mod extended;
mod extremes;
mod order;
mod rate;
mod sums;
#[cfg(test)]
mod tests;
mod trend;

use system_stats_model::sample::Millis;

use super::error::EvalError;
use super::evaluator::Scalars;
use crate::ast::Function;
use crate::value::{ColumnMut, Reference};

pub(crate) use order::quantile;
pub(crate) use rate::Gaps;
pub(crate) use sums::kahan_add;

/// The samples of a series, and which of them each step looks at.
#[derive(Clone, Copy)]
pub(crate) struct Windows<'a> {
    /// Strictly ascending.
    pub(crate) timestamps: &'a [Millis],
    pub(crate) values: &'a [f64],
    /// For each step: from, up to but not including. Neither ever decreases.
    pub(crate) bounds: &'a [(u32, u32)],
    /// Whether the evaluation is to end; the results do not count then.
    pub(crate) stops: &'a dyn Fn() -> bool,
}

/// So many samples of windows may be looked at between two questions whether to go on.
const UNASKED: usize = 1 << 20;

/// What a window is besides its samples.
pub(crate) struct Frame<'a> {
    /// Where each step's window ends.
    pub(crate) reference: Reference,
    /// How long a window is, in milliseconds.
    pub(crate) range: Millis,
    /// The times of the evaluation itself.
    pub(crate) timeline: crate::value::Timeline,
    /// The scalar arguments, in order.
    pub(crate) scalars: &'a [Scalars],
}

/// Room for a function's own notes on a series.
pub(crate) struct Room<'a> {
    pub(crate) floats: &'a mut Vec<f64>,
    pub(crate) indices: &'a mut Vec<u32>,
    /// What the times of the windows say; kept while these stay the same.
    pub(crate) gaps: &'a mut Gaps,
}

impl<'a> Windows<'a> {
    /// The steps whose window holds at least `least` samples, with the bounds of the window, as
    /// long as the evaluation is to go on.
    fn at_least(self, least: usize) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let bounds = self.bounds.iter().enumerate();
        let mut unasked = 0;
        bounds
            .map(|(step, (lo, hi))| (step, *lo as usize, *hi as usize))
            .filter(move |(_, lo, hi)| hi - lo >= least)
            .take_while(move |(_, lo, hi)| {
                unasked += hi - lo;
                if unasked < UNASKED {
                    return true;
                }
                unasked = 0;
                !(self.stops)()
            })
    }

    /// The samples of all windows together, those in several windows counted several times.
    pub(crate) fn total(self) -> u64 {
        self.bounds.iter().map(|(lo, hi)| u64::from(hi - lo)).sum()
    }
}

/// The windows of the series that was looked at last: the next often has the same times.
#[derive(Default)]
pub(crate) struct Grid {
    /// The samples of each step's window: from, up to but not including.
    pub(crate) bounds: Vec<(u32, u32)>,
    /// The samples of all windows together, those in several windows counted several times.
    pub(crate) total: u64,
    pub(crate) gaps: Gaps,
    /// What it is about: the times of samples, those of the steps, the length of a window.
    timestamps: Vec<Millis>,
    of: Option<(Reference, Millis)>,
}

impl Grid {
    /// Makes it that of a series.
    pub(crate) fn find(&mut self, timestamps: &[Millis], reference: &Reference, range: Millis) {
        let of = Some((*reference, range));
        if self.of == of && self.timestamps == timestamps {
            return;
        }
        self.of = of;
        self.timestamps.clear();
        self.timestamps.extend_from_slice(timestamps);
        self.gaps.forget();
        bounds(timestamps, reference, range, &mut self.bounds);
        let counts = self.bounds.iter().map(|(lo, hi)| u64::from(hi - lo));
        self.total = counts.sum();
    }
}

/// Finds the samples of each step's window, which is open at its left end.
fn bounds(timestamps: &[Millis], reference: &Reference, range: Millis, into: &mut Vec<(u32, u32)>) {
    into.clear();
    let (mut lo, mut hi) = (0, 0);
    for step in 0..reference.steps {
        let end = reference.time(step);
        let start = end.saturating_sub(range);
        while timestamps.get(hi).is_some_and(|t| *t <= end) {
            hi += 1;
        }
        while lo < hi && timestamps[lo] <= start {
            lo += 1;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "2^32 samples of one series take 64 GiB"
        )]
        into.push((lo as u32, hi as u32));
    }
}

/// Applies a function over ranges to every window.
pub(crate) fn apply(
    function: Function,
    windows: Windows<'_>,
    frame: &Frame<'_>,
    into: &mut ColumnMut<'_>,
    room: &mut Room<'_>,
) -> Result<(), EvalError> {
    match function {
        Function::Rate => rate::extrapolated(windows, frame, rate::RATE, into, room),
        Function::Increase => {
            rate::extrapolated(windows, frame, rate::INCREASE, into, room);
        }
        Function::Delta => rate::extrapolated(windows, frame, rate::DELTA, into, room),
        Function::Irate => rate::last_two(windows, true, into),
        Function::Idelta => rate::last_two(windows, false, into),
        Function::SumOverTime => sums::sum(windows, into, room.floats),
        Function::AvgOverTime => sums::average(windows, into, room.floats),
        Function::StddevOverTime => sums::variance(windows, into, f64::sqrt),
        Function::StdvarOverTime => sums::variance(windows, into, |variance| variance),
        Function::MaxOverTime => extremes::value(windows, into, room.indices, |a, b| a > b),
        Function::MinOverTime => extremes::value(windows, into, room.indices, |a, b| a < b),
        Function::TsOfMaxOverTime => extremes::time(windows, into, room.indices, |a, b| a >= b),
        Function::TsOfMinOverTime => extremes::time(windows, into, room.indices, |a, b| a <= b),
        Function::Changes => counting::pairs(windows, into, room.indices, counting::is_change),
        Function::Resets => counting::pairs(windows, into, room.indices, |a, b| b < a),
        Function::QuantileOverTime => order::quantiles(windows, frame, into, room.floats),
        Function::MadOverTime => order::deviations(windows, into, room.floats),
        Function::Deriv => trend::slope(windows, into),
        Function::PredictLinear => trend::prediction(windows, frame, into),
        Function::DoubleExponentialSmoothing => trend::smoothed(windows, frame, into)?,
        other => counting::simple(other, windows, into),
    }
    Ok(())
}
