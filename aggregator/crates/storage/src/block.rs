//! What the blobs of the past hold: layouts, clocks, groups of columns, totals.
//!
//! A window of a pack has one layout (which series is which column), clocks (vectors of times,
//! each stored once however many columns follow it) and groups of [`GROUP`] columns. A column is
//! the number of its clock, in which of the clock's rows it has a value, and the values: a byte for
//! each, which compress well beside those of the other columns, and bits apart, which are stored as
//! they are. Every blob has a version byte and a checksum; nothing here is trusted when it is read.

mod clocks;
mod group;
mod layout;
mod totals;

pub(crate) use clocks::{Clocks, encode_clocks};
pub(crate) use group::{Group, GroupWriter};
pub(crate) use layout::Layout;
pub(crate) use totals::{Totals, decode_totals, encode_totals};

/// Columns of a group: the knee of the curve between what a query reads in vain and what a group
/// costs.
pub(crate) const GROUP: usize = 64;

/// The group that a column is in.
pub(crate) fn group_of(column: u32) -> u32 {
    column / 64
}
