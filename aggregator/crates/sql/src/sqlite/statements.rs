//! The statements, and the parameters that stand for many rows.
//!
//! Many rows travel as one JSON parameter, so that a statement is the same for one row as for a
//! thousand. Bytes travel in it as hexadecimal digits: SQLite cuts JSON text at U+0000.

use std::fmt::Write as _;

use system_stats_storage::store::{SeriesRow, TargetRow};

pub(super) const COMMITTED: &str = "SELECT seq, hash FROM lease WHERE id = 1";

pub(super) const INSERT_TARGETS: &str = "INSERT INTO target (id, labels) \
    SELECT value ->> 0, unhex(value ->> 1) FROM json_each($1)";
pub(super) const DELETE_TARGETS: &str =
    "DELETE FROM target WHERE id IN (SELECT value FROM json_each($1))";

pub(super) const INSERT_SERIES: &str = "INSERT INTO series (id, target, inherits, first_ms, labels) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4) \
    FROM json_each($1)";
pub(super) const DELETE_SERIES: &str =
    "DELETE FROM series WHERE id IN (SELECT value FROM json_each($1))";

pub(super) const JOURNAL: &str = "SELECT id, blob FROM journal WHERE id > $1 ORDER BY id LIMIT $2";
pub(super) const INSERT_JOURNAL: &str = "INSERT INTO journal (id, blob) VALUES ($1, $2)";
pub(super) const TRIM: &str = "DELETE FROM journal WHERE id IN \
    (SELECT id FROM journal WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)";

pub(super) const PUT_OBJECT: &str = "INSERT INTO object (kind, key, updated_ms, body) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (kind, key) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body";
pub(super) const DELETE_OBJECT: &str = "DELETE FROM object WHERE kind = $1 AND key = $2";

pub(super) fn target_rows(rows: &[TargetRow]) -> String {
    list(rows, |out, row| {
        let _ = write!(out, "[{},\"", row.id);
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
