//! The database of the older server: recognised, read, and never written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use system_stats_sql::legacy;
use system_stats_storage::{CommitError, OpenError, Options as StorageOptions, Storage};

use super::sqlite_url;
use crate::clock::Clock;
use crate::inventory::Inventory;
use crate::inventory::import::{ImportError, Imported};

/// What the new database is called: `metrics.db` becomes `metrics.system-stats.db`.
const EXTENSION: &str = "system-stats.db";
/// What it is called until the import is complete.
const UNFINISHED: &str = "system-stats.importing";
/// What SQLite and the store put beside a database.
const COMPANIONS: [&str; 4] = ["", "-wal", "-shm", ".lock"];

/// The older server's history could not be brought over.
#[derive(Debug, thiserror::Error)]
pub enum OlderError {
    /// A file of an unfinished import is in the way, or the finished one cannot be put in place.
    #[error("{}: {source}; the import of the older server's history needs it", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The new database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A row cannot be brought over.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The new database cannot be finished.
    #[error("the import of the older server's history cannot be finished: {0}")]
    Close(#[from] CommitError),
}

/// The path of the new database beside `old`, which is made and filled if it is not there. Killed
/// on the way, it starts over.
pub(super) async fn imported(old: &Path, clock: &Clock) -> Result<PathBuf, OlderError> {
    let new = old.with_extension(EXTENSION);
    if new.exists() {
        tracing::info!(old = %old.display(), new = %new.display(), "imported before");
        return Ok(new);
    }
    tracing::info!(old = %old.display(), "importing the older server's history");
    let unfinished = old.with_extension(UNFINISHED);
    remove(&unfinished)?;
    let imported = import(old, &unfinished, clock).await?;
    std::fs::rename(&unfinished, &new).map_err(|source| OlderError::File {
        path: new.clone(),
        source,
    })?;
    remove(&unfinished)?;
    tracing::info!(
        new = %new.display(),
        readings = imported.readings,
        details = imported.details,
        unusable = imported.unusable,
        "imported the older server's history"
    );
    Ok(new)
}

async fn import(old: &Path, new: &Path, clock: &Clock) -> Result<Imported, OlderError> {
    let mut old = legacy::read(old).await.map_err(ImportError::from)?;
    let store = system_stats_sql::open(&sqlite_url(new))
        .await
        .map_err(ImportError::from)?;
    // Nobody else writes: a page is committed as soon as it is there.
    let options = StorageOptions {
        commit_interval: Duration::ZERO,
        ..StorageOptions::default()
    };
    let storage = Arc::new(Storage::open(store, options).await?);
    let inventory = Inventory::open(Arc::clone(&storage), clock.clone()).await;
    let inventory = inventory.map_err(ImportError::from)?;
    let imported = inventory.import(&mut old).await;
    storage.close().await?;
    old.close().await.map_err(ImportError::from)?;
    Ok(imported?)
}

fn remove(database: &Path) -> Result<(), OlderError> {
    for companion in COMPANIONS {
        let mut path = database.as_os_str().to_owned();
        path.push(companion);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                let path = PathBuf::from(path);
                return Err(OlderError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
