use std::cmp::Ordering;

use super::{Frame, Windows};
use crate::value::ColumnMut;

/// The `q`-quantile of `values`, which are put in another order: linear between neighbours. NaNs
/// are below everything else.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (values.len() - 1) as f64;
    let weight = rank - rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let lower = rank.floor() as usize;
    let (_, at_lower, above) = values.select_nth_unstable_by(lower, |a, b| nan_first(*a, *b));
    let at_lower = *at_lower;
    let at_upper = above
        .iter()
        .copied()
        .min_by(|a, b| nan_first(*a, *b))
        .unwrap_or(at_lower);
    at_lower * (1.0 - weight) + at_upper * weight
}

fn nan_first(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// `quantile_over_time`.
pub(super) fn quantiles(
    windows: Windows<'_>,
    frame: &Frame<'_>,
    into: &mut ColumnMut<'_>,
    room: &mut Vec<f64>,
) {
    for (step, lo, hi) in windows.at_least(1) {
        room.clear();
        room.extend_from_slice(&windows.values[lo..hi]);
        into.set(step, quantile(frame.scalars[0].at(step), room));
    }
}

/// `mad_over_time`: the median of the distances from the median.
pub(super) fn deviations(windows: Windows<'_>, into: &mut ColumnMut<'_>, room: &mut Vec<f64>) {
    for (step, lo, hi) in windows.at_least(1) {
        room.clear();
        room.extend_from_slice(&windows.values[lo..hi]);
        let median = quantile(0.5, room);
        for value in room.iter_mut() {
            *value = (*value - median).abs();
        }
        into.set(step, quantile(0.5, room));
    }
}
