//! The statements of this dialect. Many rows travel as arrays.

use crate::statements::{for_each, for_each_tier};

pub(super) const HAS_SCHEMA: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)";
pub(super) const CREATE_SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS system_stats";
/// A server that is set to acknowledge before it has written is told not to.
pub(super) const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// One row, if the process still owns the database and no commit came between.
pub(super) const FENCE: &str =
    "UPDATE lease SET seq = $1, hash = $2 WHERE id = 1 AND epoch = $3 AND seq = $4";
/// Waits for the end of a commit whose outcome is not known: it holds the row.
pub(super) const COMMITTED: &str = "SELECT seq, hash FROM lease WHERE id = 1 FOR UPDATE";
/// Both rows have the epoch; the first has the newest commit.
pub(super) const TAKE_LEASE: &str = "WITH taken AS (UPDATE lease SET epoch = epoch + 1 \
    RETURNING id, epoch, seq, hash) SELECT epoch, seq, hash FROM taken WHERE id = 1";
/// Keeps the store from being taken over until the end of the transaction.
pub(super) const HOLD_LEASE: &str = "SELECT 1 FROM lease WHERE id = 2 AND epoch = $1 FOR SHARE";

pub(super) const INSERT_TARGETS: &str = "INSERT INTO target (id, pack, labels) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bytea[])";
pub(super) const DELETE_TARGETS: &str = "DELETE FROM target WHERE id = ANY($1)";
pub(super) const INSERT_SERIES: &str = "INSERT INTO series (id, target, inherits, first_ms, labels) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bytea[])";
/// One row for thousands of series.
pub(super) const SERIES: &str = "SELECT array_agg(id), array_agg(target), \
    array_agg(octet_length(labels)::bigint * 2 + inherits::int), string_agg(labels, ''::bytea) FROM \
    (SELECT id, target, inherits, labels FROM series \
    WHERE id > $1 AND last_ms IS NULL ORDER BY id LIMIT $2) AS names";
pub(super) const LEAVE_SERIES: &str = "UPDATE series SET last_ms = gone.last_ms \
    FROM UNNEST($1::bigint[], $2::bigint[]) AS gone (id, last_ms) WHERE series.id = gone.id";
pub(super) const SERIES_BY_ID: &str =
    "SELECT id, target, inherits, labels, first_ms, last_ms FROM series WHERE id = ANY($1)";
pub(super) const EXPIRE_SERIES: &str = "DELETE FROM series WHERE id IN \
    (SELECT id FROM series WHERE last_ms < $1 ORDER BY last_ms LIMIT $2)";
pub(super) const DELETE_SERIES: &str = "DELETE FROM series WHERE id = ANY($1)";

pub(super) const INSERT_EVENTS: &str = "INSERT INTO alert_event (at_ms, id, body) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bytea[])";

pub(super) const FIND_HEADERS: [&str; 3] = for_each_tier!(
    "SELECT w.at - 1, h.ver, h.layout, h.fold_seq, h.clocks \
     FROM UNNEST($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w (win, pack, at) JOIN header_"
    " AS h ON h.win = w.win AND h.pack = w.pack"
);
/// For each slice; its name and its bounds follow.
pub(super) const FIND_BLOCKS: [&str; 3] = for_each_tier!(
    " UNION ALL SELECT g.at, g.grp, NULL, NULL, b.blob \
     FROM UNNEST($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS g (at, win, pack, grp) \
     JOIN header_"
    " AS h ON h.win = g.win AND h.pack = g.pack CROSS JOIN LATERAL (SELECT b.blob FROM "
);
/// Notes those whose blocks stay until their slice ends, from $4 on.
pub(super) const EXPIRE_HEADERS: [&str; 3] = for_each_tier!(
    "WITH gone AS (DELETE FROM header_"
    " WHERE (win, pack) IN (SELECT win, pack FROM header_"
    " WHERE win < $1 ORDER BY win, pack LIMIT $2) RETURNING win, pack), \
     noted AS (INSERT INTO expired_window (tier, win, pack) \
     SELECT $3, win, pack FROM gone WHERE win >= $4 ON CONFLICT DO NOTHING) \
     SELECT count(*) FROM gone"
);
pub(super) const TAKE_EXPIRED: &str =
    "DELETE FROM expired_window WHERE tier = $1 AND win = $2 AND pack = $3";
