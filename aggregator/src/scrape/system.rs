//! The `/system` document of hosts that run our own exporter.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use serde::de::IgnoredAny;
use system_stats_model::append::{AppendError, Urgency};
use system_stats_model::labels::INSTANCE;
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};
use tokio::time::Instant;

use super::client::Asked;
use super::error::ScrapeError;
use super::worker::Shared;

/// How often it is fetched.
const EVERY: Duration = Duration::from_mins(1);
/// The largest document, decompressed: 8 MiB.
const MAX_BYTES: u64 = 8 << 20;

/// Where fetched documents go.
pub trait SystemSink: Send + Sync {
    /// Keeps the newest document of a host.
    ///
    /// # Errors
    /// [`AppendError`] when it cannot be taken.
    fn put_system(&self, instance: &str, updated: Millis, body: Bytes) -> Result<(), AppendError>;
}

impl SystemSink for Storage {
    fn put_system(&self, instance: &str, updated: Millis, body: Bytes) -> Result<(), AppendError> {
        let object = Object {
            kind: ObjectKind::System,
            key: instance.to_owned(),
            updated,
            body,
        };
        self.put_object(object, Urgency::Relaxed)?;
        Ok(())
    }
}

/// When the next fetch is due.
#[derive(Debug, Default)]
pub(super) struct Due(Option<Instant>);

impl Due {
    /// Whether to fetch now; if so, the next one is due a while later.
    pub(super) fn take(&mut self) -> bool {
        let is_due = self.0.is_none_or(|due| due <= Instant::now());
        if is_due {
            self.0 = Some(Instant::now() + EVERY);
        }
        is_due
    }
}

/// Why a document was not kept.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] ScrapeError),
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Keep(#[from] AppendError),
}

/// Fetches and keeps the document of a target; a failure is logged and counted.
pub(super) async fn fetch(shared: &Shared) {
    let url = shared.target.system_url();
    if let Err(error) = fetch_and_keep(shared, &url).await {
        shared.metrics.system_failures.inc();
        tracing::debug!(target_labels = %shared.target.labels, %error, "/system was not kept");
    }
}

async fn fetch_and_keep(shared: &Shared, url: &Url) -> Result<(), FetchError> {
    let asked = Asked::json(shared.target.timeout, MAX_BYTES);
    let answer = shared.client.get(url, asked).await?;
    // Whoever reads it relies on its being JSON, and not nested without end.
    serde_json::from_slice::<IgnoredAny>(&answer.body)?;
    let instance = shared.target.labels.get(INSTANCE).unwrap_or_default();
    let updated = shared.clock.now();
    shared
        .systems
        .put_system(instance, updated, answer.body.into())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_document_is_due_once_a_minute() {
        let mut due = Due::default();
        assert!(due.take());
        assert!(!due.take());
        tokio::time::advance(EVERY / 2).await;
        assert!(!due.take());
        tokio::time::advance(EVERY / 2).await;
        assert!(due.take());
        assert!(!due.take());
    }
}
