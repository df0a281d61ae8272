//! Rows from and into a Postgres database.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use system_stats_storage::store::Tier;

use super::{Kind, Place, Rows, Table, Value, blocks_with_header};
use crate::postgres::slices::{Slice, Slices};
use crate::postgres::statements;
use crate::statements::tier_index;

/// Reads a database, as of one moment.
pub(crate) struct PostgresRows {
    connection: PgConnection,
    /// The statements that give the rows of the journal, and of each tier's blocks.
    journal: Vec<String>,
    blocks: [Vec<String>; 3],
}

impl PostgresRows {
    pub(crate) async fn begin(mut connection: PgConnection) -> Result<Self, sqlx::Error> {
        for statement in statements::READ_ALL {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let mut slots = Vec::new();
        for row in sqlx::query(statements::RING)
            .fetch_all(&mut connection)
            .await?
        {
            if let Some(first) = row.try_get::<Option<i64>, _>(1)? {
                slots.push((first, row.try_get::<i64, _>(0)?));
            }
        }
        slots.sort_unstable();
        let journal = slots.iter().map(|(first, slot)| {
            format!(
                "SELECT segment, seq, blob FROM journal_{slot} WHERE segment >= {first} \
                 ORDER BY segment, seq"
            )
        });
        let mut tables = BTreeMap::new();
        for row in sqlx::query(statements::SLICES)
            .fetch_all(&mut connection)
            .await?
        {
            if let Some(tier) = Tier::from_code(row.try_get(0)?) {
                let number = row.try_get(1)?;
                let slice = Slice { tier, number };
                tables.insert(slice, blocks_with_header(&slice.table(), tier));
            }
        }
        let mut blocks: [Vec<String>; 3] = Default::default();
        for (slice, statement) in tables {
            blocks[tier_index(slice.tier)].push(statement);
        }
        Ok(Self {
            journal: journal.collect(),
            connection,
            blocks,
        })
    }

    /// How many reads a table takes; each is given its number.
    pub(crate) fn parts(&self, table: &Table) -> usize {
        match table.place {
            Place::Itself | Place::Lease => 1,
            Place::Journal => self.journal.len(),
            Place::Blocks(tier) => self.blocks[tier_index(tier)].len(),
        }
    }

    pub(crate) fn rows(&mut self, table: &'static Table, part: usize) -> Rows<'_> {
        let statement = match table.place {
            Place::Itself => format!("SELECT {} FROM {} ORDER BY 1, 2", table.list(), table.name),
            Place::Lease => format!("SELECT {} FROM lease WHERE id = 1", table.list()),
            Place::Journal => self.journal[part].clone(),
            Place::Blocks(tier) => self.blocks[tier_index(tier)][part].clone(),
        };
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut self.connection);
        let values = |row: Result<PgRow, sqlx::Error>| row.and_then(|row| read(&row, table));
        rows.map(values).boxed()
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

fn read(row: &PgRow, table: &Table) -> Result<Vec<Value>, sqlx::Error> {
    let columns = table.columns.iter().enumerate();
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Number => Value::Number(row.try_get(at)?),
            Kind::Flag => Value::Number(Some(row.try_get::<bool, _>(at)?.into())),
            Kind::Text => Value::Text(row.try_get(at)?),
            Kind::Bytes | Kind::Sealed | Kind::Labels => Value::Bytes(row.try_get(at)?),
        })
    };
    columns.map(value).collect()
}

/// Fills an empty database, in one transaction.
pub(crate) struct PostgresSink {
    connection: PgConnection,
    slices: Slices,
    /// The segment that was written last, and its table.
    segment: Option<(i64, usize)>,
}

impl PostgresSink {
    pub(crate) async fn begin(mut connection: PgConnection) -> Result<Self, sqlx::Error> {
        for statement in statements::WRITE_ALL {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let slices = Slices::default();
        slices.load(&mut connection).await?;
        Ok(Self {
            connection,
            slices,
            segment: None,
        })
    }

    /// Whether nothing has ever been stored in it.
    pub(crate) async fn is_empty(&mut self) -> Result<bool, sqlx::Error> {
        let seq: i64 = sqlx::query_scalar(statements::NEWEST)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(seq == 0)
    }

    pub(crate) async fn write(
        &mut self,
        table: &'static Table,
        row: &[Value],
    ) -> Result<(), sqlx::Error> {
        let number = |at: usize| match row.get(at) {
            Some(Value::Number(Some(number))) => *number,
            _ => 0,
        };
        let into = match table.place {
            Place::Itself => table.name.to_owned(),
            Place::Lease => {
                let set = sqlx::query(statements::SET_LEASE)
                    .bind(number(0))
                    .bind(number(1))
                    .bind(number(2));
                set.execute(&mut self.connection).await?;
                return Ok(());
            }
            Place::Journal => format!("journal_{}", self.slot(number(0)).await?),
            Place::Blocks(tier) => {
                let slice = self.slices.of(tier, number(0));
                if !self.slices.has(slice) {
                    self.slices.make(&mut self.connection, slice).await?;
                    self.slices.made(slice);
                }
                slice.table()
            }
        };
        let (list, parameters) = (table.list(), table.parameters());
        let statement = format!("INSERT INTO {into} ({list}) VALUES ({parameters})");
        let mut insert = sqlx::query(AssertSqlSafe(statement));
        for ((_, kind), value) in table.columns.iter().zip(row) {
            insert = match value {
                Value::Number(number) if *kind == Kind::Flag => {
                    insert.bind(number.is_some_and(|number| number != 0))
                }
                Value::Number(number) => insert.bind(*number),
                Value::Text(text) => insert.bind(text.as_str()),
                Value::Bytes(bytes) => insert.bind(&bytes[..]),
            };
        }
        insert.execute(&mut self.connection).await?;
        Ok(())
    }

    /// The table of a segment; the last one takes all that the others have no room for.
    async fn slot(&mut self, segment: i64) -> Result<usize, sqlx::Error> {
        let slot = match self.segment {
            Some((last, slot)) if last == segment => return Ok(slot),
            Some((_, slot)) => (slot + 1).min(statements::SLOTS - 1),
            None => 0,
        };
        let extend = sqlx::query(statements::TAKE_SLOT)
            .bind(crate::numbers::signed_size(slot))
            .bind(segment);
        extend.execute(&mut self.connection).await?;
        self.segment = Some((segment, slot));
        Ok(slot)
    }

    pub(crate) async fn finish(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.connection.close().await
    }
}
