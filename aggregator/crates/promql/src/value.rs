//! What an evaluation yields.
//!
//! Everything is a float so far. Native histograms would come as a side table beside the columns,
//! for the few series that have them; no column needs to know.

pub(crate) mod bits;
mod columns;
mod number;
mod timeline;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

pub use bits::Bits;
pub use columns::Columns;
pub(crate) use columns::{Block, ColumnMut};
pub(crate) use number::{of_label, shortest, verb_f, verb_g};
pub use number::{write_decimal, write_exponent, write_value};
pub(crate) use timeline::Reference;
pub use timeline::Timeline;

/// The result of a query.
#[derive(Clone, Debug)]
pub enum Value {
    /// One number at the time of the evaluation.
    Scalar {
        /// Milliseconds since 1970.
        timestamp: Millis,
        /// The number.
        value: f64,
    },
    /// A text at the time of the evaluation.
    String {
        /// Milliseconds since 1970.
        timestamp: Millis,
        /// The text.
        value: String,
    },
    /// Series with one value each, all at the time of the evaluation, in the order of the
    /// expression (sorted ones stay sorted).
    Vector {
        /// Milliseconds since 1970.
        timestamp: Millis,
        /// The series.
        elements: Vec<Element>,
    },
    /// Series with samples at times of their own, ascending by labels: what a range selector
    /// yields.
    Matrix(Vec<Series>),
    /// Series with values on a common grid of times, ascending by labels, each with at least one
    /// value: what a range query yields.
    Range(Columns),
}

/// A series and its value.
#[derive(Clone, Debug)]
pub struct Element {
    /// Which series.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// A series and its samples.
#[derive(Clone, Debug)]
pub struct Series {
    /// Which series.
    pub labels: Labels,
    /// Milliseconds since 1970, strictly ascending, at least one.
    pub timestamps: Vec<Millis>,
    /// As many values.
    pub values: Vec<f64>,
}
