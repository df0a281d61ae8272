//! The store on Postgres.
//!
//! A commit is one transaction that begins with the fence: the row of the lease says which handle
//! owns the store and which commit is the newest. A connection on which anything went wrong is
//! thrown away; the outcome of a commit that was cut off is read back under the row's lock, so that
//! a transaction that the server still works on has ended by then.

mod blocks;
mod commit;
pub(crate) mod connect;
mod events;
mod expire;
mod names;
mod ring;
pub(crate) mod slices;
pub(crate) mod statements;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row, Transaction};
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
use connect::Pools;
use slices::Slices;

/// How long anything may take. The server gives up a statement, and a transaction without one,
/// earlier; this is for a server that is gone without a word.
const PATIENCE: Duration = Duration::from_secs(75);

#[derive(Debug)]
pub(crate) struct PostgresStore {
    place: Place,
    pools: Pools,
    epoch: AtomicI64,
    /// The segment that was written last, and the table it is in.
    slot: Mutex<Option<(u64, usize)>>,
    slices: Slices,
}

impl PostgresStore {
    /// Opens a database, making its tables where there are none.
    pub(crate) async fn open(url: &str) -> Result<Self, SqlError> {
        let (options, server) = connect::options(url)?;
        connect::prepare(&options, &server).await?;
        let pools = connect::pools(&options);
        connect::migrate(&pools.jobs, &server).await?;
        Ok(Self {
            place: Place(server),
            pools,
            epoch: AtomicI64::new(0),
            slot: Mutex::default(),
            slices: Slices::default(),
        })
    }

    /// A transaction in which the store cannot be taken over.
    async fn job(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let mut transaction = self.pools.jobs.begin().await.map_err(failed)?;
        let owner = sqlx::query(statements::HOLD_LEASE)
            .bind(self.epoch.load(Ordering::SeqCst))
            .fetch_optional(&mut *transaction)
            .await;
        match owner.map_err(failed)? {
            Some(_) => Ok(transaction),
            None => Err(StoreError::Fenced),
        }
    }

    /// Ends a job's transaction, with or without what it has written.
    async fn settle<T>(
        &self,
        transaction: Transaction<'static, Postgres>,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let failed = |error| self.place.failed(&error);
        let outcome = outcome.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(outcome)
    }

