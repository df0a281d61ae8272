//! The store on SQLite.
//!
//! One connection writes, a few read. The write-ahead log is synchronised at every commit
//! (`synchronous=FULL`): what has been acknowledged survives a power cut. A lock file beside the
//! database keeps a second process out.

mod connect;
mod inspect;
mod lock;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, Sqlite, SqliteConnection, SqlitePool, Transaction};
use system_stats_model::labels::Labels;
use system_stats_storage::ObjectKind;
use system_stats_storage::store::{
    CommitBatch, Committed, JournalRow, Opened, SeriesRow, Store, StoreError, StoredObject,
    TargetRow,
};

use crate::error::SqlError;
use lock::LockFile;

/// The low bits of a journal row's id are its number, the others its segment.
const SEQ_BITS: u32 = 40;

/// Pages given back to the file system after a segment has been trimmed, at most.
const VACUUM: &str = "PRAGMA incremental_vacuum(256)";

#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
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
            path: path.to_owned(),
            writer,
            readers,
            epoch: AtomicI64::new(0),
            lock,
        })
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Failed(format!("{}: {error}", self.path.display()))
    }

    fn corrupt(&self, place: &str, reason: &dyn std::fmt::Display) -> StoreError {
        StoreError::Corrupt {
            place: format!("{}: {place}", self.path.display()),
            reason: reason.to_string(),
        }
    }

    fn labels(&self, place: &str, encoded: &[u8]) -> Result<Labels, StoreError> {
        let text = std::str::from_utf8(encoded).map_err(|e| self.corrupt(place, &e))?;
        Labels::decode(text).map_err(|error| self.corrupt(place, &error))
    }

    async fn commit_on(
        &self,
        connection: &mut SqliteConnection,
        batch: &CommitBatch,
    ) -> Result<(), StoreError> {
        let failed = |error| self.failed(&error);
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(failed)?;
        let fence = sqlx::query(statements::FENCE)
            .bind(signed(batch.seq))
            .bind(signed(batch.hash))
            .bind(self.epoch.load(Ordering::SeqCst))
            .bind(signed(batch.seq.wrapping_sub(1)));
        let fenced = fence.execute(&mut *transaction).await.map_err(failed)?;
        if fenced.rows_affected() != 1 {
            return Err(StoreError::Fenced);
        }
        self.write(&mut transaction, batch).await.map_err(failed)?;
        let unknown = |error| StoreError::Unknown(format!("{}: {error}", self.path.display()));
        transaction.commit().await.map_err(unknown)
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        batch: &CommitBatch,
    ) -> Result<(), sqlx::Error> {
        let connection = &mut **transaction;
        if !batch.targets.is_empty() {
            let rows = statements::target_rows(&batch.targets);
            sqlx::query(statements::INSERT_TARGETS)
                .bind(rows)
                .execute(&mut *connection)
                .await?;
        }
        if !batch.series.is_empty() {
            let rows = statements::series_rows(&batch.series);
            sqlx::query(statements::INSERT_SERIES)
                .bind(rows)
                .execute(&mut *connection)
                .await?;
        }
        if let Some(blob) = &batch.blob {
            let insert = sqlx::query(statements::INSERT_JOURNAL);
            let insert = insert
                .bind(journal_id(batch.segment, batch.seq))
                .bind(&blob[..]);
            insert.execute(&mut *connection).await?;
        }
        for object in &batch.objects {
            let put = sqlx::query(statements::PUT_OBJECT).bind(object.kind.code());
            let put = put
                .bind(object.key.as_bytes())
                .bind(object.updated)
                .bind(&object.body[..]);
            put.execute(&mut *connection).await?;
        }
        for (kind, key) in &batch.deleted_objects {
            let delete = sqlx::query(statements::DELETE_OBJECT).bind(kind.code());
            delete
                .bind(key.as_bytes())
                .execute(&mut *connection)
                .await?;
        }
        let forgotten = [
            (statements::DELETE_SERIES, &batch.forgotten_series),
            (statements::DELETE_TARGETS, &batch.forgotten_targets),
        ];
        for (statement, ids) in forgotten {
            if !ids.is_empty() {
                let ids = statements::ids(ids);
                sqlx::query(statement)
                    .bind(ids)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        for (key, value) in &batch.meta {
            let set = sqlx::query(statements::SET_META).bind(*key).bind(*value);
            set.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let failed = |error| self.failed(&error);
        let lease = sqlx::query(statements::TAKE_LEASE)
            .fetch_one(&self.writer)
            .await;
        let lease = lease.map_err(failed)?;
        self.epoch
            .store(lease.try_get(0).map_err(failed)?, Ordering::SeqCst);
        let committed = committed(&lease, 1).map_err(failed)?;
        let rows = sqlx::query(statements::META)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let meta = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let meta = meta.collect::<Result<_, sqlx::Error>>().map_err(failed)?;
        let rows = sqlx::query(statements::OBJECTS)
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
                let key = String::from_utf8(key).map_err(|e| self.corrupt("table object", &e))?;
                objects.push((kind, key, updated));
            }
        }
        Ok(Opened {
            committed,
            meta,
            objects,
        })
    }

    async fn targets(&self, after: u64, limit: usize) -> Result<Vec<TargetRow>, StoreError> {
        let failed = |error| self.failed(&error);
        let query = sqlx::query(statements::TARGETS)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in rows {
            let id = unsigned(&row, 0).map_err(failed)?;
            let labels: &[u8] = row.try_get(1).map_err(failed)?;
            let labels = self.labels(&format!("table target, id {id}"), labels)?;
            targets.push(TargetRow {
                id,
                pack: id,
                labels,
            });
        }
        Ok(targets)
    }

    async fn series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        let failed = |error| self.failed(&error);
        let query = sqlx::query(statements::SERIES)
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
                labels: self.labels(&format!("table series, id {id}"), labels)?,
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
        let failed = |error| self.failed(&error);
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
        let failed = |error| self.failed(&error);
        let query = sqlx::query(statements::OBJECT)
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
        let failed = |error| self.failed(&error);
        let query = sqlx::query(statements::OBJECTS_AFTER)
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
                key: String::from_utf8(key).map_err(|e| self.corrupt("table object", &e))?,
                updated: row.try_get(1).map_err(failed)?,
                body: Bytes::copy_from_slice(body),
            });
        }
        Ok(objects)
    }

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let acquired = self.writer.acquire().await;
        let mut connection = acquired.map_err(|error| self.failed(&error))?;
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
        let failed = |error| self.failed(&error);
        let row = sqlx::query(statements::COMMITTED)
            .fetch_one(&self.readers)
            .await;
        committed(&row.map_err(failed)?, 0).map_err(failed)
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        let failed = |error| self.failed(&error);
        let trim = sqlx::query(statements::TRIM)
            .bind(journal_id(segment, 0))
            .bind(journal_id(segment + 1, 0))
            .bind(signed_size(limit));
        let trimmed = trim.execute(&self.writer).await.map_err(failed)?;
        let rows = usize::try_from(trimmed.rows_affected()).unwrap_or(usize::MAX);
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
        checkpointed.map(drop).map_err(|error| self.failed(&error))
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

fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn signed_size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
