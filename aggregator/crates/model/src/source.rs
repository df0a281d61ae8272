//! The read seam.
//!
//! A source is a snapshot that is already in memory (encoded or not): whoever has to fetch from a
//! database does so before, asynchronously, and hands the snapshot on. Reading it is synchronous.

use std::ops::ControlFlow;

use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::sample::{Millis, TimeRange};

/// Which series, and which stretch of them.
#[derive(Clone, Debug)]
pub struct Selector {
    /// All must hold; none means every series.
    pub matchers: Vec<Matcher>,
    /// Samples outside are not returned; series without a sample inside are left out.
    pub range: TimeRange,
}

/// The samples of one series, oldest first, times strictly ascending. Both slices have the same
/// length, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Milliseconds since 1970.
    pub timestamps: &'a [Millis],
    /// The values, staleness markers included.
    pub values: &'a [f64],
}

/// Reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Stored data cannot be decoded; the message names where.
    #[error("stored samples of {series} cannot be read: {reason}")]
    Corrupt {
        /// Which series.
        series: Labels,
        /// What is wrong.
        reason: String,
    },
}

/// Where samples come from.
pub trait SeriesSource: Send + Sync {
    /// Calls `visit` once for every series that `selector` picks, in no particular order, with its
    /// samples decoded into memory that is valid only during the call. Stops early when `visit`
    /// breaks.
    ///
    /// # Errors
    /// [`SourceError`] when stored data is unreadable.
    fn for_each(
        &self,
        selector: &Selector,
        visit: &mut dyn FnMut(&Labels, Samples<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError>;
}
