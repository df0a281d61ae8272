//! Windows over a run of buckets that only move forward.

use super::Bucket;
use crate::sample::{Millis, Sample};

/// The buckets of one series, oldest first, and a window over them that moves forward: what a
/// range query asks for at one step after the other. Going through all windows costs as much as
/// going through the buckets once, for everything but extremes and sums.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    buckets: &'a [Bucket],
    /// Of each bucket: samples before it.
    counts: Vec<u64>,
    /// Buckets at whose border or inside of which a counter fell, ascending.
    falls: Vec<usize>,
    start: usize,
    end: usize,
}

impl<'a> Run<'a> {
    /// A window over nothing, before the first of `buckets`.
    #[must_use]
    pub fn new(buckets: &'a [Bucket]) -> Self {
        let mut counts = Vec::with_capacity(buckets.len() + 1);
        let mut falls = Vec::new();
        let mut count = 0;
        let mut before: Option<&Bucket> = None;
        for (at, bucket) in buckets.iter().enumerate() {
            counts.push(count);
            count += bucket.count;
            if bucket.count == 0 {
                continue;
            }
            let fall = before.map_or(0.0, |before| before.fall_to(bucket));
            // A fall from zero or below is one too; falls inside have left their trace.
            let falls_here = before.is_some_and(|b| bucket.first.value < b.last.value);
            if falls_here || fall != 0.0 || bucket.correction != 0.0 {
                falls.push(at);
            }
            before = Some(bucket);
        }
        counts.push(count);
        Self {
            buckets,
            counts,
            falls,
            start: 0,
            end: 0,
        }
    }

    /// Moves the window to the buckets inside `(after, until]`, times in milliseconds since 1970.
    /// Neither end moves back.
    pub fn advance(&mut self, after: Millis, until: Millis) {
        while self.end < self.buckets.len() && self.buckets[self.end].end <= until {
            self.end += 1;
        }
        while self.start < self.end && self.buckets[self.start].end <= after {
            self.start += 1;
        }
    }

    /// How many samples the window has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts[self.end] - self.counts[self.start]
    }

    /// The window's oldest sample.
    #[must_use]
    pub fn first(&self) -> Option<Sample> {
        let mut inside = self.inside().iter();
        inside.find(|b| b.count > 0).map(|b| b.first)
    }

    /// The window's newest sample, staleness markers passed over.
    #[must_use]
    pub fn last(&self) -> Option<Sample> {
        let mut inside = self.inside().iter().rev();
        inside.find(|b| b.count > 0).map(|b| b.last)
    }

    /// The window's newest sample unless a staleness marker follows it: what an instant selector
    /// sees, if it lies within the lookback.
    #[must_use]
    pub fn current(&self) -> Option<Sample> {
        let newest = self.inside().last()?;
        (newest.count > 0 && !newest.ends_stale).then_some(newest.last)
    }

    /// How much a counter rose from the window's first sample to its last; a fall is taken as a
    /// start from zero. None with fewer than two samples.
    #[must_use]
    pub fn increase(&self) -> Option<f64> {
        let mut increase = self.difference()?;
        let from = self.falls.partition_point(|&at| at < self.start);
        let inside = self.inside().iter().position(|b| b.count > 0)? + self.start;
        for &at in self.falls[from..].iter().take_while(|&&at| at < self.end) {
            if at > inside {
                let mut before = self.buckets[inside..at].iter().rev();
                let before = before.find(|b| b.count > 0);
                increase += before.map_or(0.0, |before| before.fall_to(&self.buckets[at]));
            }
            increase += self.buckets[at].correction;
        }
        Some(increase)
    }

    /// The last value less the first. None with fewer than two samples.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        if self.count() < 2 {
            return None;
        }
        Some(self.last()?.value - self.first()?.value)
    }

    /// Everything about the window in one bucket; `None` without samples.
    #[must_use]
    pub fn joined(&self) -> Option<Bucket> {
        if self.count() == 0 {
            return None;
        }
        let (first, rest) = self.inside().split_first()?;
        let mut joined = *first;
        for later in rest {
            joined.join(later);
        }
        Some(joined)
    }

    fn inside(&self) -> &'a [Bucket] {
        &self.buckets[self.start..self.end]
    }
}
