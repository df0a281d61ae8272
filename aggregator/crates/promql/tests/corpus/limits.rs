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
