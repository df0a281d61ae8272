//! Whole expressions: what scripts do not show, such as messages, limits and what is counted.

mod extremes;

use std::sync::atomic::{AtomicUsize, Ordering};

use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, STALE, TimeRange};
use system_stats_model::source::FixedSource;

use super::*;
use crate::parse::{ParseOptions, parse, parse_selector};
use crate::plan::{Lookup, TimeSpan};
use crate::value::{Value, write_value};

const MINUTE: Millis = 60_000;

/// Series by their names, a sample a minute from 0 on; `None` is no sample.
fn source(series: &[(&str, &[Option<f64>])]) -> FixedSource {
    let mut source = FixedSource::default();
    for (name, values) in series {
        let matchers = parse_selector(name).unwrap();
        let labels = Labels::from_pairs(matchers.iter().map(|m| (m.name(), m.value())));
        for (at, value) in (0..).zip(*values) {
            if let Some(value) = value {
                source.insert(&labels, at * MINUTE, *value);
            }
        }
    }
    source
}

fn plan(text: &str) -> Plan {
    let options = ParseOptions {
        experimental_functions: true,
        fill_modifiers: true,
        ..ParseOptions::default()
    };
    Plan::new(&parse(text, &options).unwrap(), text)
}

fn at(minutes: Millis) -> Options<'static> {
    Options::new(TimeSpan::instant(minutes * MINUTE))
}

fn range(start: Millis, end: Millis, step: Millis) -> Options<'static> {
    Options::new(TimeSpan {
        start: start * MINUTE,
        end: end * MINUTE,
        step: step * MINUTE,
    })
}

/// The result in one line: series with their values, `_` where there is none.
fn shown(value: &Value) -> String {
    let number = |value: f64| {
        let mut text = String::new();
        write_value(&mut text, value);
        text
    };
    match value {
        Value::Scalar { value, .. } => number(*value),
        Value::String { value, .. } => format!("{value:?}"),
        Value::Vector { elements, .. } => {
            let element = |e: &crate::value::Element| format!("{} {}", e.labels, number(e.value));
            elements.iter().map(element).collect::<Vec<_>>().join("; ")
        }
        Value::Matrix(series) => {
            let sample = |(t, v): (&Millis, &f64)| format!("{}@{}", number(*v), t / 1000);
            let series = series.iter().map(|s| {
                let samples: Vec<_> = s.timestamps.iter().zip(&s.values).map(sample).collect();
                format!("{} {}", s.labels, samples.join(" "))
            });
            series.collect::<Vec<_>>().join("; ")
        }
        Value::Range(columns) => {
            let series = (0..columns.len()).map(|series| {
                let value = |step| {
                    let has = columns.valid(series).has(step);
                    if has {
                        number(columns.values(series)[step])
                    } else {
                        "_".to_owned()
                    }
                };
                let values: Vec<_> = (0..columns.timeline().steps).map(value).collect();
                format!("{} {}", columns.labels()[series], values.join(" "))
            });
            series.collect::<Vec<_>>().join("; ")
        }
    }
}

fn outcome(text: &str, source: &FixedSource, options: &Options<'_>) -> String {
    match evaluate(&plan(text), source, options) {
        Ok(output) => shown(&output.value),
        Err(error) => format!("error: {error}"),
    }
}

