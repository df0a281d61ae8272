//! The read seam.
//!
//! A source is a snapshot that is already in memory (encoded or not): whoever has to fetch from a
//! database does so before, asynchronously, and hands the snapshot on. Reading it is synchronous.

mod fixed;

use std::ops::ControlFlow;

use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::rollup::{self, Bucket};
use crate::sample::{Millis, TimeRange};

pub use fixed::FixedSource;

/// Which series, and which stretch of them.
#[derive(Clone, Debug)]
pub struct Selector {
    /// All must hold; none means every series.
    pub matchers: Vec<Matcher>,
    /// Samples outside are not returned; series without a sample inside are left out.
    pub range: TimeRange,
}

/// What has to be fetched before it is read: a selector, and how coarse it may come.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Which series, and which stretch of them.
    pub selector: Selector,
    /// The resolution, in milliseconds, of the buckets that would do in place of samples; none
    /// when nothing but samples will do. The range then ends with a whole bucket, and begins with
    /// one unless only the newest sample of each bucket is looked at.
    pub resolution: Option<Millis>,
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
    /// The samples have gone and only buckets are left of them.
    #[error(
        "of {series} only rollups are left before {before} ms; ask for rate, increase, delta, \
         count, last, min, max, sum or avg over a range at times that are multiples of 5m or 1h, \
         as the range is, or for a later time"
    )]
    Expired {
        /// Which series.
        series: Labels,
        /// Samples before this are gone, in milliseconds since 1970.
        before: Millis,
    },
    /// Only buckets are left of what two targets had at the same time.
    #[error(
        "of {series} several targets had samples between {start} ms and {end} ms, and only rollups \
         are left, of each its own; leave the series out or ask for a later time"
    )]
    Interleaved {
        /// Which series.
        series: Labels,
        /// The first moment of the bucket, in milliseconds since 1970.
        start: Millis,
        /// The last one.
        end: Millis,
    },
}

/// Room for the samples of one series; kept and used again, so that reading many series allocates
/// once.
#[derive(Clone, Debug, Default)]
pub struct SampleBuffer {
    /// Milliseconds since 1970, strictly ascending.
    pub timestamps: Vec<Millis>,
    /// As many values, staleness markers included.
    pub values: Vec<f64>,
}

impl SampleBuffer {
    /// Forgets the samples and keeps the room.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
    }

    /// What is in it.
    #[must_use]
    pub fn samples(&self) -> Samples<'_> {
        Samples {
            timestamps: &self.timestamps,
            values: &self.values,
        }
    }
}

/// The series that a selector picked: names at once, samples when they are asked for. Several
/// threads may read different series of one set at the same time.
pub trait SeriesSet: Send + Sync {
    /// The label sets, ascending, each once. Some may have no sample in the range.
    fn labels(&self) -> &[Labels];

    /// Replaces the content of `into` by the samples of series `at` (an index into
    /// [`labels`](Self::labels)) that lie in `range`, which may be narrower than the selector's
    /// but not wider; nothing if it has none there.
    ///
    /// # Errors
    /// [`SourceError`] when stored data is unreadable.
    fn read(&self, at: usize, range: TimeRange, into: &mut SampleBuffer)
    -> Result<(), SourceError>;

    /// Whether [`read_buckets`](Self::read_buckets) at this resolution spares reading samples, or
    /// is all that is left to read. The answers are the same either way.
    fn has_buckets(&self, resolution: Millis) -> bool {
        let _ = resolution;
        false
    }

    /// Before which moment (milliseconds since 1970) the range has no samples any more, only
    /// buckets; none if all of the samples are there.
    fn expired_before(&self) -> Option<Millis> {
        None
    }

    /// Replaces the content of `into` by the buckets of series `at` whose ends lie in `range`,
    /// which ends with a bucket. If it does not begin with one, the first may or may not hold
    /// samples from before. `samples` is room to work in.
    ///
    /// # Errors
    /// [`SourceError`] when stored data is unreadable.
    fn read_buckets(
        &self,
        at: usize,
        range: TimeRange,
        resolution: Millis,
        samples: &mut SampleBuffer,
        into: &mut Vec<Bucket>,
    ) -> Result<(), SourceError> {
        self.read(at, range, samples)?;
        into.clear();
        rollup::buckets(&samples.timestamps, &samples.values, resolution, into);
        Ok(())
    }
}

/// Where samples come from.
pub trait SeriesSource: Send + Sync {
    /// The series that `selector` picks.
    ///
    /// # Errors
    /// [`SourceError`] when stored data is unreadable.
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError>;

    /// Calls `visit` once for every series that `selector` picks and that has samples in its
    /// range, ascending by labels, with its samples decoded into memory that is valid only during
    /// the call. Stops early when `visit` breaks.
    ///
    /// # Errors
    /// [`SourceError`] when stored data is unreadable.
    fn for_each(
        &self,
        selector: &Selector,
        visit: &mut dyn FnMut(&Labels, Samples<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let set = self.select(selector)?;
        let mut buffer = SampleBuffer::default();
        for (at, labels) in set.labels().iter().enumerate() {
            set.read(at, selector.range, &mut buffer)?;
            if !buffer.timestamps.is_empty() && visit(labels, buffer.samples()).is_break() {
                break;
            }
        }
        Ok(())
    }
}
