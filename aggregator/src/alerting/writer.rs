//! The way into the store. Rules do not wait for it: what it does not take stays here, in order,
//! and is offered again.

use std::collections::VecDeque;
use std::sync::Arc;

use system_stats_model::append::{AppendError, Ticket, Urgency};
use system_stats_storage::{Changes, Storage};

use super::AlertingError;
use super::metrics::AlertingMetrics;

/// How much may wait here, in bytes, while the store takes nothing: some hundred thousand changes.
const MAX_BYTES: usize = 64 << 20;

pub(super) struct Writer {
    storage: Arc<Storage>,
    waiting: VecDeque<Changes>,
    bytes: usize,
    metrics: AlertingMetrics,
}

impl Writer {
    pub(super) fn new(storage: Arc<Storage>, metrics: AlertingMetrics) -> Self {
        Self {
            storage,
            waiting: VecDeque::new(),
            bytes: 0,
            metrics,
        }
    }

    /// Gives changes to the store, now or later. When too much waits they are lost, which is
    /// counted.
    pub(super) fn push(&mut self, changes: Changes) {
        let size = size(&changes);
        if size > 0 {
            if self.bytes + size > MAX_BYTES {
                tracing::error!(
                    events = changes.events.len(),
                    "the store has taken nothing for too long: a part of the alerts' history is lost"
                );
                self.metrics.lost(changes.events.len());
            } else {
                self.bytes += size;
                self.waiting.push_back(changes);
            }
        }
        // What is not taken now is offered again with the next change, or in a few seconds.
        let _ = self.flush();
    }

    /// Gives changes to the store that somebody waits for.
    ///
    /// # Errors
    /// [`AlertingError::Unavailable`]; they were not taken.
    pub(super) fn write(&mut self, changes: Changes) -> Result<Ticket, AlertingError> {
        let unavailable = |error: AppendError| AlertingError::Unavailable(error.to_string());
        self.flush().map_err(unavailable)?;
        let events = changes.events.len();
        let ticket = self.storage.change(changes, Urgency::Waiting);
        let ticket = ticket.map_err(unavailable)?;
        self.metrics.recorded(events);
        Ok(ticket)
    }

    fn flush(&mut self) -> Result<(), AppendError> {
        while let Some(next) = self.waiting.front() {
            let (size, events) = (size(next), next.events.len());
            self.storage.change(next.clone(), Urgency::Relaxed)?;
            self.metrics.recorded(events);
            self.waiting.pop_front();
            self.bytes -= size;
        }
        Ok(())
    }
}

fn size(changes: &Changes) -> usize {
    let events = changes.events.iter().map(|event| event.body.len());
    let objects = (changes.objects.iter()).map(|object| object.body.len() + object.key.len());
    let removed = changes.removed.iter().map(|(_, key)| key.len());
    events.chain(objects).chain(removed).sum()
}
