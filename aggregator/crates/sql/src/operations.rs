//! What is done to whole databases from the command line: backup, restoring, moving to another
//! kind, checking.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};
use system_stats_model::labels::Labels;
use system_stats_storage::seal::is_intact;
use tokio::time::Instant;

use crate::error::SqlError;
use crate::postgres::{connect as server, statements};
use crate::rows::{Kind, PostgresRows, PostgresSink, SqliteRows, SqliteSink, TABLES, Table, Value};
use crate::sqlite::lock::LockFile;
use crate::sqlite::{connect, inspect};
use crate::url::Location;

pub use file::{Restored, backup, restore};

/// What was found in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many rows were looked at.
    pub rows: u64,
    /// What is wrong, and where; the first hundred.
    pub damage: Vec<String>,
    /// How many things are wrong in all.
    pub damaged: u64,
}

/// Damage beyond this is only counted.
const MOST_NAMED: usize = 100;

impl Checked {
    fn note(&mut self, damage: String) {
        self.damaged += 1;
        if self.damage.len() < MOST_NAMED {
            self.damage.push(damage);
        }
    }

    fn row(&mut self, table: &Table, row: &[Value]) {
        self.rows += 1;
        for ((column, kind), value) in table.columns.iter().zip(row) {
            let Value::Bytes(bytes) = value else { continue };
            let reason = match kind {
                Kind::Sealed if !is_intact(bytes) => "the checksum does not fit",
                Kind::Labels if !is_labels(bytes) => "it is no set of labels",
                _ => continue,
            };
            self.note(format!("{}: {column}: {reason}", table.row(row)));
        }
    }
}

fn is_labels(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| Labels::decode(text).is_ok())
}

/// Reads every row of the database at `url` and compares its checksums; of a SQLite file the
/// structure, too. The database may be in use.
///
/// # Errors
/// [`SqlError`] when the database cannot be read at all; damage is no error.
pub async fn check(url: &str) -> Result<Checked, SqlError> {
    let mut checked = Checked::default();
    let mut source = Source::open(url).await?;
    if let Source::File { path, rows } = &mut source {
        let failed = SqlError::database(path, "its structure cannot be checked");
        for line in rows.structure().await.map_err(failed)? {
            checked.note(format!("structure: {line}"));
        }
    }
    for table in &TABLES {
        for part in 0..source.parts(table) {
            let failed = source.failed();
            let mut rows = source.rows(table, part);
            loop {
                match rows.try_next().await {
                    Ok(Some(row)) => checked.row(table, &row),
                    Ok(None) => break,
                    // A file whose pages are damaged may end a table early; the others go on.
                    Err(sqlx::Error::Database(error)) => {
                        checked.note(format!("table {}: {error}", table.name));
                        break;
                    }
                    Err(error) => return Err(failed(error)),
                }
            }
        }
    }
    source.close().await?;
    Ok(checked)
}

/// Copies everything from the database at one URL into the empty one at another, of either kind,
/// all or nothing; returns how many rows. Neither may be in use.
///
/// # Errors
/// [`SqlError`]; the target is as it was then.
pub async fn migrate(from: &str, to: &str) -> Result<u64, SqlError> {
    let _lock = hold(from).await?;
    let mut source = Source::open(from).await?;
    let mut target = Target::open(to).await?;
    let mut copied = 0;
    for table in &TABLES {
        for part in 0..source.parts(table) {
            let failed = source.failed();
            let mut rows = source.rows(table, part);
            while let Some(row) = rows.try_next().await.map_err(&failed)? {
                target.write(table, &row).await?;
                copied += 1;
            }
        }
    }
    source.close().await?;
    target.finish().await?;
    Ok(copied)
}

/// Makes sure that nobody writes to a database that is being moved.
async fn hold(url: &str) -> Result<Option<LockFile>, SqlError> {
    match Location::parse(url)? {
        Location::Sqlite(path) => {
            existing(&path)?;
            LockFile::take(&path).map(Some)
        }
        Location::Postgres(url) => {
            let (mut connection, server) = connected(&url).await?;
            unused(&mut connection, &server).await?;
            let closed = connection.close().await;
            closed.map_err(server::failed(&server, "it cannot be read"))?;
            Ok(None)
        }
    }
}

async fn connected(url: &str) -> Result<(PgConnection, String), SqlError> {
    let (options, server) = server::options(url)?;
    let connected = PgConnection::connect_with(&options).await;
    let connection = connected.map_err(server::failed(&server, "it cannot be reached"))?;
    Ok((connection, server))
}

/// How long a server may take to notice that a connection is closed.
const LINGERING: Duration = Duration::from_secs(5);

