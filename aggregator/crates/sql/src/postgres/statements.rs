//! The statements of this dialect. Many rows travel as arrays.

pub(super) const HAS_SCHEMA: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)";
pub(super) const CREATE_SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS system_stats";
/// A server that is set to acknowledge before it has written is told not to.
pub(super) const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// Waits for the end of a commit whose outcome is not known: it holds the row.
pub(super) const COMMITTED: &str = "SELECT seq, hash FROM lease WHERE id = 1 FOR UPDATE";
pub(super) const IS_OWNER: &str = "SELECT 1 FROM lease WHERE id = 1 AND epoch = $1";

pub(super) const INSERT_TARGETS: &str =
    "INSERT INTO target (id, labels) SELECT * FROM UNNEST($1::bigint[], $2::bytea[])";
pub(super) const DELETE_TARGETS: &str = "DELETE FROM target WHERE id = ANY($1)";
pub(super) const INSERT_SERIES: &str = "INSERT INTO series (id, target, inherits, first_ms, labels) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bytea[])";
pub(super) const DELETE_SERIES: &str = "DELETE FROM series WHERE id = ANY($1)";

pub(super) const PUT_OBJECTS: &str = "INSERT INTO object (kind, key, updated_ms, body) \
    SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[]) \
    ON CONFLICT (kind, key) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body";
pub(super) const DELETE_OBJECTS: &str = "DELETE FROM object \
    USING UNNEST($1::bigint[], $2::bytea[]) AS gone (kind, key) \
    WHERE object.kind = gone.kind AND object.key = gone.key";

pub(super) const RING: &str =
    "SELECT slot, first_segment, last_segment, is_clean FROM journal_ring ORDER BY slot";
/// Makes a segment the last one of a slot, if the slot is still as it was when it was chosen.
pub(super) const EXTEND_SLOT: &str = "UPDATE journal_ring \
    SET first_segment = COALESCE(first_segment, $2), last_segment = $2 \
    WHERE slot = $1 AND last_segment IS NOT DISTINCT FROM $3";
pub(super) const FIND_SLOT: &str = "SELECT slot, first_segment, last_segment, is_clean \
    FROM journal_ring WHERE first_segment <= $1 AND last_segment >= $1 FOR UPDATE";
pub(super) const FREE_SLOT: &str = "UPDATE journal_ring \
    SET first_segment = NULL, last_segment = NULL, is_clean = false WHERE slot = $1";
pub(super) const LOCK_FREE_SLOT: &str =
    "SELECT slot FROM journal_ring WHERE slot = $1 AND first_segment IS NULL FOR UPDATE";
pub(super) const CLEAN_SLOT: &str = "UPDATE journal_ring SET is_clean = true WHERE slot = $1";
/// For the transaction: whoever waits for a table keeps its later users waiting as well.
pub(super) const SHORT_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";

/// A statement for each table of the journal.
macro_rules! per_slot {
    ($before:literal, $after:literal) => {
        per_slot!(@each ($before $after))
    };
    ($before:literal, $between:literal, $after:literal) => {
        per_slot!(@each ($before $between $after))
    };
    (@each $parts:tt) => {
        [
            per_slot!(@one "journal_0" $parts),
            per_slot!(@one "journal_1" $parts),
            per_slot!(@one "journal_2" $parts),
            per_slot!(@one "journal_3" $parts),
            per_slot!(@one "journal_4" $parts),
            per_slot!(@one "journal_5" $parts),
            per_slot!(@one "journal_6" $parts),
            per_slot!(@one "journal_7" $parts),
        ]
    };
    (@one $table:literal ($first:literal $($part:literal)+)) => {
        concat!($first, $($table, $part),+)
    };
}

/// How many tables the journal has.
pub(super) const SLOTS: usize = 8;

pub(super) const JOURNAL: [&str; SLOTS] = per_slot!(
    "SELECT segment, seq, blob FROM ",
    " WHERE (segment, seq) > ($1, $2) AND segment >= $3 ORDER BY segment, seq LIMIT $4"
);
pub(super) const INSERT_JOURNAL: [&str; SLOTS] =
    per_slot!("INSERT INTO ", " (segment, seq, blob) VALUES ($1, $2, $3)");
pub(super) const COUNT_SEGMENT: [&str; SLOTS] =
    per_slot!("SELECT count(*) FROM ", " WHERE segment = $1");
pub(super) const HAS_OTHERS: [&str; SLOTS] = per_slot!(
    "SELECT EXISTS (SELECT 1 FROM ",
    " WHERE segment >= $2 AND segment <> $1)"
);
pub(super) const DELETE_ROWS: [&str; SLOTS] = per_slot!(
    "DELETE FROM ",
    " WHERE segment = $1 AND seq IN (SELECT seq FROM ",
    " WHERE segment = $1 ORDER BY seq LIMIT $2)"
);
pub(super) const TRUNCATE: [&str; SLOTS] = per_slot!("TRUNCATE ", "");
