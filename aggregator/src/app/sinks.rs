//! Who is told what alerts do: everybody in a list.

use std::sync::Arc;

use crate::rules::{AlertSink, AlertState, Transition};

/// Tells each of them, in order.
pub(super) struct Sinks(pub(super) Vec<Arc<dyn AlertSink>>);

impl AlertSink for Sinks {
    fn changed(&self, group: (&str, &str), transitions: &[Transition]) {
        for sink in &self.0 {
            sink.changed(group, transitions);
        }
    }
}

/// One line in the log for every alert that begins to fire or ends.
pub(super) struct Logged;

impl AlertSink for Logged {
    fn changed(&self, (file, group): (&str, &str), transitions: &[Transition]) {
        for Transition { from, alert, .. } in transitions {
            let (labels, value) = (&alert.labels, alert.value);
            match (from, alert.state) {
                (_, AlertState::Firing) => {
                    tracing::warn!(file, group, %labels, value, "an alert fires");
                }
                (AlertState::Firing, _) => {
                    tracing::info!(file, group, %labels, "an alert has ended");
                }
                _ => tracing::debug!(file, group, %labels, value, "an alert is pending or gone"),
            }
        }
    }
}
