//! What happens to a sample between its arrival and SQL: the head in memory, the records of the
//! journal, the commit path, and the [`Store`] trait that a database implements.
//!
//! Not here: SQL of any dialect (that is the crate of the stores), a wall clock (whoever needs one
//! passes a horizon in), scraping, evaluation.
//!
//! * [`Storage`] - the handle: appends, deletions, objects, reading, retention
//! * [`store`] - the narrow trait below, and what travels through it
//! * [`memory`] - a [`Store`] without a disk, which can be told to fail
//! * `conformance` - what every [`Store`] has to do, as tests (a feature of the same name)
//! * `column` - the lossless codec of one series' values
//! * `journal` - the records: delta chains per target, keyframes per segment
//! * `head` - targets, windows, tiles; `index` - labels, postings
//! * `queue` and `committer` - group commit, first in first out

mod column;
mod committer;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod head;
mod index;
mod journal;
pub mod memory;
mod object;
mod options;
mod queue;
mod snapshot;
mod storage;
pub mod store;
mod sync;
mod varint;

pub use object::{Object, ObjectKind};
pub use options::Options;
pub use snapshot::Snapshot;
pub use storage::{
    CommitError, Deleted, ExpireError, Expired, OpenError, ReadError, SeriesStats, Status, Storage,
};
pub use store::Store;
