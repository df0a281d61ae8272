use system_stats_model::sample::{Millis, Sample};

use super::{Frame, Room, UNASKED, Windows};
use crate::value::{ColumnMut, bits};

/// Which of the extrapolating functions.
#[derive(Clone, Copy, PartialEq)]
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

/// What the times of a window say about the rate in it.
#[derive(Clone, Copy)]
struct Gap {
    /// What the rise is multiplied by, if the counter did not begin inside the window.
    factor: f64,
    /// It did not if its first value is above this share of the rise. Otherwise it is to be looked
    /// at closely.
    share: f64,
}

/// How much above the limit a value has to be to be above it whatever is rounded.
const CLEARLY: f64 = 1.001;

/// What the times of the windows say. Series of one target mostly have the same times.
#[derive(Default)]
pub(crate) struct Gaps {
    /// What it is about.
    kind: Option<Kind>,
    /// By step.
    all: Vec<Gap>,
    /// The steps that have a rate.
    valid: Vec<u64>,
}

impl Gaps {
    /// There are other windows now.
    pub(super) fn forget(&mut self) {
        self.kind = None;
    }

    fn find(&mut self, windows: Windows<'_>, frame: &Frame<'_>, kind: Kind, words: usize) {
        if self.kind == Some(kind) {
            return;
        }
        self.kind = Some(kind);
        self.all.clear();
        self.valid.clear();
        self.valid.resize(words, 0);
        let none = Gap {
            factor: f64::NAN,
            share: f64::NAN,
        };
        self.all.resize(windows.bounds.len(), none);
        for (step, lo, hi) in windows.at_least(2) {
            let times = (windows.timestamps[lo], windows.timestamps[hi - 1]);
            let stretch = Stretch::of(times, (hi - lo) as f64, frame, step);
            self.all[step] = Gap {
                factor: stretch.factor(frame, kind),
                share: stretch.to_start / stretch.sampled * CLEARLY,
            };
            bits::set(&mut self.valid, step);
        }
    }
}

/// `rate`, `increase` and `delta`.
///
/// A window costs as much as it has resets: those are found once a series. Adding them in the
/// order of their samples keeps every bit of what walking through the window would give.
pub(super) fn extrapolated(
    windows: Windows<'_>,
    frame: &Frame<'_>,
    kind: Kind,
    into: &mut ColumnMut<'_>,
    room: &mut Room<'_>,
) {
    let (values, resets) = (windows.values, &mut *room.indices);
    resets.clear();
    // Looked for all at once first, which is quick: most counters have none.
    let neighbours = values.iter().zip(values.get(1..).unwrap_or_default());
    let found: usize = neighbours
        .map(|(before, after)| usize::from(after < before))
        .sum();
    if kind.is_counter && found > 0 {
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
    room.gaps.find(windows, frame, kind, into.valid.len());
    into.valid.copy_from_slice(&room.gaps.valid);
    let (mut from, mut unasked) = (0, 0);
    for (step, (lo, hi)) in windows.bounds.iter().enumerate() {
        let (lo, hi) = (*lo as usize, *hi as usize);
        if hi - lo < 2 {
            continue;
        }
        let start_value = values[lo];
        let mut rise = values[hi - 1] - start_value;
        if from < resets.len() {
            unasked += hi - lo;
            if unasked >= UNASKED {
                unasked = 0;
                if (windows.stops)() {
                    return;
                }
            }
            while resets.get(from).is_some_and(|at| (*at as usize) < lo) {
                from += 1;
            }
            let inside = resets[from..].iter().map(|at| *at as usize);
            for before in inside.take_while(|before| before + 1 < hi) {
                rise += values[before];
            }
        }
        let Gap { factor, share } = room.gaps.all[step];
        let has_begun = start_value > share * rise;
        let may_begin = kind.is_counter && rise > 0.0 && start_value >= 0.0;
        into.values[step] = if may_begin && !has_begun {
            let sample = |at: usize| Sample {
                timestamp: windows.timestamps[at],
                value: values[at],
            };
            let ends = Ends {
                first: sample(lo),
                last: sample(hi - 1),
                count: (hi - lo) as f64,
            };
            extrapolate(&ends, frame, kind, (step, rise))
        } else {
            rise * factor
        };
    }
}

/// The time between the samples of a window, and how far it is taken to go on at the ends, in
/// seconds.
struct Stretch {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

impl Stretch {
    fn of((first, last): (Millis, Millis), count: f64, frame: &Frame<'_>, step: usize) -> Self {
        let range_end = frame.reference.time(step);
        let range_start = range_end.saturating_sub(frame.range);
        let mut to_start = first.saturating_sub(range_start) as f64 / 1000.0;
        let mut to_end = range_end.saturating_sub(last) as f64 / 1000.0;
        let sampled = last.saturating_sub(first) as f64 / 1000.0;
        let usual_gap = sampled / (count - 1.0);
        let long_gap = usual_gap * LONG_GAP;
        if to_start >= long_gap {
            to_start = usual_gap / 2.0;
        }
        if to_end >= long_gap {
            to_end = usual_gap / 2.0;
        }
        Self {
            sampled,
            to_start,
            to_end,
        }
    }

    /// What the rise between the samples is multiplied by.
    fn factor(&self, frame: &Frame<'_>, kind: Kind) -> f64 {
        // Added one after the other, as the definition does.
        let factor = (self.sampled + self.to_start + self.to_end) / self.sampled;
        if kind.is_rate {
            factor / (frame.range as f64 / 1000.0)
        } else {
            factor
        }
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
    let times = (ends.first.timestamp, ends.last.timestamp);
    let mut stretch = Stretch::of(times, ends.count, frame, step);
    let start_value = ends.first.value;
    if kind.is_counter && rise > 0.0 && start_value >= 0.0 {
        // A counter is not taken to have been below zero.
        let to_zero = stretch.sampled * (start_value / rise);
        if to_zero < stretch.to_start {
            stretch.to_start = to_zero;
        }
    }
    rise * stretch.factor(frame, kind)
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
