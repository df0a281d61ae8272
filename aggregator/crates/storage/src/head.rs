//! The head: what is in memory, per target.
//!
//! A target has one lock and wall-clock aligned windows of an hour. A window holds its newest rows
//! (one timestamp, the values of all series that have one there) as what changes, and older ones in
//! [`tile::Tile`]s: one clock, and per series an encoded column. Rows that share their set of
//! series share the list of it. Windows are shared with readers and copied when written while
//! somebody reads them, which copies pointers, not samples.

mod open;
mod policy;
mod row;
mod tally;
mod target;
mod tile;
mod window;

pub(crate) use policy::Policy;
pub(crate) use row::Row;
pub(crate) use tally::Tally;
pub(crate) use target::{Appended, TargetHead};
pub(crate) use tile::DecodeError;
pub(crate) use window::{Window, cut};

use system_stats_model::sample::Millis;

/// The length of a window, in milliseconds.
pub(crate) const WINDOW: Millis = 3_600_000;

/// The newest time that a sample may have: the end of the year 9999, in milliseconds since 1970.
pub(crate) const LATEST: Millis = 253_402_300_799_999;

/// The start of the window that a time belongs to.
pub(crate) fn window_of(timestamp: Millis) -> Millis {
    timestamp - timestamp.rem_euclid(WINDOW)
}
