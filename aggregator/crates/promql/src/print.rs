//! From tree to text.
//!
//! `Display` gives the canonical form in one line; reading it again leads to the same tree.
//! [`format_query`] breaks long expressions into lines.

mod duration;
mod line;
mod pretty;
mod quoting;
#[cfg(test)]
mod tests;

pub use duration::format_duration;
pub use pretty::format_query;
pub use quoting::quote;

pub(crate) use quoting::{quote_bytes, quote_char, quote_literal};
