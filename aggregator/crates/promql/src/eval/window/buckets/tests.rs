//! The same queries with and without tiers.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use system_stats_model::labels::Labels;
use system_stats_model::rollup::RESOLUTIONS;
use system_stats_model::sample::{Millis, STALE, TimeRange};
use system_stats_model::source::{
    FixedSource, SampleBuffer, Selector, SeriesSet, SeriesSource, SourceError,
};

use crate::eval::{EvalError, Options, Output, evaluate};
use crate::parse::{ParseOptions, parse};
use crate::plan::{Plan, TimeSpan};
use crate::value::Value;

const HOUR: Millis = 3_600_000;

/// A source that has buckets of everything, and from before a moment nothing else.
struct Tiered {
    samples: FixedSource,
    expired_before: Option<Millis>,
}

struct TieredSet<'a>(Box<dyn SeriesSet + 'a>, Option<Millis>);

impl SeriesSource for Tiered {
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError> {
        let gone = self.expired_before.filter(|at| selector.range.start < *at);
        Ok(Box::new(TieredSet(self.samples.select(selector)?, gone)))
    }
}

impl SeriesSet for TieredSet<'_> {
    fn labels(&self) -> &[Labels] {
        self.0.labels()
    }

    fn read(
        &self,
        at: usize,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        self.0.read(at, range, into)
    }

    fn has_buckets(&self, _: Millis) -> bool {
        true
    }

    fn expired_before(&self) -> Option<Millis> {
        self.1
    }
}

fn run(text: &str, source: &dyn SeriesSource, span: TimeSpan) -> Result<Output, EvalError> {
    let plan = Plan::new(&parse(text, &ParseOptions::default()).unwrap(), text);
    evaluate(&plan, source, &Options::new(span))
}

