//! What a query may not do: hold too much, pick too much, take too long.

use std::sync::atomic::{AtomicUsize, Ordering};

use system_stats_model::labels::Labels;
use system_stats_model::source::FixedSource;
use system_stats_promql::eval::{Options, Stop, evaluate};
use system_stats_promql::parse::{ParseOptions, parse};
use system_stats_promql::plan::{Plan, TimeSpan};

/// Ten series with a hundred samples each.
fn source() -> FixedSource {
    let mut source = FixedSource::default();
    for series in 0..10 {
        let labels = Labels::from_pairs([("__name__", "a"), ("n", &series.to_string())]);
        for minute in 0..100 {
            source.insert(&labels, minute * 60_000, 1.0);
        }
    }
    source
}

fn failure(text: &str, change: impl Fn(&mut Options<'_>)) -> Option<String> {
    let expr = parse(text, &ParseOptions::default()).ok()?;
    let mut options = Options::new(TimeSpan {
        start: 0,
        end: 99 * 60_000,
        step: 60_000,
    });
    change(&mut options);
    let result = evaluate(&Plan::new(&expr, text), &source(), &options);
    result.err().map(|error| error.to_string())
}

#[test]
fn samples_held_at_once_are_bounded() {
    const TOO_MANY: &str =
        "query processing would load too many samples into memory in query execution";
    let cases = [
        ("a", 1000, false),
        ("a", 999, true),
        ("a{n=\"1\"}", 100, false),
        ("a{n=\"1\"}", 99, true),
        ("max_over_time(a[100m:1s])", 5000, true),
        ("label_replace(a, \"x\", \"y\", \"\", \"\")", 900, true),
    ];
    for (text, most, fails) in cases {
        let found = failure(text, |options| options.max_samples = most);
        assert_eq!(
            found.as_deref(),
            fails.then_some(TOO_MANY),
            "{text} with {most}"
        );
    }
}

#[test]
fn series_of_a_selector_are_bounded() {
    for text in ["a", "sum(a)", "rate(a[5m])", "1 + a", "absent(a)"] {
        let found = failure(text, |options| options.max_series = 9);
        let expected = "the query selects 10 series, more than the limit of 9; select fewer";
        assert_eq!(found.as_deref(), Some(expected), "{text}");
        assert_eq!(
            failure(text, |options| options.max_series = 10),
            None,
            "{text}"
        );
    }
}

#[test]
fn whoever_waits_no_longer_stops_it() {
    let cases = [
        (Stop::TimedOut, "query timed out in expression evaluation"),
        (
            Stop::Canceled,
            "query was canceled in expression evaluation",
        ),
    ];
    for (stop, expected) in cases {
        for text in ["a", "sum(rate(a[5m]))", "a * a", "max_over_time(a[1h:1s])"] {
            let asked = AtomicUsize::new(0);
            let after_two = || {
                let before = asked.fetch_add(1, Ordering::Relaxed);
                (before >= 2).then_some(stop)
            };
            let expr = parse(text, &ParseOptions::default()).unwrap();
            let span = TimeSpan {
                start: 0,
                end: 6_000_000,
                step: 60_000,
            };
            let options = Options {
                stop: Some(&after_two),
                ..Options::new(span)
            };
            let result = evaluate(&Plan::new(&expr, text), &source(), &options);
            assert_eq!(result.unwrap_err().to_string(), expected, "{text}");
        }
    }
}

/// Two hundred series over four thousand steps, and three that are never there at the same time.
fn wide_source() -> FixedSource {
    let mut source = FixedSource::default();
    for series in 0..200 {
        let labels = [
            ("__name__", "wide"),
            ("le", &series.to_string()),
            ("job", "a"),
        ];
        let labels = Labels::from_pairs(labels);
        for at in 0..16 {
            source.insert(&labels, at * 250_000, 1.0);
        }
    }
    for (name, from) in [("1", 0), ("2", 1_000), ("3", 2_000)] {
        let labels = Labels::from_pairs([("__name__", "one"), ("n", name)]);
        source.insert(&labels, from * 1000, 1.0);
    }
    source
}

/// How often an evaluation asks whether to go on. It is told to stop after so many questions.
fn questions(text: &str, source: &FixedSource, most: usize) -> (usize, Option<String>) {
    let asked = AtomicUsize::new(0);
    let stop = || {
        let before = asked.fetch_add(1, Ordering::Relaxed);
        (before >= most).then_some(Stop::Canceled)
    };
    let expr = parse(text, &ParseOptions::default()).unwrap();
    let span = TimeSpan {
        start: 0,
        end: 3_999_000,
        step: 1000,
    };
    let options = Options {
        stop: Some(&stop),
        ..Options::new(span)
    };
    let result = evaluate(&Plan::new(&expr, text), source, &options);
    let error = result.err().map(|error| error.to_string());
    (asked.load(Ordering::Relaxed), error)
}

#[test]
fn every_long_loop_asks_whether_to_go_on() {
    let source = wide_source();
    let (alone, error) = questions("wide", &source, usize::MAX);
    assert_eq!(error, None);
    // Where everything is made at once one question a series is enough.
    let cases = [
        ("sum by (le) (wide)", 0),
        ("stddev(wide)", 0),
        ("max_over_time(wide[1h])", 0),
        ("topk(3, wide)", 2),
        ("quantile(0.5, wide)", 2),
        ("count_values(\"v\", wide)", 200),
        ("histogram_quantile(0.5, wide)", 2),
        ("vector(scalar(wide))", 2),
        ("absent(wide)", 2),
        ("label_replace(wide, \"x\", \"$1\", \"le\", \"(.*)\")", 200),
        ("wide and on (job) wide", 2),
        ("wide or on (le) wide offset 1s", 2),
        ("wide unless wide", 2),
        ("wide * on () group_left () one", 200),
        ("wide * ignoring (job) wide", 200),
        ("sum_over_time(wide[10m:1s])", 200),
    ];
    for (text, more) in cases {
        let (all, error) = questions(text, &source, usize::MAX);
        assert_eq!(error, None, "{text}");
        assert!(all >= alone + more, "{text}: {all} of {alone}");
        // The question that is answered by no is the last one.
        let (asked, error) = questions(text, &source, all - 1);
        let expected = "query was canceled in expression evaluation";
        assert_eq!(error.as_deref(), Some(expected), "{text}");
        assert_eq!(asked, all, "{text}");
    }
}
