//! The write seam.
//!
//! Writers (scrape loops, pushes, rule groups) turn label sets into ids once and then append
//! batches of `(series, time, value)`. A batch becomes visible to readers as a whole when
//! [`Appender::append`] returns, and is durable when its [`Ticket`] has been committed; who
//! acknowledges something to the outside waits for that.

use crate::labels::Labels;
use crate::sample::Millis;

/// A target: what shares one clock (a scrape target, a rule group, a pushing host). Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u64);

/// A series. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u64);

/// The number of the batch that an append became part of. Batches commit in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How soon a batch must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for the acknowledgement: commit at once.
    Waiting,
    /// Nobody waits: commit with the next group.
    Relaxed,
}

/// What to do with a sample that is not newer than the series' newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Refuse and count it: scrapes never write out of order.
    Strict,
    /// Merge it where it belongs, inside the store's out-of-order window.
    Any,
    /// Merge it where it belongs, however late: for contracts that know no window.
    Unlimited,
}

/// One sample of one series.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The series, as [`Appender::series`] returned it.
    pub series: SeriesId,
    /// Milliseconds since 1970; not before 0.
    pub timestamp: Millis,
    /// Any bit pattern, the staleness marker included.
    pub value: f64,
}

/// Samples of one target that become visible together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The target all rows belong to.
    pub target: TargetId,
    /// What to do with late samples.
    pub order: Order,
    /// The samples, in any order.
    pub rows: Vec<Row>,
}

/// What became of a batch that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Samples that are now visible.
    pub stored: usize,
    /// Samples refused because they are older than the order, the out-of-order window or retention
    /// allows, or lie outside the years 1970 to 9999.
    pub out_of_order: usize,
    /// Samples refused because another value is already there for their time. The same value
    /// again is silently taken and counts as stored.
    pub duplicate: usize,
}

/// A batch was not taken; nothing of it is visible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A series id that this store does not know (any more): resolve the labels again.
    #[error("unknown series {}", .0.0)]
    UnknownSeries(SeriesId),
    /// A target id that this store does not know.
    #[error("unknown target {}", .0.0)]
    UnknownTarget(TargetId),
    /// A target may have so many series and no more.
    #[error("target {target} already has {limit} series, the most a target may have")]
    TooManySeries {
        /// The target's labels.
        target: Labels,
        /// The bound.
        limit: usize,
    },
    /// More is waiting to be committed than may wait: try again later.
    #[error("the store is behind: {waiting_bytes} bytes wait to be committed; try again later")]
    Overloaded {
        /// How much waits.
        waiting_bytes: usize,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Where samples go.
pub trait Appender: Send + Sync {
    /// The id of the target with these labels, new if there was none.
    ///
    /// # Errors
    /// [`AppendError::Closed`].
    fn target(&self, labels: &Labels) -> Result<TargetId, AppendError>;

    /// The id of a target's series. `labels` is the whole set, `__name__` and the target's labels
    /// included.
    ///
    /// # Errors
    /// [`AppendError::TooManySeries`], [`AppendError::UnknownTarget`], [`AppendError::Closed`].
    fn series(&self, target: TargetId, labels: &Labels) -> Result<SeriesId, AppendError>;

    /// Takes a batch as a whole or not at all; single late or duplicate samples are refused and
    /// counted in the [`Outcome`].
    ///
    /// # Errors
    /// Any [`AppendError`]; nothing of the batch is visible then.
    fn append(&self, batch: Batch, urgency: Urgency) -> Result<(Ticket, Outcome), AppendError>;
}
