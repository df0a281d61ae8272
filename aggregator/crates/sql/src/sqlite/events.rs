//! Events of alerts.

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use system_stats_model::sample::Millis;
use system_stats_storage::store::EventRow;

use super::{SqliteStore, statements, unsigned};
use crate::numbers::{signed, signed_size, size};
use crate::statements as both;

impl SqliteStore {
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
        let event = |row: &SqliteRow| {
            Ok(EventRow {
                at: row.try_get(0)?,
                id: unsigned(row, 1)?,
                body: Bytes::copy_from_slice(row.try_get(2)?),
            })
        };
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(event).collect()
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[EventRow],
) -> Result<(), sqlx::Error> {
    if !events.is_empty() {
        let insert = sqlx::query(statements::INSERT_EVENTS).bind(statements::event_rows(events));
        insert.execute(connection).await?;
    }
    Ok(())
}

pub(super) async fn expire(
    connection: &mut SqliteConnection,
    before: Millis,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let expire = sqlx::query(both::EXPIRE_EVENTS);
    let expire = expire.bind(before).bind(signed_size(limit));
    let expired = expire.execute(connection).await?;
    Ok(size(expired.rows_affected()))
}
