use system_stats_model::sample::Millis;

use super::super::error::EvalError;
use super::sums::kahan_add;
use super::{Frame, Windows};
use crate::value::{ColumnMut, verb_f};

/// `deriv`: the slope of the line through the samples, per second.
pub(super) fn slope(windows: Windows<'_>, into: &mut ColumnMut<'_>) {
    for (step, lo, hi) in windows.at_least(2) {
        let (slope, _) = line(windows, lo, hi, windows.timestamps[lo]);
        into.set(step, slope);
    }
}

/// `predict_linear`: where the line through the samples will be.
pub(super) fn prediction(windows: Windows<'_>, frame: &Frame<'_>, into: &mut ColumnMut<'_>) {
    for (step, lo, hi) in windows.at_least(2) {
        let (slope, now) = line(windows, lo, hi, frame.timeline.time(step));
        into.set(step, slope * frame.scalars[0].at(step) + now);
    }
}

/// The slope of the line through the samples (least squares), and its value at `origin`.
fn line(windows: Windows<'_>, lo: usize, hi: usize, origin: Millis) -> (f64, f64) {
    let values = &windows.values[lo..hi];
    let first = values[0];
    #[expect(clippy::float_cmp, reason = "a constant is one to the last bit")]
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let (mut x_sum, mut y_sum) = ((0.0, 0.0), (0.0, 0.0));
    let (mut product_sum, mut square_sum) = ((0.0, 0.0), (0.0, 0.0));
    for (timestamp, y) in windows.timestamps[lo..hi].iter().zip(values) {
        let x = timestamp.saturating_sub(origin) as f64 / 1e3;
        x_sum = kahan_add(x, x_sum.0, x_sum.1);
        y_sum = kahan_add(*y, y_sum.0, y_sum.1);
        product_sum = kahan_add(x * y, product_sum.0, product_sum.1);
        square_sum = kahan_add(x * x, square_sum.0, square_sum.1);
    }
    let n = values.len() as f64;
    let [x, y, xy, xx] = [x_sum, y_sum, product_sum, square_sum].map(|(sum, rest)| sum + rest);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

/// `double_exponential_smoothing`, with a factor for the level and one for the trend.
pub(super) fn smoothed(
    windows: Windows<'_>,
    frame: &Frame<'_>,
    into: &mut ColumnMut<'_>,
) -> Result<(), EvalError> {
    for (step, lo, hi) in windows.at_least(1) {
        let (smoothing, trend) = (frame.scalars[0].at(step), frame.scalars[1].at(step));
        check_factor("smoothing", "sf", smoothing)?;
        check_factor("trend", "tf", trend)?;
        let values = &windows.values[lo..hi];
        let [first, second, ..] = values else {
            continue;
        };
        let (mut before, mut level, mut rise) = (0.0, *first, second - first);
        for (at, value) in values.iter().enumerate().skip(1) {
            if at > 1 {
                rise = trend * (level - before) + (1.0 - trend) * rise;
            }
            let next = smoothing * value + (1.0 - smoothing) * (level + rise);
            (before, level) = (level, next);
        }
        into.set(step, level);
    }
    Ok(())
}

fn check_factor(name: &str, short: &str, factor: f64) -> Result<(), EvalError> {
    // NaN passes, as in Prometheus.
    if factor <= 0.0 || factor >= 1.0 {
        let got = verb_f(factor);
        return Err(EvalError::Parameter(format!(
            "invalid {name} factor. Expected: 0 < {short} < 1, got: {got}"
        )));
    }
    Ok(())
}