/// Every result with its labels and times.
fn flat(value: &Value) -> Vec<(String, Millis, f64)> {
    match value {
        Value::Range(columns) => (columns.labels().iter().enumerate())
            .flat_map(|(at, labels)| {
                let samples = columns.samples(at);
                samples.map(move |(time, value)| (labels.to_string(), time, value))
            })
            .collect(),
        Value::Vector {
            timestamp,
            elements,
        } => (elements.iter())
            .map(|element| (element.labels.to_string(), *timestamp, element.value))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn compare(text: &str, samples: &FixedSource, span: TimeSpan, scale: f64) -> TestCaseResult {
    let tiered = Tiered {
        samples: samples.clone(),
        expired_before: None,
    };
    let plain = flat(&run(text, samples, span).unwrap().value);
    let rolled = flat(&run(text, &tiered, span).unwrap().value);
    prop_assert_eq!(plain.len(), rolled.len(), "{}", text);
    for (a, b) in plain.iter().zip(&rolled) {
        prop_assert_eq!((&a.0, a.1), (&b.0, b.1), "{}", text);
        let is_same = a.2.to_bits() == b.2.to_bits()
            || (a.2.is_nan() && b.2.is_nan())
            || (a.2 - b.2).abs() <= 1e-12 * a.2.abs().max(scale);
        prop_assert!(is_same, "{text} at {}: {} and {}", a.1, a.2, b.2);
    }
    Ok(())
}

/// Resets, gaps, both kinds of NaN; a sample now and then exactly where a bucket ends.
fn series() -> impl Strategy<Value = Vec<(Millis, f64)>> {
    let gap = prop_oneof![
        12 => 5_000..200_000i64,
        3 => Just(300_000),
        1 => 900_000..8_000_000i64,
    ];
    let change = prop_oneof![
        10 => (0..800u32).prop_map(|rise| Some(f64::from(rise) / 8.0)),
        1 => Just(Some(f64::NEG_INFINITY)),
        1 => Just(None),
    ];
    let odd = prop_oneof![Just(STALE), Just(f64::NAN)];
    prop::collection::vec((gap, change, odd), 0..250).prop_map(|steps| {
        let (mut at, mut counter) = (0, 0.0);
        let step = |(gap, change, odd): (Millis, Option<f64>, f64)| {
            at += gap;
            // An endless fall is a reset.
            counter = (counter + change.unwrap_or(0.0)).max(0.0);
            (at, change.map_or(odd, |_| counter))
        };
        steps.into_iter().map(step).collect()
    })
}

const QUERIES: [&str; 16] = [
    "rate(m[1h])",
    "increase(m[10m])",
    "increase(m[3h] offset 1h)",
    "delta(m[2h])",
    "count_over_time(m[1h])",
    "present_over_time(m[5m])",
    "absent_over_time(m[5m])",
    "last_over_time(m[1h])",
    "min_over_time(m[2h])",
    "max_over_time(m[15m])",
    "sum_over_time(m[4h])",
    "avg_over_time(m[1h])",
    "m",
    "timestamp(m offset 5m)",
    "sum by (a) (rate(m[1h] @ 7200)) + m",
    "max_over_time(rate(m[30m])[2h:1h])",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn queries_with_tiers_agree_with_those_without(
        one in series(),
        two in series(),
        query in 0..QUERIES.len(),
        step in prop_oneof![Just(0), Just(RESOLUTIONS[0]), Just(HOUR), Just(60_000)],
        start in 0..40i64,
    ) {
        let names = ["1", "2"].map(|a| Labels::from_pairs([("__name__", "m"), ("a", a)]));
        let mut samples = FixedSource::default();
        let mut greatest = 0_f64;
        for (labels, series) in names.iter().zip([&one, &two]) {
            for &(at, value) in series {
                samples.insert(labels, at, value);
                greatest = greatest.max(value);
            }
        }
        let start = start * RESOLUTIONS[0];
        let span = TimeSpan { start, end: start + 8 * HOUR, step };
        compare(QUERIES[query], &samples, span, greatest)?;
    }
}

#[test]
fn what_has_expired_is_answered_by_rollups_or_not_at_all() {
    let labels = Labels::from_pairs([("__name__", "m_total")]);
    let mut samples = FixedSource::default();
    for at in 0..600 {
        samples.insert(&labels, at * 60_000, at as f64);
    }
    let tiered = Tiered {
        samples,
        expired_before: Some(4 * HOUR),
    };
    let at = |start| TimeSpan::instant(start);
    let cases: [(&str, TimeSpan, Option<bool>); 7] = [
        ("rate(m_total[1h])", at(2 * HOUR), Some(true)),
        ("rate(m_total[1h])", at(6 * HOUR), Some(false)),
        ("m_total", at(2 * HOUR), Some(true)),
        ("m_total", at(2 * HOUR + 1), None),
        ("rate(m_total[7m])", at(2 * HOUR), None),
        ("quantile_over_time(0.5, m_total[1h])", at(2 * HOUR), None),
        (
            "quantile_over_time(0.5, m_total[1h])",
            at(6 * HOUR),
            Some(false),
        ),
    ];
    for (text, span, is_warned) in cases {
        let output = run(text, &tiered, span);
        let warned = output
            .as_ref()
            .ok()
            .map(|output| !output.warnings.is_empty());
        assert_eq!(warned, is_warned, "{text} {span:?}: {output:?}");
    }
    let output = run("rate(m_total[1h])", &tiered, at(2 * HOUR)).unwrap();
    assert_eq!(
        output.warnings,
        [
            "PromQL warning: samples from before 14400 s are beyond the retention; rollups of 1h \
             answer in their place (1:6)"
        ]
    );
}

#[test]
fn sums_that_may_overflow_on_the_way_are_refused() {
    let labels = Labels::from_pairs([("__name__", "m")]);
    let mut samples = FixedSource::default();
    for (at, value) in [(1, f64::MAX), (HOUR / 2, f64::MAX), (HOUR, -f64::MAX)] {
        samples.insert(&labels, at, value);
    }
    let tiered = Tiered {
        samples,
        expired_before: None,
    };
    for text in ["sum_over_time(m[1h])", "avg_over_time(m[1h])"] {
        assert!(run(text, &tiered, TimeSpan::instant(HOUR)).is_err());
    }
    assert!(run("max_over_time(m[1h])", &tiered, TimeSpan::instant(HOUR)).is_ok());
}
