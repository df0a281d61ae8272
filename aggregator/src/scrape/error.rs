//! Why a scrape failed, in words for the list of targets.

use std::any::Any;
use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use system_stats_model::append::AppendError;
use system_stats_model::exposition::ExpositionError;

use crate::client::{ClientError, MAX_REDIRECTS};
use crate::config::format_duration;

/// How rustls begins to say that the other side ends the connection.
const TLS_ALERT: &str = "received fatal alert: ";
/// Characters of a panic's message that are shown.
const MAX_DEFECT_CHARS: usize = 200;

/// Why a scrape failed. Nothing in it repeats a URL: those may hold credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScrapeError {
    #[error("{0}")]
    Connect(String),
    #[error("timed out after {}", format_duration(*.0))]
    TimedOut(Duration),
    #[error("server returned HTTP status {0}")]
    Status(StatusCode),
    #[error("more than {MAX_REDIRECTS} redirects")]
    Redirects,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the body is larger than {0} bytes; raise body_size_limit or expose less")]
    BodyTooLarge(u64),
    #[error("{0}")]
    ContentType(String),
    #[error("the answer has the Content-Encoding {0:?}; answer with gzip or uncompressed")]
    Encoding(String),
    #[error(transparent)]
    Exposition(#[from] ExpositionError),
    #[error("the job has {found} targets, more than {limit} (target_limit)")]
    Targets { found: usize, limit: u64 },
    #[error("metric_relabel_configs take the name of a series away (label __name__)")]
    NoName,
    #[error("more than {0} samples (sample_limit)")]
    Samples(u64),
    #[error("{series} has more than {limit} labels (label_limit)")]
    Labels { series: String, limit: u64 },
    #[error(
        "{series} has a label whose name is longer than {limit} bytes (label_name_length_limit)"
    )]
    LabelName { series: String, limit: u64 },
    #[error(
        "{series} has a label whose value is longer than {limit} bytes (label_value_length_limit)"
    )]
    LabelValue { series: String, limit: u64 },
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the aggregator failed at this answer: {0}; this is a defect, please report it")]
    Defect(String),
}

impl ScrapeError {
    /// A word for each kind, for the own metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Client(_) => "connection",
            Self::TimedOut(_) => "timeout",
            Self::Status(_) | Self::Redirects => "status",
            Self::BodyTooLarge(_) => "body_size_limit",
            Self::ContentType(_) | Self::Encoding(_) => "content_type",
            Self::Exposition(_) => "exposition",
            Self::Targets { .. } => "target_limit",
            Self::NoName => "relabelling",
            Self::Samples(_) => "sample_limit",
            Self::Labels { .. } | Self::LabelName { .. } | Self::LabelValue { .. } => "label_limit",
            Self::Append(_) => "storage",
            Self::Defect(_) => "defect",
        }
    }

    /// What a panic was about.
    pub(super) fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let message = match (panic.downcast_ref::<String>(), panic.downcast_ref()) {
            (Some(message), _) => message.as_str(),
            (None, Some(message)) => *message,
            (None, None) => "no reason given",
        };
        let first_line = message.lines().next().unwrap_or_default();
        Self::Defect(first_line.chars().take(MAX_DEFECT_CHARS).collect())
    }

    /// What an HTTP client's error means to somebody who looks at a list of targets.
    pub(super) fn from_http(error: &reqwest::Error) -> Self {
        let mut deepest: &(dyn Error + 'static) = error;
        while let Some(source) = deepest.source() {
            if let Some(tls) = tls_error(source) {
                return Self::Connect(format!("TLS: {tls}"));
            }
            deepest = source;
        }
        if error.is_redirect() {
            // Under a server_name there is another reason not to follow one.
            return match deepest.to_string() {
                reason if reason == "too many redirects" => Self::Redirects,
                reason => Self::Connect(reason),
            };
        }
        if error.is_dns() {
            return Self::Connect(format!("the host's name cannot be resolved: {deepest}"));
        }
        let kind = deepest.downcast_ref::<io::Error>().map(io::Error::kind);
        Self::Connect(match kind {
            Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
            Some(io::ErrorKind::ConnectionReset) => "connection reset by the target".to_owned(),
            Some(io::ErrorKind::HostUnreachable) => "host unreachable".to_owned(),
            Some(io::ErrorKind::NetworkUnreachable) => "network unreachable".to_owned(),
            Some(io::ErrorKind::TimedOut) => "the connection timed out".to_owned(),
            _ if error.is_decode() || error.is_body() => {
                format!("the answer is broken or was cut off: {deepest}")
            }
            _ => match deepest.to_string() {
                // HTTP/2 keeps the words of the TLS library only.
                alert if alert.starts_with(TLS_ALERT) => format!("TLS: {alert}"),
                text => text,
            },
        })
    }
}

/// An I/O error hands out the source of what it wraps, never that itself; and they are nested.
fn tls_error<'e>(mut error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    loop {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        error = error.downcast_ref::<io::Error>()?.get_ref()?;
    }
}
