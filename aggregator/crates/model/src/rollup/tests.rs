//! Buckets against what they stand for: the samples themselves, gone through one by one.

use proptest::prelude::*;

use super::*;

const FINE: Millis = 300_000;
const COARSE: Millis = 3_600_000;

/// The window functions by their definition.
struct Naive<'a>(&'a [(Millis, f64)]);

impl Naive<'_> {
    fn increase(&self) -> Option<f64> {
        let [first, .., last] = self.0 else {
            return None;
        };
        let mut increase = last.1 - first.1;
        for pair in self.0.windows(2) {
            if pair[1].1 < pair[0].1 {
                increase += pair[0].1;
            }
        }
        Some(increase)
    }

    fn extreme(&self, is_better: impl Fn(f64, f64) -> bool) -> Option<f64> {
        let (&(_, mut best), rest) = self.0.split_first()?;
        for &(_, value) in rest {
            if is_better(value, best) || best.is_nan() {
                best = value;
            }
        }
        Some(best)
    }

    fn sum(&self) -> Option<f64> {
        let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
        for &(_, value) in self.0 {
            let next = sum + value;
            lost += if sum.abs() >= value.abs() {
                (sum - next) + value
            } else {
                (value - next) + sum
            };
            sum = next;
        }
        (!self.0.is_empty()).then_some(sum + lost)
    }
}

