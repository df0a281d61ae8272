//! The database of the older push server: tables `metrics` and `host_details`.
//!
//! Its columns are matched by name, in any order; unknown ones are ignored. Times are whole or
//! fractional seconds since 1970 (milliseconds are recognised by their size) or ISO 8601 text, in
//! UTC unless it names an offset. The file is opened read-only.

mod cell;

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Connection, Row, SqliteConnection};
use system_stats_model::sample::Millis;

use crate::error::SqlError;
use cell::Columns;

/// The names of the tables of a database.
pub(crate) const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
const METRICS: &str = "SELECT rowid AS row_number, * FROM metrics \
    WHERE rowid > $1 ORDER BY rowid LIMIT $2";
const DETAILS: &str = "SELECT rowid AS row_number, * FROM host_details \
    WHERE rowid > $1 ORDER BY rowid LIMIT $2";

/// Whether a database with these tables is the older server's.
pub(crate) fn is_legacy(tables: &[String]) -> bool {
    ["metrics", "host_details"]
        .iter()
        .all(|name| tables.iter().any(|table| table == name))
}

/// One push that the older server kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The host.
    pub hostname: String,
    /// When, in milliseconds since 1970.
    pub timestamp: Millis,
    /// Busy, 0-100.
    pub cpu: f64,
    /// Memory in use, 0-100.
    pub ram: f64,
    /// Disk in use, 0-100.
    pub disk: f64,
    /// MiB per second; none where the column or value is missing.
    pub disk_read: Option<f64>,
    /// MiB per second; none where the column or value is missing.
    pub disk_write: Option<f64>,
}

/// The newest `/system` document of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// The host.
    pub hostname: String,
    /// JSON text, as it stands.
    pub details: String,
    /// When it was kept, in milliseconds since 1970; 0 if the row does not say.
    pub updated: Millis,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows that could be understood.
    pub rows: Vec<T>,
    /// How many could not.
    pub unusable: usize,
    /// Pass it as `after` for the next page; none when this was the last.
    pub next: Option<i64>,
}

/// An open database of the older server.
#[derive(Debug)]
pub struct LegacyDatabase {
    path: PathBuf,
    connection: SqliteConnection,
}

/// Opens the older server's database for reading.
///
/// # Errors
/// [`SqlError`], if it is no such database.
pub async fn read(path: &Path) -> Result<LegacyDatabase, SqlError> {
    let failed = SqlError::database(path, "the older server's database cannot be read");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let connected = SqliteConnection::connect_with(&options).await;
    let mut connection = connected.map_err(&failed)?;
    let tables = sqlx::query_scalar(TABLES).fetch_all(&mut connection).await;
    let tables: Vec<String> = tables.map_err(&failed)?;
    if !is_legacy(&tables) {
        return Err(SqlError::NotLegacy {
            path: path.to_owned(),
        });
    }
    Ok(LegacyDatabase {
        path: path.to_owned(),
        connection,
    })
}

impl LegacyDatabase {
    /// Up to `limit` pushes after row `after` (0 at first), in the order in which they were kept.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn readings(&mut self, after: i64, limit: u32) -> Result<Page<Reading>, SqlError> {
        self.page(METRICS, after, limit, reading).await
    }

    /// Up to `limit` documents after row `after` (0 at first).
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn details(&mut self, after: i64, limit: u32) -> Result<Page<Details>, SqlError> {
        self.page(DETAILS, after, limit, details).await
    }

    /// Closes the file.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn close(self) -> Result<(), SqlError> {
        let failed = SqlError::database(&self.path, "it cannot be closed");
        self.connection.close().await.map_err(failed)
    }

    async fn page<T>(
        &mut self,
        statement: &'static str,
        after: i64,
        limit: u32,
        parse: fn(&Columns<'_>) -> Option<T>,
    ) -> Result<Page<T>, SqlError> {
        let failed = SqlError::database(&self.path, "its rows cannot be read");
        let query = sqlx::query(statement).bind(after).bind(i64::from(limit));
        let found: Vec<SqliteRow> = query
            .fetch_all(&mut self.connection)
            .await
            .map_err(&failed)?;
        let mut next = None;
        if let Some(last) = found.last()
            && found.len() == limit as usize
        {
            next = Some(last.try_get("row_number").map_err(&failed)?);
        }
        let parsed: Vec<Option<T>> = found.iter().map(|row| parse(&Columns(row))).collect();
        let unusable = parsed.iter().filter(|row| row.is_none()).count();
        Ok(Page {
            rows: parsed.into_iter().flatten().collect(),
            unusable,
            next,
        })
    }
}

