use super::Windows;
use crate::value::ColumnMut;

/// `min_over_time` and `max_over_time`. NaNs count only where there is nothing else; of equal
/// values the first is kept.
pub(super) fn value(
    windows: Windows<'_>,
    into: &mut ColumnMut<'_>,
    queue: &mut Vec<u32>,
    is_better: impl Fn(f64, f64) -> bool,
) {
    each(windows, queue, is_better, |step, at| {
        into.set(step, windows.values[at]);
    });
}

/// `ts_of_min_over_time` and `ts_of_max_over_time`.
pub(super) fn time(
    windows: Windows<'_>,
    into: &mut ColumnMut<'_>,
    queue: &mut Vec<u32>,
    is_better: impl Fn(f64, f64) -> bool,
) {
    each(windows, queue, is_better, |step, at| {
        into.set(step, windows.timestamps[at] as f64 / 1000.0);
    });
}

/// Finds the best sample of each window by a queue of candidates: each one worse than the one
/// before it, which leaves first. `is_better` says whether a later value beats an earlier one.
fn each(
    windows: Windows<'_>,
    queue: &mut Vec<u32>,
    is_better: impl Fn(f64, f64) -> bool,
    mut found: impl FnMut(usize, usize),
) {
    queue.clear();
    let (mut head, mut next) = (0, 0);
    for (step, lo, hi) in windows.at_least(1) {
        for at in next..hi {
            let value = windows.values[at];
            if value.is_nan() {
                continue;
            }
            while queue.len() > head
                && is_better(value, windows.values[queue[queue.len() - 1] as usize])
            {
                queue.pop();
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "as many as samples, see bounds"
            )]
            queue.push(at as u32);
        }
        next = next.max(hi);
        while queue.get(head).is_some_and(|at| (*at as usize) < lo) {
            head += 1;
        }
        found(step, queue.get(head).map_or(hi - 1, |at| *at as usize));
    }
}
