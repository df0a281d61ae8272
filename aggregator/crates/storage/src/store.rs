//! The trait that a database implements, and what travels through it.
//!
//! It is narrow (a journal, two tables of names, documents, a little metadata) and coarse (a
//! commit is one call and one transaction). Values are opaque bytes to it: nothing below this seam
//! knows what a sample is.

use async_trait::async_trait;
use bytes::Bytes;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use crate::object::ObjectKind;

/// A row of the table of targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Never reused.
    pub id: u64,
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
    /// Series that have nothing left.
    pub forgotten_series: Vec<u64>,
    /// Targets that have no series left.
    pub forgotten_targets: Vec<u64>,
    /// Documents that are new or have a new version.
    pub objects: Vec<StoredObject>,
    /// Documents that are gone.
    pub deleted_objects: Vec<(ObjectKind, String)>,
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

    /// Up to `limit` series with ids above `after`, ascending.
    async fn series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError>;

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

    /// Commits a batch in one transaction, all or nothing, if and only if the newest commit is
    /// `batch.seq - 1` and the store has not been taken over.
    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError>;

    /// The newest commit, read afresh.
    async fn committed(&self) -> Result<Committed, StoreError>;

    /// Removes up to `limit` rows of a segment of the journal; returns how many. Fewer than
    /// `limit` means that the segment is gone.
    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError>;

    /// Lets go of the store in good order. Nothing is called after it but, perhaps, this again.
    async fn close(&self) -> Result<(), StoreError>;
}
