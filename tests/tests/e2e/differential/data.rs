//! Series in which everything happens that expressions have to cope with.

use e2e::random::Random;
use e2e::remote_write::Series;

/// The first time asked for, in seconds since 1970: some day of 2023.
pub(super) const START: i64 = 1_700_000_100;
/// The last time asked for: within the hour that Prometheus keeps open.
pub(super) const END: i64 = START + 2400;
/// Samples begin this many seconds earlier.
const BEFORE: i64 = 600;
const INTERVAL: i64 = 15;
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

const JOBS: [&str; 2] = ["api", "db"];
const INSTANCES: [&str; 3] = ["i1", "i2", "i3"];

/// The series; for version 2 without what the versions do not agree on.
pub(super) fn series(is_old: bool) -> Vec<Series> {
    let mut random = Random::new(7);
    let mut all = Vec::new();
    for (job, instance) in JOBS
        .iter()
        .flat_map(|job| INSTANCES.map(|instance| (*job, instance)))
    {
        let at = [("job", job), ("instance", instance)];
        for path in ["/", "/a"] {
            let labels = [&[("__name__", "requests_total"), ("path", path)], &at[..]].concat();
            all.push(counter(&mut random, &labels));
        }
        let zone = if instance == "i3" { "" } else { job };
        let labels = [&[("__name__", "load"), ("zone", zone)], &at[..]].concat();
        all.push(gauge(&mut random, &labels));
        let labels = [
            &[("__name__", "info"), ("version", &instance[1..])],
            &at[..],
        ]
        .concat();
        all.push(every(&mut random, &labels, |_, _| Some(1.0)));
        let labels = [&[("__name__", "gaps")], &at[..]].concat();
        all.push(gaps(&mut random, &labels));
        if !is_old {
            let labels = [&[("__name__", "odd")], &at[..]].concat();
            all.push(odd(&mut random, &labels));
            let labels = [&[("__name__", "young_total")], &at[..]].concat();
            all.push(young(&mut random, &labels));
            let labels = [&[("__name__", "aligned")], &at[..]].concat();
            all.push(aligned(&mut random, &labels));
        }
    }
    for job in JOBS {
        all.extend(histogram(&mut random, job));
    }
    for one in &mut all {
        one.labels.retain(|(_, value)| !value.is_empty());
    }
    all
}

/// A sample about every 15 seconds, at odd milliseconds.
fn every(
    random: &mut Random,
    labels: &[(&str, &str)],
    mut value: impl FnMut(&mut Random, i64) -> Option<f64>,
) -> Series {
    let mut series = Series::new(labels);
    let phase = 1000 + random.below(13_000).cast_signed();
    for tick in 0..(END - START + BEFORE) / INTERVAL {
        let jitter = random.below(300).cast_signed();
        let at = (START - BEFORE + tick * INTERVAL) * 1000 + phase + jitter;
        // Never a whole second, so that no window ends at a sample.
        let at = if at % 1000 == 0 { at + 1 } else { at };
        if let Some(value) = value(random, tick) {
            series.samples.push((at, value));
        }
    }
    series
}

fn counter(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    let mut total = 10_000.0;
    let reset = 30 + random.below(100).cast_signed();
    every(random, labels, |random, tick| {
        total += random.percent().round() / 4.0;
        if tick == reset {
            // Far from nothing: how near a counter may be to it is seen differently by version 2.
            total = 9_000.0;
        }
        Some(total)
    })
}

fn gauge(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    every(random, labels, |random, _| Some(random.percent() - 40.0))
}

/// Missing for minutes now and then, with and without a mark.
fn gaps(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    let period = 20 + random.below(30).cast_signed();
    let is_marked = random.below(2) == 0;
    every(random, labels, |random, tick| match tick % period {
        0..12 => Some(random.percent()),
        12 if is_marked => Some(STALE),
        _ => None,
    })
}

/// Numbers that are none, and the ends of the scale.
fn odd(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    every(random, labels, |random, _| {
        Some(match random.below(20) {
            0 | 1 => f64::NAN,
            2 => f64::INFINITY,
            3 => f64::NEG_INFINITY,
            4 => -0.0,
            5 => 0.0,
            6 => 1e300,
            7 => 1e-300,
            8..=12 => 5.0,
            _ => random.percent() - 50.0,
        })
    })
}

/// A counter that has just begun, and begins again.
fn young(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    let (mut total, life) = (0.0, 25 + random.below(30).cast_signed());
    every(random, labels, |random, tick| {
        let age = tick % life;
        if age == 0 {
            total = 0.0;
        }
        total += random.below(4) as f64;
        (age < life - 8).then_some(total)
    })
}

/// Samples exactly where windows begin and end.
fn aligned(random: &mut Random, labels: &[(&str, &str)]) -> Series {
    let mut series = Series::new(labels);
    for tick in 0..(END - START + BEFORE) / INTERVAL {
        let at = (START - BEFORE + tick * INTERVAL) * 1000;
        series.samples.push((at, random.below(50) as f64));
    }
    series
}

fn histogram(random: &mut Random, job: &str) -> Vec<Series> {
    const BOUNDS: [&str; 5] = ["0.1", "0.5", "1", "5", "+Inf"];
    let named = |name: &str| Series::new(&[("__name__", name), ("job", job)]);
    let bucket =
        |le: &&str| Series::new(&[("__name__", "latency_bucket"), ("job", job), ("le", le)]);
    let mut buckets: Vec<Series> = BOUNDS.iter().map(bucket).collect();
    let (mut sum, mut count) = (named("latency_sum"), named("latency_count"));
    let (mut totals, mut observed) = ([100.0; 5], 500.0);
    // All of a scrape at one time.
    let times = every(random, &[], |_, _| Some(0.0));
    for (at, _) in times.samples {
        let mut below = 0.0;
        for (total, series) in totals.iter_mut().zip(&mut buckets) {
            below += random.below(6) as f64;
            *total += below;
            series.samples.push((at, *total));
        }
        observed += random.percent();
        sum.samples.push((at, observed));
        count.samples.push((at, totals[4]));
    }
    buckets.extend([sum, count]);
    buckets
}
