//! The transaction of a commit.

use std::sync::atomic::Ordering;

use sqlx::{Connection, PgConnection};
use system_stats_storage::store::{CommitBatch, PackRow, StoreError};

use super::{PostgresStore, events, ring, statements};
use crate::numbers::signed;
use crate::statements as both;

impl PostgresStore {
    pub(super) async fn commit_on(
        &self,
        connection: &mut PgConnection,
        batch: &CommitBatch,
    ) -> Result<(), StoreError> {
        let failed = |error| self.place.failed(&error);
        let mut transaction = connection.begin().await.map_err(failed)?;
        let fence = sqlx::query(statements::FENCE)
            .bind(signed(batch.seq))
            .bind(signed(batch.hash))
            .bind(self.epoch.load(Ordering::SeqCst))
            .bind(signed(batch.seq.wrapping_sub(1)));
        let fenced = fence.execute(&mut *transaction).await.map_err(failed)?;
        if fenced.rows_affected() != 1 {
            // Nothing has been written; dropping the transaction ends it.
            return Err(StoreError::Fenced);
        }
        insert_names(&mut transaction, batch)
            .await
            .map_err(failed)?;
        let slot = self.write_journal(&mut transaction, batch).await;
        let slot = slot.map_err(failed)?;
        write_rest(&mut transaction, batch).await.map_err(failed)?;
        let committed = transaction.commit().await;
        committed.map_err(|error| self.place.unknown(&error))?;
        if let Some(slot) = slot {
            self.remember_slot(batch.segment, slot);
        }
        Ok(())
    }

    async fn write_journal(
        &self,
        connection: &mut PgConnection,
        batch: &CommitBatch,
    ) -> Result<Option<usize>, sqlx::Error> {
        let Some(blob) = &batch.blob else {
            return Ok(None);
        };
        let slot = match self.remembered_slot(batch.segment) {
            Some(slot) => slot,
            None => ring::place(&mut *connection, batch.segment).await?,
        };
        let insert = sqlx::query(statements::INSERT_JOURNAL[slot])
            .bind(signed(batch.segment))
            .bind(signed(batch.seq))
            .bind(&blob[..]);
        insert.execute(connection).await?;
        Ok(Some(slot))
    }
}

async fn insert_names(
    connection: &mut PgConnection,
    batch: &CommitBatch,
) -> Result<(), sqlx::Error> {
    if !batch.targets.is_empty() {
        let rows = || batch.targets.iter();
        let labels: Vec<&[u8]> = rows().map(|row| row.labels.encoded().as_bytes()).collect();
        sqlx::query(statements::INSERT_TARGETS)
            .bind(rows().map(|row| signed(row.id)).collect::<Vec<_>>())
            .bind(rows().map(|row| signed(row.pack)).collect::<Vec<_>>())
            .bind(labels)
            .execute(&mut *connection)
            .await?;
    }
    if !batch.series.is_empty() {
        let rows = || batch.series.iter();
        let labels: Vec<&[u8]> = rows().map(|row| row.labels.encoded().as_bytes()).collect();
        sqlx::query(statements::INSERT_SERIES)
            .bind(rows().map(|row| signed(row.id)).collect::<Vec<_>>())
            .bind(rows().map(|row| signed(row.target)).collect::<Vec<_>>())
            .bind(rows().map(|row| row.inherits).collect::<Vec<_>>())
            .bind(rows().map(|row| row.first).collect::<Vec<_>>())
            .bind(labels)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn write_rest(connection: &mut PgConnection, batch: &CommitBatch) -> Result<(), sqlx::Error> {
    if !batch.objects.is_empty() {
        let rows = || batch.objects.iter();
        sqlx::query(statements::PUT_OBJECTS)
            .bind(rows().map(|row| row.kind.code()).collect::<Vec<_>>())
            .bind(rows().map(|row| row.key.as_bytes()).collect::<Vec<_>>())
            .bind(rows().map(|row| row.updated).collect::<Vec<_>>())
            .bind(rows().map(|row| &row.body[..]).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    if !batch.deleted_objects.is_empty() {
        let rows = || batch.deleted_objects.iter();
        sqlx::query(statements::DELETE_OBJECTS)
            .bind(rows().map(|(kind, _)| kind.code()).collect::<Vec<_>>())
            .bind(rows().map(|(_, key)| key.as_bytes()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    if !batch.left_series.is_empty() {
        let rows = || batch.left_series.iter();
        sqlx::query(statements::LEAVE_SERIES)
            .bind(rows().map(|(id, _)| signed(*id)).collect::<Vec<_>>())
            .bind(rows().map(|(_, last)| *last).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
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
            let ids: Vec<i64> = ids.iter().copied().map(signed).collect();
            let delete = sqlx::query(statement).bind(ids);
            delete.execute(&mut *connection).await?;
        }
    }
    for (key, value) in &batch.meta {
        let set = sqlx::query(both::SET_META).bind(*key).bind(*value);
        set.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn put_packs(
    connection: &mut PgConnection,
    packs: &[PackRow],
) -> Result<(), sqlx::Error> {
    for pack in packs {
        let put = sqlx::query(both::PUT_PACK).bind(signed(pack.id));
        put.bind(&pack.blob[..]).execute(&mut *connection).await?;
    }
    Ok(())
}
