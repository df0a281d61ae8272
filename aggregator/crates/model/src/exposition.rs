//! The exposition formats: Prometheus' text 0.0.4 and `OpenMetrics` 1.0, both with the quoted names
//! of Prometheus 3 (`{"my.metric", label="value"}`).
//!
//! A [`Parser`] walks over a body and borrows from it. What a caller needs of every line, where the
//! metric ends and its value, is found in one pass over the bytes; names and labels are taken apart
//! only when [`Parser::labels`] is asked for them, so a caller that has met the same text before
//! ([`Series::raw`]) skips that work, and the checks that belong to it.
//!
//! What is accepted is what Prometheus accepts, oddities included: in text, blank lines, tabs and
//! line breaks inside of quotes; in `OpenMetrics`, single spaces only and nothing after `# EOF`.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

mod error;
mod labels;
mod number;
mod parser;

use std::borrow::Cow;

pub use self::error::{ExpositionError, Problem};
pub use self::labels::LabelPair;
pub use self::parser::Parser;
use crate::sample::Millis;

/// Which format a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format. Timestamps are milliseconds.
    Text,
    /// `OpenMetrics`. Timestamps are seconds; the body ends with `# EOF`.
    OpenMetrics,
}

/// What a body may hold at most; the defaults are far beyond what exporters expose.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one line.
    pub line_bytes: usize,
    /// Labels of one series, the metric's name not counted.
    pub labels: usize,
    /// Bytes of a metric's or label's name, as written.
    pub name_bytes: usize,
    /// Bytes of a label's value, as written.
    pub value_bytes: usize,
    /// Series of the whole body.
    pub series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            labels: 512,
            name_bytes: 4 << 10,
            value_bytes: 256 << 10,
            series: 5_000_000,
        }
    }
}

/// What `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// Only rises, except when it starts over.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// A histogram whose buckets go up and down (`OpenMetrics` only).
    GaugeHistogram,
    /// Quantiles.
    Summary,
    /// Labels that describe, with the value 1 (`OpenMetrics` only).
    Info,
    /// States that are on or off (`OpenMetrics` only).
    StateSet,
    /// Nobody says.
    Unknown,
}

impl MetricType {
    /// As `OpenMetrics` and Prometheus' API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }
}

/// One line that says something.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// `# TYPE name kind`
    Type {
        /// The metric family.
        name: Cow<'a, str>,
        /// What it is.
        kind: MetricType,
    },
    /// `# HELP name text`
    Help {
        /// The metric family.
        name: Cow<'a, str>,
        /// What it means, unescaped.
        text: Cow<'a, str>,
    },
    /// `# UNIT name unit` (`OpenMetrics` only)
    Unit {
        /// The metric family.
        name: Cow<'a, str>,
        /// Its unit; empty, or what the name ends with.
        unit: &'a str,
    },
    /// A sample.
    Series(Series<'a>),
}

/// One sample, with its metric and labels not yet taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// Metric and labels as written. Equal texts are equal series as long as the exporter does not
    /// change the metric's type; they say nothing about validity until [`Parser::labels`] did.
    pub raw: &'a str,
    /// The value; every NaN is the ordinary one, never the staleness marker.
    pub value: f64,
    /// The sample's own time, if it has one.
    pub timestamp: Option<Millis>,
    /// Where `raw` starts in the body.
    offset: usize,
}

#[cfg(test)]
mod tests;