fn reading(row: &Columns<'_>) -> Option<Reading> {
    Some(Reading {
        hostname: row.text(&["hostname", "host"])?,
        timestamp: row.time(&["timestamp", "collected_at", "created_at"])?,
        cpu: row.number(&["cpu", "cpu_percent"])?,
        ram: row.number(&["ram", "ram_percent", "memory", "mem"])?,
        disk: row.number(&["disk", "disk_percent"])?,
        disk_read: row.number(&["disk_read", "disk_read_mb_per_sec"]),
        disk_write: row.number(&["disk_write", "disk_write_mb_per_sec"]),
    })
}

fn details(row: &Columns<'_>) -> Option<Details> {
    Some(Details {
        hostname: row.text(&["hostname", "host"])?,
        details: row.text(&["details", "details_json", "data", "payload"])?,
        updated: row
            .time(&["updated_at", "timestamp", "created_at"])
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::testing::TempDir;

    async fn database(path: &Path, statements: &'static str) {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(statements)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn rows_are_read_whatever_the_columns_look_like() {
        let directory = TempDir::new();
        let path = directory.join("old.db");
        let statements = "
            CREATE TABLE metrics (id INTEGER PRIMARY KEY, hostname TEXT, cpu REAL, ram REAL,
                disk REAL, timestamp INTEGER, disk_write REAL);
            INSERT INTO metrics VALUES
                (3, 'pi', 18.4, 57.9, 41, 1737718500, 0.09),
                (4, 'pi', '12.5', 50, 41.5, '2025-01-24T11:35:30+00:00', NULL),
                (5, 'pi', 1, 2, 3, '2025-01-24 11:35:30.250', 0),
                (6, 'pi', 'much', 2, 3, 1737718500, 0),
                (9, 'a', 1, 2, 3, 1737718500.5, 1);
            CREATE TABLE host_details (hostname TEXT PRIMARY KEY, details TEXT, updated_at REAL);
            INSERT INTO host_details VALUES ('pi', '{\"a\":1}', 1737718500000), ('b', NULL, 1);";
        database(&path, statements).await;
        let mut old = read(&path).await.unwrap();
        let page = old.readings(0, 4).await.unwrap();
        let shown = |r: &Reading| {
            let rates = (r.disk_read, r.disk_write);
            format!(
                "{} {} {} {} {} {rates:?}",
                r.hostname, r.timestamp, r.cpu, r.ram, r.disk
            )
        };
        assert_eq!(
            page.rows.iter().map(shown).collect::<Vec<_>>(),
            [
                "pi 1737718500000 18.4 57.9 41 (None, Some(0.09))",
                "pi 1737718530000 12.5 50 41.5 (None, None)",
                "pi 1737718530250 1 2 3 (None, Some(0.0))",
            ]
        );
        assert_eq!((page.unusable, page.next), (1, Some(6)));
        let rest = old.readings(6, 4).await.unwrap();
        assert_eq!(rest.rows.len(), 1);
        assert_eq!(rest.rows[0].timestamp, 1_737_718_500_500);
        assert_eq!(rest.next, None);
        let details = old.details(0, 10).await.unwrap();
        assert_eq!(
            details.rows,
            [Details {
                hostname: "pi".to_owned(),
                details: "{\"a\":1}".to_owned(),
                updated: 1_737_718_500_000,
            }]
        );
        assert_eq!(details.unusable, 1);
        old.close().await.unwrap();
    }

    #[tokio::test]
    async fn it_is_recognised_and_not_touched() {
        let directory = TempDir::new();
        let path = directory.join("old.db");
        database(
            &path,
            "CREATE TABLE metrics (a); CREATE TABLE host_details (b);",
        )
        .await;
        let before = std::fs::read(&path).unwrap();
        let url = format!("sqlite://{}", path.display());
        let refused = crate::open(&url).await.err().unwrap();
        assert!(matches!(refused, SqlError::Legacy { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
