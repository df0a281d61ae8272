//! The journal's segments: which there are, and when the next begins.
//!
//! A segment ends after a length of time on the monotonic clock or a number of bytes of records,
//! whichever comes first, always between two batches. A start of the program begins a new one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Done;

/// What is known of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The number of its last row.
    pub(crate) last: u64,
}

impl Segment {
    /// Adds row `seq`, of so many bytes.
    pub(crate) fn add(&mut self, seq: u64, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as u64;
        self.last = self.last.max(seq);
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
    /// The last batch of each segment that has been closed since the start of the program.
    ends: BTreeMap<u64, u64>,
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
            ends: BTreeMap::new(),
        }
    }

    pub(crate) fn durable(&self) -> &BTreeMap<u64, Segment> {
        &self.durable
    }

    /// The oldest segments, as far as none of their rows is `needed` or newer, and all of them
    /// are there: the newest durable commit is `committed`.
    pub(crate) fn unneeded(&self, needed: u64, committed: u64) -> Vec<u64> {
        // A deletion is needed for as long as there is anything before it: they go in order.
        let is_unneeded = |(number, segment): &(&u64, &Segment)| {
            let is_whole = self.ends.get(number).is_none_or(|end| *end <= committed);
            is_whole && segment.last < needed
        };
        let old = self.durable.range(..self.current);
        old.take_while(is_unneeded)
            .map(|(number, _)| *number)
            .collect()
    }

    pub(crate) fn trimmed(&mut self, segment: u64) {
        self.durable.remove(&segment);
        self.ends.remove(&segment);
    }

    pub(super) fn current(&self) -> u64 {
        self.current
    }

    /// Notes that batch `seq` has been closed with so many bytes of records; the next one may
    /// belong to another segment.
    pub(super) fn advance(&mut self, seq: u64, bytes: usize) {
        self.ends.insert(self.current, seq);
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
        segment.add(batch.seq, batch.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_trimmed() {
        let of = |last: u64| Segment {
            last,
            ..Segment::default()
        };
        let durable = [(1, of(5)), (2, of(9)), (3, of(20))];
        let mut segments =
            Segments::after(durable.into_iter().collect(), Duration::from_secs(1), 100);
        let cases: [(u64, &[u64]); 5] = [
            (5, &[]),
            (6, &[1]),
            (9, &[1]),
            (10, &[1, 2]),
            (u64::MAX, &[1, 2, 3]),
        ];
        for (needed, expected) in cases {
            assert_eq!(segments.unneeded(needed, 20), expected, "{needed}");
        }
        // A segment of which a batch is still on its way.
        segments.advance(21, 100);
        segments.durable.insert(4, of(20));
        assert_eq!(segments.unneeded(u64::MAX, 20), [1, 2, 3]);
        assert_eq!(segments.unneeded(u64::MAX, 21), [1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_segment_ends_by_bytes_or_by_time() {
        let mut segments = Segments::after(BTreeMap::new(), Duration::from_mins(1), 100);
        let mut after = |bytes| {
            segments.advance(1, bytes);
            segments.current()
        };
        assert_eq!([after(50), after(49), after(1), after(99)], [1, 1, 2, 2]);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!([after(0), after(0)], [3, 3]);
    }
}
