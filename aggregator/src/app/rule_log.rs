//! Tells the log what alerts do.

use crate::rules::{AlertSink, AlertState, Transition};

/// One line for every alert that begins to fire or ends.
pub(super) struct RuleLog;

impl AlertSink for RuleLog {
    fn changed(&self, (file, group): (&str, &str), transitions: Vec<Transition>) {
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
