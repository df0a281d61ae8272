//! Every kernel against its definition, window by window.
#![expect(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "definitions are written down as they are"
)]

use proptest::prelude::*;

use super::*;
use crate::value::{Columns, Timeline};
use system_stats_model::labels::Labels;

/// A function of one window, as it is defined.
type Definition = fn(&[Millis], &[f64], &Ends) -> Option<f64>;

/// The nominal ends of a window and the time of the evaluation.
struct Ends {
    start: Millis,
    end: Millis,
}

fn run(
    function: Function,
    (timestamps, values): (&[Millis], &[f64]),
    (timeline, range): (Timeline, Millis),
    scalars: &[Scalars],
) -> Vec<Option<f64>> {
    let reference = timeline.shifted(None, 0);
    let mut grid = Grid::default();
    grid.find(timestamps, &reference, range);
    let windows = Windows {
        timestamps,
        values,
        bounds: &grid.bounds,
        stops: &|| false,
    };
    let frame = Frame {
        reference,
        range,
        timeline,
        scalars,
    };
    let mut columns = Columns::new(timeline);
    let (mut floats, mut indices) = (Vec::new(), Vec::new());
    let mut room = Room {
        floats: &mut floats,
        indices: &mut indices,
        gaps: &mut grid.gaps,
    };
    apply(
        function,
        windows,
        &frame,
        &mut columns.push(Labels::empty()),
        &mut room,
    )
    .unwrap();
    let value = |step| columns.valid(0).has(step).then(|| columns.values(0)[step]);
    (0..timeline.steps).map(value).collect()
}

fn defined(
    definition: Definition,
    (timestamps, values): (&[Millis], &[f64]),
    (timeline, range): (Timeline, Millis),
) -> Vec<Option<f64>> {
    let at_step = |step| {
        let end = timeline.time(step);
        let start = end - range;
        let inside = |at: &usize| start < timestamps[*at] && timestamps[*at] <= end;
        let inside: Vec<usize> = (0..timestamps.len()).filter(inside).collect();
        let (first, last) = (*inside.first()?, *inside.last()?);
        definition(
            &timestamps[first..=last],
            &values[first..=last],
            &Ends { start, end },
        )
    };
    (0..timeline.steps).map(at_step).collect()
}

fn rate_like(timestamps: &[Millis], values: &[f64], ends: &Ends, is_counter: bool) -> Option<f64> {
    let [first, .., last] = values else {
        return None;
    };
    let mut rise = last - first;
    if is_counter {
        for pair in values.windows(2) {
            if pair[1] < pair[0] {
                rise += pair[0];
            }
        }
    }
    let (begin, finish) = (timestamps[0], timestamps[timestamps.len() - 1]);
    let mut before = (begin - ends.start) as f64 / 1000.0;
    let mut after = (ends.end - finish) as f64 / 1000.0;
    let span = (finish - begin) as f64 / 1000.0;
    let gap = span / (timestamps.len() - 1) as f64;
    if before >= gap * 1.1 {
        before = gap / 2.0;
    }
    if is_counter && rise > 0.0 && *first >= 0.0 {
        before = before.min(span * (first / rise));
    }
    if after >= gap * 1.1 {
        after = gap / 2.0;
    }
    Some(rise * ((span + before + after) / span))
}

fn kahan(values: &[f64]) -> f64 {
    let (sum, rest) = values
        .iter()
        .fold((0.0, 0.0), |(s, c), v| kahan_add(*v, s, c));
    if sum.is_infinite() { sum } else { sum + rest }
}

fn sorted_quantile(q: f64, values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| {
        a.partial_cmp(b)
            .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    });
    let rank = q * (sorted.len() - 1) as f64;
    let (low, high) = (
        rank.floor() as usize,
        (rank.floor() as usize + 1).min(sorted.len() - 1),
    );
    let weight = rank - rank.floor();
    sorted[low] * (1.0 - weight) + sorted[high] * weight
}

