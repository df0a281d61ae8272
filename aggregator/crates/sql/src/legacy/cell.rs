//! Cells of a row whose columns and types are not known beforehand.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef};
use system_stats_model::sample::Millis;

/// Times above this are milliseconds: in seconds it would be the year 5138.
const SECONDS_LIMIT: f64 = 1e11;

/// A row, by the names of its columns.
pub(super) struct Columns<'a>(pub(super) &'a SqliteRow);

enum Cell {
    Number(f64),
    Text(String),
}

impl Columns<'_> {
    /// The first of these columns that there is, as text.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        match self.cell(names)? {
            Cell::Text(text) => Some(text),
            Cell::Number(number) => Some(number.to_string()),
        }
    }

    /// The first of these columns that there is, as a number; numbers in text count.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        match self.cell(names)? {
            Cell::Number(number) => Some(number),
            Cell::Text(text) => text.trim().parse().ok(),
        }
    }

    /// The first of these columns that there is, as a time; none before 1970.
    pub(super) fn time(&self, names: &[&str]) -> Option<Millis> {
        let millis = match self.cell(names)? {
            Cell::Number(number) => from_number(number),
            Cell::Text(text) => match text.trim().parse() {
                Ok(number) => from_number(number),
                Err(_) => from_text(text.trim()),
            },
        };
        millis.filter(|millis| *millis >= 0)
    }

    fn cell(&self, names: &[&str]) -> Option<Cell> {
        let value = names
            .iter()
            .find_map(|name| self.0.try_get_raw(*name).ok())?;
        let kind = value.type_info().name().to_owned();
        if value.is_null() {
            return None;
        }
        match kind.as_str() {
            "INTEGER" | "BOOLEAN" | "REAL" => decode::<f64>(value).map(Cell::Number),
            "TEXT" | "DATETIME" | "DATE" => decode::<String>(value).map(Cell::Text),
            _ => None,
        }
    }
}

/// SQLite converts between its types when a value is read.
fn decode<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Option<T> {
    T::decode(value).ok()
}

fn from_number(number: f64) -> Option<Millis> {
    let millis = if number < SECONDS_LIMIT {
        number * 1000.0
    } else {
        number
    };
    #[expect(clippy::cast_possible_truncation, reason = "within ±1e15")]
    (millis.abs() < 1e15).then(|| millis.round() as Millis)
}

fn from_text(text: &str) -> Option<Millis> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}
