use super::Windows;
use crate::value::ColumnMut;

/// Below this, sums of whole numbers have no rounding.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How many samples are summed up beforehand where windows are long and overlap.
const BLOCK: usize = 32;

/// Adds `value` to a sum with a compensation for the digits that get lost (Neumaier's variant of
/// Kahan's summation). An infinite sum has no compensation.
#[inline]
pub(crate) fn kahan_add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    if total.is_infinite() {
        (total, 0.0)
    } else if sum.abs() >= value.abs() {
        (total, compensation + ((sum - total) + value))
    } else {
        (total, compensation + ((value - total) + sum))
    }
}

/// `sum_over_time`.
pub(super) fn sum(windows: Windows<'_>, into: &mut ColumnMut<'_>, room: &mut Vec<f64>) {
    let sums = Sums::of(windows, room);
    for (step, lo, hi) in windows.at_least(1) {
        let (sum, compensation) = sums.pair(windows, room, lo, hi);
        let total = if sum.is_infinite() {
            sum
        } else {
            sum + compensation
        };
        into.set(step, total);
    }
}

/// `avg_over_time`.
pub(super) fn average(windows: Windows<'_>, into: &mut ColumnMut<'_>, room: &mut Vec<f64>) {
    let sums = Sums::of(windows, room);
    for (step, lo, hi) in windows.at_least(1) {
        let value = if matches!(sums, Sums::Walk) {
            mean(&windows.values[lo..hi])
        } else {
            let (sum, compensation) = sums.pair(windows, room, lo, hi);
            let count = (hi - lo) as f64;
            sum / count + compensation / count
        };
        into.set(step, value);
    }
}

/// The mean of at least one value: the sum by the count, or where the sum overflows a mean that
/// is carried along.
fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut compensation) = (values[0], 0.0);
    let mut mean = None;
    for (before, value) in (1..).zip(&values[1..]) {
        let (before, count) = (f64::from(before), f64::from(before + 1));
        let so_far = if let Some(mean) = mean {
            mean
        } else {
            let (new_sum, new_compensation) = kahan_add(*value, sum, compensation);
            if !new_sum.is_infinite() {
                (sum, compensation) = (new_sum, new_compensation);
                continue;
            }
            compensation /= before;
            sum / before
        };
        let share = before / count;
        let (new_mean, new_compensation) =
            kahan_add(value / count, share * so_far, share * compensation);
        (mean, compensation) = (Some(new_mean), new_compensation);
    }
    let count = values.len() as f64;
    mean.map_or(sum / count + compensation / count, |mean| {
        mean + compensation
    })
}

/// How the sums of the windows are found.
enum Sums {
    /// From the first sample to the last.
    Walk,
    /// From sums up to each sample, where nothing is ever rounded.
    Running,
    /// From the sums of blocks.
    Blocks,
}

impl Sums {
    fn of(windows: Windows<'_>, room: &mut Vec<f64>) -> Self {
        room.clear();
        let (samples, total) = (windows.values.len() as u64, windows.total());
        if total <= 4 * samples {
            return Self::Walk;
        }
        let is_exact = windows.values.iter().all(|value| value.fract() == 0.0)
            && windows.values.iter().map(|value| value.abs()).sum::<f64>() < EXACT;
        if is_exact {
            room.push(0.0);
            room.extend(windows.values.iter().scan(0.0, |sum, value| {
                *sum += value;
                Some(*sum)
            }));
            return Self::Running;
        }
        // Blocks change where a sum overflows, so that must be out of the question.
        let largest = windows
            .values
            .iter()
            .fold(0.0, |most: f64, v| most.max(v.abs()));
        let is_tame = windows.values.iter().all(|value| value.is_finite())
            && (largest * windows.values.len() as f64).is_finite();
        if !is_tame || total <= BLOCK as u64 * samples {
            return Self::Walk;
        }
        for block in windows.values.chunks(BLOCK) {
            let (sum, compensation) = walk(block, (0.0, 0.0));
            room.extend([sum, compensation]);
        }
        Self::Blocks
    }

    fn pair(&self, windows: Windows<'_>, room: &[f64], lo: usize, hi: usize) -> (f64, f64) {
        let values = windows.values;
        let (first, last) = (lo.div_ceil(BLOCK), hi / BLOCK);
        match self {
            Self::Running => (room[hi] - room[lo], 0.0),
            Self::Blocks if first < last => {
                let mut pair = walk(&values[lo..first * BLOCK], (0.0, 0.0));
                for block in room[2 * first..2 * last].chunks_exact(2) {
                    pair = kahan_add(block[0], pair.0, pair.1);
                    pair.1 += block[1];
                }
                walk(&values[last * BLOCK..hi], pair)
            }
            Self::Walk | Self::Blocks => walk(&values[lo..hi], (0.0, 0.0)),
        }
    }
}

fn walk(values: &[f64], start: (f64, f64)) -> (f64, f64) {
    values.iter().fold(start, |(sum, compensation), value| {
        kahan_add(*value, sum, compensation)
    })
}

/// `stddev_over_time` and `stdvar_over_time` of the population (Welford's method with compensated
/// sums).
pub(super) fn variance(
    windows: Windows<'_>,
    into: &mut ColumnMut<'_>,
    result: impl Fn(f64) -> f64,
) {
    for (step, lo, hi) in windows.at_least(1) {
        let (mut count, mut mean, mut squares) = (0.0, (0.0, 0.0), (0.0, 0.0));
        for value in &windows.values[lo..hi] {
            count += 1.0;
            let delta = value - (mean.0 + mean.1);
            mean = kahan_add(delta / count, mean.0, mean.1);
            let square = delta * (value - (mean.0 + mean.1));
            squares = kahan_add(square, squares.0, squares.1);
        }
        into.set(step, result((squares.0 + squares.1) / count));
    }
}
