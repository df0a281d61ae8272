//! The [`Store`] trait on SQL databases; the only home of sqlx.
//!
//! Not here: what a sample is. Values travel in blobs that this crate does not look into.
//!
//! * [`open`] - a store from a URL
//! * [`operations`] - backup, restoring, moving, checking
//! * [`legacy`] - reading the database of the older push server
//! * `sqlite` - the store on SQLite; `migrations/sqlite` its tables
//! * `postgres` - the store on Postgres; `migrations/postgres` its tables
//! * `statements` - what both dialects understand

mod error;
mod found;
pub mod legacy;
mod migrations;
mod names;
mod numbers;
pub mod operations;
mod place;
mod postgres;
mod rows;
mod sqlite;
mod statements;
mod url;

use std::sync::Arc;

use system_stats_storage::Store;

pub use error::SqlError;
use url::Location;

/// Opens the database at `url`.
///
/// `sqlite://data/system-stats.db` is a path relative to the working directory,
/// `sqlite:///var/lib/system-stats.db` an absolute one; file and directory are made where there are
/// none. `postgres://user:password@host:5432/database` is a server, whose database must be there;
/// what libpq calls `sslmode`, `sslrootcert`, `host` (a directory with a socket) and `options` may
/// follow as parameters.
///
/// # Errors
/// [`SqlError`]; in particular [`SqlError::Legacy`] for the database of the older push server,
/// which [`legacy`] reads.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, SqlError> {
    Ok(match Location::parse(url)? {
        Location::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(&path).await?),
        Location::Postgres(url) => Arc::new(postgres::PostgresStore::open(&url).await?),
    })
}
