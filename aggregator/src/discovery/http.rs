//! HTTP servers that name targets, in JSON.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use system_stats_model::labels::Labels;

use super::{DiscoveryMetrics, Looked, labels};
use crate::client::{Client, ClientError};
use crate::config::{ConfigError, HttpDiscovery, parse_targets_json};

const URL: &str = "__meta_url";
const INTERVAL_HEADER: &str = "x-prometheus-refresh-interval-seconds";
/// The largest answer.
const MAX_BODY_BYTES: usize = 16 << 20;

pub(super) struct Server {
    url: String,
    /// The URL without user and password, for the label of the targets.
    label: String,
    /// The URL as people may see it.
    shown: String,
    refresh_interval: Duration,
    client: Client,
}

/// A server did not name targets.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Http(String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("server returned HTTP status {0}")]
    Status(StatusCode),
    #[error("unsupported content type {0:?}")]
    ContentType(String),
    #[error("the answer is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the answer is not UTF-8")]
    Encoding,
    #[error(transparent)]
    Targets(#[from] ConfigError),
}

impl From<reqwest::Error> for LookError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url().to_string())
    }
}

impl Server {
    pub(super) fn new(config: &HttpDiscovery) -> Result<Self, ClientError> {
        let mut shown = config.url.clone();
        // Fails only for URLs without a host, and then there is nothing to take away.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        let label = shown.to_string();
        shown.set_query(None);
        Ok(Self {
            url: config.url.to_string(),
            label,
            shown: shown.to_string(),
            refresh_interval: config.refresh_interval,
            client: Client::new(&config.client)?,
        })
    }

    pub(super) async fn look(&mut self, metrics: &DiscoveryMetrics) -> Looked {
        let patience = self.refresh_interval;
        let asked = tokio::time::timeout(patience, self.ask()).await;
        let targets = asked.unwrap_or(Err(LookError::TimedOut(patience)));
        metrics.looked("http", targets.is_ok());
        let targets = match targets {
            Ok(targets) => Some(targets),
            Err(error) => {
                let url = &self.shown;
                tracing::error!(url, %error, "a server named no targets, those before stay");
                None
            }
        };
        (targets, self.refresh_interval)
    }

    async fn ask(&self) -> Result<Vec<Labels>, LookError> {
        let interval = self.refresh_interval.as_secs_f64().to_string();
        let request = self.client.get(&self.url).await?;
        let request = request
            .header(ACCEPT, "application/json")
            .header(INTERVAL_HEADER, interval);
        let mut response = request.send().await?;
        if response.status() != StatusCode::OK {
            return Err(LookError::Status(response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap_or_default());
        if !is_json(kind) {
            return Err(LookError::ContentType(kind.chars().take(60).collect()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(LookError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(body).map_err(|_| LookError::Encoding)?;
        let lists = parse_targets_json(&body, &self.shown)?;
        Ok(labels(&lists, &[(URL, &self.label)]))
    }
}

/// `application/json`, with the one character set that JSON has or without.
fn is_json(content_type: &str) -> bool {
    let content_type = content_type.trim().to_ascii_lowercase();
    let Some(rest) = content_type.strip_prefix("application/json") else {
        return false;
    };
    let Some(parameter) = rest.strip_prefix(';') else {
        return rest.is_empty();
    };
    matches!(
        parameter.trim_start(),
        "charset=utf-8" | "charset=\"utf-8\""
    )
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn content_types() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=latin1", false),
            ("application/jsonx", false),
            ("text/json", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_json(text), expected, "{text}");
        }
    }
}
