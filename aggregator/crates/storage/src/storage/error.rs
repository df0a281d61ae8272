//! What can go wrong.

use system_stats_model::append::AppendError;

use crate::store::StoreError;

/// The storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database could not be read.
    #[error("the stored data cannot be read: {0}")]
    Store(#[from] StoreError),
    /// Blocks could not be counted.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// So much would have to be held at once.
    #[error(
        "the selected series hold more than {0} bytes in that range; choose fewer series or a \
         shorter range"
    )]
    TooMuch(usize),
}

/// Nothing has been deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// Nothing is taken now.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What is to be deleted could not be looked at.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A deletion before this one is not durable yet.
    #[error("an earlier deletion cannot be stored: {0}")]
    Commit(#[from] CommitError),
}

impl From<StoreError> for DeleteError {
    fn from(error: StoreError) -> Self {
        Self::Read(ReadError::Store(error))
    }
}

/// Retention could not finish; what it has not done is done the next time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpireError {
    /// The horizon could not be made durable.
    #[error("the retention horizon cannot be stored: {0}")]
    Commit(#[from] CommitError),
    /// Old blocks, or old segments of the journal, could not be removed.
    #[error("what is beyond the retention cannot be removed: {0}")]
    Store(#[from] StoreError),
    /// What was to be removed could not be looked at.
    #[error("what is beyond the retention cannot be read: {0}")]
    Read(#[from] ReadError),
}
