//! The handle: everything the rest of the program does with stored samples.

mod append;
mod delete;
mod error;
mod events;
mod expire;
mod fold;
mod leave;
pub(crate) mod objects;
mod open;
mod packs;
mod read;
mod recall;
mod repack;
mod rollup;
mod scan;
mod status;
mod thrift;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use system_stats_model::append::AppendError;
use system_stats_model::append::{Appender, Batch, Outcome, SeriesId, TargetId, Ticket, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::head::TargetHead;
use crate::index::Index;
use crate::left::Left;
use crate::options::Options;
use crate::past::Past;
use crate::queue::Queue;
use crate::store::Store;
use crate::sync::lock;
use objects::Objects;
use packs::Packs;

pub use delete::Deleted;
pub use error::{CommitError, DeleteError, ExpireError, OpenError, ReadError};
pub use events::EventPlace;
pub use expire::Expired;
pub use fold::{FoldFailure, FoldScope};
pub use objects::Changes;
pub use read::SeriesStats;
pub use recall::Departed;
pub use status::Status;

/// All stored samples and documents. Cheap to clone; every clone is the same storage.
///
/// What is appended is visible at once and durable when [`Storage::committed`] says so. Dropping
/// the last clone without [`Storage::close`] loses what is not durable yet.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

/// Locks are taken in this order: `folding`, `turning`, `leaving`, `gate`, `catalog`, a target's head, `objects`, the queue. Nobody
/// who holds a target's head asks for the catalog.
struct Inner {
    options: Options,
    store: Arc<dyn Store>,
    /// Held shared by appends, alone by deletions: a deletion takes effect between two appends,
    /// in memory as in the journal.
    gate: RwLock<()>,
    catalog: RwLock<Catalog>,
    queue: Arc<Queue>,
    objects: Arc<Objects>,
    /// Nothing before this is kept or taken: the start of a window.
    floor: AtomicI64,
    /// The time of the newest sample ever taken; `Millis::MIN` before the first.
    newest: AtomicI64,
    /// Rows of the journal that could not be read at start, and records lost with them.
    unreadable: open::Unreadable,
    past: Past,
    /// Held by whoever folds.
    folding: tokio::sync::Mutex<()>,
    /// Held by whoever changes which blocks are valid, or what they add up to.
    turning: tokio::sync::Mutex<()>,
    /// Held alone while series leave memory; shared by whoever looks for those that have.
    leaving: Arc<tokio::sync::RwLock<()>>,
    /// Whether all series that have left are known.
    recall: tokio::sync::watch::Sender<bool>,
    /// When it was last looked for series to leave.
    looked: Mutex<Option<tokio::time::Instant>>,
    /// When memory was last given back to the system.
    given_back: Mutex<Option<tokio::time::Instant>>,
    /// The newest commits that bring a deletion, and a later horizon.
    last_deletion: AtomicU64,
    horizon_seq: AtomicU64,
    next_layout: AtomicU64,
    /// Whether there may be days to roll up.
    rollups_due: AtomicBool,
    counters: Arc<Counters>,
    tasks: TaskTracker,
    /// Stops the tasks; so does dropping the guard.
    stop: CancellationToken,
    _guard: DropGuard,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Samples that went into blocks.
    folded: AtomicU64,
    /// Hours that could not be folded when they were to be.
    fold_failures: AtomicU64,
    /// Samples that had another value in a block already.
    refused: AtomicU64,
    /// Groups that did not decode to what they were made of.
    raw_groups: AtomicU64,
    /// Blocks and headers that could not be read.
    pub(crate) damaged_blocks: AtomicU64,
}

/// Names of everything in memory.
#[derive(Debug)]
struct Catalog {
    index: Index,
    targets: BTreeMap<u32, Arc<Target>>,
    by_labels: HashMap<Labels, u32>,
    packs: Packs,
    left: Left,
    /// Series that came back and are not counted yet.
    back: Vec<u32>,
    next_target: u32,
    next_series: u32,
}

#[derive(Debug)]
struct Target {
    id: u32,
    /// The pack that its blocks belong to.
    pack: u32,
    labels: Labels,
    head: Mutex<TargetHead>,
}

impl Target {
    fn new(id: u32, pack: u32, labels: Labels, saved: bool) -> Self {
        let mut head = TargetHead::default();
        head.saved = saved;
        Self {
            id,
            pack,
            labels,
            head: Mutex::new(head),
        }
    }
}

impl Storage {
    /// Resolves when everything up to `ticket` is durable.
    ///
    /// # Errors
    /// [`CommitError::Unavailable`] when the store keeps failing or hanging for longer than
    /// [`Options::acknowledge_within`]; the batch stays queued and is committed if the store comes
    /// back. [`CommitError::Stopped`] when nothing will be committed any more.
    pub async fn committed(&self, ticket: Ticket) -> Result<(), CommitError> {
        let mut progress = self.inner.queue.progress();
        let arrived = tokio::time::Instant::now();
        loop {
            let since = {
                let now = progress.borrow_and_update();
                if now.committed >= ticket.0 {
                    return Ok(());
                }
                let reason = || {
                    now.error
                        .as_deref()
                        .unwrap_or("it does not answer")
                        .to_owned()
                };
                if now.stopped {
                    return Err(CommitError::Stopped(reason()));
                }
                let since = now
                    .failing_since
                    .map_or(arrived, |since| since.min(arrived));
                if since.elapsed() >= self.inner.options.acknowledge_within {
                    return Err(CommitError::Unavailable(reason()));
                }
                since
            };
            let deadline = since + self.inner.options.acknowledge_within;
            // Either way there is something new to look at.
            let _ = tokio::time::timeout_at(deadline, progress.changed()).await;
        }
    }

    /// Takes no more, commits what waits, and lets go of the database.
    ///
    /// # Errors
    /// [`CommitError`], when what waits could not be committed in
    /// [`Options::acknowledge_within`].
    pub async fn close(&self) -> Result<(), CommitError> {
        let last = self.inner.queue.latest(Urgency::Waiting);
        self.inner.queue.close();
        let flushed = self.committed(last).await;
        self.inner.tasks.close();
        if flushed.is_ok() {
            self.inner.stop.cancel();
            self.inner.tasks.wait().await;
        }
        let closed = self.inner.store.close().await;
        flushed?;
        closed.map_err(|error| CommitError::Stopped(error.to_string()))
    }

    /// The time of the newest sample there is, staleness markers included.
    #[must_use]
    pub fn newest(&self) -> Option<Millis> {
        let newest = self.inner.newest.load(Ordering::Relaxed);
        (newest != Millis::MIN).then_some(newest)
    }
}

impl Appender for Storage {
    fn target(&self, labels: &Labels) -> Result<TargetId, AppendError> {
        self.inner.target(labels)
    }

    fn series(&self, target: TargetId, labels: &Labels) -> Result<SeriesId, AppendError> {
        self.inner.series(target, labels)
    }

    fn append(&self, batch: Batch, urgency: Urgency) -> Result<(Ticket, Outcome), AppendError> {
        self.inner.append(&batch, urgency)
    }
}

impl Inner {
    fn head_of(target: &Target) -> std::sync::MutexGuard<'_, TargetHead> {
        lock(&target.head)
    }

    fn floor(&self) -> Millis {
        self.floor.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
