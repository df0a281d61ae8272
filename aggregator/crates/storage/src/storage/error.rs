//! What can go wrong.

use crate::store::StoreError;

/// The storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database could not be read.
    #[error("the stored data cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A task of the runtime died.
    #[error("replaying the journal was interrupted: {0}")]
    Interrupted(String),
}

/// Something is not known to be durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The store has not committed for too long. It goes on trying; whoever waits is told to come
    /// back.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing will be committed any more.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

/// Something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The database could not be read.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Retention could not finish; what it has not done is done the next time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpireError {
    /// The horizon could not be made durable.
    #[error("the retention horizon cannot be stored: {0}")]
    Commit(#[from] CommitError),
    /// The journal could not be trimmed.
    #[error("old segments of the journal cannot be removed: {0}")]
    Store(#[from] StoreError),
}
