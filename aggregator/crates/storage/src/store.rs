//! The trait that a database implements, and what travels through it.
//!
//! It is narrow (a journal, two tables of names, blocks with their headers, documents, a little
//! metadata) and coarse (a commit is one call and one transaction). Values are opaque bytes to it:
//! nothing below this seam knows what a sample is.
//!
//! The past is blocks. A window of a pack has a header with the version of it that is valid. Of
//! each group the newest block counts whose version is not above the header's. What changes is
//! written as blocks of the next version, in as many calls as it takes, and becomes valid with
//! [`Store::turn`]; the blocks that these supersede are rubbish from then on, as those of a process
//! that died on the way always were, and go with [`Store::sweep`].

mod blocks;
mod names;

use async_trait::async_trait;
use bytes::Bytes;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use crate::object::ObjectKind;

pub use blocks::{
    BlockRow, DeletionRow, FoldCommit, Forgotten, Found, LayoutRow, PackRow, Tier, Turn, Wanted,
    WindowHead, WindowKey, WindowRow,
};
pub use names::{SeriesName, SeriesNames};

/// A row of the table of targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Never reused.
    pub id: u64,
    /// The pack that its blocks belong to: the id of the target that opened it. Targets that are
    /// older than packs have their own id here.
    pub pack: u64,
    /// The labels that its series share.
    pub labels: Labels,
}

/// A row of the table of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesRow {
    /// Never reused.
    pub id: u64,
    /// The target it belongs to.
    pub target: u64,
    /// Whether the target's labels belong to it too. False in the rare case that a series lacks
    /// one of them; `labels` is the whole set then.
    pub inherits: bool,
    /// Its own labels: those that are not the target's.
    pub labels: Labels,
    /// The time of its first sample, in milliseconds since 1970.
    pub first: Millis,
    /// The time of its last sample, of one that has left memory. A new row has none.
    pub last: Option<Millis>,
}

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Which segment it belongs to; segments are trimmed as a whole.
    pub segment: u64,
    /// The number of the commit that wrote it.
    pub seq: u64,
    /// The records.
    pub blob: Bytes,
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// What it is about.
    pub kind: ObjectKind,
    /// Which one of its kind.
    pub key: String,
    /// When it was made, in milliseconds since 1970.
    pub updated: Millis,
    /// Compressed.
    pub body: Bytes,
}

/// What happened to an alert, as it is stored. Such rows are added and expire; they never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// When it happened, in milliseconds since 1970.
    pub at: Millis,
    /// Later ones have higher numbers; never reused.
    pub id: u64,
    /// Compressed.
    pub body: Bytes,
}

/// Everything that becomes durable together, in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitBatch {
    /// One more than the batch before.
    pub seq: u64,
    /// A digest of the content, by which an unknown outcome is resolved.
    pub hash: u64,
    /// The segment that `blob` belongs to.
    pub segment: u64,
    /// The journal's row; none when there is nothing to write into the journal.
    pub blob: Option<Bytes>,
    /// Targets that the journal's row is the first to name.
    pub targets: Vec<TargetRow>,
    /// Series that the journal's row is the first to name.
    pub series: Vec<SeriesRow>,
    /// Series that have left memory, each once, with the time of their last sample; without one
    /// those that came back.
    pub left_series: Vec<(u64, Option<Millis>)>,
    /// Series that have nothing left.
    pub forgotten_series: Vec<u64>,
    /// Targets that have no series left.
    pub forgotten_targets: Vec<u64>,
    /// What is deleted from blocks, kept under the batch's number until it is forgotten.
    pub deletion: Option<Bytes>,
    /// Packs whose row changes with the deletion.
    pub packs: Vec<PackRow>,
    /// Documents that are new or have a new version.
    pub objects: Vec<StoredObject>,
    /// Documents that are gone.
    pub deleted_objects: Vec<(ObjectKind, String)>,
    /// What happened to alerts.
    pub events: Vec<EventRow>,
    /// Metadata that changes.
    pub meta: Vec<(&'static str, i64)>,
}

/// The newest commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Its digest; 0 before the first.
    pub hash: u64,
}

/// The digest of a batch that is nothing but a row of the journal: a store that has the row knows
/// it.
#[must_use]
pub fn row_digest(seq: u64, row: &[u8]) -> u64 {
    join_digest(crc32c::crc32c(row), crc32c::crc32c(&seq.to_le_bytes()))
}

/// A database's integers have a sign.
pub(crate) fn join_digest(journal: u32, rest: u32) -> u64 {
    (u64::from(journal) << 32 | u64::from(rest)) & i64::MAX.cast_unsigned()
}

/// What a store says when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The newest commit.
    pub committed: Committed,
    /// All metadata.
    pub meta: Vec<(String, i64)>,
    /// Every document's kind, key and time, without its body.
    pub objects: Vec<(ObjectKind, String, Millis)>,
}

