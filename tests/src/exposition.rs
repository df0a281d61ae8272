//! Expositions, taken apart far enough to compare two of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use system_stats_model::exposition::{Entry, LabelPair, Limits, MetricType, Parser};

pub use system_stats_model::exposition::Format;

/// Families by the name their samples have.
pub type Exposition = BTreeMap<String, Family>;

/// One family: its type and its samples by their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// Its type, if it was told.
    pub kind: Option<MetricType>,
    /// Values by labels in order of their names, written as `{a="b",c="d"}`; empty without any. An
    /// empty label is as good as none and left out.
    pub samples: BTreeMap<String, f64>,
}

/// Reads an exposition in the text format; panics when the parser refuses it.
#[track_caller]
pub fn parse(text: &str) -> Exposition {
    parse_as(Format::Text, text)
}

/// Reads an exposition. In `OpenMetrics` the samples of counters and infos are called otherwise than
/// their family; they are found under the name of the samples, as in the text format.
#[track_caller]
pub fn parse_as(format: Format, text: &str) -> Exposition {
    let mut families = Exposition::new();
    let mut parser = Parser::new(text.as_bytes(), format, Limits::default());
    let mut pairs = Vec::new();
    while let Some(entry) = parser.next() {
        match entry.unwrap_or_else(|e| panic!("{e} in\n{text}")) {
            Entry::Type { name, kind } => {
                let suffix = match (format, kind) {
                    (Format::OpenMetrics, MetricType::Counter) => "_total",
                    (Format::OpenMetrics, MetricType::Info) => "_info",
                    _ => "",
                };
                let name = format!("{name}{suffix}");
                let family = families.entry(name).or_default();
                assert_eq!(family.kind.replace(kind), None, "two types for one family");
            }
            Entry::Series(series) => {
                parser
                    .labels(&series, &mut pairs)
                    .unwrap_or_else(|e| panic!("{e}"));
                let mut labels = String::new();
                let told = |(name, value): &&LabelPair<'_>| name != "__name__" && !value.is_empty();
                for (name, value) in pairs.iter().filter(told) {
                    let comma = if labels.is_empty() { "{" } else { "," };
                    let _ = write!(labels, "{comma}{name}={value:?}");
                }
                if !labels.is_empty() {
                    labels.push('}');
                }
                let name = pairs.iter().find(|(name, _)| name == "__name__");
                let (_, name) = name.expect("the parser saw to that");
                let family = families.entry(name.clone().into_owned()).or_default();
                let earlier = family.samples.insert(labels, series.value);
                assert_eq!(earlier, None, "{} is there twice", series.raw);
            }
            Entry::Help { .. } | Entry::Unit { .. } => {}
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_types_and_labels_are_read() {
        let text = "# TYPE a_total counter\na_total{z=\"1\",y=\"\",b=\"x,}\"} 2\na_total 1e+06\n\nb{} NaN\n";
        let found = parse(text);
        assert_eq!(found["a_total"].kind, Some(MetricType::Counter));
        let labels: Vec<&String> = found["a_total"].samples.keys().collect();
        assert_eq!(labels, ["", "{b=\"x,}\",z=\"1\"}"]);
        assert!((found["a_total"].samples[""] - 1e6).abs() < f64::EPSILON);
        assert!(found["b"].samples[""].is_nan() && found["b"].kind.is_none());
        let text = "# TYPE a counter\na_total{b=\"c\"} 1.0\n# EOF\n";
        let found = parse_as(Format::OpenMetrics, text);
        assert_eq!(found["a_total"].kind, Some(MetricType::Counter));
        assert_eq!(found["a_total"].samples.len(), 1);
    }
}
