//! The store on SQLite.
//!
//! One connection writes, a few read. The write-ahead log is synchronised at every commit
//! (`synchronous=FULL`): what has been acknowledged survives a power cut. A lock file beside the
//! database keeps a second process out.

mod commit;
mod connect;
mod inspect;
mod lock;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use system_stats_storage::ObjectKind;
use system_stats_storage::store::{
    CommitBatch, Committed, JournalRow, Opened, SeriesRow, Store, StoreError, StoredObject,
    TargetRow,
};

use crate::error::SqlError;
use crate::numbers::{signed, signed_size, size};
use crate::place::Place;
use crate::statements as both;
use lock::LockFile;

/// The low bits of a journal row's id are its number, the others its segment.
const SEQ_BITS: u32 = 40;

/// Pages given back to the file system after a segment has been trimmed, at most.
const VACUUM: &str = "PRAGMA incremental_vacuum(256)";

#[derive(Debug)]
pub(crate) struct SqliteStore {
    place: Place,
    writer: SqlitePool,
    readers: SqlitePool,
    epoch: AtomicI64,
    lock: LockFile,
}

impl SqliteStore {
    /// Opens a file, creating it, its directory and its tables where there are none.
    pub(crate) async fn open(path: &Path) -> Result<Self, SqlError> {
        if let Some(directory) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(directory).map_err(|source| SqlError::Directory {
                path: directory.to_owned(),
                source,
            })?;
        }
        inspect::check(path).await?;
        let lock = LockFile::take(path)?;
        let writer = connect::writer(path).await?;
        connect::migrate(path, &writer).await?;
        let readers = connect::readers(path).await?;
        Ok(Self {
            place: Place(path.display().to_string()),
            writer,
            readers,
            epoch: AtomicI64::new(0),
            lock,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let failed = |error| self.place.failed(&error);
        let lease = sqlx::query(both::TAKE_LEASE).fetch_one(&self.writer).await;
        let lease = lease.map_err(failed)?;
        self.epoch
            .store(lease.try_get(0).map_err(failed)?, Ordering::SeqCst);
        let committed = committed(&lease, 1).map_err(failed)?;
        let rows = sqlx::query(both::META)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let meta = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let meta = meta.collect::<Result<_, sqlx::Error>>().map_err(failed)?;
        let rows = sqlx::query(both::OBJECTS)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let mut objects = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind: i64 = row.try_get(0).map_err(failed)?;
            let key: Vec<u8> = row.try_get(1).map_err(failed)?;
            let updated = row.try_get(2).map_err(failed)?;
            // Kinds that a later version adds are left alone.
            if let Some(kind) = ObjectKind::from_code(kind) {
                objects.push((kind, self.place.key(key)?, updated));
            }
        }
        Ok(Opened {
            committed,
            meta,
            objects,
        })
    }

    async fn targets(&self, after: u64, limit: usize) -> Result<Vec<TargetRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::TARGETS)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in rows {
            let id = unsigned(&row, 0).map_err(failed)?;
            let labels: &[u8] = row.try_get(1).map_err(failed)?;
            let labels = self
                .place
                .labels(&format!("table target, id {id}"), labels)?;
            targets.push(TargetRow {
                id,
                pack: id,
                labels,
            });
        }
        Ok(targets)
    }

    async fn series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::SERIES)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        let mut series = Vec::with_capacity(rows.len());
        for row in rows {
            let id = unsigned(&row, 0).map_err(failed)?;
            let labels: &[u8] = row.try_get(3).map_err(failed)?;
            series.push(SeriesRow {
                id,
                target: unsigned(&row, 1).map_err(failed)?,
                inherits: row.try_get(2).map_err(failed)?,
                labels: self
                    .place
                    .labels(&format!("table series, id {id}"), labels)?,
                first: row.try_get(4).map_err(failed)?,
            });
        }
        Ok(series)
    }

    async fn journal(
        &self,
        segment: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(statements::JOURNAL);
        let query = query
            .bind(journal_id(segment, after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        let row = |row: &SqliteRow| {
            let id = unsigned(row, 0)?;
            Ok(JournalRow {
                segment: id >> SEQ_BITS,
                seq: id & ((1 << SEQ_BITS) - 1),
                blob: Bytes::copy_from_slice(row.try_get(1)?),
            })
        };
        rows.iter()
            .map(row)
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    async fn object(
        &self,
        kind: ObjectKind,
        key: &str,
    ) -> Result<Option<StoredObject>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::OBJECT)
            .bind(kind.code())
            .bind(key.as_bytes());
        let Some(row) = query.fetch_optional(&self.readers).await.map_err(failed)? else {
            return Ok(None);
        };
        let body: &[u8] = row.try_get(1).map_err(failed)?;
        Ok(Some(StoredObject {
            kind,
            key: key.to_owned(),
            updated: row.try_get(0).map_err(failed)?,
            body: Bytes::copy_from_slice(body),
        }))
    }

    async fn objects(
        &self,
        kind: ObjectKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredObject>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::OBJECTS_AFTER)
            .bind(kind.code())
            .bind(after.as_bytes())
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        let mut objects = Vec::with_capacity(rows.len());
        for row in rows {
            let key: Vec<u8> = row.try_get(0).map_err(failed)?;
            let body: &[u8] = row.try_get(2).map_err(failed)?;
            objects.push(StoredObject {
                kind,
                key: self.place.key(key)?,
                updated: row.try_get(1).map_err(failed)?,
                body: Bytes::copy_from_slice(body),
            });
        }
        Ok(objects)
    }

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let acquired = self.writer.acquire().await;
        let mut connection = acquired.map_err(|error| self.place.failed(&error))?;
        let outcome = self.commit_on(&mut connection, batch).await;
        if !matches!(outcome, Ok(()) | Err(StoreError::Fenced)) {
            // After a full disk, among others, SQLite has rolled back by itself, and the connection
            // is no longer in the state that sqlx believes it to be in.
            let closed = connection.close().await;
            closed.unwrap_or_else(|error| tracing::debug!(%error, "closing a failed connection"));
        }
        outcome
    }

    async fn committed(&self) -> Result<Committed, StoreError> {
        let failed = |error| self.place.failed(&error);
        let row = sqlx::query(statements::COMMITTED)
            .fetch_one(&self.readers)
            .await;
        committed(&row.map_err(failed)?, 0).map_err(failed)
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        let failed = |error| self.place.failed(&error);
        let trim = sqlx::query(statements::TRIM)
            .bind(journal_id(segment, 0))
            .bind(journal_id(segment + 1, 0))
            .bind(signed_size(limit));
        let trimmed = trim.execute(&self.writer).await.map_err(failed)?;
        let rows = size(trimmed.rows_affected());
        if rows < limit {
            sqlx::query(VACUUM)
                .execute(&self.writer)
                .await
                .map_err(failed)?;
        }
        Ok(rows)
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.writer.is_closed() {
            return Ok(());
        }
        self.readers.close().await;
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
        let checkpointed = checkpoint.execute(&self.writer).await;
        self.writer.close().await;
        self.lock.release();
        checkpointed
            .map(drop)
            .map_err(|error| self.place.failed(&error))
    }
}

fn committed(row: &SqliteRow, at: usize) -> Result<Committed, sqlx::Error> {
    Ok(Committed {
        seq: unsigned(row, at)?,
        hash: unsigned(row, at + 1)?,
    })
}

fn journal_id(segment: u64, seq: u64) -> i64 {
    signed(segment << SEQ_BITS | seq)
}

fn unsigned(row: &SqliteRow, at: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(at).map(i64::cast_unsigned)
}
