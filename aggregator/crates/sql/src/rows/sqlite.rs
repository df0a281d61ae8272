//! Rows from and into a SQLite file.

use futures_util::StreamExt as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{Kind, Place, Rows, Table, Value, blocks_with_header};

/// How many rows of a new file are one transaction.
const BATCH: u32 = 2000;

/// Reads a file, as of the moment of the first row.
pub(crate) struct SqliteRows(SqliteConnection);

impl SqliteRows {
    pub(crate) async fn begin(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query("BEGIN").execute(&mut connection).await?;
        Ok(Self(connection))
    }

    pub(crate) fn rows(&mut self, table: &'static Table) -> Rows<'_> {
        let statement = match table.place {
            Place::Itself => format!("SELECT {} FROM {} ORDER BY 1, 2", table.list(), table.name),
            // The newest commit may be known from the journal alone; its digest is of use only to the
            // process that made it.
            Place::Lease => "SELECT epoch, max(seq, coalesce((SELECT max(id) FROM journal) \
                & 1099511627775, 0)), hash FROM lease WHERE id = 1"
                .to_owned(),
            Place::Journal => {
                "SELECT id >> 40, id & 1099511627775, blob FROM journal ORDER BY id".to_owned()
            }
            Place::Blocks(tier) => blocks_with_header(table.name, tier),
        };
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut self.0);
        let values = |row: Result<SqliteRow, sqlx::Error>| row.and_then(|row| read(&row, table));
        rows.map(values).boxed()
    }

    /// What SQLite has to say against the structure of the file.
    pub(crate) async fn structure(&mut self) -> Result<Vec<String>, sqlx::Error> {
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(100)")
            .fetch_all(&mut self.0)
            .await?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.0.close().await
    }
}

fn read(row: &SqliteRow, table: &Table) -> Result<Vec<Value>, sqlx::Error> {
    let columns = table.columns.iter().enumerate();
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Number | Kind::Flag => Value::Number(row.try_get(at)?),
            Kind::Text => Value::Text(row.try_get(at)?),
            Kind::Bytes | Kind::Sealed | Kind::Labels => Value::Bytes(row.try_get(at)?),
        })
    };
    columns.map(value).collect()
}

/// Fills a new file.
pub(crate) struct SqliteSink {
    connection: SqliteConnection,
    rows: u32,
}

impl SqliteSink {
    pub(crate) async fn begin(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query("BEGIN").execute(&mut connection).await?;
        Ok(Self {
            connection,
            rows: 0,
        })
    }

    pub(crate) async fn write(
        &mut self,
        table: &'static Table,
        row: &[Value],
    ) -> Result<(), sqlx::Error> {
        let statement = match table.place {
            Place::Lease => "UPDATE lease SET epoch = $1, seq = $2, hash = $3".to_owned(),
            Place::Journal => {
                "INSERT INTO journal (id, blob) VALUES (($1 << 40) | $2, $3)".to_owned()
            }
            Place::Itself | Place::Blocks(_) => format!(
                "INSERT INTO {} ({}) VALUES ({})",
                table.name,
                table.list(),
                table.parameters()
            ),
        };
        let mut insert = sqlx::query(AssertSqlSafe(statement));
        for value in row {
            insert = match value {
                Value::Number(number) => insert.bind(*number),
                Value::Text(text) => insert.bind(text.as_str()),
                Value::Bytes(bytes) => insert.bind(&bytes[..]),
            };
        }
        insert.execute(&mut self.connection).await?;
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH) {
            for statement in ["COMMIT", "BEGIN"] {
                sqlx::query(statement).execute(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    /// Makes everything durable, in the one file.
    pub(crate) async fn finish(mut self) -> Result<(), sqlx::Error> {
        for statement in ["COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(statement).execute(&mut self.connection).await?;
        }
        self.connection.close().await
    }
}
