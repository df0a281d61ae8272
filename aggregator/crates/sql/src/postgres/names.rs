//! The names of series, thousands in one row.

use sqlx::{PgPool, Row};

use super::statements;
use crate::names::NameColumns;
use crate::numbers::{signed, signed_size};

pub(super) async fn read(
    readers: &PgPool,
    after: u64,
    limit: usize,
) -> Result<NameColumns, sqlx::Error> {
    let row = sqlx::query(statements::SERIES)
        .bind(signed(after))
        .bind(signed_size(limit))
        .fetch_one(readers)
        .await?;
    // An aggregate over no row is nothing.
    let numbers = |at: usize| {
        let list: Result<Option<Vec<i64>>, _> = row.try_get(at);
        list.map(Option::unwrap_or_default)
    };
    Ok(NameColumns {
        ids: numbers(0)?,
        targets: numbers(1)?,
        sizes: numbers(2)?,
        labels: row.try_get::<Option<Vec<u8>>, _>(3)?.unwrap_or_default(),
    })
}
