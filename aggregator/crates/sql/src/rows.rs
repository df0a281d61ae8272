//! Everything in a database as rows, the same for both kinds: what is checked and what moves from
//! one to the other.

mod postgres;
mod sqlite;

use futures_util::stream::BoxStream;
use system_stats_storage::store::Tier;

pub(crate) use postgres::{PostgresRows, PostgresSink};
pub(crate) use sqlite::{SqliteRows, SqliteSink};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number, or nothing.
    Number,
    /// Yes or no.
    Flag,
    Text,
    /// Bytes with a meaning of their own.
    Bytes,
    /// Bytes that end with their checksum.
    Sealed,
    /// A set of labels.
    Labels,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(String),
    Bytes(Vec<u8>),
}

/// A table as both databases have it, wherever its rows are.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// In the order in which rows are sorted.
    pub(crate) columns: &'static [(&'static str, Kind)],
    pub(crate) place: Place,
}

/// Where a table's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a table of this name.
    Itself,
    /// In the row of the lease that both have.
    Lease,
    /// In the journal.
    Journal,
    /// In the tier's blocks.
    Blocks(Tier),
}

const HEADER: &[(&str, Kind)] = &[
    ("win", Kind::Number),
    ("pack", Kind::Number),
    ("ver", Kind::Number),
    ("layout", Kind::Number),
    ("fold_seq", Kind::Number),
    ("clocks", Kind::Sealed),
];
const BLOCK: &[(&str, Kind)] = &[
    ("win", Kind::Number),
    ("pack", Kind::Number),
    ("grp", Kind::Number),
    ("ver", Kind::Number),
    ("blob", Kind::Sealed),
];

/// All tables.
pub(crate) const TABLES: [Table; 16] = [
    Table {
        name: "target",
        columns: &[
            ("id", Kind::Number),
            ("pack", Kind::Number),
            ("labels", Kind::Labels),
        ],
        place: Place::Itself,
    },
    Table {
        name: "series",
        columns: &[
            ("id", Kind::Number),
            ("target", Kind::Number),
            ("inherits", Kind::Flag),
            ("labels", Kind::Labels),
            ("first_ms", Kind::Number),
            ("last_ms", Kind::Number),
        ],
        place: Place::Itself,
    },
    Table {
        name: "object",
        columns: &[
            ("kind", Kind::Number),
            ("key", Kind::Bytes),
            ("updated_ms", Kind::Number),
            ("body", Kind::Sealed),
        ],
        place: Place::Itself,
    },
    Table {
        name: "alert_event",
        columns: &[
            ("at_ms", Kind::Number),
            ("id", Kind::Number),
            ("body", Kind::Sealed),
        ],
        place: Place::Itself,
    },
    Table {
        name: "lease",
        columns: &[
            ("epoch", Kind::Number),
            ("seq", Kind::Number),
            ("hash", Kind::Number),
        ],
        place: Place::Lease,
    },
    Table {
        name: "meta",
        columns: &[("key", Kind::Text), ("value", Kind::Number)],
        place: Place::Itself,
    },
    Table {
        name: "pack",
        columns: &[("id", Kind::Number), ("blob", Kind::Sealed)],
        place: Place::Itself,
    },
    Table {
        name: "layout",
        columns: &[
            ("pack", Kind::Number),
            ("id", Kind::Number),
            ("blob", Kind::Sealed),
        ],
        place: Place::Itself,
    },
    Table {
        name: "deletion",
        columns: &[("seq", Kind::Number), ("blob", Kind::Sealed)],
        place: Place::Itself,
    },
    Table {
        name: "header_raw",
        columns: HEADER,
        place: Place::Itself,
    },
    Table {
        name: "header_5m",
        columns: HEADER,
        place: Place::Itself,
    },
    Table {
        name: "header_1h",
        columns: HEADER,
        place: Place::Itself,
    },
    Table {
        name: "block_raw",
        columns: BLOCK,
        place: Place::Blocks(Tier::Raw),
    },
    Table {
        name: "block_5m",
        columns: BLOCK,
        place: Place::Blocks(Tier::FiveMinutes),
    },
    Table {
        name: "block_1h",
        columns: BLOCK,
        place: Place::Blocks(Tier::Hour),
    },
    Table {
        name: "journal",
        columns: &[
            ("segment", Kind::Number),
            ("seq", Kind::Number),
            ("blob", Kind::Sealed),
        ],
        place: Place::Journal,
    },
];

impl Table {
    /// Its columns as a statement lists them.
    pub(crate) fn list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// `$1, $2, …` for its columns.
    pub(crate) fn parameters(&self) -> String {
        let numbers: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
        numbers.join(", ")
    }

    /// A row by the numbers that tell it from others.
    pub(crate) fn row(&self, values: &[Value]) -> String {
        let named = self.columns.iter().zip(values);
        let named = named.filter_map(|((name, _), value)| match value {
            Value::Number(Some(number)) => Some(format!("{name} {number}")),
            _ => None,
        });
        let named: Vec<String> = named.take(4).collect();
        format!("table {}, {}", self.name, named.join(", "))
    }
}

/// Rows as they come.
pub(crate) type Rows<'a> = BoxStream<'a, Result<Vec<Value>, sqlx::Error>>;

/// The blocks of `blocks` that have a header: the others are rubbish.
pub(crate) fn blocks_with_header(blocks: &str, tier: Tier) -> String {
    let header = match tier {
        Tier::Raw => "header_raw",
        Tier::FiveMinutes => "header_5m",
        Tier::Hour => "header_1h",
    };
    format!(
        "SELECT win, pack, grp, ver, blob FROM {blocks} AS b WHERE EXISTS (SELECT 1 FROM {header} \
         AS h WHERE h.win = b.win AND h.pack = b.pack AND h.ver >= b.ver) \
         ORDER BY win, pack, grp, ver"
    )
}
