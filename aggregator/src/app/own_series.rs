//! What the aggregator stores about itself and about the hosts that it knows, for rules to look at:
//! its own metrics under the job [`JOB`], and `system_host_up` for every host of the inventory.
//!
//! A host that is no target any more has no series that could say so; what the inventory knows
//! goes on. It is written like an import, without a target to scrape, and is no host itself.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use system_stats_model::exposition::Format;

use crate::clock::Clock;
use crate::housekeeping::{Housekeeping, HousekeepingError};
use crate::http::OwnMetrics;
use crate::inventory::hosts::{Fleet, Status};
use crate::inventory::{Inventory, SERVICE_JOB};
use crate::telemetry::metrics::Exposition;
use crate::write::{Import, WriteError, Writer};

/// The job of the own metrics.
const JOB: &str = "system-stats-aggregator";
/// How often both are written.
const PERIOD: Duration = Duration::from_secs(15);

/// Writes both.
pub(super) struct OwnSeries {
    pub(super) metrics: OwnMetrics,
    pub(super) inventory: Arc<Inventory>,
    pub(super) writer: Arc<Writer>,
    pub(super) clock: Clock,
    /// What tells this server apart from others.
    pub(super) instance: String,
}

impl OwnSeries {
    /// Schedules it.
    pub(super) async fn write_regularly(
        self,
        housekeeping: &Housekeeping,
    ) -> Result<(), HousekeepingError> {
        let own = Arc::new(self);
        let write = move || {
            let own = Arc::clone(&own);
            async move {
                for (what, written) in [
                    ("metrics", own.metrics().await),
                    ("hosts", own.hosts().await),
                ] {
                    if let Err(error) = written {
                        tracing::warn!(what, %error, "what the server knows of itself was not stored");
                    }
                }
            }
        };
        housekeeping.every("own series", PERIOD, write).await
    }

    async fn metrics(&self) -> Result<(), WriteError> {
        let text = (self.metrics)(Exposition::Text);
        let text = text.map_err(|error| WriteError::Malformed(error.to_string()))?;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        self.write(
            text,
            vec![pair("job", JOB), pair("instance", &self.instance)],
        )
        .await
    }

    async fn hosts(&self) -> Result<(), WriteError> {
        let inventory = Arc::clone(&self.inventory);
        let text = tokio::task::spawn_blocking(move || presence(&inventory.names()));
        let text = text
            .await
            .map_err(|error| WriteError::Unavailable(error.to_string()))?;
        self.write(text, Vec::new()).await
    }

    async fn write(&self, text: String, extra: Vec<(String, String)>) -> Result<(), WriteError> {
        let import = Import {
            format: Format::Text,
            extra,
            timestamp: self.clock.now(),
        };
        let place = self.writer.place().await?;
        self.writer.import(Bytes::from(text), import, place).await
    }
}

/// `system_host_up` of every host with readings. Services that report single metrics are not
/// expected to go on.
fn presence(fleet: &Fleet) -> String {
    let mut text = String::new();
    for host in fleet.hosts() {
        if host.readings == 0 || host.jobs.iter().all(|job| job == SERVICE_JOB) {
            continue;
        }
        let up = u8::from(host.status == Status::Up);
        let escaped = host.instance.replace('\\', "\\\\").replace('"', "\\\"");
        let instance = escaped.replace('\n', "\\n");
        // Writing into a string does not fail.
        let _ = writeln!(text, "system_host_up{{instance=\"{instance}\"}} {up}");
    }
    text
}
