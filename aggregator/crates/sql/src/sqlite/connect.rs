//! Connections and what they are set to.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::SqlError;
use crate::migrations;

const READERS: u32 = 3;
const BUSY: Duration = Duration::from_secs(5);

/// Pages in the log before they are moved into the file: about 1.6 MB, so that the log stays small
/// on flash memory.
const CHECKPOINT_PAGES: &str = "400";
const LOG_BYTES: &str = "8388608";

pub(crate) async fn writer(path: &Path) -> Result<SqlitePool, SqlError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(4096)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES)
        .pragma("cache_size", "-8000")
        .pragma("mmap_size", "0");
    connect(path, options, 1).await
}

pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, SqlError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-2000")
        .pragma("mmap_size", "0");
    connect(path, options, READERS).await
}

async fn connect(
    path: &Path,
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, SqlError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(SqlError::database(path, "it cannot be opened"))
}

pub(crate) async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), SqlError> {
    migrations::sqlite()
        .run(writer)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(version) => SqlError::Newer {
                database: path.display().to_string(),
                version,
            },
            error => SqlError::Database {
                path: path.to_owned(),
                action: "its tables cannot be brought up to date",
                reason: error.to_string(),
            },
        })
}
