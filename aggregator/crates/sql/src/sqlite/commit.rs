//! The transaction of a commit.
//!
//! The lease has a page of its own, which would be written with every commit. A commit whose digest
//! follows from its row of the journal leaves it as it is: the row says all. Before that row may go,
//! the lease is brought up to date.

use std::sync::atomic::Ordering;

use sqlx::{Connection, Executor, Row, Sqlite, SqliteConnection, Transaction};
use system_stats_storage::store::{CommitBatch, Committed, PackRow, StoreError, row_digest};

use super::{SqliteStore, events, journal_id, statements, unsigned};
use crate::numbers::{signed, signed_size, size};
use crate::statements as both;

impl SqliteStore {
    pub(super) async fn commit_on(
        &self,
        connection: &mut SqliteConnection,
        batch: &CommitBatch,
    ) -> Result<(), StoreError> {
        let failed = |error| self.place.failed(&error);
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(failed)?;
        let standing = sqlx::query(statements::STANDING);
        let standing = standing.fetch_one(&mut *transaction).await;
        let standing = standing.map_err(failed)?;
        let epoch: i64 = standing.try_get(0).map_err(failed)?;
        let newest = unsigned(&standing, 1).map_err(failed)?;
        if epoch != self.epoch.load(Ordering::SeqCst) || newest != batch.seq.wrapping_sub(1) {
            return Err(StoreError::Fenced);
        }
        let told = batch.blob.as_ref().map(|row| row_digest(batch.seq, row));
        if told != Some(batch.hash) {
            let newest = Committed {
                seq: batch.seq,
                hash: batch.hash,
            };
            let set = set_committed(&mut transaction, newest).await;
            set.map_err(failed)?;
        }
        self.write(&mut transaction, batch).await.map_err(failed)?;
        let committed = transaction.commit().await;
        committed.map_err(|error| self.place.unknown(&error))
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
        if !batch.left_series.is_empty() {
            let left = sqlx::query(statements::LEAVE_SERIES);
            let left = left.bind(statements::left_rows(&batch.left_series));
            left.execute(&mut *connection).await?;
        }
        if let Some(blob) = &batch.deletion {
            let put = sqlx::query(both::PUT_DELETION).bind(signed(batch.seq));
            put.bind(&blob[..]).execute(&mut *connection).await?;
        }
        put_packs(&mut *connection, &batch.packs).await?;
        events::insert(&mut *connection, &batch.events).await?;
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
            let set = sqlx::query(both::SET_META).bind(*key).bind(*value);
            set.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// The newest commit.
pub(super) async fn committed(
    connection: impl Executor<'_, Database = Sqlite>,
) -> Result<Committed, sqlx::Error> {
    let row = sqlx::query(statements::COMMITTED);
    let row = row.fetch_one(connection).await?;
    if let Some(newest) = row.try_get::<Option<i64>, _>(2)? {
        let seq = newest.cast_unsigned();
        let hash = row_digest(seq, row.try_get(3)?);
        return Ok(Committed { seq, hash });
    }
    Ok(Committed {
        seq: unsigned(&row, 0)?,
        hash: unsigned(&row, 1)?,
    })
}

async fn set_committed(
    connection: &mut SqliteConnection,
    newest: Committed,
) -> Result<(), sqlx::Error> {
    let set = sqlx::query(statements::SET_COMMITTED);
    let set = set.bind(signed(newest.seq)).bind(signed(newest.hash));
    set.execute(connection).await.map(drop)
}

/// Removes rows of a segment of the journal, up to a limit; returns how many.
pub(super) async fn trim(
    connection: &mut SqliteConnection,
    segment: u64,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let newest = committed(&mut *transaction).await?;
    set_committed(&mut transaction, newest).await?;
    let trim = sqlx::query(statements::TRIM)
        .bind(journal_id(segment, 0))
        .bind(journal_id(segment + 1, 0))
        .bind(signed_size(limit));
    let trimmed = trim.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(size(trimmed.rows_affected()))
}

pub(super) async fn put_packs(
    connection: &mut SqliteConnection,
    packs: &[PackRow],
) -> Result<(), sqlx::Error> {
    for pack in packs {
        let put = sqlx::query(both::PUT_PACK).bind(signed(pack.id));
        put.bind(&pack.blob[..]).execute(&mut *connection).await?;
    }
    Ok(())
}
