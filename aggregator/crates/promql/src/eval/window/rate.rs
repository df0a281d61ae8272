use system_stats_model::sample::Sample;

use super::{Frame, Windows};
use crate::value::ColumnMut;

/// Which of the extrapolating functions.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Whether a drop is a reset and not a change.
    is_counter: bool,
    /// Whether the result is per second.
    is_rate: bool,
}

impl Kind {
    pub(super) fn is_counter(self) -> bool {
        self.is_counter
    }
}

/// The ends of a window, and how many samples it has.
pub(super) struct Ends {
    pub(super) first: Sample,
    pub(super) last: Sample,
    pub(super) count: f64,
}

pub(super) const RATE: Kind = Kind {
    is_counter: true,
    is_rate: true,
};
pub(super) const INCREASE: Kind = Kind {
    is_counter: true,
    is_rate: false,
};
pub(super) const DELTA: Kind = Kind {
    is_counter: false,
    is_rate: false,
};

/// How much longer than usual the gap at a window's end has to be for the series to have begun or
/// ended there.
const LONG_GAP: f64 = 1.1;

/// `rate`, `increase` and `delta`.
///
/// A window costs as much as it has resets: those are found once a series. Adding them in the
/// order of their samples keeps every bit of what walking through the window would give.
pub(super) fn extrapolated(
    windows: Windows<'_>,
    frame: &Frame<'_>,
    kind: Kind,
    into: &mut ColumnMut<'_>,
    resets: &mut Vec<u32>,
) {
    let values = windows.values;
    resets.clear();
    if kind.is_counter {
        let drops = values.windows(2).enumerate();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "as many as samples, see bounds"
        )]
        let drops = drops
            .filter(|(_, pair)| pair[1] < pair[0])
            .map(|(at, _)| at as u32);
        resets.extend(drops);
    }
    let mut from = 0;
    for (step, lo, hi) in windows.at_least(2) {
        let mut rise = values[hi - 1] - values[lo];
        while resets.get(from).is_some_and(|at| (*at as usize) < lo) {
            from += 1;
        }
        let inside = resets[from..].iter().map(|at| *at as usize);
        for before in inside.take_while(|before| before + 1 < hi) {
            rise += values[before];
        }
        let sample = |at: usize| Sample {
            timestamp: windows.timestamps[at],
            value: values[at],
        };
        let ends = Ends {
            first: sample(lo),
            last: sample(hi - 1),
            count: (hi - lo) as f64,
        };
        into.set(step, extrapolate(&ends, frame, kind, (step, rise)));
    }
}

/// Stretches the rise between the first and the last sample to the window's ends, but not past
/// half a usual gap where the series seems to begin or end, nor to before a counter was zero.
pub(super) fn extrapolate(
    ends: &Ends,
    frame: &Frame<'_>,
    kind: Kind,
    (step, rise): (usize, f64),
) -> f64 {
    let (first, last) = (ends.first.timestamp, ends.last.timestamp);
    let range_end = frame.reference.time(step);
    let range_start = range_end.saturating_sub(frame.range);
    let mut to_start = first.saturating_sub(range_start) as f64 / 1000.0;
    let mut to_end = range_end.saturating_sub(last) as f64 / 1000.0;
    let sampled = last.saturating_sub(first) as f64 / 1000.0;
    let usual_gap = sampled / (ends.count - 1.0);
    let long_gap = usual_gap * LONG_GAP;
    if to_start >= long_gap {
        to_start = usual_gap / 2.0;
    }
    let start_value = ends.first.value;
    if kind.is_counter && rise > 0.0 && start_value >= 0.0 {
        let to_zero = sampled * (start_value / rise);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if to_end >= long_gap {
        to_end = usual_gap / 2.0;
    }
    // Added one after the other, as the definition does.
    let mut factor = (sampled + to_start + to_end) / sampled;
    if kind.is_rate {
        factor /= frame.range as f64 / 1000.0;
    }
    rise * factor
}

/// `irate` and `idelta`: only the last two samples count.
pub(super) fn last_two(windows: Windows<'_>, is_rate: bool, into: &mut ColumnMut<'_>) {
    for (step, _, hi) in windows.at_least(2) {
        let (before, last) = (windows.values[hi - 2], windows.values[hi - 1]);
        let is_reset = is_rate && last < before;
        let change = if is_reset { last } else { last - before };
        let distance = windows.timestamps[hi - 1].saturating_sub(windows.timestamps[hi - 2]);
        let seconds = distance as f64 / 1000.0;
        into.set(step, if is_rate { change / seconds } else { change });
    }
}
