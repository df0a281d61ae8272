use super::Windows;
use crate::ast::Function;
use crate::value::ColumnMut;

/// The functions that need to see one sample or none.
pub(super) fn simple(function: Function, windows: Windows<'_>, into: &mut ColumnMut<'_>) {
    let seconds = |at: usize| windows.timestamps[at] as f64 / 1000.0;
    for (step, lo, hi) in windows.at_least(1) {
        let value = match function {
            Function::CountOverTime => (hi - lo) as f64,
            Function::FirstOverTime => windows.values[lo],
            Function::LastOverTime => windows.values[hi - 1],
            Function::TsOfFirstOverTime => seconds(lo),
            Function::TsOfLastOverTime => seconds(hi - 1),
            // `present_over_time`, and what `absent_over_time` looks for.
            _ => 1.0,
        };
        into.set(step, value);
    }
}

/// `changes` and `resets`: how many neighbours `counts` holds for. `running` takes the number of
/// them up to each sample.
pub(super) fn pairs(
    windows: Windows<'_>,
    into: &mut ColumnMut<'_>,
    running: &mut Vec<u32>,
    counts: impl Fn(f64, f64) -> bool,
) {
    run(windows.values, running, counts);
    for (step, lo, hi) in windows.at_least(1) {
        into.set(step, f64::from(running[hi - 1] - running[lo]));
    }
}

/// Counts the neighbours that `counts` holds for up to each sample.
pub(super) fn run(values: &[f64], running: &mut Vec<u32>, counts: impl Fn(f64, f64) -> bool) {
    running.clear();
    running.push(0);
    let mut count = 0;
    for pair in values.windows(2) {
        count += u32::from(counts(pair[0], pair[1]));
        running.push(count);
    }
}

/// Two NaNs are no change.
#[expect(clippy::float_cmp, reason = "any difference is a change")]
pub(super) fn is_change(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}