/// How long between two looks at who is connected.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Makes sure that no other process of ours is connected. A connection that was closed a moment
/// ago, our own among them, is listed until the server has ended what served it.
async fn unused(connection: &mut PgConnection, server: &str) -> Result<(), SqlError> {
    let begun = Instant::now();
    loop {
        let others: i64 = sqlx::query_scalar(statements::OTHERS)
            .fetch_one(&mut *connection)
            .await
            .map_err(server::failed(server, "it cannot be read"))?;
        if others == 0 {
            return Ok(());
        }
        if begun.elapsed() >= LINGERING {
            return Err(SqlError::ServerInUse {
                server: server.to_owned(),
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn existing(path: &Path) -> Result<(), SqlError> {
    if path.exists() {
        return Ok(());
    }
    Err(SqlError::Missing {
        path: path.to_owned(),
    })
}

/// A connection to a file of ours that reads only.
async fn reading(path: &Path) -> Result<SqliteConnection, SqlError> {
    existing(path)?;
    inspect::check(path).await?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let connected = SqliteConnection::connect_with(&options).await;
    connected.map_err(SqlError::database(path, "it cannot be opened"))
}

enum Source {
    File { path: PathBuf, rows: SqliteRows },
    Server { name: String, rows: PostgresRows },
}

impl Source {
    async fn open(url: &str) -> Result<Self, SqlError> {
        match Location::parse(url)? {
            Location::Sqlite(path) => {
                let rows = SqliteRows::begin(reading(&path).await?).await;
                let rows = rows.map_err(SqlError::database(&path, "it cannot be read"))?;
                Ok(Self::File { path, rows })
            }
            Location::Postgres(url) => {
                let (connection, name) = connected(&url).await?;
                let rows = PostgresRows::begin(connection).await;
                let rows = rows.map_err(server::failed(&name, "it cannot be read"))?;
                Ok(Self::Server { name, rows })
            }
        }
    }

    fn parts(&self, table: &Table) -> usize {
        match self {
            Self::File { .. } => 1,
            Self::Server { rows, .. } => rows.parts(table),
        }
    }

    fn rows(&mut self, table: &'static Table, part: usize) -> crate::rows::Rows<'_> {
        match self {
            Self::File { rows, .. } => rows.rows(table),
            Self::Server { rows, .. } => rows.rows(table, part),
        }
    }

    fn failed(&self) -> Box<dyn Fn(sqlx::Error) -> SqlError + Send + Sync> {
        match self {
            Self::File { path, .. } => Box::new(SqlError::database(path, "it cannot be read")),
            Self::Server { name, .. } => Box::new(server::failed(name, "it cannot be read")),
        }
    }

    async fn close(self) -> Result<(), SqlError> {
        let failed = self.failed();
        match self {
            Self::File { rows, .. } => rows.close().await.map_err(failed),
            Self::Server { rows, .. } => rows.close().await.map_err(failed),
        }
    }
}

enum Target {
    /// A file under a temporary name until it is complete.
    File {
        unfinished: PathBuf,
        path: PathBuf,
        sink: SqliteSink,
        _lock: LockFile,
    },
    Server {
        name: String,
        sink: PostgresSink,
    },
}

impl Target {
    async fn open(url: &str) -> Result<Self, SqlError> {
        match Location::parse(url)? {
            Location::Sqlite(path) => Self::open_file(path).await,
            Location::Postgres(url) => {
                let (options, name) = server::options(&url)?;
                server::prepare(&options, &name).await?;
                let pools = server::pools(&options);
                server::migrate(&pools.jobs, &name).await?;
                pools.jobs.close().await;
                let (mut connection, name) = connected(&url).await?;
                unused(&mut connection, &name).await?;
                let failed = server::failed(&name, "it cannot be written");
                let mut sink = PostgresSink::begin(connection).await.map_err(&failed)?;
                if !sink.is_empty().await.map_err(&failed)? {
                    return Err(SqlError::NotEmpty { database: name });
                }
                Ok(Self::Server { name, sink })
            }
        }
    }

    async fn open_file(path: PathBuf) -> Result<Self, SqlError> {
        file::directory(&path)?;
        if std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            return Err(SqlError::Exists { path });
        }
        let lock = LockFile::take(&path)?;
        let unfinished = file::beside(&path, ".unfinished");
        file::remove(&unfinished)?;
        let pool = connect::writer(&unfinished).await?;
        connect::migrate(&unfinished, &pool).await?;
        let failed = SqlError::database(&unfinished, "it cannot be written");
        let connection = pool.acquire().await.map_err(&failed)?.detach();
        pool.close().await;
        let sink = SqliteSink::begin(connection).await.map_err(&failed)?;
        Ok(Self::File {
            unfinished,
            path,
            sink,
            _lock: lock,
        })
    }

    async fn write(&mut self, table: &'static Table, row: &[Value]) -> Result<(), SqlError> {
        match self {
            Self::File {
                unfinished, sink, ..
            } => {
                let written = sink.write(table, row).await;
                written.map_err(SqlError::database(unfinished, "it cannot be written"))
            }
            Self::Server { name, sink } => {
                let written = sink.write(table, row).await;
                written.map_err(server::failed(name, "it cannot be written"))
            }
        }
    }

    async fn finish(self) -> Result<(), SqlError> {
        match self {
            Self::File {
                unfinished,
                path,
                sink,
                ..
            } => {
                let failed = SqlError::database(&unfinished, "it cannot be written");
                sink.finish().await.map_err(failed)?;
                file::put(&unfinished, &path)
            }
            Self::Server { name, sink } => {
                let failed = server::failed(&name, "it cannot be written");
                sink.finish().await.map_err(failed)
            }
        }
    }
}
