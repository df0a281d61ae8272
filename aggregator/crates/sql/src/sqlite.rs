//! The store on SQLite.
//!
//! One connection writes, a few read. The write-ahead log is synchronised at every commit
//! (`synchronous=FULL`): what has been acknowledged survives a power cut. A lock file beside the
//! database keeps a second process out.

mod blocks;
mod commit;
pub(crate) mod connect;
mod events;
pub(crate) mod inspect;
pub(crate) mod lock;
mod names;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool};
use system_stats_model::sample::Millis;
use system_stats_storage::ObjectKind;
use system_stats_storage::store::{
    BlockRow, CommitBatch, Committed, DeletionRow, EventRow, FoldCommit, Forgotten, Found,
    JournalRow, LayoutRow, Opened, PackRow, SeriesNames, SeriesRow, Store, StoreError,
    StoredObject, TargetRow, Tier, Wanted, WindowHead, WindowKey,
};

use crate::error::SqlError;
use crate::numbers::{signed, signed_size, size};
use crate::place::Place;
use crate::statements as both;
use crate::statements::tier_index;
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

impl SqliteStore {
    fn series_of(&self, rows: &[SqliteRow]) -> Result<Vec<SeriesRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let mut series = Vec::with_capacity(rows.len());
        for row in rows {
            let id = unsigned(row, 0).map_err(failed)?;
            let labels: &[u8] = row.try_get(3).map_err(failed)?;
            series.push(SeriesRow {
                id,
                target: unsigned(row, 1).map_err(failed)?,
                inherits: row.try_get(2).map_err(failed)?,
                labels: self
                    .place
                    .labels(&format!("table series, id {id}"), labels)?,
                first: row.try_get(4).map_err(failed)?,
                last: row.try_get(5).map_err(failed)?,
            });
        }
        Ok(series)
    }

    /// The only column of a row that may be there.
    fn blob(
        &self,
        row: Result<Option<SqliteRow>, sqlx::Error>,
    ) -> Result<Option<Bytes>, StoreError> {
        let blob = |row: &SqliteRow| row.try_get(0).map(Bytes::copy_from_slice);
        let read = row.and_then(|row| row.as_ref().map(blob).transpose());
        read.map_err(|error| self.place.failed(&error))
    }

    /// Rows of a number and a blob.
    fn numbered(
        &self,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let read = |row: &SqliteRow| {
            let blob = Bytes::copy_from_slice(row.try_get(1)?);
            Ok((unsigned(row, 0)?, blob))
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|error| self.place.failed(&error))
    }

    /// Gives the connection back that a job has written with. After an error SQLite may have rolled
    /// back by itself, and the connection is no longer in the state that sqlx believes it to be in.
    async fn settle<T>(
        &self,
        connection: PoolConnection<Sqlite>,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        if outcome.is_err() {
            let closed = connection.close().await;
            closed.unwrap_or_else(|error| tracing::debug!(%error, "closing a failed connection"));
        }
        outcome.map_err(|error| self.place.failed(&error))
    }

    async fn job(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        let acquired = self.writer.acquire().await;
        acquired.map_err(|error| self.place.failed(&error))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let failed = |error| self.place.failed(&error);
        let lease = sqlx::query(statements::TAKE_LEASE)
            .fetch_one(&self.writer)
            .await;
        let lease = lease.map_err(failed)?;
        self.epoch
            .store(lease.try_get(0).map_err(failed)?, Ordering::SeqCst);
        let committed = commit::committed(&self.writer).await.map_err(failed)?;
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
            let labels: &[u8] = row.try_get(2).map_err(failed)?;
            targets.push(TargetRow {
                id,
                pack: unsigned(&row, 1).map_err(failed)?,
                labels: self
                    .place
                    .labels(&format!("table target, id {id}"), labels)?,
            });
        }
        Ok(targets)
    }

    async fn series(&self, after: u64, limit: usize) -> Result<SeriesNames, StoreError> {
        let names = names::read(&self.readers, after, limit).await;
        let columns = names.map_err(|error| self.place.failed(&error))?;
        columns.names(&self.place, after)
    }

    async fn left_series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::LEFT_SERIES)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
        self.series_of(&rows)
    }

    async fn series_by_id(&self, ids: &[u64]) -> Result<Vec<SeriesRow>, StoreError> {
        let query = sqlx::query(statements::SERIES_BY_ID).bind(statements::ids(ids));
        let rows = query.fetch_all(&self.readers).await;
        self.series_of(&rows.map_err(|error| self.place.failed(&error))?)
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

    async fn events(
        &self,
        start: Millis,
        before: (Millis, u64),
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError> {
        let events = self.read_events(start, before, limit).await;
        events.map_err(|error| self.place.failed(&error))
    }

    async fn expire_events(&self, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let mut job = self.job().await?;
        let expired = events::expire(&mut job, before, limit).await;
        self.settle(job, expired).await
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
        let committed = commit::committed(&self.readers).await;
        committed.map_err(|error| self.place.failed(&error))
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        let mut connection = self.job().await?;
        let trimmed = commit::trim(&mut connection, segment, limit).await;
        let rows = self.settle(connection, trimmed).await?;
        if rows < limit {
            let vacuum = sqlx::query(VACUUM).execute(&self.writer).await;
            vacuum.map_err(|error| self.place.failed(&error))?;
        }
        Ok(rows)
    }

    async fn windows(
        &self,
        tier: Tier,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Result<Vec<WindowHead>, StoreError> {
        let failed = |error| self.place.failed(&error);
        // No pack has a number below 0.
        let after = after.map_or((i64::MIN, -1), |key| (key.window, signed(key.pack)));
        let rows = sqlx::query(both::WINDOWS[tier_index(tier)])
            .bind(after.0)
            .bind(after.1)
            .bind(signed_size(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let heads = rows.iter().map(window_head);
        heads.collect::<Result<_, _>>().map_err(failed)
    }

    async fn read_windows(&self, tier: Tier, wanted: &[Wanted]) -> Result<Vec<Found>, StoreError> {
        let found = self.find(tier, wanted).await;
        found.map_err(|error| self.place.failed(&error))
    }

    async fn layout(&self, pack: u64, id: u64) -> Result<Option<LayoutRow>, StoreError> {
        let query = sqlx::query(both::LAYOUT);
        let query = query.bind(signed(pack)).bind(signed(id));
        let blob = self.blob(query.fetch_optional(&self.readers).await)?;
        Ok(blob.map(|blob| LayoutRow { pack, id, blob }))
    }

    async fn packs(&self, after: u64, limit: usize) -> Result<Vec<PackRow>, StoreError> {
        let query = sqlx::query(both::PACKS);
        let query = query.bind(signed(after)).bind(signed_size(limit));
        let rows = self.numbered(query.fetch_all(&self.readers).await)?;
        let rows = rows.into_iter();
        Ok(rows.map(|(id, blob)| PackRow { id, blob }).collect())
    }

    async fn pack(&self, id: u64) -> Result<Option<PackRow>, StoreError> {
        let query = sqlx::query(both::PACK).bind(signed(id));
        let blob = self.blob(query.fetch_optional(&self.readers).await)?;
        Ok(blob.map(|blob| PackRow { id, blob }))
    }

    async fn deletions(&self) -> Result<Vec<DeletionRow>, StoreError> {
        let query = sqlx::query(both::DELETIONS);
        let rows = self.numbered(query.fetch_all(&self.readers).await)?;
        let rows = rows.into_iter();
        Ok(rows.map(|(seq, blob)| DeletionRow { seq, blob }).collect())
    }

    async fn put_blocks(
        &self,
        tier: Tier,
        key: WindowKey,
        ver: u64,
        rows: &[BlockRow],
    ) -> Result<(), StoreError> {
        let mut connection = self.job().await?;
        let put = blocks::put_blocks(&mut connection, tier, key, ver, rows).await;
        self.settle(connection, put).await
    }

    async fn turn(&self, commit: &FoldCommit) -> Result<(), StoreError> {
        let mut connection = self.job().await?;
        let turned = blocks::turn(&mut connection, commit).await;
        self.settle(connection, turned).await
    }

    async fn sweep(
        &self,
        tier: Tier,
        key: WindowKey,
        keep: u64,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut connection = self.job().await?;
        let swept = blocks::sweep(&mut connection, tier, key, keep, limit).await;
        self.settle(connection, swept).await
    }

    async fn expire(&self, tier: Tier, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let mut connection = self.job().await?;
        let expired = blocks::expire(&mut connection, tier, before, limit).await;
        self.settle(connection, expired).await
    }

    async fn expire_series(&self, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let mut connection = self.job().await?;
        let expire = sqlx::query(statements::EXPIRE_SERIES);
        let expire = expire.bind(before).bind(signed_size(limit));
        let expired = expire.execute(&mut *connection).await;
        let expired = expired.map(|expired| size(expired.rows_affected()));
        self.settle(connection, expired).await
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        let mut connection = self.job().await?;
        let forgot = blocks::forget(&mut connection, forgotten).await;
        self.settle(connection, forgot).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        let size: Result<i64, _> = sqlx::query_scalar(statements::SIZE)
            .fetch_one(&self.readers)
            .await;
        size.map(i64::cast_unsigned)
            .map_err(|error| self.place.failed(&error))
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

fn window_head(row: &SqliteRow) -> Result<WindowHead, sqlx::Error> {
    let key = WindowKey {
        window: row.try_get(0)?,
        pack: unsigned(row, 1)?,
    };
    Ok(WindowHead {
        key,
        ver: unsigned(row, 2)?,
        layout: unsigned(row, 3)?,
        fold_seq: unsigned(row, 4)?,
    })
}

fn journal_id(segment: u64, seq: u64) -> i64 {
    signed(segment << SEQ_BITS | seq)
}

fn unsigned(row: &SqliteRow, at: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(at).map(i64::cast_unsigned)
}
