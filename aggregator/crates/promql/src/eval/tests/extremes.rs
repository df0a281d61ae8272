//! Deep, far away, and many at once.

use std::num::NonZeroUsize;

use super::*;

/// As deep as the parser allows, on a thread with the usual two megabytes.
#[test]
fn deep_expressions_fit_on_the_stack() {
    let source = usual();
    let deep = [
        format!("{}owner{}", "abs(".repeat(98), ")".repeat(98)),
        format!("{}owner{}", "sum(".repeat(98), ")".repeat(98)),
        format!(
            "{}vector(1){}",
            "sum_over_time(".repeat(40),
            "[2m:1m])".repeat(40)
        ),
        vec!["owner"; 200].join(" + "),
        vec!["owner"; 200].join(" or "),
        vec!["1"; 100].join(" - time() - "),
    ];
    for text in deep {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        std::thread::scope(|scope| {
            let run = || evaluate(&plan(&text), &source, &at(1)).map(|output| shown(&output.value));
            let result = thread.spawn_scoped(scope, run).unwrap().join().unwrap();
            assert!(result.is_ok(), "{text}: {result:?}");
        });
    }
}

/// Times at the ends of what 64 bits hold, where sums would overflow.
#[test]
fn any_time_can_be_asked_for() {
    let mut source = usual();
    let far = Labels::from_pairs([("__name__", "far")]);
    for timestamp in [
        Millis::MIN,
        Millis::MIN + 1,
        -1,
        0,
        1,
        Millis::MAX - 1,
        Millis::MAX,
    ] {
        source.insert(&far, timestamp, 1.0);
    }
    let texts = [
        "far",
        "far offset 200y",
        "far offset -200y",
        "far @ 9223372036854",
        "far @ -9223372036854",
        "rate(far[200y])",
        "predict_linear(far[200y], 1e300)",
        "deriv(far[200y:100y])",
        "max_over_time(far[5m:1m] offset 100y)",
        "timestamp(far) + year() + day_of_year(far * 1e300)",
        "irate(far[200y] @ end())",
    ];
    let times = [
        Millis::MIN,
        Millis::MIN + 300_000,
        -1,
        0,
        Millis::MAX - 1,
        Millis::MAX,
    ];
    for text in texts {
        for start in times {
            for step in [0, 1, 60_000, Millis::MAX] {
                let end = start.saturating_add(step.saturating_mul(3));
                let options = Options::new(TimeSpan { start, end, step });
                // Whatever comes out: no sum overflows on the way.
                let _ = outcome(text, &source, &options);
            }
        }
    }
}

/// Many series, so that every operation is split.
#[test]
fn threads_do_not_change_results() {
    let mut source = FixedSource::default();
    for series in 0..300_u32 {
        let labels = Labels::from_pairs([
            ("__name__", "m_total".to_owned()),
            ("group", (series % 7).to_string()),
            ("series", series.to_string()),
        ]);
        for minute in (0..60).filter(|minute| (minute + series) % 11 != 0) {
            let value = f64::from((series * 31 + minute * 17) % 101) * 1.1;
            source.insert(&labels, Millis::from(minute) * MINUTE, value);
        }
    }
    let texts = [
        "m_total",
        "rate(m_total[5m])",
        "sum by (group) (m_total)",
        "avg by (group) (m_total)",
        "stddev(m_total)",
        "min(m_total) + max(m_total)",
        "count by (group) (m_total > 50)",
        "topk(3, m_total)",
        "quantile by (group) (0.9, m_total)",
        "m_total + on (series) m_total",
    ];
    for text in texts {
        let run = |threads| {
            let mut options = range(0, 80, 1);
            options.threads = NonZeroUsize::new(threads).unwrap();
            match evaluate(&plan(text), &source, &options).unwrap().value {
                Value::Range(columns) => columns,
                other => panic!("{other:?}"),
            }
        };
        let (one, two) = (run(1), run(3));
        assert_eq!(one.labels(), two.labels(), "{text}");
        for series in 0..one.len() {
            for ((t1, a), (t2, b)) in one.samples(series).zip(two.samples(series)) {
                assert_eq!(t1, t2);
                assert!(
                    (a - b).abs() <= 1e-12 * a.abs().max(1.0),
                    "{text}: {a} and {b}"
                );
            }
        }
    }
}
