//! Windows that look around: `anchored` begins with the newest sample before the window, `smoothed`
//! takes both ends from the lines between the samples around them.

use std::ops::Range;

use system_stats_model::sample::{Millis, Sample};
use system_stats_model::source::SampleBuffer;

use super::{Frame, Room, Windows, counting};
use crate::ast::{Extent, Function};
use crate::value::ColumnMut;

/// The functions that an anchored range may be given to, as messages list them.
const OF_ANCHORED: [Function; 5] = [
    Function::Changes,
    Function::Delta,
    Function::Increase,
    Function::Rate,
    Function::Resets,
];

/// The same for smoothed ranges.
const OF_SMOOTHED: [Function; 3] = [Function::Delta, Function::Increase, Function::Rate];

/// Why a function cannot be given a range with that extent.
pub(crate) fn refusal(function: Function, extent: Extent) -> Option<String> {
    let allowed: &[Function] = match extent {
        Extent::Anchored => &OF_ANCHORED,
        Extent::Smoothed => &OF_SMOOTHED,
    };
    if allowed.contains(&function) {
        return None;
    }
    let names: Vec<&str> = allowed.iter().map(|function| function.name()).collect();
    let (word, names) = (extent.as_str(), names.join(", "));
    Some(format!(
        "{word} modifier can only be used with: {names} - not with {function}"
    ))
}

/// What lies at `at` on the line through two samples.
pub(crate) fn on_line(before: Sample, after: Sample, at: Millis) -> f64 {
    let passed = at.saturating_sub(before.timestamp) as f64;
    let whole = after.timestamp.saturating_sub(before.timestamp) as f64;
    before.value + (after.value - before.value) * passed / whole
}

/// The samples of a window with those around it.
struct Around<'a> {
    timestamps: &'a [Millis],
    values: &'a [f64],
    start: Millis,
    end: Millis,
    extent: Extent,
}

impl Around<'_> {
    /// The samples that the ends of the window are taken from, if there is a window between them.
    fn ends(&self) -> Option<(usize, usize)> {
        let newest = self.timestamps.len().checked_sub(1)?;
        let others = &self.timestamps[..newest];
        let until_start = others.partition_point(|t| *t <= self.start);
        let first = until_start.saturating_sub(1);
        let last = match self.extent {
            Extent::Anchored => newest,
            Extent::Smoothed => others.partition_point(|t| *t < self.end),
        };
        let is_before = self.timestamps[last] <= self.start;
        let is_behind = self.extent == Extent::Smoothed && self.timestamps[first] > self.end;
        (!is_before && !is_behind).then_some((first, last))
    }

    fn sample(&self, at: usize) -> Sample {
        Sample {
            timestamp: self.timestamps[at],
            value: self.values[at],
        }
    }

    /// The values at both ends of the window.
    fn edges(&self, (first, last): (usize, usize), is_counter: bool) -> (f64, f64) {
        let is_smoothed = self.extent == Extent::Smoothed;
        let between = |before: usize, at: Millis| {
            let (mut before, after) = (self.sample(before), self.sample(before + 1));
            if is_counter && after.value < before.value {
                // Behind a reset a counter rises from zero.
                before.value = 0.0;
            }
            on_line(before, after, at)
        };
        let left = if is_smoothed && self.timestamps[first] < self.start {
            between(first, self.start)
        } else {
            self.values[first]
        };
        let right = if is_smoothed && last > 0 && self.timestamps[last] > self.end {
            between(last - 1, self.end)
        } else {
            self.values[last]
        };
        (left, right)
    }

    /// The samples that lie between the ends and stand for neither.
    fn inside(&self, (first, last): (usize, usize)) -> Range<usize> {
        let from = first + usize::from(self.timestamps[first] <= self.start);
        let to = last + usize::from(self.timestamps[last] < self.end);
        from..to.max(from)
    }
}

/// `rate`, `increase`, `delta`, `changes` and `resets` over windows with an extent; the bounds of
/// the windows include what lies around them.
pub(crate) fn apply(
    function: Function,
    extent: Extent,
    windows: Windows<'_>,
    frame: &Frame<'_>,
    into: &mut ColumnMut<'_>,
    room: &mut Room<'_>,
) {
    let around = |step: usize, lo: usize, hi: usize| {
        let end = frame.reference.time(step);
        Around {
            timestamps: &windows.timestamps[lo..hi],
            values: &windows.values[lo..hi],
            start: end.saturating_sub(frame.range),
            end,
            extent,
        }
    };
    if matches!(function, Function::Changes | Function::Resets) {
        if function == Function::Changes {
            counting::run(windows.values, room.indices, counting::is_change);
        } else {
            counting::run(windows.values, room.indices, |a, b| b < a);
        }
        for (step, lo, hi) in windows.at_least(1) {
            if let Some((first, last)) = around(step, lo, hi).ends() {
                let count = room.indices[lo + last] - room.indices[lo + first];
                into.set(step, f64::from(count));
            }
        }
        return;
    }
    let is_counter = function != Function::Delta;
    counting::run(windows.values, room.indices, |a, b| b < a);
    for (step, lo, hi) in windows.at_least(1) {
        let around = around(step, lo, hi);
        let Some(ends) = around.ends() else {
            continue;
        };
        let (left, right) = around.edges(ends, is_counter);
        let mut rise = right - left;
        if is_counter {
            let inside = around.inside(ends);
            let resets = &room.indices[lo..hi];
            rise += lost_in_resets(
                (left, right),
                &around.values[inside.clone()],
                &resets[inside],
            );
        }
        if function == Function::Rate {
            rise /= frame.range as f64 / 1000.0;
        }
        into.set(step, rise);
    }
}

/// What a counter had reached before each of its resets. `running` counts them up to each sample:
/// most windows have none.
fn lost_in_resets((left, right): (f64, f64), inside: &[f64], running: &[u32]) -> f64 {
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
        return if right < left { left } else { 0.0 };
    };
    let mut reached = 0.0;
    if *first < left {
        reached += left;
    }
    if running.first() != running.last() {
        let drops = inside.windows(2).filter(|pair| pair[1] < pair[0]);
        drops.for_each(|pair| reached += pair[0]);
    }
    if right < *last {
        reached += *last;
    }
    reached
}

/// Makes samples around a window those of the window itself, with one at each of its ends.
pub(crate) fn cut(samples: &mut SampleBuffer, (start, end): (Millis, Millis), extent: Extent) {
    let around = Around {
        timestamps: &samples.timestamps,
        values: &samples.values,
        start,
        end,
        extent,
    };
    let mut cut = SampleBuffer::default();
    if let Some(ends) = around.ends() {
        let (left, right) = around.edges(ends, false);
        let inside = around.inside(ends);
        cut.timestamps.push(start);
        cut.timestamps
            .extend_from_slice(&around.timestamps[inside.clone()]);
        cut.timestamps.push(end);
        cut.values.push(left);
        cut.values.extend_from_slice(&around.values[inside]);
        cut.values.push(right);
    }
    *samples = cut;
}
