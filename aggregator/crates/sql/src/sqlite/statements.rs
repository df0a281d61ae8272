//! The statements, and the parameters that stand for many rows.
//!
//! Many rows travel as one JSON parameter, so that a statement is the same for one row as for a
//! thousand. Bytes travel in it as hexadecimal digits: SQLite cuts JSON text at U+0000.

use std::fmt::Write as _;

use system_stats_model::sample::Millis;
use system_stats_storage::store::{EventRow, SeriesRow, TargetRow, Wanted, WindowKey};

use crate::statements::for_each_tier;

pub(super) const TAKE_LEASE: &str =
    "UPDATE lease SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch";
/// The newest commit is the one that the lease names, or the one of the journal's newest row: most
/// commits leave the lease as it is. The row comes along if it tells more.
pub(super) const COMMITTED: &str = "SELECT l.seq, l.hash, j.id & 1099511627775, j.blob \
    FROM lease AS l LEFT JOIN journal AS j ON j.id = (SELECT max(id) FROM journal) \
    AND j.id & 1099511627775 > l.seq WHERE l.id = 1";
/// The owner and the newest commit.
pub(super) const STANDING: &str = "SELECT epoch, \
    max(seq, coalesce((SELECT max(id) FROM journal) & 1099511627775, 0)) FROM lease WHERE id = 1";
pub(super) const SET_COMMITTED: &str = "UPDATE lease SET seq = $1, hash = $2 WHERE id = 1";

pub(super) const INSERT_TARGETS: &str = "INSERT INTO target (id, pack, labels) \
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each($1)";
pub(super) const DELETE_TARGETS: &str =
    "DELETE FROM target WHERE id IN (SELECT value FROM json_each($1))";

pub(super) const INSERT_SERIES: &str = "INSERT INTO series (id, target, inherits, first_ms, labels) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4) \
    FROM json_each($1)";
/// One row for thousands of series: a row of its own costs more than everything else about a series.
pub(super) const SERIES: &str = "SELECT group_concat(id, ' '), group_concat(target, ' '), \
    group_concat(length(labels) * 2 + inherits, ' '), CAST(group_concat(labels, '') AS BLOB) FROM \
    (SELECT id, target, inherits, labels FROM series \
    WHERE id > $1 AND last_ms IS NULL ORDER BY id LIMIT $2)";
pub(super) const LEAVE_SERIES: &str = "UPDATE series SET last_ms = gone.value ->> 1 \
    FROM json_each($1) AS gone WHERE series.id = gone.value ->> 0";
pub(super) const SERIES_BY_ID: &str = "SELECT id, target, inherits, labels, first_ms, last_ms \
    FROM series WHERE id IN (SELECT value FROM json_each($1))";
pub(super) const EXPIRE_SERIES: &str = "DELETE FROM series WHERE id IN \
    (SELECT id FROM series WHERE last_ms < $1 ORDER BY last_ms LIMIT $2)";
pub(super) const DELETE_SERIES: &str =
    "DELETE FROM series WHERE id IN (SELECT value FROM json_each($1))";

pub(super) const INSERT_EVENTS: &str = "INSERT INTO alert_event (at_ms, id, body) \
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each($1)";

pub(super) const JOURNAL: &str = "SELECT id, blob FROM journal WHERE id > $1 ORDER BY id LIMIT $2";
pub(super) const INSERT_JOURNAL: &str = "INSERT INTO journal (id, blob) VALUES ($1, $2)";
pub(super) const TRIM: &str = "DELETE FROM journal WHERE id IN \
    (SELECT id FROM journal WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)";

