//! Whose database a file is, before anything in it is touched.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::error::SqlError;
use crate::legacy;

/// What a SQLite file begins with (SQLite documentation, "Database File Format", section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The table that every database of this program has from its first moment.
const OURS: &str = "_sqlx_migrations";
const APPLICATION_ID: i64 = 0x5353_5441;

/// Refuses what is not a database of this program. A file that is not there or empty is fine.
pub(crate) async fn check(path: &Path) -> Result<(), SqlError> {
    let failed = |source| SqlError::File {
        path: path.to_owned(),
        source,
    };
    let mut start = Vec::new();
    match File::open(path) {
        Ok(file) => file
            .take(MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if start.is_empty() {
        return Ok(());
    }
    if start != MAGIC {
        return Err(SqlError::NotSqlite {
            path: path.to_owned(),
        });
    }
    let unreadable = SqlError::database(path, "it cannot be read");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let connected = SqliteConnection::connect_with(&options).await;
    let mut connection = connected.map_err(&unreadable)?;
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut connection)
        .await
        .map_err(&unreadable)?;
    let tables: Vec<String> = sqlx::query_scalar(legacy::TABLES)
        .fetch_all(&mut connection)
        .await
        .map_err(&unreadable)?;
    connection.close().await.map_err(&unreadable)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    if legacy::is_legacy(&tables) {
        return Err(SqlError::Legacy {
            path: path.to_owned(),
        });
    }
    match tables.into_iter().find(|table| table != OURS) {
        None => Ok(()),
        Some(table) => Err(SqlError::Foreign {
            path: path.to_owned(),
            table,
        }),
    }
}
