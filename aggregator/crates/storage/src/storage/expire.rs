//! Retention: old windows go from memory, old segments from the journal, empty series from both.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use system_stats_model::append::Urgency;
use system_stats_model::sample::Millis;

use super::open::HORIZON;
use super::{ExpireError, Inner, Storage};
use crate::head::{LATEST, window_of};
use crate::queue::Pending;
use crate::sync::write;

/// Rows of the journal that one transaction removes.
const TRIM_ROWS: usize = 32;

/// What retention has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Samples, staleness markers not counted.
    pub samples: u64,
    /// Series that had nothing left.
    pub series: usize,
    /// Targets that had no series left.
    pub targets: usize,
    /// Segments of the journal.
    pub segments: usize,
}

impl Storage {
    /// Drops what is older than `horizon` (milliseconds since 1970), in whole windows of an hour:
    /// a window goes when its last millisecond is before the horizon, and from then on nothing
    /// older is taken. Forgets the series that have nothing left - ids of forgotten series are
    /// unknown from then on - and trims the segments of the journal that hold nothing newer. A
    /// horizon before an earlier one only forgets and trims.
    ///
    /// # Errors
    /// [`ExpireError`] when the store is unavailable; memory is tidied all the same, and the rest
    /// is done the next time.
    pub async fn expire(&self, horizon: Millis) -> Result<Expired, ExpireError> {
        let inner = &self.inner;
        let before = inner
            .floor
            .fetch_max(window_of(horizon.clamp(0, LATEST)), Ordering::Relaxed);
        let floor = inner.floor();
        if floor > before {
            let fill = |pending: &mut Pending, _| pending.set_meta(HORIZON, floor);
            inner.queue.add(Urgency::Relaxed, fill);
        }
        let mut expired = Expired::default();
        for target in inner.targets() {
            expired.samples += Inner::head_of(&target).expire(floor);
            let (series, is_gone) = inner.forget_empty(&target);
            expired.series += series;
            expired.targets += usize::from(is_gone);
            // Other tasks have their turn between two targets.
            tokio::task::yield_now().await;
        }
        // Before the journal loses anything, the horizon is durable: a restart in between finds
        // either all of the old samples or none.
        let noted = inner.queue.latest(Urgency::Relaxed);
        self.committed(noted).await?;
        for segment in inner
            .queue
            .with_segments(|segments| segments.expired(floor))
        {
            while inner.store.trim(segment, TRIM_ROWS).await? == TRIM_ROWS {
                tokio::task::yield_now().await;
            }
            inner
                .queue
                .with_segments(|segments| segments.trimmed(segment));
            expired.segments += 1;
        }
        Ok(expired)
    }
}

impl Inner {
    fn targets(&self) -> Vec<Arc<super::Target>> {
        crate::sync::read(&self.catalog).targets()
    }

    /// Forgets the series of a target that have nothing left, and the target if none is left; how
    /// many, and whether the target has gone.
    fn forget_empty(&self, target: &super::Target) -> (usize, bool) {
        let mut catalog = write(&self.catalog);
        let mut head = Self::head_of(target);
        let gone = head.forget_empty();
        if gone.is_empty() {
            return (0, false);
        }
        catalog.index.remove(&gone);
        let is_gone = head.columns().is_empty();
        if is_gone {
            head.forgotten = true;
            catalog.targets.remove(&target.id);
            catalog.by_labels.remove(&target.labels);
        }
        self.queue.add(Urgency::Relaxed, |pending, _| {
            pending.forget(&gone, is_gone.then_some(target.id));
        });
        (gone.len(), is_gone)
    }
}