/// Equal to a part in 10^12 of `scale`, which is what the numbers were made from.
fn is_close(a: Option<f64>, b: Option<f64>, scale: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.to_bits() == b.to_bits()
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= 1e-12 * a.abs().max(scale)
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn check(entries: &[(Millis, f64)], resolution: Millis, length: Millis, step: Millis) {
    let (times, values): (Vec<Millis>, Vec<f64>) = entries.iter().copied().unzip();
    let mut fine = Vec::new();
    buckets(&times, &values, FINE, &mut fine);
    let mut have = Vec::new();
    if resolution == FINE {
        have.clone_from(&fine);
    } else {
        coarser(&fine, resolution, &mut have);
    }
    assert!(have.windows(2).all(|pair| pair[0].end < pair[1].end));
    assert!(have.iter().all(|b| b.count > 0 || b.ends_stale));
    let mut run = Run::new(&have);
    let end = bucket_end(times.last().copied().unwrap_or(0), resolution) + 2 * length;
    let mut at = 0;
    while at <= end {
        run.advance(at - length, at);
        let inside: Vec<(Millis, f64)> = entries
            .iter()
            .copied()
            .filter(|&(time, _)| at - length < time && time <= at)
            .collect();
        check_window(&run, &inside);
        at += step;
    }
}

fn check_window(run: &Run<'_>, inside: &[(Millis, f64)]) {
    let samples: Vec<_> = inside.iter().copied().filter(|s| !is_stale(s.1)).collect();
    let naive = Naive(&samples);
    let greatest = samples.iter().map(|s| s.1.abs()).fold(0.0, f64::max);
    let sample = |&(timestamp, value): &(Millis, f64)| Sample { timestamp, value };
    assert_eq!(run.count(), samples.len() as u64);
    assert_eq!(run.first(), samples.first().map(sample));
    assert_eq!(run.last(), samples.last().map(sample));
    let current = inside.last().filter(|s| !is_stale(s.1)).map(sample);
    assert_eq!(run.current(), current);
    let (a, b) = (run.increase(), naive.increase());
    assert!(is_close(a, b, greatest), "{a:?} {b:?}");
    let joined = run.joined();
    let min = naive.extreme(|value, best| value < best);
    let max = naive.extreme(|value, best| value > best);
    assert!(is_close(joined.map(|b| b.min), min, 0.0));
    assert!(is_close(joined.map(|b| b.max), max, 0.0));
    let (a, b) = (joined.map(|b| b.total()), naive.sum());
    assert!(is_close(a, b, 0.0), "{a:?} {b:?}");
    if let (Some(joined), [_, _, ..]) = (joined, &samples[..]) {
        let correction = joined.correction + (joined.last.value - joined.first.value);
        assert!(is_close(Some(correction), naive.increase(), greatest));
    }
}

#[test]
fn a_bucket_holds_its_last_millisecond_and_not_its_first() {
    let cases = [
        (0, 0),
        (1, FINE),
        (FINE - 1, FINE),
        (FINE, FINE),
        (FINE + 1, 2 * FINE),
        (-1, 0),
        (-FINE, -FINE),
    ];
    for (time, end) in cases {
        assert_eq!(bucket_end(time, FINE), end, "{time}");
    }
}

#[test]
fn the_coarsest_resolution_that_fits_is_taken() {
    let cases: [(&[Millis], Option<Millis>); 5] = [
        (&[COARSE, 2 * COARSE, 0], Some(COARSE)),
        (&[COARSE, FINE], Some(FINE)),
        (&[-COARSE], Some(COARSE)),
        (&[COARSE, 60_000], None),
        (&[1], None),
    ];
    for (multiples, expected) in cases {
        assert_eq!(resolution_of(multiples), expected, "{multiples:?}");
    }
}

#[test]
fn a_bucket_remembers_what_windows_need() {
    let times = [1, 2, 3, 4, FINE, FINE + 1];
    let values = [5.0, 7.0, 2.0, 3.0, STALE, STALE];
    let mut have = Vec::new();
    buckets(&times, &values, FINE, &mut have);
    let [bucket, stale] = &have[..] else {
        panic!("{have:?}")
    };
    assert_eq!(
        (bucket.end, bucket.count, bucket.ends_stale),
        (FINE, 4, true)
    );
    assert_eq!((bucket.first.timestamp, bucket.last.timestamp), (1, 4));
    assert_eq!((bucket.correction, bucket.min, bucket.max), (7.0, 2.0, 7.0));
    assert_eq!((bucket.total(), bucket.compensation), (17.0, 0.0));
    assert_eq!(
        (stale.end, stale.count, stale.ends_stale),
        (2 * FINE, 0, true)
    );
}

#[test]
fn sums_that_may_overflow_are_told_apart() {
    let cases: [(&[f64], bool); 6] = [
        (&[1.0, -2.0], true),
        (&[f64::NAN], true),
        (&[f64::NAN, 1.0], true),
        (&[f64::MAX, -f64::MAX], false),
        (&[1.0, f64::INFINITY], false),
        (&[1e300; 10], true),
    ];
    for (values, is_safe) in cases {
        let times: Vec<Millis> = (1..).take(values.len()).collect();
        let mut have = Vec::new();
        buckets(&times, values, FINE, &mut have);
        assert_eq!(have[0].has_safe_sum(), is_safe, "{values:?}");
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (0..2000u32).prop_map(|v| f64::from(v) / 8.0),
        4 => -1e6..1e6f64,
        2 => (0..3u32).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(-0.0),
        2 => Just(STALE),
        1 => prop_oneof![Just(1e16), Just(-1e16), Just(1e-9)],
    ]
}

/// Counters with resets, gauges, gaps, both kinds of NaN.
fn entries() -> impl Strategy<Value = Vec<(Millis, f64)>> {
    let gap = prop_oneof![
        10 => 1_000..30_000i64,
        2 => Just(15_000),
        1 => 300_000..9_000_000i64,
        1 => Just(FINE),
    ];
    let counter = prop::collection::vec((gap.clone(), 0..500u32, 0..12u32), 0..200);
    let counter = counter.prop_map(|steps| {
        let (mut time, mut value) = (0, 0.0);
        let step = |(gap, rise, what)| {
            time += gap;
            value = if what == 0 {
                0.0
            } else {
                value + f64::from(rise)
            };
            (time, if what == 1 { STALE } else { value })
        };
        steps.into_iter().map(step).collect()
    });
    let gauge = prop::collection::vec((gap, value()), 0..200).prop_map(|steps| {
        let mut time = 0;
        let step = |(gap, value)| {
            time += gap;
            (time, value)
        };
        steps.into_iter().map(step).collect()
    });
    prop_oneof![counter, gauge]
}

proptest! {
    #[test]
    fn parts_of_a_run_make_the_run(entries in entries(), cut in 0..200usize) {
        let (times, values): (Vec<Millis>, Vec<f64>) = entries.iter().copied().unzip();
        let cut = cut.min(times.len());
        let (mut whole, mut joined, mut later) = (Vec::new(), Vec::new(), Vec::new());
        buckets(&times, &values, FINE, &mut whole);
        buckets(&times[..cut], &values[..cut], FINE, &mut joined);
        buckets(&times[cut..], &values[cut..], FINE, &mut later);
        append(&mut joined, &later);
        prop_assert_eq!(whole.len(), joined.len());
        for (a, b) in whole.iter().zip(&joined) {
            prop_assert_eq!((a.end, a.count, a.ends_stale), (b.end, b.count, b.ends_stale));
            prop_assert_eq!((a.first, a.last), (b.first, b.last));
            prop_assert!(is_close(Some(a.total()), Some(b.total()), 0.0));
        }
    }

    #[test]
    fn windows_over_buckets_are_windows_over_samples(
        entries in entries(),
        is_coarse: bool,
        length in 1..5i64,
        step in 1..4i64,
    ) {
        let resolution = if is_coarse { COARSE } else { FINE };
        check(&entries, resolution, length * resolution, step * resolution);
    }

    #[test]
    fn coarse_buckets_come_from_fine_ones_as_from_samples(entries in entries()) {
        let (times, values): (Vec<Millis>, Vec<f64>) = entries.iter().copied().unzip();
        let (mut fine, mut from_fine, mut direct) = (Vec::new(), Vec::new(), Vec::new());
        buckets(&times, &values, FINE, &mut fine);
        coarser(&fine, COARSE, &mut from_fine);
        buckets(&times, &values, COARSE, &mut direct);
        prop_assert_eq!(from_fine.len(), direct.len());
        for (a, b) in from_fine.iter().zip(&direct) {
            prop_assert_eq!((a.end, a.count, a.ends_stale), (b.end, b.count, b.ends_stale));
            prop_assert_eq!((a.first, a.last), (b.first, b.last));
            prop_assert!(is_close(Some(a.total()), Some(b.total()), 0.0));
        }
    }
}

/// Several sources, and what they have together; none if they cannot be told apart.
type Sources = (Vec<Vec<(Millis, f64)>>, Option<Vec<(Millis, f64)>>);

#[test]
fn sources_are_merged_where_one_ends_before_the_other_begins() {
    let of = |samples: &[(Millis, f64)]| {
        let (times, values): (Vec<Millis>, Vec<f64>) = samples.iter().copied().unzip();
        let mut into = Vec::new();
        buckets(&times, &values, FINE, &mut into);
        into
    };
    let minute = |at: Millis| (at * 60_000, at as f64);
    let stale = |at: Millis| (at * 60_000, STALE);
    let apart = vec![minute(1), minute(2), minute(3), minute(9), minute(30)];
    let cases: [Sources; 7] = [
        (vec![vec![], vec![]], Some(vec![])),
        (
            vec![apart[..2].to_vec(), apart[2..].to_vec()],
            Some(apart.clone()),
        ),
        (
            vec![apart[2..].to_vec(), apart[..2].to_vec()],
            Some(apart.clone()),
        ),
        (
            vec![
                vec![apart[0], apart[3]],
                vec![apart[1], apart[4]],
                vec![apart[2]],
            ],
            Some(apart.clone()),
        ),
        (vec![apart.clone(), apart.clone()], Some(apart.clone())),
        (
            vec![vec![stale(1)], vec![minute(2), minute(3)], vec![stale(4)]],
            Some(vec![stale(1), minute(2), minute(3), stale(4)]),
        ),
        (vec![vec![minute(1), minute(3)], vec![minute(2)]], None),
    ];
    for (sources, together) in cases {
        let mut into = of(&sources[0]);
        let mut merged = Ok(());
        for source in &sources[1..] {
            merged = merged.and_then(|()| merge(&mut into, &of(source)));
        }
        match together {
            Some(together) => assert_eq!((merged, &into), (Ok(()), &of(&together)), "{sources:?}"),
            None => assert_eq!(
                (merged, &into),
                (Err(Interleaved { end: FINE }), &of(&sources[0]))
            ),
        }
    }
}
