//! What a template computes with.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::labels::Labels;

/// One element of what an expression gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, the metric name included.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// What a template is expanded for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// The labels of the element that the alert is about.
    pub labels: Labels,
    /// The labels that every alert of this server carries.
    pub external_labels: Labels,
    /// Where this server is reached.
    pub external_url: String,
    /// The value of the element.
    pub value: f64,
}

/// A value. The variants are the types that Prometheus' templates can meet.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Labels(Labels),
    Args(Arc<BTreeMap<String, Value>>),
    Samples(Arc<[Arc<Sample>]>),
    Sample(Arc<Sample>),
    /// Milliseconds since 1970.
    Time(i64),
    Data(Arc<Data>),
}

impl Value {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The name that Go gives its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Args(_) => "map[string]interface {}",
            Self::Samples(_) => "template.queryResult",
            Self::Sample(_) => "*template.sample",
            Self::Time(_) => "*time.Time",
            Self::Data(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            }
        }
    }

    /// Whether `if` takes it for true.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            // NaN is true: only zero is not.
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Args(args) => !args.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Sample(_) | Self::Time(_) | Self::Data(_) => true,
        }
    }

    /// A field or an entry; `None` when values of this type have none of that name.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Labels(labels) => Some(Self::text(labels.get(name).unwrap_or_default())),
            Self::Args(args) => Some(args.get(name).cloned().unwrap_or(Self::Nil)),
            Self::Sample(sample) => match name {
                "Labels" => Some(Self::Labels(sample.labels.clone())),
                "Value" => Some(Self::Float(sample.value)),
                _ => None,
            },
            Self::Data(data) => match name {
                "Labels" => Some(Self::Labels(data.labels.clone())),
                "ExternalLabels" => Some(Self::Labels(data.external_labels.clone())),
                "ExternalURL" => Some(Self::text(data.external_url.as_str())),
                "Value" => Some(Self::Float(data.value)),
                _ => None,
            },
            Self::Time(at) => match name {
                "Unix" => Some(Self::Int(at.div_euclid(1000))),
                "UnixMilli" => Some(Self::Int(*at)),
                _ => None,
            },
            _ => None,
        }
    }
}