/// A store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It certainly did not happen. Trying again may help.
    #[error("{0}")]
    Failed(String),
    /// It may have happened: the connection was lost before the answer.
    #[error("it is not known whether the commit took place: {0}")]
    Unknown(String),
    /// Somebody else has taken the store over. Trying again does not help.
    #[error("another process has taken the database over; this one must not write to it any more")]
    Fenced,
    /// What is stored is not what was written.
    #[error("{place}: {reason}")]
    Corrupt {
        /// The table and row.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A durable store. All methods may be called at any time after [`Store::open`], from any thread.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes the store over: whoever had it before is fenced off, its commits fail with
    /// [`StoreError::Fenced`] from now on.
    async fn open(&self) -> Result<Opened, StoreError>;

    /// Up to `limit` targets with ids above `after`, ascending.
    async fn targets(&self, after: u64, limit: usize) -> Result<Vec<TargetRow>, StoreError>;

    /// The names of up to `limit` series with ids above `after` that have not left memory.
    async fn series(&self, after: u64, limit: usize) -> Result<SeriesNames, StoreError>;

    /// Up to `limit` series with ids above `after` that have left memory, ascending.
    async fn left_series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError>;

    /// Those of the series that there are, whether they have left memory or not, in any order.
    async fn series_by_id(&self, ids: &[u64]) -> Result<Vec<SeriesRow>, StoreError>;

    /// Up to `limit` rows of the journal after row `after` of `segment`, ascending by segment and
    /// number.
    async fn journal(
        &self,
        segment: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, StoreError>;

    /// A document's newest version.
    async fn object(&self, kind: ObjectKind, key: &str)
    -> Result<Option<StoredObject>, StoreError>;

    /// Up to `limit` documents of a kind whose keys are above `after` in the order of their bytes,
    /// ascending.
    async fn objects(
        &self,
        kind: ObjectKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredObject>, StoreError>;

    /// Up to `limit` events from `start` on that are before `(at, id)`, newest first.
    async fn events(
        &self,
        start: Millis,
        before: (Millis, u64),
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError>;

    /// Removes up to `limit` events from before `before`, oldest first; returns how many.
    async fn expire_events(&self, before: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Commits a batch in one transaction, all or nothing, if and only if the newest commit is
    /// `batch.seq - 1` and the store has not been taken over.
    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError>;

    /// The newest commit, read afresh.
    async fn committed(&self) -> Result<Committed, StoreError>;

    /// Removes about `limit` rows of a segment of the journal - more where the segment goes as a
    /// whole -; returns how many. Fewer than `limit` means that the segment is gone.
    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError>;

    /// Up to `limit` headers after `after` of a tier, ascending by window, then pack.
    async fn windows(
        &self,
        tier: Tier,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Result<Vec<WindowHead>, StoreError>;

    /// Headers and blocks, all as of one moment, in the order of `wanted`; windows that are not
    /// there are left out. The caller asks for no more than a few megabytes at once.
    async fn read_windows(&self, tier: Tier, wanted: &[Wanted]) -> Result<Vec<Found>, StoreError>;

    /// A layout.
    async fn layout(&self, pack: u64, id: u64) -> Result<Option<LayoutRow>, StoreError>;

    /// Up to `limit` packs with ids above `after`, ascending.
    async fn packs(&self, after: u64, limit: usize) -> Result<Vec<PackRow>, StoreError>;

    /// A pack.
    async fn pack(&self, id: u64) -> Result<Option<PackRow>, StoreError>;

    /// All deletions that have not been forgotten, ascending.
    async fn deletions(&self) -> Result<Vec<DeletionRow>, StoreError>;

    /// Writes blocks of a version that does not count yet, in one transaction; a block that is
    /// there already is replaced. The caller keeps each call to a few dozen rows and a few hundred
    /// kilobytes.
    async fn put_blocks(
        &self,
        tier: Tier,
        key: WindowKey,
        ver: u64,
        blocks: &[BlockRow],
    ) -> Result<(), StoreError>;

    /// Makes versions valid, in one transaction, all or nothing. Doing it twice is doing it once.
    async fn turn(&self, commit: &FoldCommit) -> Result<(), StoreError>;

    /// Removes up to `limit` blocks of a window that do not count when its header has version
    /// `keep`: those of a later version, and those of whose group there is a newer one that
    /// counts. With 0 none counts. Returns how many; fewer than `limit` means that there are no
    /// more.
    async fn sweep(
        &self,
        tier: Tier,
        key: WindowKey,
        keep: u64,
        limit: usize,
    ) -> Result<usize, StoreError>;

    /// Removes windows that begin before `before`, headers first, about `limit` rows of them;
    /// returns how many. 0 means that there are no more.
    async fn expire(&self, tier: Tier, before: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Removes up to `limit` series that have left memory and whose last sample was before
    /// `before`; returns how many.
    async fn expire_series(&self, before: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Removes rows, in one transaction. What is not there is gone already.
    async fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError>;

    /// What the stored data takes, in bytes, without room that is free for more.
    async fn size(&self) -> Result<u64, StoreError>;

    /// Lets go of the store in good order. Nothing is called after it but, perhaps, this again.
    async fn close(&self) -> Result<(), StoreError>;
}
