//! Blocks, their headers, and what belongs to them.

use bytes::Bytes;
use sqlx::{Connection, Row, SqliteConnection};
use system_stats_model::sample::Millis;
use system_stats_storage::store::{
    BlockRow, FoldCommit, Forgotten, Found, LayoutRow, Tier, Turn, Wanted, WindowKey,
};

use super::commit::put_packs;
use super::{SqliteStore, VACUUM, statements};
use crate::found::Finding;
use crate::numbers::{signed, signed_size, size};
use crate::statements as both;
use crate::statements::tier_index;

impl SqliteStore {
    pub(super) async fn find(
        &self,
        tier: Tier,
        wanted: &[Wanted],
    ) -> Result<Vec<Found>, sqlx::Error> {
        let rows = sqlx::query(statements::READ_WINDOWS[tier_index(tier)])
            .bind(statements::wanted_rows(wanted))
            .fetch_all(&self.readers)
            .await?;
        let mut finding = Finding::new(wanted);
        for row in rows {
            let at = row.try_get(0)?;
            let blob = Bytes::copy_from_slice(row.try_get(4)?);
            match row.try_get::<Option<i64>, _>(2)? {
                Some(layout) => {
                    let head = [row.try_get(1)?, layout, row.try_get(3)?];
                    finding.header(at, head, blob);
                }
                None => finding.block(at, row.try_get(1)?, blob),
            }
        }
        Ok(finding.finish())
    }
}

pub(super) async fn put_blocks(
    connection: &mut SqliteConnection,
    tier: Tier,
    key: WindowKey,
    ver: u64,
    blocks: &[BlockRow],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for block in blocks {
        let put = sqlx::query(statements::PUT_BLOCK[tier_index(tier)])
            .bind(key.window)
            .bind(signed(key.pack))
            .bind(i64::from(block.group))
            .bind(signed(ver))
            .bind(&block.blob[..]);
        put.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

pub(super) async fn turn(
    connection: &mut SqliteConnection,
    commit: &FoldCommit,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    put_layouts(&mut transaction, &commit.layouts).await?;
    for turn in &commit.turns {
        let change = match turn {
            Turn::Valid(tier, row) => sqlx::query(both::PUT_HEADER[tier_index(*tier)])
                .bind(row.head.key.window)
                .bind(signed(row.head.key.pack))
                .bind(signed(row.head.ver))
                .bind(signed(row.head.layout))
                .bind(signed(row.head.fold_seq))
                .bind(&row.clocks[..]),
            Turn::Gone(tier, key) => sqlx::query(both::DELETE_HEADER[tier_index(*tier)])
                .bind(key.window)
                .bind(signed(key.pack)),
        };
        change.execute(&mut *transaction).await?;
    }
    put_packs(&mut transaction, &commit.packs).await?;
    for (key, value) in &commit.meta {
        let set = sqlx::query(both::SET_META).bind(*key).bind(*value);
        set.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

pub(super) async fn sweep(
    connection: &mut SqliteConnection,
    tier: Tier,
    key: WindowKey,
    keep: u64,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let swept = sqlx::query(statements::SWEEP[tier_index(tier)])
        .bind(key.window)
        .bind(signed(key.pack))
        .bind(signed(keep))
        .bind(signed_size(limit))
        .execute(&mut *connection)
        .await?;
    Ok(size(swept.rows_affected()))
}

/// Headers first: without one, a block is nothing.
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    tier: Tier,
    before: Millis,
    limit: usize,
) -> Result<usize, sqlx::Error> {
    let at = tier_index(tier);
    for statement in [
        statements::EXPIRE_HEADERS[at],
        statements::EXPIRE_BLOCKS[at],
    ] {
        let expire = sqlx::query(statement).bind(before).bind(signed_size(limit));
        let rows = size(expire.execute(&mut *connection).await?.rows_affected());
        if rows > 0 {
            return Ok(rows);
        }
    }
    sqlx::query(VACUUM).execute(&mut *connection).await?;
    Ok(0)
}

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    forgotten: &Forgotten,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for (pack, id) in &forgotten.layouts {
        let delete = sqlx::query(both::DELETE_LAYOUT);
        let delete = delete.bind(signed(*pack)).bind(signed(*id));
        delete.execute(&mut *transaction).await?;
    }
    let rows = [
        (both::DELETE_PACK, &forgotten.packs),
        (both::DELETE_DELETION, &forgotten.deletions),
    ];
    for (statement, ids) in rows {
        for id in ids {
            let delete = sqlx::query(statement).bind(signed(*id));
            delete.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await
}

async fn put_layouts(
    connection: &mut SqliteConnection,
    layouts: &[LayoutRow],
) -> Result<(), sqlx::Error> {
    for layout in layouts {
        let put = sqlx::query(both::PUT_LAYOUT)
            .bind(signed(layout.pack))
            .bind(signed(layout.id))
            .bind(&layout.blob[..]);
        put.execute(&mut *connection).await?;
    }
    Ok(())
}