    /// Gives up what a server that is gone without a word does not answer.
    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| Err(StoreError::Failed(self.no_answer())))
    }

    fn no_answer(&self) -> String {
        format!(
            "{}: no answer within {} s",
            self.place.0,
            PATIENCE.as_secs()
        )
    }

    fn series_of(&self, rows: &[PgRow]) -> Result<Vec<SeriesRow>, StoreError> {
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
    fn blob(&self, row: Result<Option<PgRow>, sqlx::Error>) -> Result<Option<Bytes>, StoreError> {
        let blob = |row: &PgRow| row.try_get::<Vec<u8>, _>(0).map(Bytes::from);
        let read = row.and_then(|row| row.as_ref().map(blob).transpose());
        read.map_err(|error| self.place.failed(&error))
    }

    /// Rows of a number and a blob.
    fn numbered(
        &self,
        rows: Result<Vec<PgRow>, sqlx::Error>,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let read = |row: &PgRow| {
            let blob = Bytes::from(row.try_get::<Vec<u8>, _>(1)?);
            Ok((unsigned(row, 0)?, blob))
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|error| self.place.failed(&error))
    }

    fn slot(&self) -> MutexGuard<'_, Option<(u64, usize)>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered_slot(&self, segment: u64) -> Option<usize> {
        let slot = *self.slot();
        slot.filter(|(of, _)| *of == segment).map(|(_, slot)| slot)
    }

    fn remember_slot(&self, segment: u64, slot: usize) {
        *self.slot() = Some((segment, slot));
    }

    fn forget_slot(&self) {
        *self.slot() = None;
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let failed = |error| self.place.failed(&error);
        let lease = sqlx::query(statements::TAKE_LEASE)
            .fetch_one(&self.pools.committer)
            .await;
        let lease = lease.map_err(failed)?;
        self.epoch
            .store(lease.try_get(0).map_err(failed)?, Ordering::SeqCst);
        self.forget_slot();
        self.empty_slots().await.map_err(failed)?;
        let mut connection = self.pools.jobs.acquire().await.map_err(failed)?;
        self.slices.load(&mut connection).await.map_err(failed)?;
        drop(connection);
        let rows = sqlx::query(both::META)
            .fetch_all(&self.pools.readers)
            .await
            .map_err(failed)?;
        let meta = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let meta = meta.collect::<Result<_, sqlx::Error>>().map_err(failed)?;
        let rows = sqlx::query(both::OBJECTS)
            .fetch_all(&self.pools.readers)
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
            committed: committed(&lease, 1).map_err(failed)?,
            meta,
            objects,
        })
    }

    async fn targets(&self, after: u64, limit: usize) -> Result<Vec<TargetRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::TARGETS)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.pools.readers).await.map_err(failed)?;
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
        let names = names::read(&self.pools.readers, after, limit).await;
        let columns = names.map_err(|error| self.place.failed(&error))?;
        columns.names(&self.place, after)
    }

    async fn left_series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        let failed = |error| self.place.failed(&error);
        let query = sqlx::query(both::LEFT_SERIES)
            .bind(signed(after))
            .bind(signed_size(limit));
        let rows = query.fetch_all(&self.pools.readers).await.map_err(failed)?;
        self.series_of(&rows)
    }

    async fn series_by_id(&self, ids: &[u64]) -> Result<Vec<SeriesRow>, StoreError> {
        let ids: Vec<i64> = ids.iter().copied().map(signed).collect();
        let query = sqlx::query(statements::SERIES_BY_ID).bind(ids);
        let rows = query.fetch_all(&self.pools.readers).await;
        self.series_of(&rows.map_err(|error| self.place.failed(&error))?)
    }

    async fn journal(
        &self,
        segment: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let rows = self.read_journal(segment, after, limit).await;
        rows.map_err(|error| self.place.failed(&error))
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
        let row = query.fetch_optional(&self.pools.readers).await;
        let Some(row) = row.map_err(failed)? else {
            return Ok(None);
        };
        Ok(Some(StoredObject {
            kind,
            key: key.to_owned(),
            updated: row.try_get(0).map_err(failed)?,
            body: Bytes::from(row.try_get::<Vec<u8>, _>(1).map_err(failed)?),
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
        let rows = query.fetch_all(&self.pools.readers).await.map_err(failed)?;
        let mut objects = Vec::with_capacity(rows.len());
        for row in rows {
            objects.push(StoredObject {
                kind,
                key: self.place.key(row.try_get(0).map_err(failed)?)?,
                updated: row.try_get(1).map_err(failed)?,
                body: Bytes::from(row.try_get::<Vec<u8>, _>(2).map_err(failed)?),
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
        let expire = async {
            let mut job = self.job().await?;
            let expired = events::expire(&mut job, before, limit).await;
            self.settle(job, expired).await
        };
        self.within(expire).await
    }

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let acquired = self.pools.committer.acquire().await;
        let mut connection = acquired.map_err(|error| self.place.failed(&error))?;
        let commit = self.commit_on(&mut connection, batch);
        let outcome = tokio::time::timeout(PATIENCE, commit).await;
        let outcome = outcome.unwrap_or_else(|_| Err(StoreError::Unknown(self.no_answer())));
        if !matches!(outcome, Ok(()) | Err(StoreError::Fenced)) {
            self.forget_slot();
            drop(connection.detach());
        }
        outcome
    }

    async fn committed(&self) -> Result<Committed, StoreError> {
        let failed = |error| self.place.failed(&error);
        let read = async {
            let row = sqlx::query(statements::COMMITTED)
                .fetch_one(&self.pools.jobs)
                .await;
            committed(&row.map_err(failed)?, 0).map_err(failed)
        };
        self.within(read).await
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        self.within(self.trim_segment(segment, limit)).await
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
            .fetch_all(&self.pools.readers)
            .await
            .map_err(failed)?;
        let heads = rows.iter().map(window_head);
        heads.collect::<Result<_, _>>().map_err(failed)
    }

    async fn read_windows(&self, tier: Tier, wanted: &[Wanted]) -> Result<Vec<Found>, StoreError> {
        let find = async {
            let found = self.find(tier, wanted).await;
            found.map_err(|error| self.place.failed(&error))
        };
        self.within(find).await
    }

    async fn layout(&self, pack: u64, id: u64) -> Result<Option<LayoutRow>, StoreError> {
        let query = sqlx::query(both::LAYOUT);
        let query = query.bind(signed(pack)).bind(signed(id));
        let blob = self.blob(query.fetch_optional(&self.pools.readers).await)?;
        Ok(blob.map(|blob| LayoutRow { pack, id, blob }))
    }

    async fn packs(&self, after: u64, limit: usize) -> Result<Vec<PackRow>, StoreError> {
        let query = sqlx::query(both::PACKS);
        let query = query.bind(signed(after)).bind(signed_size(limit));
        let rows = self.numbered(query.fetch_all(&self.pools.readers).await)?;
        let rows = rows.into_iter();
        Ok(rows.map(|(id, blob)| PackRow { id, blob }).collect())
    }

    async fn pack(&self, id: u64) -> Result<Option<PackRow>, StoreError> {
        let query = sqlx::query(both::PACK).bind(signed(id));
        let blob = self.blob(query.fetch_optional(&self.pools.readers).await)?;
        Ok(blob.map(|blob| PackRow { id, blob }))
    }

    async fn deletions(&self) -> Result<Vec<DeletionRow>, StoreError> {
        let query = sqlx::query(both::DELETIONS);
        let rows = self.numbered(query.fetch_all(&self.pools.readers).await)?;
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
        let put = async {
            let mut job = self.job().await?;
            let written = self.write_blocks(&mut job, (tier, key, ver), rows).await;
            self.settle(job, written).await
        };
        let slice = self.within(put).await?;
        self.slices.made(slice);
        Ok(())
    }

    async fn turn(&self, commit: &FoldCommit) -> Result<(), StoreError> {
        let turn = async {
            let mut job = self.job().await?;
            let turned = self.write_turn(&mut job, commit).await;
            self.settle(job, turned).await
        };
        self.within(turn).await
    }

    async fn sweep(
        &self,
        tier: Tier,
        key: WindowKey,
        keep: u64,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let sweep = async {
            let mut job = self.job().await?;
            let swept = self.remove_blocks(&mut job, (tier, key, keep), limit).await;
            self.settle(job, swept).await
        };
        self.within(sweep).await
    }

    async fn expire(&self, tier: Tier, before: Millis, limit: usize) -> Result<usize, StoreError> {
        // Not within any time: a vacuum takes what it takes.
        self.remove_windows(tier, before, limit).await
    }

    async fn expire_series(&self, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let expire = async {
            let mut job = self.job().await?;
            let expire = sqlx::query(statements::EXPIRE_SERIES);
            let expire = expire.bind(before).bind(signed_size(limit));
            let expired = expire.execute(&mut *job).await;
            self.settle(job, expired).await
        };
        let expired = self.within(expire).await?;
        Ok(size(expired.rows_affected()))
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        let forget = async {
            let mut job = self.job().await?;
            let forgot = blocks::remove_rows(&mut job, forgotten).await;
            self.settle(job, forgot).await
        };
        self.within(forget).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        let size: Result<i64, _> = sqlx::query_scalar(statements::SIZE)
            .fetch_one(&self.pools.readers)
            .await;
        size.map(i64::cast_unsigned)
            .map_err(|error| self.place.failed(&error))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.pools.readers.close().await;
        self.pools.jobs.close().await;
        self.pools.committer.close().await;
        Ok(())
    }
}

fn committed(row: &PgRow, at: usize) -> Result<Committed, sqlx::Error> {
    Ok(Committed {
        seq: unsigned(row, at)?,
        hash: unsigned(row, at + 1)?,
    })
}

fn window_head(row: &PgRow) -> Result<WindowHead, sqlx::Error> {
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

fn unsigned(row: &PgRow, at: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(at).map(i64::cast_unsigned)
}
