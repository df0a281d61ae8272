//! Figures about the storage itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use system_stats_model::sample::{Millis, TimeRange};

use super::{Inner, Storage};
use crate::store::Tier;
use crate::sync::read;

/// How the storage is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Targets in memory.
    pub targets: usize,
    /// Series in memory.
    pub series: usize,
    /// Series that have left memory and are found when a range reaches back to them.
    pub left_series: usize,
    /// Samples in memory, staleness markers included.
    pub samples: u64,
    /// What the samples take in memory, in bytes, without the index.
    pub sample_bytes: u64,
    /// What is known of series beside their samples and names, in bytes.
    pub series_bytes: u64,
    /// What the index takes in memory, in bytes: names, and how they are found.
    pub index_bytes: u64,
    /// The time of the newest sample ever taken, in milliseconds since 1970.
    pub newest: Option<Millis>,
    /// Segments of the journal.
    pub journal_segments: usize,
    /// Rows of the journal.
    pub journal_rows: u64,
    /// Bytes of the journal, compressed.
    pub journal_bytes: u64,
    /// Batches that wait to be committed.
    pub waiting_batches: usize,
    /// What they hold, in bytes, uncompressed.
    pub waiting_bytes: usize,
    /// The number of the newest durable batch.
    pub committed: u64,
    /// What the last attempt to commit said, if it failed.
    pub commit_error: Option<Arc<str>>,
    /// Rows of the journal that could not be read when the program started.
    pub unreadable_rows: u64,
    /// Records that could not be read because a row before them could not.
    pub unreadable_records: u64,
    /// Hours of packs that are in blocks.
    pub windows: usize,
    /// Deletions that samples in blocks still have to be hidden for.
    pub deletions: usize,
    /// Samples that went into blocks since the start.
    pub folded_samples: u64,
    /// Hours that could not go into blocks at the first attempt, since the start.
    pub fold_failures: u64,
    /// Late samples that were not taken in the end, because a block already had another value at
    /// their time.
    pub refused_samples: u64,
    /// Groups of columns that had to be stored uncompressed, since the start. Each is a defect.
    pub raw_groups: u64,
    /// Damaged blocks that were met since the start.
    pub damaged_blocks: u64,
}

impl Storage {
    /// How the storage is. Looks at every window, so once per scrape of one's own metrics is
    /// enough.
    #[must_use]
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let (targets, series, left_series, index_bytes) = {
            let catalog = read(&inner.catalog);
            let index = &catalog.index;
            let (series, bytes) = (index.len(), index.bytes());
            (catalog.targets(), series, catalog.left.len(), bytes as u64)
        };
        let (mut samples, mut sample_bytes, mut series_bytes) = (0, 0, 0);
        for target in &targets {
            let windows = {
                let head = Inner::head_of(target);
                series_bytes += head.series_bytes() as u64;
                head.windows(TimeRange::ALL)
            };
            for window in windows {
                samples += window.samples() as u64;
                sample_bytes += window.bytes() as u64;
            }
        }
        let (waiting_batches, waiting_bytes) = inner.queue.waiting();
        let progress = inner.queue.progress().borrow().clone();
        let (journal_segments, journal_rows, journal_bytes) =
            inner.queue.with_segments(|segments| {
                let all = segments.durable();
                let rows = all.values().map(|segment| segment.rows).sum();
                (
                    all.len(),
                    rows,
                    all.values().map(|segment| segment.bytes).sum(),
                )
            });
        Status {
            targets: targets.len(),
            series,
            left_series,
            samples,
            sample_bytes,
            series_bytes,
            index_bytes,
            newest: self.newest(),
            journal_segments,
            journal_rows,
            journal_bytes,
            waiting_batches,
            waiting_bytes,
            committed: progress.committed,
            commit_error: progress.error,
            unreadable_rows: inner.unreadable.rows,
            unreadable_records: inner.unreadable.records,
            windows: inner.past.count(Tier::Raw),
            deletions: inner.past.deletions().len(),
            folded_samples: count(&inner.counters.folded),
            fold_failures: count(&inner.counters.fold_failures),
            refused_samples: count(&inner.counters.refused),
            raw_groups: count(&inner.counters.raw_groups),
            damaged_blocks: count(&inner.counters.damaged_blocks),
        }
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
