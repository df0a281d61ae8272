//! Any bytes through the parser of the exposition formats.

#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use system_stats_model::exposition::{Entry, Format, LabelPair, Limits, Parser};
use system_stats_model::labels::METRIC_NAME;
use system_stats_model::sample::{Millis, is_stale};

/// So low that short bodies reach them.
const LOW: Limits = Limits {
    line_bytes: 64,
    labels: 3,
    name_bytes: 8,
    value_bytes: 16,
    series: 4,
};

/// Out of the way: what is written anew is longer where it needs more escapes.
const NONE: Limits = Limits {
    line_bytes: usize::MAX,
    labels: usize::MAX,
    name_bytes: usize::MAX,
    value_bytes: usize::MAX,
    series: usize::MAX,
};

/// The longest message: a line's excerpt and what is wrong with it.
const MESSAGE_BYTES: usize = 1024;

fuzz_target!(|body: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        let read = walk(body, format, NONE);
        let usual = walk(body, format, Limits::default());
        let low = walk(body, format, LOW);
        assert!(read.entries.starts_with(&usual.entries));
        assert!(read.entries.starts_with(&low.entries));
        within(LOW, &low);

        // What was read means the same when it is written and read again.
        let again = walk(written(&read.samples).as_bytes(), Format::Text, NONE);
        assert_eq!(again.refused, None);
        assert_eq!(again.samples, read.samples);
    }
});

/// What a walk over a body brought.
#[derive(Default)]
struct Walk {
    entries: Vec<String>,
    samples: Vec<Sample>,
    refused: Option<String>,
}

#[derive(Debug, PartialEq)]
struct Sample {
    labels: Vec<(String, String)>,
    value: Bits,
    /// Of those that both formats can write.
    timestamp: Option<Millis>,
}

/// A number that equals another of the same bits, NaN included.
#[derive(Debug, PartialEq)]
struct Bits(u64);

fn walk(body: &[u8], format: Format, limits: Limits) -> Walk {
    let mut walk = Walk::default();
    let mut parser = Parser::new(body, format, limits);
    let mut pairs = Vec::new();
    while let Some(entry) = parser.next() {
        assert!(walk.refused.is_none(), "it ends at the first error");
        match entry {
            Ok(entry) => {
                assert!(walk.entries.len() < body.len(), "every entry takes a byte");
                if let Entry::Series(series) = entry {
                    assert!(!is_stale(series.value), "no exporter writes the marker");
                    assert!(series.raw.len() <= limits.line_bytes);
                    match parser.labels(&series, &mut pairs) {
                        Ok(()) => walk.samples.push(Sample {
                            labels: owned(&pairs),
                            value: Bits(series.value.to_bits()),
                            timestamp: series.timestamp.filter(|timestamp| *timestamp >= 0),
                        }),
                        Err(error) => assert!(error.to_string().len() <= MESSAGE_BYTES),
                    }
                }
                walk.entries.push(format!("{entry:?}"));
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.len() <= MESSAGE_BYTES, "{message}");
                walk.refused = Some(message);
            }
        }
    }
    walk
}

fn owned(pairs: &[LabelPair<'_>]) -> Vec<(String, String)> {
    assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "{pairs:?}");
    assert!(pairs.iter().any(|(name, _)| name == METRIC_NAME));
    let own = |(name, value): &LabelPair<'_>| (name.to_string(), value.to_string());
    pairs.iter().map(own).collect()
}

/// Nothing is beyond the limits. `le` and `quantile` are numbers in their one spelling, which may
/// be longer than what was written.
fn within(limits: Limits, walk: &Walk) {
    assert!(walk.samples.len() <= limits.series);
    for Sample { labels, .. } in &walk.samples {
        assert!(labels.len() <= limits.labels + 1);
        for (name, value) in labels {
            let bound = match name.as_str() {
                METRIC_NAME => limits.name_bytes,
                "le" | "quantile" => continue,
                _ => limits.value_bytes,
            };
            assert!(name.len() <= limits.name_bytes, "{name:?}");
            assert!(value.len() <= bound, "{name:?} {value:?}");
        }
    }
}

/// The samples as a body of the text format.
fn written(samples: &[Sample]) -> String {
    let mut body = String::new();
    for sample in samples {
        let named = |pair: &&(String, String)| pair.0 == METRIC_NAME;
        let metric = sample.labels.iter().find(named);
        body.push('{');
        quote(metric.map_or("", |(_, name)| name), &mut body);
        for (name, value) in sample.labels.iter().filter(|pair| !named(pair)) {
            body.push(',');
            quote(name, &mut body);
            body.push('=');
            quote(value, &mut body);
        }
        let _ = write!(body, "}} {:?}", f64::from_bits(sample.value.0));
        if let Some(timestamp) = sample.timestamp {
            let _ = write!(body, " {timestamp}");
        }
        body.push('\n');
    }
    body
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => out.extend(['\\', char]),
            _ => out.push(char),
        }
    }
    out.push('"');
}
