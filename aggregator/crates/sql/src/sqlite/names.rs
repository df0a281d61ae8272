//! The names of series, thousands in one row.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::statements;
use crate::names::NameColumns;
use crate::numbers::{signed, signed_size};

pub(super) async fn read(
    readers: &SqlitePool,
    after: u64,
    limit: usize,
) -> Result<NameColumns, sqlx::Error> {
    let row = sqlx::query(statements::SERIES)
        .bind(signed(after))
        .bind(signed_size(limit))
        .fetch_one(readers)
        .await?;
    Ok(NameColumns {
        ids: numbers(&row, 0)?,
        targets: numbers(&row, 1)?,
        sizes: numbers(&row, 2)?,
        labels: row.try_get::<Option<Vec<u8>>, _>(3)?.unwrap_or_default(),
    })
}

/// A list that `group_concat` made of numbers; it makes nothing at all of no row.
fn numbers(row: &SqliteRow, at: usize) -> Result<Vec<i64>, sqlx::Error> {
    let list: Option<&str> = row.try_get(at)?;
    let numbers = list.into_iter().flat_map(|list| list.split(' '));
    let numbers: Result<_, _> = numbers.map(str::parse).collect();
    numbers.map_err(|error| sqlx::Error::ColumnDecode {
        index: at.to_string(),
        source: Box::new(error),
    })
}
