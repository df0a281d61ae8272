//! What waits for one Alertmanager: bounded, the oldest give way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Notification;
use super::metrics::MetricsOf;

pub(super) struct Queue {
    waiting: Mutex<VecDeque<Arc<Notification>>>,
    more: Notify,
    capacity: usize,
    metrics: MetricsOf,
}

impl Queue {
    pub(super) fn new(capacity: usize, metrics: MetricsOf) -> Self {
        Self {
            waiting: Mutex::default(),
            more: Notify::new(),
            capacity,
            metrics,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Notification>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds alerts; says how many of the oldest gave way.
    pub(super) fn push(&self, alerts: &[Arc<Notification>]) -> usize {
        if alerts.is_empty() {
            return 0;
        }
        let lost = {
            let mut waiting = self.waiting();
            let before = waiting.len();
            let surplus = alerts.len().saturating_sub(self.capacity);
            let alerts = &alerts[surplus..];
            let over = (waiting.len() + alerts.len()).saturating_sub(self.capacity);
            waiting.drain(..over);
            waiting.extend(alerts.iter().cloned());
            self.metrics.waiting(waiting.len(), before);
            surplus + over
        };
        self.metrics.dropped(lost);
        self.more.notify_one();
        lost
    }

    /// Takes the oldest alerts, at most `count`; nothing when nothing waits.
    pub(super) fn take(&self, count: usize) -> Vec<Arc<Notification>> {
        let mut waiting = self.waiting();
        let before = waiting.len();
        let taken = waiting.drain(..count.min(before)).collect();
        self.metrics.waiting(waiting.len(), before);
        taken
    }

    /// Waits until something was added since the last time. Cancel-safe.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    pub(super) fn metrics(&self) -> &MetricsOf {
        &self.metrics
    }
}
