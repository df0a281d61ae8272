use std::collections::BTreeMap;
use std::sync::Mutex;

use system_stats_model::sample::Millis;

use crate::ast::Span;
use crate::print::{format_duration, quote};
use crate::value::verb_g;

/// What an evaluation has to say besides its result. Each text once, at the last place it came
/// from.
#[derive(Default)]
pub(crate) struct Annotations {
    found: Mutex<BTreeMap<Note, Span>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    QuantileOutOfRange(String),
    RatioOutOfRange {
        ratio: String,
        cap: String,
    },
    BadBucketLabel {
        label: String,
        name: String,
    },
    /// Milliseconds: when the samples begin, and the resolution of the rollups before.
    Rollups {
        before: Millis,
        by: Millis,
    },
    /// The metric's name.
    PossiblyNoCounter(String),
    /// The metric's name.
    ForcedMonotonic(String),
}

impl Note {
    pub(crate) fn quantile(quantile: f64) -> Self {
        Self::QuantileOutOfRange(verb_g(quantile))
    }

    pub(crate) fn ratio(ratio: f64, cap: f64) -> Self {
        Self::RatioOutOfRange {
            ratio: verb_g(ratio),
            cap: verb_g(cap),
        }
    }

    fn is_info(&self) -> bool {
        matches!(self, Self::PossiblyNoCounter(_) | Self::ForcedMonotonic(_))
    }

    fn text(&self) -> String {
        match self {
            Self::QuantileOutOfRange(quantile) => {
                format!("quantile value should be between 0 and 1, got {quantile}")
            }
            Self::RatioOutOfRange { ratio, cap } => {
                format!("ratio value should be between -1 and 1, got {ratio}, capping to {cap}")
            }
            Self::BadBucketLabel { label, name } => format!(
                "bucket label \"le\" is missing or has a malformed value of {} for metric name {}",
                quote(label),
                quote(name)
            ),
            Self::Rollups { before, by } => format!(
                "samples from before {} s are beyond the retention; rollups of {} answer in their place",
                before / 1000,
                format_duration(*by)
            ),
            Self::PossiblyNoCounter(name) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                quote(name)
            ),
            Self::ForcedMonotonic(name) => format!(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {}",
                quote(name)
            ),
        }
    }
}

impl Annotations {
    pub(crate) fn add(&self, note: Note, at: Span) {
        if let Ok(mut found) = self.found.lock() {
            found.insert(note, at);
        }
    }

    /// Warnings and infos, with their places in `text` unless it is empty.
    pub(crate) fn into_texts(self, text: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (note, span) in self.found.into_inner().unwrap_or_default() {
            let (kind, list) = if note.is_info() {
                ("info", &mut infos)
            } else {
                ("warning", &mut warnings)
            };
            let message = note.text();
            list.push(if text.is_empty() {
                format!("PromQL {kind}: {message}")
            } else {
                format!("PromQL {kind}: {message} ({})", span.position(text))
            });
        }
        (warnings, infos)
    }
}
