//! Who is told what alerts do: everybody in a list.

use std::sync::Arc;

use crate::notify::{Notification, Notifier};
use crate::rules::{Alert, AlertSink, AlertState, Transition, expression_link};

/// Tells each of them, in order.
pub(super) struct Sinks(pub(super) Vec<Arc<dyn AlertSink>>);

impl AlertSink for Sinks {
    fn changed(&self, group: (&str, &str), transitions: &[Transition]) {
        for sink in &self.0 {
            sink.changed(group, transitions);
        }
    }

    fn send(&self, expression: &str, alerts: &[Alert]) {
        for sink in &self.0 {
            sink.send(expression, alerts);
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

/// Tells Alertmanagers.
pub(super) struct Notified {
    notifier: Arc<Notifier>,
    /// Where this server is reached, without a slash at the end.
    external_url: String,
}

impl Notified {
    pub(super) fn new(notifier: &Arc<Notifier>, external_url: &str) -> Self {
        Self {
            notifier: Arc::clone(notifier),
            external_url: external_url.to_owned(),
        }
    }
}

impl AlertSink for Notified {
    fn changed(&self, _: (&str, &str), _: &[Transition]) {}

    fn send(&self, expression: &str, alerts: &[Alert]) {
        let link = expression_link(&self.external_url, expression);
        let notification = |alert: &Alert| {
            let starts_at = alert.fired_at.unwrap_or(alert.active_at);
            let ends_at = alert.resolved_at.or(alert.valid_until);
            Notification {
                labels: alert.labels.clone(),
                annotations: alert.annotations.clone(),
                starts_at,
                ends_at: ends_at.unwrap_or(starts_at),
                generator_url: link.clone(),
            }
        };
        self.notifier
            .send(alerts.iter().map(notification).collect());
    }
}