fn usual() -> FixedSource {
    let rising: Vec<Option<f64>> = (0..20).map(|at| Some(f64::from(at) * 60.0)).collect();
    let falling: Vec<Option<f64>> = (0..20).map(|at| Some(100.0 - f64::from(at))).collect();
    source(&[
        (r#"requests_total{job="a",host="x"}"#, &rising),
        (r#"requests_total{job="a",host="y"}"#, &rising),
        (r#"requests_total{job="b",host="x"}"#, &falling),
        (
            r#"load{host="x"}"#,
            &[Some(1.0), Some(2.0), None, Some(STALE), None, Some(5.0)],
        ),
        (r#"load{host="y"}"#, &[Some(f64::NAN), Some(7.0)]),
        (r#"loud{host="x"}"#, &[Some(1.0), Some(2.0)]),
        (r#"owner{host="x",team="red"}"#, &[Some(1.0); 20]),
        (r#"owner{host="y",team="blue"}"#, &[Some(1.0); 20]),
    ])
}

#[test]
fn values_at_an_instant_and_over_a_range() {
    let cases = [
        (r#"load{host="x"}"#, at(1), r#"load{host="x"} 2"#),
        // A marker of staleness hides what is before it.
        (r#"load{host="x"}"#, at(3), ""),
        (r#"load{host="x"}"#, at(4), ""),
        // The left end of the lookback does not belong to it.
        (r#"load{host="y"}"#, at(5), r#"load{host="y"} 7"#),
        (r#"load{host="y"}"#, at(6), ""),
        (
            r#"load{host="x"}"#,
            range(0, 6, 1),
            r#"load{host="x"} 1 2 2 _ _ 5 5"#,
        ),
        (r#"load{host="x"}[4m]"#, at(5), r#"load{host="x"} 5@300"#),
        (
            r#"load{host="x"}[5m]"#,
            at(5),
            r#"load{host="x"} 2@60 5@300"#,
        ),
        (
            "sum by (job) (rate(requests_total[5m]))",
            at(10),
            r#"{job="a"} 2; {job="b"} 1.525"#,
        ),
        ("time()", range(1, 3, 1), "{} 60 120 180"),
        ("1 + 2 * 3", at(0), "7"),
        (r#""text""#, at(0), r#""text""#),
        ("count_over_time(requests_total[3m])", range(5, 4, 1), ""),
        ("scalar(requests_total)", at(1), "NaN"),
        ("vector(1) / 0", at(0), "{} +Inf"),
        ("-load{host=\"y\"}", at(1), r#"{host="y"} -7"#),
    ];
    let source = usual();
    for (text, options, expected) in cases {
        assert_eq!(outcome(text, &source, &options), expected, "{text}");
    }
}

#[test]
fn times_that_are_fixed_or_shifted() {
    let cases = [
        (
            r#"load{host="x"} @ 60"#,
            range(0, 2, 1),
            r#"load{host="x"} 2 2 2"#,
        ),
        (
            r#"load{host="x"} @ start()"#,
            range(0, 2, 1),
            r#"load{host="x"} 1 1 1"#,
        ),
        (
            r#"load{host="x"} @ end()"#,
            range(0, 2, 1),
            r#"load{host="x"} 2 2 2"#,
        ),
        (
            r#"load{host="x"} offset 1m @ 60"#,
            range(0, 1, 1),
            r#"load{host="x"} 1 1"#,
        ),
        (
            r#"load{host="x"} @ 60 offset 1m"#,
            range(0, 1, 1),
            r#"load{host="x"} 1 1"#,
        ),
        (r#"load{host="x"} offset -5m"#, at(0), r#"load{host="x"} 5"#),
        (r#"timestamp(load{host="x"})"#, at(2), r#"{host="x"} 60"#),
        (
            r#"timestamp(load{host="x"} + 0)"#,
            at(2),
            r#"{host="x"} 120"#,
        ),
        (
            r#"timestamp(load{host="x"} @ 60)"#,
            range(4, 5, 1),
            r#"{host="x"} 60 60"#,
        ),
        (
            r#"max_over_time(load{host="x"}[1m:1m] @ 60)"#,
            range(4, 5, 1),
            r#"{host="x"} 2 2"#,
        ),
        ("sum_over_time(time()[2m:1m])", at(5), ""),
        (
            "sum_over_time(vector(time())[2m:1m])",
            range(5, 6, 1),
            "{} 540 660",
        ),
        // The grid of a subquery lies on multiples of its step, whatever the query's times are.
        (r#"load{host="x"}[2m:2m]"#, at(1), r#"load{host="x"} 1@0"#),
        ("vector(1)[3m:2m]", at(-3), "{} 1@-240"),
    ];
    let source = usual();
    for (text, options, expected) in cases {
        let parsed = parse(text, &ParseOptions::default());
        if parsed.is_err() {
            assert_eq!(expected, "", "{text}");
            continue;
        }
        assert_eq!(outcome(text, &source, &options), expected, "{text}");
    }
}

#[test]
fn errors_as_users_know_them() {
    let cases = [
        (
            "load * on (host) requests_total",
            concat!(
                r#"found duplicate series for the match group {host="x"} on the right hand-side of the "#,
                r#"operation: [{__name__="requests_total", host="x", job="b"}, "#,
                r#"{__name__="requests_total", host="x", job="a"}];many-to-many matching not allowed: "#,
                "matching labels must be unique on one side"
            ),
        ),
        (
            "requests_total * on (host) load",
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        ),
        (
            "label_replace(requests_total, \"job\", \"\", \"\", \"\") * on (host) group_left load",
            "vector cannot contain metrics with the same labelset",
        ),
        (
            r#"abs({__name__=~"load|loud",host="x"}) > 1e9"#,
            "vector cannot contain metrics with the same labelset",
        ),
        (
            "requests_total * on (host) group_left (job) load",
            "multiple matches for labels: grouping labels must ensure unique matches",
        ),
        (
            r#"abs(label_replace(owner, "team", "", "", "") or on (__name__) load)"#,
            "vector cannot contain metrics with the same labelset",
        ),
        (
            r#"label_replace(load, "a", "$1", "b", "(")"#,
            "invalid regular expression in label_replace(): (",
        ),
        (
            r#"label_join(load, "", ",", "a")"#,
            "invalid destination label name in label_join(): ",
        ),
        ("topk(NaN, load)", "Parameter value is NaN"),
        ("topk(1e30, load)", "Scalar value 1e+30 overflows int64"),
        ("topk(NaN, nothing)", "Parameter value is NaN"),
        ("limit_ratio(NaN, load)", "Ratio value is NaN"),
        ("bottomk(-Inf, load)", "Scalar value -Inf underflows int64"),
        (r#"count_values("", load)"#, "invalid label name \"\""),
        (
            r#"count_values("a\xc5z", load)"#,
            r#"invalid label name "a\xc5z""#,
        ),
        (
            r#"label_replace(load, "a\xc5", "$1", "b", "()")"#,
            "invalid destination label name in label_replace(): a\u{fffd}",
        ),
        (
            r#"label_join(load, "a", ",", "\xc5")"#,
            "invalid source label name in label_join(): \u{fffd}",
        ),
    ];
    let source = usual();
    for (text, expected) in cases {
        assert_eq!(
            outcome(text, &source, &at(1)),
            format!("error: {expected}"),
            "{text}"
        );
    }
    let text = outcome("load[5m]", &source, &range(0, 1, 1));
    let expected = "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
    assert_eq!(text, format!("error: {expected}"));
}

#[test]
fn notes_name_their_places() {
    let warnings = [
        (
            "sum(\n  quantile_over_time(1.5, load[5m]))",
            "PromQL warning: quantile value should be between 0 and 1, got 1.5 (2:22)",
        ),
        (
            "quantile(-1, load)",
            "PromQL warning: quantile value should be between 0 and 1, got -1 (1:10)",
        ),
        (
            "histogram_quantile(NaN, load)",
            "PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)",
        ),
        (
            "histogram_fraction(0, 1, load{host=\"x\"})",
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" for metric name \"load\" (1:26)",
        ),
        (
            "limit_ratio(-1.5, load)",
            "PromQL warning: ratio value should be between -1 and 1, got -1.5, capping to -1 (1:13)",
        ),
    ];
    let source = usual();
    for (text, expected) in warnings {
        let output = evaluate(&plan(text), &source, &at(1)).unwrap();
        assert!(
            output.warnings.contains(&expected.to_owned()),
            "{:?}",
            output.warnings
        );
    }
    let infos = |text| evaluate(&plan(text), &source, &at(5)).unwrap().infos;
    let expected = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"owner\" (1:10)";
    assert_eq!(infos("increase(owner[5m])"), [expected]);
    assert!(infos("increase(requests_total[5m])").is_empty());
    // Nothing comes out, so nothing is said.
    assert!(infos("increase(owner[1ms])").is_empty());
    // Samples of a subquery have no place.
    assert!(infos("rate(owner[5m:1m])")[0].ends_with("(1:1)"));
    let nowhere = Plan {
        text: String::new(),
        ..plan("increase(owner[5m])")
    };
    let output = evaluate(&nowhere, &source, &at(5)).unwrap();
    assert!(output.infos[0].ends_with(": \"owner\""));
}

#[test]
fn names_go_at_once_or_at_the_end() {
    let cases = [
        ("sum by (__name__) (abs(owner))", "{} 2", "{} 2"),
        (
            r#"label_replace(abs(owner{host="x"}), "n", "$1", "__name__", "(.*)")"#,
            r#"{host="x",team="red"} 1"#,
            r#"{host="x",n="owner",team="red"} 1"#,
        ),
        (
            r#"abs({__name__=~"load|owner",host="y"}) * 0"#,
            r#"{host="y"} 0; {host="y",team="blue"} 0"#,
            r#"{host="y"} 0; {host="y",team="blue"} 0"#,
        ),
        (
            r#"count(rate({__name__=~"load|requests_total",host="x",job=~"|a"}[9m]))"#,
            "{} 2",
            "{} 2",
        ),
    ];
    let source = usual();
    for (text, at_once, at_the_end) in cases {
        let mut options = at(1);
        assert_eq!(outcome(text, &source, &options), at_once, "{text}");
        options.delayed_name_removal = true;
        assert_eq!(outcome(text, &source, &options), at_the_end, "{text}");
    }
}

#[test]
fn what_one_side_lacks_is_filled() {
    let cases = [
        (
            r#"load{host="x"} + on (host) fill_right (0) owner{host="y"}"#,
            r#"{host="x"} 2"#,
        ),
        (
            r#"load{host="x"} + on (host) fill_left (10) owner{host="y"}"#,
            r#"{host="y"} 11"#,
        ),
        (
            r#"load{host="x"} + on (host) fill (10) owner{host="y"}"#,
            r#"{host="x"} 12; {host="y"} 11"#,
        ),
        (
            "nothing - on (host) fill_left (3) owner",
            r#"{host="x"} 2; {host="y"} 2"#,
        ),
    ];
    let source = usual();
    for (text, expected) in cases {
        assert_eq!(outcome(text, &source, &at(1)), expected, "{text}");
    }
}

#[test]
fn limits_and_stops() {
    let source = usual();
    let limited = |text, change: &dyn Fn(&mut Options<'_>)| {
        let mut options = range(0, 10, 1);
        change(&mut options);
        outcome(text, &source, &options)
    };
    let samples =
        "error: query processing would load too many samples into memory in query execution";
    assert_eq!(limited("requests_total", &|o| o.max_samples = 32), samples);
    assert_eq!(
        limited("sum(vector(1)) + scalar(vector(time()))", &|o| o
            .max_samples =
            1),
        samples
    );
    assert_ne!(limited("requests_total", &|o| o.max_samples = 33), samples);
    let series = "error: the query selects 3 series, more than the limit of 2; select fewer";
    assert_eq!(limited("requests_total", &|o| o.max_series = 2), series);
    let stops = [
        (
            Stop::TimedOut,
            "error: query timed out in expression evaluation",
        ),
        (
            Stop::Canceled,
            "error: query was canceled in expression evaluation",
        ),
    ];
    for (reason, expected) in stops {
        let asked = AtomicUsize::new(0);
        let stop = || (asked.fetch_add(1, Ordering::Relaxed) > 2).then_some(reason);
        let mut options = range(0, 10, 1);
        options.stop = Some(&stop);
        assert_eq!(outcome("sum(requests_total)", &source, &options), expected);
        // Nor does it go on to the end of a single series, whose windows hold hours each.
        let asked = AtomicUsize::new(0);
        let stop = || (asked.fetch_add(1, Ordering::Relaxed) > 8).then_some(reason);
        let mut options = range(0, 10_000, 1);
        options.stop = Some(&stop);
        let long = "mad_over_time(vector(time())[4h:1s])";
        assert_eq!(outcome(long, &source, &options), expected);
        assert!(asked.load(Ordering::Relaxed) < 20);
    }
}

#[test]
fn samples_are_counted() {
    let source = usual();
    let counted = |text: &str, options: Options<'_>| {
        let options = Options {
            per_step: true,
            ..options
        };
        evaluate(&plan(text), &source, &options).unwrap().statistics
    };
    let statistics = counted("sum(requests_total)", range(5, 6, 1));
    assert_eq!(statistics.total_samples, 6);
    assert_eq!(statistics.per_step, [(5 * MINUTE, 3), (6 * MINUTE, 3)]);
    let statistics = counted("rate(requests_total[3m])", at(5));
    assert_eq!(statistics.total_samples, 9);
    assert!(statistics.peak_samples >= 3);
    assert_eq!(counted("vector(1)", at(5)).total_samples, 0);
    assert_eq!(counted("1 + 1", range(5, 9, 1)).peak_samples, 5);
    // A selector counts in each place where it stands.
    let statistics = counted("requests_total / requests_total", range(5, 6, 1));
    assert_eq!(statistics.total_samples, 12);
    assert_eq!(statistics.per_step, [(5 * MINUTE, 6), (6 * MINUTE, 6)]);
}

#[test]
fn only_what_is_looked_at_is_fetched() {
    let lookup = Lookup {
        lookback: 5 * MINUTE,
        subquery_step: MINUTE,
    };
    let span = TimeSpan {
        start: 60 * MINUTE,
        end: 120 * MINUTE,
        step: MINUTE,
    };
    let minutes = |from: Millis, to: Millis| (from * MINUTE + 1, to * MINUTE);
    let cases: [(&str, &[(Millis, Millis)]); 9] = [
        ("a", &[minutes(55, 120)]),
        ("a offset 10m", &[minutes(45, 110)]),
        ("rate(a[30m])", &[minutes(30, 120)]),
        ("a @ 600", &[minutes(5, 10)]),
        ("a @ end()", &[minutes(115, 120)]),
        ("max_over_time(a[30m:5m])", &[minutes(30, 120)]),
        ("a / a", &[minutes(55, 120)]),
        ("rate(a[5m]) / rate(a[1h])", &[minutes(0, 120)]),
        (
            "a - a offset 1d",
            &[minutes(55, 120), minutes(55 - 1440, 120 - 1440)],
        ),
    ];
    for (text, expected) in cases {
        let found = plan(text).selectors(&span, &lookup);
        let ranges: Vec<TimeRange> = found.iter().map(|selector| selector.range).collect();
        let expected: Vec<TimeRange> = expected
            .iter()
            .map(|(start, end)| TimeRange {
                start: *start,
                end: *end,
            })
            .collect();
        assert_eq!(ranges, expected, "{text}");
    }
}
