//! Blocks, their headers, and what belongs to them.

use std::fmt::Write as _;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use system_stats_storage::store::{
    BlockRow, FoldCommit, Forgotten, Found, Tier, Turn, Wanted, WindowKey,
};

use super::commit::put_packs;
use super::slices::Slice;
use super::{PostgresStore, statements};
use crate::found::Finding;
use crate::numbers::{signed, signed_size, size};
use crate::statements as both;
use crate::statements::tier_index;

/// What Postgres says of a table that is not there ("Appendix A. Error Codes").
const UNDEFINED_TABLE: &str = "42P01";

impl PostgresStore {
    pub(super) async fn find(
        &self,
        tier: Tier,
        wanted: &[Wanted],
    ) -> Result<Vec<Found>, sqlx::Error> {
        let found = self.find_once(tier, wanted).await;
        match &found {
            // A slice was dropped between the choice of the tables and the reading.
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(UNDEFINED_TABLE) =>
            {
                self.find_once(tier, wanted).await
            }
            _ => found,
        }
    }

    async fn find_once(&self, tier: Tier, wanted: &[Wanted]) -> Result<Vec<Found>, sqlx::Error> {
        let windows = wanted.iter().map(|wanted| wanted.key.window);
        let (Some(from), Some(to)) = (windows.clone().min(), windows.clone().max()) else {
            return Ok(Vec::new());
        };
        let statement = find_statement(tier, &self.slices.between(tier, from, to));
        let packs = wanted.iter().map(|wanted| signed(wanted.key.pack));
        let mut blocks: [Vec<i64>; 4] = Default::default();
        for (at, wanted) in wanted.iter().enumerate() {
            for &group in &wanted.groups {
                let row = [
                    signed_size(at),
                    wanted.key.window,
                    signed(wanted.key.pack),
                    i64::from(group),
                ];
                for (column, value) in blocks.iter_mut().zip(row) {
                    column.push(value);
                }
            }
        }
        let [at, win, pack, grp] = blocks;
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(windows.collect::<Vec<_>>())
            .bind(packs.collect::<Vec<_>>())
            .bind(at)
            .bind(win)
            .bind(pack)
            .bind(grp)
            .fetch_all(&self.pools.readers)
            .await?;
        let mut finding = Finding::new(wanted);
        for row in rows {
            let at = row.try_get(0)?;
            let blob = Bytes::from(row.try_get::<Vec<u8>, _>(4)?);
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

    pub(super) async fn write_blocks(
        &self,
        connection: &mut PgConnection,
        (tier, key, ver): (Tier, WindowKey, u64),
        blocks: &[BlockRow],
    ) -> Result<Slice, sqlx::Error> {
        let slice = self.slices.of(tier, key.window);
        if !self.slices.has(slice) {
            self.slices.make(&mut *connection, slice).await?;
        }
        self.clear_expired(&mut *connection, slice, key).await?;
        let insert = format!(
            "INSERT INTO {} (win, pack, grp, ver, blob) \
             SELECT $1, $2, grp, $3, blob FROM UNNEST($4::bigint[], $5::bytea[]) AS new (grp, blob) \
             ON CONFLICT (win, pack, grp, ver) DO UPDATE SET blob = excluded.blob",
            slice.table()
        );
        let groups = blocks.iter().map(|block| i64::from(block.group));
        let blobs = blocks.iter().map(|block| &block.blob[..]);
        sqlx::query(AssertSqlSafe(insert))
            .bind(key.window)
            .bind(signed(key.pack))
            .bind(signed(ver))
            .bind(groups.collect::<Vec<_>>())
            .bind(blobs.collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(slice)
    }

    /// A window that comes back after it was expired must not find its old blocks.
    async fn clear_expired(
        &self,
        connection: &mut PgConnection,
        slice: Slice,
        key: WindowKey,
    ) -> Result<(), sqlx::Error> {
        if !self.slices.may_be_expired(slice.tier, key.window) {
            return Ok(());
        }
        let take = sqlx::query(statements::TAKE_EXPIRED)
            .bind(slice.tier.code())
            .bind(key.window)
            .bind(signed(key.pack));
        if take.execute(&mut *connection).await?.rows_affected() == 0 || !self.slices.has(slice) {
            return Ok(());
        }
        let delete = format!("DELETE FROM {} WHERE win = $1 AND pack = $2", slice.table());
        sqlx::query(AssertSqlSafe(delete))
            .bind(key.window)
            .bind(signed(key.pack))
            .execute(connection)
            .await?;
        Ok(())
    }

    pub(super) async fn write_turn(
        &self,
        connection: &mut PgConnection,
        commit: &FoldCommit,
    ) -> Result<(), sqlx::Error> {
        for layout in &commit.layouts {
            let put = sqlx::query(both::PUT_LAYOUT)
                .bind(signed(layout.pack))
                .bind(signed(layout.id))
                .bind(&layout.blob[..]);
            put.execute(&mut *connection).await?;
        }
        for turn in &commit.turns {
            let change = match turn {
                Turn::Valid(tier, row) => {
                    let key = row.head.key;
                    let slice = self.slices.of(*tier, key.window);
                    self.clear_expired(&mut *connection, slice, key).await?;
                    sqlx::query(both::PUT_HEADER[tier_index(*tier)])
                        .bind(key.window)
                        .bind(signed(key.pack))
                        .bind(signed(row.head.ver))
                        .bind(signed(row.head.layout))
                        .bind(signed(row.head.fold_seq))
                        .bind(&row.clocks[..])
                }
                Turn::Gone(tier, key) => sqlx::query(both::DELETE_HEADER[tier_index(*tier)])
                    .bind(key.window)
                    .bind(signed(key.pack)),
            };
            change.execute(&mut *connection).await?;
        }
        put_packs(&mut *connection, &commit.packs).await?;
        for (key, value) in &commit.meta {
            let set = sqlx::query(both::SET_META).bind(*key).bind(*value);
            set.execute(&mut *connection).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_blocks(
        &self,
        connection: &mut PgConnection,
        (tier, key, keep): (Tier, WindowKey, u64),
        limit: usize,
    ) -> Result<usize, sqlx::Error> {
        let slice = self.slices.of(tier, key.window);
        if !self.slices.has(slice) {
            return Ok(0);
        }
        let table = slice.table();
        let sweep = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT b.ctid FROM {table} AS b \
             WHERE b.win = $1 AND b.pack = $2 AND (b.ver > $3 OR EXISTS (SELECT 1 FROM {table} AS v \
             WHERE v.win = $1 AND v.pack = $2 AND v.grp = b.grp AND v.ver > b.ver AND v.ver <= $3)) \
             LIMIT $4))"
        );
        let swept = sqlx::query(AssertSqlSafe(sweep))
            .bind(key.window)
            .bind(signed(key.pack))
            .bind(signed(keep))
            .bind(signed_size(limit))
            .execute(connection)
            .await?;
        Ok(size(swept.rows_affected()))
    }
}

pub(super) async fn remove_rows(
    connection: &mut PgConnection,
    forgotten: &Forgotten,
) -> Result<(), sqlx::Error> {
    for (pack, id) in &forgotten.layouts {
        let delete = sqlx::query(both::DELETE_LAYOUT);
        let delete = delete.bind(signed(*pack)).bind(signed(*id));
        delete.execute(&mut *connection).await?;
    }
    let rows = [
        (both::DELETE_PACK, &forgotten.packs),
        (both::DELETE_DELETION, &forgotten.deletions),
    ];
    for (statement, ids) in rows {
        for id in ids {
            let delete = sqlx::query(statement).bind(signed(*id));
            delete.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Headers and the blocks of some slices in one statement, so that all of it is of one moment. A
/// block has no layout.
fn find_statement(tier: Tier, slices: &[(Slice, i64, i64)]) -> String {
    let at = tier_index(tier);
    let mut statement = statements::FIND_HEADERS[at].to_owned();
    for (slice, start, end) in slices {
        let _ = write!(
            statement,
            "{}{} AS b WHERE b.win = g.win AND b.pack = g.pack AND b.grp = g.grp \
             AND b.ver <= h.ver ORDER BY b.ver DESC LIMIT 1) AS b \
             WHERE g.win >= {start} AND g.win < {end}",
            statements::FIND_BLOCKS[at],
            slice.table()
        );
    }
    statement
}
