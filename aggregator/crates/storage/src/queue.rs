//! What waits to be committed.
//!
//! There is one open batch, which takes whatever arrives, and a short queue of batches that were
//! closed because they had become large. A ticket is the number of the batch that something became
//! part of. Bytes are counted from arrival until the commit; above the bound new data is refused.

mod pending;
mod segments;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use system_stats_model::append::{AppendError, Ticket, Urgency};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::options::Options;
use crate::store::Committed;
use crate::sync::lock;

pub(crate) use pending::Pending;
pub(crate) use segments::{Segment, Segments};

/// A batch that has grown to so many bytes is closed.
const BATCH_BYTES: usize = 4 << 20;

/// How far commits have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Every batch up to this number is durable.
    pub(crate) committed: u64,
    /// Since when every attempt has failed.
    pub(crate) failing_since: Option<Instant>,
    /// What the last failed attempt said; kept until one succeeds.
    pub(crate) error: Option<Arc<str>>,
    /// Nothing will be committed any more.
    pub(crate) stopped: bool,
}

/// The queue between whoever writes and the task that commits.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    progress: watch::Sender<Progress>,
    interval: Duration,
    most_bytes: usize,
}

#[derive(Debug)]
struct State {
    open: Pending,
    full: VecDeque<Pending>,
    /// Bytes in `open`, in `full` and in the batch being committed.
    waiting_bytes: usize,
    /// Batches in `full` and being committed.
    waiting_batches: usize,
    segments: Segments,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(last: Committed, segments: Segments, options: &Options) -> Self {
        let progress = Progress {
            committed: last.seq,
            ..Progress::default()
        };
        Self {
            state: Mutex::new(State {
                open: Pending::new(last.seq + 1),
                full: VecDeque::new(),
                waiting_bytes: 0,
                waiting_batches: 0,
                segments,
                closed: false,
            }),
            wake: Notify::new(),
            progress: watch::Sender::new(progress),
            interval: options.commit_interval,
            most_bytes: options.waiting_bytes,
        }
    }

    /// Whether more may be added.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        let state = lock(&self.state);
        if state.closed {
            return Err(AppendError::Closed);
        }
        if state.waiting_bytes >= self.most_bytes {
            let waiting_bytes = state.waiting_bytes;
            return Err(AppendError::Overloaded { waiting_bytes });
        }
        Ok(())
    }

    /// Adds to the open batch. `fill` is told the segment that the batch belongs to.
    pub(crate) fn add(&self, urgency: Urgency, fill: impl FnOnce(&mut Pending, u64)) -> Ticket {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let due = state.open.due();
        let before = state.open.bytes();
        fill(&mut state.open, state.segments.current());
        let after = state.open.bytes();
        state.waiting_bytes += after.saturating_sub(before);
        if !state.open.is_empty() && state.open.since.is_none() {
            state.open.since = Some(Instant::now());
        }
        let ticket = state.request(urgency);
        let is_large = after >= BATCH_BYTES;
        // Most of what is added changes nothing for whoever waits for a batch.
        if is_large || state.open.due() != due {
            self.wake.notify_one();
        }
        if is_large {
            state.close_batch();
        }
        ticket
    }

    /// The ticket of everything added so far, to be committed as `urgency` says.
    pub(crate) fn latest(&self, urgency: Urgency) -> Ticket {
        let ticket = lock(&self.state).request(urgency);
        self.wake.notify_one();
        ticket
    }

    /// Takes no more. What waits is still committed.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_one();
    }

    /// Waits for a batch whose time has come; none when the queue is closed and empty.
    pub(crate) async fn next(&self) -> Option<Pending> {
        loop {
            let woken = self.wake.notified();
            let due = {
                let mut state = lock(&self.state);
                if let Some(batch) = state.take_due(self.interval) {
                    return Some(batch);
                }
                if state.closed {
                    return None;
                }
                state.open.due().map(|due| due.at(self.interval))
            };
            match due {
                Some(due) => {
                    tokio::select! {
                        () = woken => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => woken.await,
            }
        }
    }

    /// Notes that a batch is durable.
    pub(crate) fn committed(&self, batch: &Done) {
        {
            let mut state = lock(&self.state);
            state.waiting_bytes = state.waiting_bytes.saturating_sub(batch.bytes);
            state.waiting_batches = state.waiting_batches.saturating_sub(1);
            if batch.written > 0 {
                state.segments.wrote(batch);
            }
        }
        self.progress.send_modify(|progress| {
            progress.committed = batch.seq;
            progress.failing_since = None;
            progress.error = None;
        });
    }

    /// Notes that an attempt to commit has failed.
    pub(crate) fn failed(&self, error: &str) {
        self.progress.send_modify(|progress| {
            progress.failing_since.get_or_insert_with(Instant::now);
            progress.error = Some(Arc::from(error));
        });
    }

    /// Notes that nothing will be committed any more.
    pub(crate) fn stop(&self, error: Option<&str>) {
        lock(&self.state).closed = true;
        self.progress.send_modify(|progress| {
            progress.stopped = true;
            if let Some(error) = error {
                progress.error = Some(Arc::from(error));
            }
        });
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Batches and bytes that wait.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = lock(&self.state);
        let open = usize::from(!state.open.is_empty());
        (state.waiting_batches + open, state.waiting_bytes)
    }

    /// Looks at or changes what is known of the journal's segments.
    pub(crate) fn with_segments<T>(&self, with: impl FnOnce(&mut Segments) -> T) -> T {
        with(&mut lock(&self.state).segments)
    }
}

/// A batch that has been committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) seq: u64,
    pub(crate) segment: u64,
    /// What it counted for while it waited.
    pub(crate) bytes: usize,
    /// The size of its row in the journal; 0 if it has none.
    pub(crate) written: usize,
}

impl State {
    fn request(&mut self, urgency: Urgency) -> Ticket {
        if self.open.is_empty() {
            return Ticket(self.open.seq - 1);
        }
        self.open.urgent |= urgency == Urgency::Waiting;
        Ticket(self.open.seq)
    }

    fn take_due(&mut self, interval: Duration) -> Option<Pending> {
        if self.full.is_empty() {
            let due = self.open.due()?.at(interval);
            if !self.closed && Instant::now() < due {
                return None;
            }
            self.close_batch();
        }
        self.full.pop_front()
    }

    fn close_batch(&mut self) {
        let next = self.open.next();
        let mut closed = std::mem::replace(&mut self.open, next);
        closed.segment = self.segments.current();
        self.segments.advance(closed.seq, closed.records.len());
        self.full.push_back(closed);
        self.waiting_batches += 1;
    }
}
