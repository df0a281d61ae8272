//! What the service counts about itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The service's own metrics; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct AlertingMetrics {
    recorded: Counter,
    lost: Counter,
    silences: Gauge,
}

impl AlertingMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "alert_history_events",
            "Changes of alerts and silences taken down",
            self.recorded.clone(),
        );
        registry.register(
            "alert_history_events_lost",
            "Changes that were lost because the store had taken nothing for too long",
            self.lost.clone(),
        );
        registry.register(
            "silences",
            "Silences and acknowledgements that are in force or will be",
            self.silences.clone(),
        );
    }

    pub(super) fn recorded(&self, events: usize) {
        self.recorded.inc_by(events as u64);
    }

    pub(super) fn lost(&self, events: usize) {
        self.lost.inc_by(events as u64);
    }

    pub(super) fn silences(&self, live: usize) {
        self.silences.set(i64::try_from(live).unwrap_or(i64::MAX));
    }
}
