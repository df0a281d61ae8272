//! Figures about the storage itself.

use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use super::{Inner, Storage};
use crate::sync::read;

/// How the storage is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Targets in memory.
    pub targets: usize,
    /// Series in memory.
    pub series: usize,
    /// Samples in memory, staleness markers included.
    pub samples: u64,
    /// What the samples take in memory, in bytes, without the index.
    pub sample_bytes: u64,
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
}

impl Storage {
    /// How the storage is. Looks at every window, so once per scrape of one's own metrics is
    /// enough.
    #[must_use]
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let (targets, series) = {
            let catalog = read(&inner.catalog);
            (catalog.targets(), catalog.index.len())
        };
        let (mut samples, mut sample_bytes) = (0, 0);
        for target in &targets {
            let windows = Inner::head_of(target).windows(TimeRange::ALL);
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
            samples,
            sample_bytes,
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
        }
    }
}
