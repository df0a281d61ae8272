//! What happens to a sample between its arrival and SQL: the head in memory, the records of the
//! journal, the commit path, and the [`Store`] trait that a database implements.
//!
//! Not here: SQL of any dialect (that is the crate of the stores), a wall clock (whoever needs one
//! passes a horizon in), scraping, evaluation.
//!
//! * [`Storage`] - the handle: appends, deletions, objects, reading, retention
//! * [`store`] - the narrow trait below, and what travels through it
//! * [`seal`] - the checksum that every blob ends with
//! * [`memory`] - a [`Store`] without a disk, which can be told to fail
//! * `conformance` - what every [`Store`] has to do, as tests (a feature of the same name)
//! * `column` - the lossless codec of one series' values
//! * `block` - what the blobs of the past hold; `fold` - how an hour in memory becomes blocks
//! * `past` - which blocks there are, and what is deleted from them
//! * `journal` - the records: delta chains per target, keyframes per segment
//! * `head` - targets, windows, tiles; `index` - labels, postings; `left` - what left the index
//! * `queue` and `committer` - group commit, first in first out

mod allocator;
mod block;
mod column;
mod committer;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod fold;
mod head;
mod index;
mod journal;
mod left;
pub mod memory;
mod object;
mod options;
mod past;
mod queue;
mod rollup;
pub mod seal;
mod snapshot;
mod storage;
pub mod store;
mod sync;
mod varint;

pub use object::{Event, Object, ObjectKind};
pub use options::Options;
pub use snapshot::Snapshot;
pub use storage::{
    Changes, CommitError, DeleteError, Deleted, Departed, EventPlace, ExpireError, Expired,
    FoldFailure, FoldScope, OpenError, ReadError, SeriesStats, Status, Storage,
};
pub use store::Store;