/// The functions whose results must be the same to the last bit.
const EXACT: [(Function, Definition); 19] = [
    (Function::Increase, |t, v, e| rate_like(t, v, e, true)),
    (Function::Delta, |t, v, e| rate_like(t, v, e, false)),
    (Function::Idelta, |_, v, _| {
        let [.., before, last] = v else { return None };
        Some(last - before)
    }),
    (Function::Irate, |t, v, _| {
        let ([.., t0, t1], [.., before, last]) = (t, v) else {
            return None;
        };
        let rise = if last < before { *last } else { last - before };
        Some(rise / ((t1 - t0) as f64 / 1000.0))
    }),
    (Function::CountOverTime, |_, v, _| Some(v.len() as f64)),
    (Function::PresentOverTime, |_, _, _| Some(1.0)),
    (Function::LastOverTime, |_, v, _| v.last().copied()),
    (Function::FirstOverTime, |_, v, _| v.first().copied()),
    (Function::TsOfLastOverTime, |t, _, _| {
        t.last().map(|t| *t as f64 / 1000.0)
    }),
    (Function::TsOfFirstOverTime, |t, _, _| {
        t.first().map(|t| *t as f64 / 1000.0)
    }),
    (Function::MaxOverTime, |_, v, _| {
        let keep = |best: f64, v: f64| if v > best || best.is_nan() { v } else { best };
        v.iter().copied().reduce(keep)
    }),
    (Function::MinOverTime, |_, v, _| {
        let keep = |best: f64, v: f64| if v < best || best.is_nan() { v } else { best };
        v.iter().copied().reduce(keep)
    }),
    (Function::TsOfMaxOverTime, |t, v, _| {
        let mut best = (t[0], v[0]);
        for (t, v) in t.iter().zip(v) {
            if *v >= best.1 || best.1.is_nan() {
                best = (*t, *v);
            }
        }
        Some(best.0 as f64 / 1000.0)
    }),
    (Function::TsOfMinOverTime, |t, v, _| {
        let mut best = (t[0], v[0]);
        for (t, v) in t.iter().zip(v) {
            if *v <= best.1 || best.1.is_nan() {
                best = (*t, *v);
            }
        }
        Some(best.0 as f64 / 1000.0)
    }),
    (Function::Changes, |_, v, _| {
        let changed = |p: &&[f64]| p[0] != p[1] && !(p[0].is_nan() && p[1].is_nan());
        Some(v.windows(2).filter(changed).count() as f64)
    }),
    (Function::Resets, |_, v, _| {
        Some(v.windows(2).filter(|p| p[1] < p[0]).count() as f64)
    }),
    (Function::QuantileOverTime, |_, v, _| {
        Some(sorted_quantile(0.9, v))
    }),
    (Function::MadOverTime, |_, v, _| {
        let median = sorted_quantile(0.5, v);
        let distances: Vec<f64> = v.iter().map(|v| (v - median).abs()).collect();
        Some(sorted_quantile(0.5, &distances))
    }),
    (Function::StdvarOverTime, |_, v, _| {
        let (mut n, mut mean, mut squares) = (0.0, (0.0, 0.0), (0.0, 0.0));
        for value in v {
            n += 1.0;
            let delta = value - (mean.0 + mean.1);
            mean = kahan_add(delta / n, mean.0, mean.1);
            squares = kahan_add(delta * (value - (mean.0 + mean.1)), squares.0, squares.1);
        }
        Some((squares.0 + squares.1) / n)
    }),
];

