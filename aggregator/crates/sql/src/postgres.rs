//! The store on Postgres.
//!
//! A commit is one transaction that begins with the fence: the row of the lease says which handle
//! owns the store and which commit is the newest. A connection on which anything went wrong is
//! thrown away; the outcome of a commit that was cut off is read back under the row's lock, so that
//! a transaction that the server still works on has ended by then.

mod commit;
mod connect;
mod ring;
mod statements;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use system_stats_storage::ObjectKind;
use system_stats_storage::store::{
    CommitBatch, Committed, JournalRow, Opened, SeriesRow, Store, StoreError, StoredObject,
    TargetRow,
};

use crate::error::SqlError;
use crate::numbers::{signed, signed_size};
use crate::place::Place;
use crate::statements as both;
use connect::Pools;

/// How long a commit may take. The server gives up a statement, and a transaction without one,
/// earlier; this is for a server that is gone without a word.
const COMMIT_PATIENCE: Duration = Duration::from_secs(75);

#[derive(Debug)]
pub(crate) struct PostgresStore {
    place: Place,
    pools: Pools,
    epoch: AtomicI64,
    /// The segment that was written last, and the table it is in.
    slot: Mutex<Option<(u64, usize)>>,
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
        })
    }

    async fn check_owner(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let owner = sqlx::query(statements::IS_OWNER)
            .bind(self.epoch.load(Ordering::SeqCst))
            .fetch_optional(connection)
            .await;
        match owner.map_err(|error| self.place.failed(&error))? {
            Some(_) => Ok(()),
            None => Err(StoreError::Fenced),
        }
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
        let lease = sqlx::query(both::TAKE_LEASE)
            .fetch_one(&self.pools.committer)
            .await;
        let lease = lease.map_err(failed)?;
        self.epoch
            .store(lease.try_get(0).map_err(failed)?, Ordering::SeqCst);
        self.forget_slot();
        self.empty_slots().await.map_err(failed)?;
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
        let rows = query.fetch_all(&self.pools.readers).await.map_err(failed)?;
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

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let acquired = self.pools.committer.acquire().await;
        let mut connection = acquired.map_err(|error| self.place.failed(&error))?;
        let commit = self.commit_on(&mut connection, batch);
        let outcome = tokio::time::timeout(COMMIT_PATIENCE, commit).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let seconds = COMMIT_PATIENCE.as_secs();
            let reason = format!("{}: no answer within {seconds} s", self.place.0);
            Err(StoreError::Unknown(reason))
        });
        if !matches!(outcome, Ok(()) | Err(StoreError::Fenced)) {
            self.forget_slot();
            drop(connection.detach());
        }
        outcome
    }

    async fn committed(&self) -> Result<Committed, StoreError> {
        let failed = |error| self.place.failed(&error);
        let row = sqlx::query(statements::COMMITTED)
            .fetch_one(&self.pools.jobs)
            .await;
        committed(&row.map_err(failed)?, 0).map_err(failed)
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        self.trim_segment(segment, limit).await
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

fn unsigned(row: &PgRow, at: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(at).map(i64::cast_unsigned)
}
