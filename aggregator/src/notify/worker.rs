//! The delivery to one Alertmanager.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use super::set::Connection;
use super::{Notification, Shared, payload};
use crate::client::ClientError;

/// Alerts of one delivery.
const BATCH: usize = 256;
/// How long a delivery that runs at the end, and the delivery of what waits then, may take each.
const LAST_PATIENCE: Duration = Duration::from_secs(4);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) url: String,
    pub(super) queue: Arc<Queue>,
    /// Ends the delivery: the Alertmanager is gone, or the program stops.
    pub(super) stop: CancellationToken,
}

/// A delivery failed.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Http(String),
    #[error("bad response status {0}: {1}")]
    Status(StatusCode, String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the program stops")]
    Stopped,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        Self::Http(reason)
    }
}

impl Worker {
    pub(super) async fn run(self) {
        let mut is_well = true;
        while !self.stop.is_cancelled() {
            let batch = self.queue.take(BATCH);
            if batch.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = self.queue.more() => {}
                }
                continue;
            }
            is_well = self.deliver(&batch, is_well).await;
        }
        let is_end = self.shared.shutdown.is_cancelled();
        if is_end && is_well && self.shared.options.drains_at_stop {
            // Whoever does not take one delivery will not take the others either.
            let drain = async {
                while is_well {
                    let batch = self.queue.take(BATCH);
                    if batch.is_empty() {
                        return;
                    }
                    is_well = self.deliver(&batch, is_well).await;
                }
            };
            // What was under way is lost with the delivery.
            let _ = timeout(LAST_PATIENCE, drain).await;
        }
        let lost = self.queue.take(usize::MAX).len();
        if lost > 0 {
            let alertmanager = &self.url;
            self.queue.metrics().dropped(lost);
            tracing::warn!(alertmanager, lost, "alerts were not delivered at the end");
        }
        if !is_end {
            self.queue.metrics().end();
        }
    }

    /// Says whether it worked, as it did before or not.
    async fn deliver(&self, batch: &[Arc<Notification>], did_work: bool) -> bool {
        let began = Instant::now();
        let patience = self.connection.timeout;
        let sent = tokio::select! {
            sent = timeout(patience, self.post(batch)) => {
                sent.unwrap_or(Err(SendError::TimedOut(patience)))
            }
            () = self.end() => Err(SendError::Stopped),
        };
        let (alertmanager, count) = (&self.url, batch.len());
        let metrics = self.queue.metrics();
        metrics.sent(count, sent.is_ok(), began.elapsed());
        match &sent {
            Ok(()) if did_work => tracing::debug!(alertmanager, count, "alerts were delivered"),
            Ok(()) => tracing::info!(alertmanager, count, "alerts are delivered again"),
            Err(error) if did_work => {
                tracing::error!(alertmanager, count, %error, "alerts were not delivered");
            }
            Err(error) => {
                tracing::debug!(alertmanager, count, %error, "alerts were not delivered either");
            }
        }
        sent.is_ok()
    }

    async fn end(&self) {
        self.stop.cancelled().await;
        sleep(LAST_PATIENCE).await;
    }

    async fn post(&self, batch: &[Arc<Notification>]) -> Result<(), SendError> {
        let body = payload::payload(batch)?;
        let request = self.connection.client().post(&self.url).await?;
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let mut response = request.send().await?;
        let status = response.status();
        let mut answer = Vec::new();
        // Read, so that the connection can be used again.
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        if status.is_success() {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&answer);
        Err(SendError::Status(
            status,
            answer.chars().take(200).collect(),
        ))
    }
}
