//! Events of alerts.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use system_stats_model::sample::Millis;
use system_stats_storage::store::EventRow;

use super::{PostgresStore, statements, unsigned};
use crate::numbers::{signed, signed_size, size};
use crate::statements as both;

impl PostgresStore {
    pub(super) async fn read_events(
        &self,
        start: Millis,
        before: (Millis, u64),
        limit: usize,
    ) -> Result<Vec<EventRow>, sqlx::Error> {
        let query = sqlx::query(both::EVENTS)
            .bind(start)
            .bind(before.0)
            .bind(signed(before.1))
            .bind(signed_size(limit));
        let event = |row: &PgRow| {
            Ok(EventRow {
                at: row.try_get(0)?,
                id: unsigned(row, 1)?,
                body: row.try_get::<Vec<u8>, _>(2)?.into(),
            })
        };
        let rows = query.fetch_all(&self.pools.readers).await?;
        rows.iter().map(event).collect()
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    events: &[EventRow],
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = || events.iter();
    sqlx::query(statements::INSERT_EVENTS)
        .bind(rows().map(|row| row.at).collect::<Vec<_>>())
        .bind(rows().map(|row| signed(row.id)).collect::<Vec<_>>())
        .bind(rows().map(|row| &row.body[..]).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn expire(
    connection: &mut PgConnection,
    before: Millis,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let expire = sqlx::query(both::EXPIRE_EVENTS);
    let expire = expire.bind(before).bind(signed_size(limit));
    let expired = expire.execute(connection).await?;
    Ok(size(expired.rows_affected()))
}