/// Headers and blocks in one statement, so that all of it is of one moment. A block has no layout.
pub(super) const READ_WINDOWS: [&str; 3] = for_each_tier!(
    "SELECT w.key, h.ver, h.layout, h.fold_seq, h.clocks FROM json_each($1) AS w \
     CROSS JOIN header_"
    " AS h ON h.win = w.value ->> 0 AND h.pack = w.value ->> 1 \
     UNION ALL \
     SELECT w.key, g.value, NULL, NULL, b.blob FROM json_each($1) AS w \
     CROSS JOIN header_"
    " AS h ON h.win = w.value ->> 0 AND h.pack = w.value ->> 1 \
     CROSS JOIN json_each(w.value -> 2) AS g \
     CROSS JOIN block_"
    " AS b ON b.win = h.win AND b.pack = h.pack AND b.grp = g.value AND b.ver = \
     (SELECT max(v.ver) FROM block_"
    " AS v WHERE v.win = h.win AND v.pack = h.pack AND v.grp = g.value AND v.ver <= h.ver)"
);
pub(super) const PUT_BLOCK: [&str; 3] = for_each_tier!(
    "INSERT INTO block_"
    " (win, pack, grp, ver, blob) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (win, pack, grp, ver) DO UPDATE SET blob = excluded.blob"
);
/// Those above version $3, and those with a newer one up to it beside them.
pub(super) const SWEEP: [&str; 3] = for_each_tier!(
    "DELETE FROM block_"
    " WHERE rowid IN (SELECT b.rowid FROM block_"
    " AS b WHERE b.win = $1 AND b.pack = $2 AND (b.ver > $3 OR EXISTS (SELECT 1 FROM block_"
    " AS v WHERE v.win = $1 AND v.pack = $2 AND v.grp = b.grp AND v.ver > b.ver AND v.ver <= $3)) \
     LIMIT $4)"
);
pub(super) const EXPIRE_HEADERS: [&str; 3] = for_each_tier!(
    "DELETE FROM header_"
    " WHERE rowid IN (SELECT rowid FROM header_"
    " WHERE win < $1 ORDER BY win, pack LIMIT $2)"
);
pub(super) const EXPIRE_BLOCKS: [&str; 3] = for_each_tier!(
    "DELETE FROM block_"
    " WHERE rowid IN (SELECT rowid FROM block_"
    " WHERE win < $1 ORDER BY win, pack, grp, ver LIMIT $2)"
);
pub(super) const SIZE: &str = "SELECT (page_count - freelist_count) * page_size \
    FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()";

pub(super) const PUT_OBJECT: &str = "INSERT INTO object (kind, key, updated_ms, body) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (kind, key) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body";
pub(super) const DELETE_OBJECT: &str = "DELETE FROM object WHERE kind = $1 AND key = $2";

pub(super) fn target_rows(rows: &[TargetRow]) -> String {
    list(rows, |out, row| {
        let _ = write!(out, "[{},{},\"", row.id, row.pack);
        hexadecimal(out, row.labels.encoded().as_bytes());
        out.push_str("\"]");
    })
}

pub(super) fn series_rows(rows: &[SeriesRow]) -> String {
    list(rows, |out, row| {
        let inherits = u8::from(row.inherits);
        let _ = write!(
            out,
            "[{},{},{inherits},{},\"",
            row.id, row.target, row.first
        );
        hexadecimal(out, row.labels.encoded().as_bytes());
        out.push_str("\"]");
    })
}

pub(super) fn event_rows(rows: &[EventRow]) -> String {
    list(rows, |out, row| {
        let _ = write!(out, "[{},{},\"", row.at, row.id);
        hexadecimal(out, &row.body);
        out.push_str("\"]");
    })
}

pub(super) fn left_rows(rows: &[(u64, Option<Millis>)]) -> String {
    list(rows, |out, (id, last)| {
        let _ = match last {
            Some(last) => write!(out, "[{id},{last}]"),
            None => write!(out, "[{id},null]"),
        };
    })
}

pub(super) fn wanted_rows(rows: &[Wanted]) -> String {
    list(rows, |out, wanted| {
        let WindowKey { window, pack } = wanted.key;
        let groups = list(&wanted.groups, |out, group| {
            let _ = write!(out, "{group}");
        });
        let _ = write!(out, "[{window},{pack},{groups}]");
    })
}

pub(super) fn ids(ids: &[u64]) -> String {
    list(ids, |out, id| {
        let _ = write!(out, "{id}");
    })
}

fn list<T>(items: &[T], mut write: impl FnMut(&mut String, &T)) -> String {
    let mut out = String::from("[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(&mut out, item);
    }
    out.push(']');
    out
}

fn hexadecimal(out: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}