fn same(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.to_bits() == b.to_bits()
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= tolerance * a.abs().max(b.abs())
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Samples with gaps, resets, repetitions and now and then something that is no number.
fn series(values: BoxedStrategy<f64>, most: usize) -> BoxedStrategy<(Vec<Millis>, Vec<f64>)> {
    prop::collection::vec((1..120_000_i64, values), 0..most)
        .prop_map(|samples| {
            let mut now = 0;
            samples
                .into_iter()
                .map(|(gap, value)| {
                    now += gap;
                    (now, value)
                })
                .unzip()
        })
        .boxed()
}

fn odd_values() -> BoxedStrategy<f64> {
    prop_oneof![
        10 => (0..20).prop_map(f64::from),
        10 => -1e6..1e6,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(-0.0),
        1 => Just(1e308),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn exact_kernels(
        (timestamps, values) in series(odd_values(), 60),
        start in -100_000_i64..500_000,
        step in 1_i64..200_000,
        steps in 1_usize..70,
        range in 1_i64..900_000,
    ) {
        let timeline = Timeline { start, step, steps };
        let samples = (&timestamps[..], &values[..]);
        for (function, definition) in EXACT {
            let got = run(function, samples, (timeline, range), &[Scalars::Same(0.9)]);
            let expected = defined(definition, samples, (timeline, range));
            for (got, expected) in got.iter().zip(&expected) {
                prop_assert!(same(*got, *expected, 0.0), "{function}: {got:?}, not {expected:?}");
            }
        }
    }

    /// Walking, running sums and blocks.
    #[test]
    fn sums(
        (timestamps, values) in prop_oneof![
            series(odd_values(), 60),
            series((-1000..1000).prop_map(f64::from).boxed(), 200),
            series((-1e9..1e9).boxed(), 400),
        ],
        step in 1_i64..100_000,
        range in prop_oneof![1_i64..900_000, 1_000_000_i64..10_000_000],
    ) {
        let timeline = Timeline { start: 0, step, steps: 200 };
        let samples = (&timestamps[..], &values[..]);
        // Sums of values that cancel out are as good as the values they consist of.
        let scale = values.iter().copied().filter(|v| v.is_finite()).map(f64::abs).sum::<f64>();
        let is_near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(x), Some(y)) if x.is_finite() && y.is_finite() => (x - y).abs() <= 1e-15 * scale,
            _ => same(a, b, 0.0),
        };
        let got = run(Function::SumOverTime, samples, (timeline, range), &[]);
        let expected = defined(|_, v, _| Some(kahan(v)), samples, (timeline, range));
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!(is_near(*got, *expected), "{got:?}, not {expected:?}");
        }
        let got = run(Function::AvgOverTime, samples, (timeline, range), &[]);
        let mean: Definition = |_, v, _| {
            let scaled: Vec<f64> = v.iter().map(|value| value / v.len() as f64).collect();
            Some(kahan(&scaled))
        };
        let expected = defined(mean, samples, (timeline, range));
        for (got, expected) in got.iter().zip(&expected) {
            let is_finite = |v: &Option<f64>| v.is_none_or(f64::is_finite);
            prop_assert!(
                !is_finite(got) || !is_finite(expected) || is_near(*got, *expected)
                    || same(*got, *expected, 1e-12),
                "{got:?}, not {expected:?}"
            );
        }
    }

    #[test]
    fn lines(
        slope in -10.0..10.0_f64,
        height in -1e3..1e3_f64,
        gaps in prop::collection::vec(1..60_000_i64, 2..50),
    ) {
        let mut now = 0;
        let timestamps: Vec<Millis> = gaps.iter().map(|gap| { now += gap; now }).collect();
        let values: Vec<f64> =
            timestamps.iter().map(|t| height + slope * (*t as f64 / 1000.0)).collect();
        let timeline = Timeline::instant(now);
        let samples = (&timestamps[..], &values[..]);
        let got = run(Function::Deriv, samples, (timeline, now), &[])[0].unwrap();
        prop_assert!((got - slope).abs() < 1e-6, "{got}, not {slope}");
        let ahead = [Scalars::Same(60.0)];
        let got = run(Function::PredictLinear, samples, (timeline, now), &ahead)[0].unwrap();
        let expected = height + slope * (now as f64 / 1000.0 + 60.0);
        prop_assert!((got - expected).abs() < 1e-4, "{got}, not {expected}");
    }
}

#[test]
fn a_constant_has_no_slope_even_if_it_is_large() {
    let timestamps = [0, 1000, 2000];
    let at = (Timeline::instant(2000), 5000);
    let slope = |value: f64| run(Function::Deriv, (&timestamps, &[value; 3]), at, &[])[0];
    assert_eq!(slope(1e17), Some(0.0));
    assert!(slope(f64::INFINITY).unwrap().is_nan());
}

#[test]
fn the_mean_of_huge_numbers_does_not_overflow() {
    let timestamps = [0, 1000, 2000];
    let values = [f64::MAX, f64::MAX, f64::MAX];
    let at = (Timeline::instant(2000), 5000);
    let mean = run(Function::AvgOverTime, (&timestamps, &values), at, &[])[0].unwrap();
    assert!((mean / f64::MAX - 1.0).abs() < 1e-12);
}

#[test]
fn factors_outside_of_zero_and_one_are_refused() {
    let timeline = Timeline::instant(2000);
    let reference = timeline.shifted(None, 0);
    let windows = Windows {
        timestamps: &[1000, 2000],
        values: &[1.0, 2.0],
        bounds: &[(0, 2)],
        stops: &|| false,
    };
    let cases = [
        (
            0.0,
            0.5,
            "invalid smoothing factor. Expected: 0 < sf < 1, got: 0.000000",
        ),
        (
            0.5,
            1.0,
            "invalid trend factor. Expected: 0 < tf < 1, got: 1.000000",
        ),
    ];
    for (smoothing, trend, expected) in cases {
        let scalars = [Scalars::Same(smoothing), Scalars::Same(trend)];
        let frame = Frame {
            reference,
            range: 5000,
            timeline,
            scalars: &scalars,
        };
        let mut columns = Columns::new(timeline);
        let mut column = columns.push(Labels::empty());
        let error = trend::smoothed(windows, &frame, &mut column).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
