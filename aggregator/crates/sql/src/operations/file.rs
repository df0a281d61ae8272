//! Backups of SQLite files.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sqlx::Connection;

use super::{existing, reading};
use crate::error::SqlError;
use crate::postgres::connect as server;
use crate::sqlite::lock::LockFile;
use crate::url::Location;

/// What SQLite puts beside a database.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

const DUMP: &str = "a server is backed up by its own means: pg_dump --format=custom \
                    --schema=system_stats --file=FILE DATABASE";
const UNDUMP: &str = "a server is restored by its own means: pg_restore --dbname=DATABASE FILE, \
                      into a database without the schema system_stats";

/// Writes a copy of the SQLite database at `url`, which may be in use, into a new file: the state
/// of one moment. The copy appears under its name when it is complete and on disk.
///
/// It is a `VACUUM INTO` over a read snapshot. SQLite's page-by-page backup begins anew whenever
/// another process commits, so beside a running server it would never end.
///
/// # Errors
/// [`SqlError`]; there is no file then.
pub async fn backup(url: &str, file: &Path) -> Result<(), SqlError> {
    let path = file_of(url, DUMP)?;
    if file.exists() {
        return Err(SqlError::Exists {
            path: file.to_owned(),
        });
    }
    directory(file)?;
    let mut connection = reading(&path).await?;
    let unfinished = beside(file, ".unfinished");
    remove(&unfinished)?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(unfinished.display().to_string())
        .execute(&mut connection)
        .await;
    let failed = SqlError::database(&path, "it cannot be backed up");
    if let Err(error) = copied {
        remove(&unfinished)?;
        return Err(failed(error));
    }
    connection.close().await.map_err(failed)?;
    put(&unfinished, file)
}

/// What restoring has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database that is there now.
    pub path: PathBuf,
    /// What the database before is called now.
    pub before: Option<PathBuf>,
}

/// Puts a copy of `file`, a backup, in the place of the SQLite database at `url`, which must not be
/// in use. What was there is kept under another name.
///
/// # Errors
/// [`SqlError`]; the database is as it was then.
pub async fn restore(file: &Path, url: &str) -> Result<Restored, SqlError> {
    let path = file_of(url, UNDUMP)?;
    existing(file)?;
    reading(file)
        .await?
        .close()
        .await
        .map_err(SqlError::database(file, "it cannot be read"))?;
    directory(&path)?;
    let lock = LockFile::take(&path)?;
    let before = beside(&path, ".replaced");
    if path.exists() && before.exists() {
        return Err(SqlError::Exists { path: before });
    }
    let unfinished = beside(&path, ".unfinished");
    remove(&unfinished)?;
    std::fs::copy(file, &unfinished).map_err(|source| SqlError::File {
        path: unfinished.clone(),
        source,
    })?;
    let replaces = path.exists();
    // The file goes before its log: a log alone is nothing, a file without its log lacks commits.
    for companion in COMPANIONS {
        let (from, to) = (beside(&path, companion), beside(&before, companion));
        match std::fs::rename(&from, to) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(SqlError::File { path: from, source });
            }
            _ => {}
        }
    }
    put(&unfinished, &path)?;
    lock.release();
    Ok(Restored {
        path,
        before: replaces.then_some(before),
    })
}

fn file_of(url: &str, remedy: &'static str) -> Result<PathBuf, SqlError> {
    match Location::parse(url)? {
        Location::Sqlite(path) => Ok(path),
        Location::Postgres(url) => Err(SqlError::NotAFile {
            server: server::options(&url)?.1,
            remedy,
        }),
    }
}

/// The file's name with something after it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the directory of a file.
pub(super) fn directory(path: &Path) -> Result<(), SqlError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let Some(directory) = parent else {
        return Ok(());
    };
    std::fs::create_dir_all(directory).map_err(|source| SqlError::Directory {
        path: directory.to_owned(),
        source,
    })
}

/// Removes a file that was not finished, and what belongs to it.
pub(super) fn remove(path: &Path) -> Result<(), SqlError> {
    for companion in COMPANIONS {
        let path = beside(path, companion);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(SqlError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a finished file its name, for good.
pub(super) fn put(unfinished: &Path, path: &Path) -> Result<(), SqlError> {
    let failed = |source| SqlError::File {
        path: path.to_owned(),
        source,
    };
    File::open(unfinished)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(unfinished, path).map_err(failed)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}