pub(super) const FORGET_EXPIRED: &str = "DELETE FROM expired_window WHERE tier = $1 AND win < $2";
pub(super) const LAST_EXPIRED: &str = "SELECT tier, max(win) FROM expired_window GROUP BY tier";
pub(super) const FIRST_SLICES: &str = "SELECT tier, number FROM first_slice";
pub(crate) const SLICES: &str = "SELECT tier, number FROM slice";
pub(super) const SLICES_OF_TIER: &str =
    "SELECT number, is_frozen FROM slice WHERE tier = $1 ORDER BY number";
pub(super) const NOTE_SLICE: &str = "INSERT INTO slice (tier, number, is_frozen) \
    VALUES ($1, $2, false) ON CONFLICT DO NOTHING";
pub(super) const NOTE_FROZEN: &str =
    "UPDATE slice SET is_frozen = true WHERE tier = $1 AND number = $2";
pub(super) const DELETE_SLICE: &str = "DELETE FROM slice WHERE tier = $1 AND number = $2";
/// For a vacuum: it may take long, and should not be noticed.
pub(super) const UNHURRIED: [&str; 2] =
    ["SET statement_timeout = 0", "SET vacuum_cost_delay = '5ms'"];
/// For reading and for writing everything: it takes what it takes.
pub(crate) const READ_ALL: [&str; 2] = [
    "SET statement_timeout = 0",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
];
pub(crate) const WRITE_ALL: [&str; 2] = ["SET statement_timeout = 0", "BEGIN"];
pub(crate) const NEWEST: &str = "SELECT seq FROM lease WHERE id = 1 FOR UPDATE";
pub(crate) const SET_LEASE: &str = "WITH guard AS (UPDATE lease SET epoch = $1 WHERE id = 2) \
    UPDATE lease SET epoch = $1, seq = $2, hash = $3 WHERE id = 1";
pub(crate) const TAKE_SLOT: &str = "UPDATE journal_ring \
    SET first_segment = COALESCE(first_segment, $2), last_segment = $2 WHERE slot = $1";
/// Other connections of this program to the same database.
pub(crate) const OTHERS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'system-stats-aggregator' \
    AND pid <> pg_backend_pid()";
pub(super) const SIZE: &str = "SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0)::bigint \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'system_stats' AND c.relkind = 'r'";

pub(super) const PUT_OBJECTS: &str = "INSERT INTO object (kind, key, updated_ms, body) \
    SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[]) \
    ON CONFLICT (kind, key) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body";
pub(super) const DELETE_OBJECTS: &str = "DELETE FROM object \
    USING UNNEST($1::bigint[], $2::bytea[]) AS gone (kind, key) \
    WHERE object.kind = gone.kind AND object.key = gone.key";

pub(crate) const RING: &str =
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
    ($($part:literal)+) => {
        for_each!(
            ["journal_0", "journal_1", "journal_2", "journal_3",
             "journal_4", "journal_5", "journal_6", "journal_7"]
            ($($part)+)
        )
    };
}

/// How many tables the journal has.
pub(crate) const SLOTS: usize = 8;

pub(super) const JOURNAL: [&str; SLOTS] = per_slot!(
    "SELECT segment, seq, blob FROM "
    " WHERE (segment, seq) > ($1, $2) AND segment >= $3 ORDER BY segment, seq LIMIT $4"
);
pub(super) const INSERT_JOURNAL: [&str; SLOTS] =
    per_slot!("INSERT INTO " " (segment, seq, blob) VALUES ($1, $2, $3)");
pub(super) const COUNT_SEGMENT: [&str; SLOTS] =
    per_slot!("SELECT count(*) FROM " " WHERE segment = $1");
pub(super) const HAS_OTHERS: [&str; SLOTS] = per_slot!(
    "SELECT EXISTS (SELECT 1 FROM "
    " WHERE segment >= $2 AND segment <> $1)"
);
pub(super) const DELETE_ROWS: [&str; SLOTS] = per_slot!(
    "DELETE FROM "
    " WHERE segment = $1 AND seq IN (SELECT seq FROM "
    " WHERE segment = $1 ORDER BY seq LIMIT $2)"
);
pub(super) const TRUNCATE: [&str; SLOTS] = per_slot!("TRUNCATE " "");
