//! What is beyond the retention: headers go row by row, blocks a slice at a time.

use sqlx::{AssertSqlSafe, PgConnection, Row};
use system_stats_model::sample::Millis;
use system_stats_storage::store::{StoreError, Tier};

use super::ring::is_locked;
use super::slices::Slice;
use super::{PostgresStore, statements};
use crate::numbers::{signed_size, size};
use crate::statements::tier_index;

impl PostgresStore {
    pub(super) async fn remove_windows(
        &self,
        tier: Tier,
        before: Millis,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let first = self.slices.first(tier);
        let mut job = self.job().await?;
        let headers: Result<i64, _> =
            sqlx::query_scalar(statements::EXPIRE_HEADERS[tier_index(tier)])
                .bind(before)
                .bind(signed_size(limit))
                .bind(tier.code())
                .bind(first.end())
                .fetch_one(&mut *job)
                .await;
        let headers = self.settle(job, headers).await?;
        if headers > 0 {
            self.slices.expired(tier, before);
            return Ok(size(headers.cast_unsigned()));
        }
        let dropped = self.drop_slices(tier, before).await?;
        if dropped > 0 {
            return Ok(dropped);
        }
        if before < first.end() && self.slices.has(first) {
            let mut job = self.job().await?;
            let blocks = delete_blocks(&mut job, first, before, limit).await;
            return self.settle(job, blocks).await;
        }
        self.freeze_closed(tier).await?;
        Ok(0)
    }

    /// Drops the slices that end before a moment. One that somebody reads stays for the next time.
    async fn drop_slices(&self, tier: Tier, before: Millis) -> Result<usize, StoreError> {
        let mut dropped = 0;
        for (slice, _) in self.slices_of(tier).await? {
            if slice.end() > before {
                continue;
            }
            self.slices.dropped(slice);
            let mut job = self.job().await?;
            match self.drop_slice(&mut job, slice).await {
                Err(error) if is_locked(&error) => {
                    tracing::debug!(
                        table = slice.table(),
                        "somebody reads a slice; it is \
                        dropped later"
                    );
                }
                outcome => {
                    self.settle(job, outcome).await?;
                    dropped += 1;
                }
            }
        }
        Ok(dropped)
    }

    async fn drop_slice(
        &self,
        connection: &mut PgConnection,
        slice: Slice,
    ) -> Result<(), sqlx::Error> {
        let drop = format!("DROP TABLE IF EXISTS {}", slice.table());
        sqlx::query(statements::SHORT_LOCK_TIMEOUT)
            .execute(&mut *connection)
            .await?;
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut *connection)
            .await?;
        for statement in [statements::DELETE_SLICE, statements::FORGET_EXPIRED] {
            let bound = if statement == statements::DELETE_SLICE {
                slice.number
            } else {
                slice.end()
            };
            let forget = sqlx::query(statement).bind(slice.tier.code()).bind(bound);
            forget.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Vacuums slices that no fold writes to any more, so that the server need not visit them again.
    async fn freeze_closed(&self, tier: Tier) -> Result<(), StoreError> {
        let slices = self.slices_of(tier).await?;
        let Some(newest) = slices.iter().map(|(slice, _)| slice.number).max() else {
            return Ok(());
        };
        for (slice, is_frozen) in slices {
            if is_frozen || slice.number == newest || slice == self.slices.first(tier) {
                continue;
            }
            let failed = |error| self.place.failed(&error);
            let mut connection = self.pools.jobs.acquire().await.map_err(failed)?;
            let frozen = freeze(&mut connection, slice).await;
            // Its settings are not those of the pool.
            drop(connection.detach());
            frozen.map_err(failed)?;
        }
        Ok(())
    }

    /// The slices that there are, and whether each has been frozen.
    async fn slices_of(&self, tier: Tier) -> Result<Vec<(Slice, bool)>, StoreError> {
        let rows = sqlx::query(statements::SLICES_OF_TIER)
            .bind(tier.code())
            .fetch_all(&self.pools.jobs)
            .await
            .map_err(|error| self.place.failed(&error))?;
        let rows = rows.iter().map(|row| {
            let number = row.try_get(0)?;
            Ok((Slice { tier, number }, row.try_get(1)?))
        });
        rows.collect::<Result<_, _>>()
            .map_err(|error| self.place.failed(&error))
    }
}

async fn delete_blocks(
    connection: &mut PgConnection,
    slice: Slice,
    before: Millis,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let table = slice.table();
    let delete = format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {table} WHERE win < $1 \
         ORDER BY win LIMIT $2))"
    );
    let deleted = sqlx::query(AssertSqlSafe(delete))
        .bind(before)
        .bind(signed_size(limit))
        .execute(connection)
        .await?;
    Ok(size(deleted.rows_affected()))
}

async fn freeze(connection: &mut PgConnection, slice: Slice) -> Result<(), sqlx::Error> {
    let vacuum = format!("VACUUM (FREEZE) {}", slice.table());
    for statement in statements::UNHURRIED {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    sqlx::query(AssertSqlSafe(vacuum))
        .execute(&mut *connection)
        .await?;
    let note = sqlx::query(statements::NOTE_FROZEN)
        .bind(slice.tier.code())
        .bind(slice.number);
    note.execute(connection).await?;
    Ok(())
}
