//! The [`Store`] trait on SQL databases; the only home of sqlx.
//!
//! Not here: what a sample is. Values travel in blobs that this crate does not look into.
//!
//! * [`open`] - a store from a URL
//! * [`legacy`] - reading the database of the older push server
//! * `sqlite` - the store on SQLite; `migrations/sqlite` its tables

mod error;
pub mod legacy;
mod migrations;
mod sqlite;
mod url;

use std::sync::Arc;

use system_stats_storage::Store;

pub use error::SqlError;

/// Opens the database at `url`, creating it and its directory where there is none.
///
/// `sqlite://data/system-stats.db` is a path relative to the working directory,
/// `sqlite:///var/lib/system-stats.db` an absolute one.
///
/// # Errors
/// [`SqlError`]; in particular [`SqlError::Legacy`] for the database of the older push server,
/// which [`legacy`] reads.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, SqlError> {
    let path = url::sqlite_path(url)?;
    Ok(Arc::new(sqlite::SqliteStore::open(&path).await?))
}
