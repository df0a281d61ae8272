//! The transaction of a commit.

use std::sync::atomic::Ordering;

use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use system_stats_storage::store::{CommitBatch, PackRow, StoreError};

use super::{SqliteStore, events, journal_id, statements};
use crate::numbers::signed;
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
        let fence = sqlx::query(both::FENCE)
            .bind(signed(batch.seq))
            .bind(signed(batch.hash))
            .bind(self.epoch.load(Ordering::SeqCst))
            .bind(signed(batch.seq.wrapping_sub(1)));
        let fenced = fence.execute(&mut *transaction).await.map_err(failed)?;
        if fenced.rows_affected() != 1 {
            return Err(StoreError::Fenced);
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
