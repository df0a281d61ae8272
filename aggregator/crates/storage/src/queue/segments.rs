//! The journal's segments: which there are, and when the next begins.
//!
//! A segment ends after a length of time on the monotonic clock or a number of bytes of records,
//! whichever comes first, always between two batches. A start of the program begins a new one.

use std::collections::BTreeMap;
use std::time::Duration;

use system_stats_model::sample::Millis;
use tokio::time::Instant;

use super::Done;

/// What is known of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The newest sample in it.
    pub(crate) newest: Option<Millis>,
    /// Whether it holds a deletion, which concerns the segments before it.
    pub(crate) deletes: bool,
}

impl Segment {
    /// Adds a row of so many bytes.
    pub(crate) fn add(&mut self, bytes: usize, newest: Option<Millis>, deletes: bool) {
        self.rows += 1;
        self.bytes += bytes as u64;
        self.newest = self.newest.max(newest);
        self.deletes |= deletes;
    }
}

/// All segments, and the one being filled.
#[derive(Debug)]
pub(crate) struct Segments {
    durable: BTreeMap<u64, Segment>,
    current: u64,
    /// When the current one got its first batch, and how many bytes it has.
    since: Option<Instant>,
    filled: usize,
    length: Duration,
    most_bytes: usize,
}

impl Segments {
    /// Continues after the segments that are there.
    pub(crate) fn after(
        durable: BTreeMap<u64, Segment>,
        length: Duration,
        most_bytes: usize,
    ) -> Self {
        let last = durable.last_key_value().map_or(0, |(segment, _)| *segment);
        Self {
            durable,
            current: last + 1,
            since: None,
            filled: 0,
            length,
            most_bytes,
        }
    }

    pub(crate) fn durable(&self) -> &BTreeMap<u64, Segment> {
        &self.durable
    }

    /// The segments that hold no sample from `floor` on and that nothing needs.
    pub(crate) fn expired(&self, floor: Millis) -> Vec<u64> {
        let mut expired = Vec::new();
        let mut is_prefix = true;
        for (&number, segment) in self.durable.range(..self.current) {
            let is_old = segment.newest.is_none_or(|newest| newest < floor);
            // A deletion is needed for as long as there is anything before it.
            if is_old && (is_prefix || !segment.deletes) {
                expired.push(number);
            } else {
                is_prefix = false;
            }
        }
        expired
    }

    pub(crate) fn trimmed(&mut self, segment: u64) {
        self.durable.remove(&segment);
    }

    pub(super) fn current(&self) -> u64 {
        self.current
    }

    /// Notes that a batch has been closed with so many bytes of records; the next one may belong
    /// to another segment.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.filled += bytes;
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.filled >= self.most_bytes || since.elapsed() >= self.length {
            self.current += 1;
            self.since = None;
            self.filled = 0;
        }
    }

    pub(super) fn wrote(&mut self, batch: &Done) {
        let segment = self.durable.entry(batch.segment).or_default();
        segment.add(batch.written, batch.newest, batch.deletes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_trimmed() {
        let of = |newest: i64, deletes| Segment {
            newest: (newest >= 0).then_some(newest),
            deletes,
            ..Segment::default()
        };
        let cases: [(&[Segment], &[u64]); 5] = [
            (&[of(5, false), of(9, false), of(20, false)], &[1, 2]),
            (&[of(20, false), of(9, false)], &[2]),
            (&[of(20, false), of(9, true), of(9, false)], &[3]),
            (&[of(5, true), of(9, true), of(-1, false)], &[1, 2, 3]),
            (&[of(10, false)], &[]),
        ];
        for (segments, expected) in cases {
            let durable = (1..).zip(segments.iter().copied()).collect();
            let segments = Segments::after(durable, Duration::from_secs(1), 100);
            assert_eq!(segments.expired(10), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_segment_ends_by_bytes_or_by_time() {
        let mut segments = Segments::after(BTreeMap::new(), Duration::from_mins(1), 100);
        let mut after = |bytes| {
            segments.advance(bytes);
            segments.current()
        };
        assert_eq!([after(50), after(49), after(1), after(99)], [1, 1, 2, 2]);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!([after(0), after(0)], [3, 3]);
    }
}
