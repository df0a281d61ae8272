//! The fold: hours that nothing comes for any more go from memory into blocks.

mod purge;
mod window;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use system_stats_model::sample::Millis;
use tokio::time::Instant;

use super::{Inner, Storage};
use crate::fold::FoldError;
use crate::head::WINDOW;
use crate::store::{StoreError, WindowKey};
use crate::sync::read;
pub(super) use window::{NEXT_LAYOUT, off};

/// Rows of the journal that one transaction removes.
const TRIM_ROWS: usize = 128;

/// An hour is cold when it begins so much before the newest sample: only late samples touch it.
const COLD: Millis = 2 * WINDOW;

/// How long nothing has come for an hour that has ended before it is made smaller.
const TIGHTEN_AFTER: Duration = Duration::from_mins(1);

/// Which hours are to be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldScope {
    /// Those that nothing has come for in a while, and cold ones when they take much memory.
    Ripe,
    /// All of which everything is durable.
    Everything,
}

/// A fold could not finish; what it has not done is done the next time, and nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum FoldFailure {
    /// The database could not be read or written.
    #[error("the database cannot take blocks: {0}")]
    Store(#[from] StoreError),
    /// What was encoded did not come back, or cannot be read.
    #[error("hour {window} of pack {pack}: {reason}")]
    Window {
        /// The start of the hour, in milliseconds since 1970.
        window: Millis,
        /// The pack.
        pack: u64,
        /// What is wrong.
        reason: String,
    },
    /// A task of the runtime died.
    #[error("folding was interrupted: {0}")]
    Interrupted(String),
}

impl FoldFailure {
    fn of(key: WindowKey, error: &FoldError) -> Self {
        Self::Window {
            window: key.window,
            pack: key.pack,
            reason: error.to_string(),
        }
    }
}

/// An hour of a pack in memory.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// When something was added last.
    touched: Instant,
    bytes: usize,
}

impl Storage {
    /// Folds hours into blocks, removes deleted samples from blocks, and trims the journal. The
    /// storage does it by itself every [`Options::fold_interval`](crate::Options::fold_interval).
    /// Returns how many hours it folded.
    ///
    /// # Errors
    /// [`FoldFailure`], the first one; other hours have been folded all the same.
    pub async fn fold(&self, scope: FoldScope) -> Result<usize, FoldFailure> {
        let inner = &self.inner;
        let _alone = inner.folding.lock().await;
        inner.tighten().await?;
        let (mut folded, mut failure) = (0, None);
        for key in inner.ripe(scope) {
            match inner.fold_window(key).await {
                Ok(done) => folded += usize::from(done),
                Err(error) => {
                    inner.counters.fold_failures.fetch_add(1, Ordering::Relaxed);
                    failure = failure.or(Some(error));
                }
            }
            tokio::task::yield_now().await;
        }
        let left = inner.leave(scope).await;
        let rolled = inner.roll_up().await;
        let purged = inner.purge().await;
        let trimmed = inner.trim().await;
        inner.fit_caches();
        if folded > 0 {
            inner.give_back(scope).await?;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        left?;
        rolled?;
        purged?;
        trimmed?;
        Ok(folded)
    }
}

impl Storage {
    /// Takes what is deleted out of the blocks, which the storage does by itself in a while.
    ///
    /// # Errors
    /// [`FoldFailure`], after which there is more left to do.
    pub async fn purge(&self) -> Result<(), FoldFailure> {
        let inner = Arc::clone(&self.inner);
        // Whoever asked may stop waiting; a turn that was begun must end.
        let purging = self.inner.tasks.spawn(async move {
            let _alone = inner.folding.lock().await;
            inner.purge().await
        });
        let purged = purging.await;
        purged.map_err(|panic| FoldFailure::Interrupted(panic.to_string()))?
    }
}

/// Folds again and again, for as long as the storage is there.
pub(super) async fn run(inner: Weak<Inner>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(inner) = inner.upgrade() else { return };
        let storage = Storage { inner };
        match storage.fold(FoldScope::Ripe).await {
            Ok(0) => {}
            Ok(folded) => tracing::debug!(folded, "hours went into blocks"),
            Err(error) => tracing::warn!(%error, "samples stay in memory and in the journal"),
        }
    }
}

impl Inner {
    /// The hours to fold, oldest first.
    fn ripe(&self, scope: FoldScope) -> Vec<WindowKey> {
        let now = Instant::now();
        let newest = self.newest.load(Ordering::Relaxed);
        let mut cold: Vec<(Instant, usize, WindowKey)> = Vec::new();
        let mut ripe = Vec::new();
        for (key, candidate) in self.candidates() {
            let idle = now.saturating_duration_since(candidate.touched);
            let wait = self.options.fold_grace + self.stagger(key.pack);
            let is_over = newest >= key.window + WINDOW;
            let hour = Duration::from_millis(WINDOW.unsigned_abs());
            let is_ripe = idle >= if is_over { wait } else { wait.max(hour) };
            if scope == FoldScope::Everything || is_ripe {
                ripe.push(key);
            } else if newest >= key.window + COLD {
                cold.push((candidate.touched, candidate.bytes, key));
            }
        }
        let mut bytes: usize = cold.iter().map(|(_, bytes, _)| bytes).sum();
        cold.sort_unstable();
        for (_, size, key) in cold {
            if bytes <= self.options.cold_bytes {
                break;
            }
            bytes -= size;
            ripe.push(key);
        }
        ripe.sort_unstable();
        ripe
    }

    /// Makes hours that have ended, but are not to be folded yet, smaller.
    async fn tighten(&self) -> Result<(), FoldFailure> {
        let (now, newest) = (Instant::now(), self.newest.load(Ordering::Relaxed));
        for target in self.targets() {
            let loose: Vec<_> = {
                let head = Self::head_of(&target);
                let ended = head.slots().filter(|(start, slot)| {
                    let idle = now.saturating_duration_since(slot.touched());
                    newest >= start + WINDOW && idle >= TIGHTEN_AFTER
                });
                let ended = ended.filter_map(|(start, _)| Some((start, head.loose(start)?)));
                ended.collect()
            };
            for (start, window) in loose {
                let of = Arc::clone(&window);
                let tight = window::off(move || of.tightened()).await?;
                match tight {
                    Ok(tight) => Self::head_of(&target).tighten(start, &window, tight),
                    Err(reason) => tracing::error!(%reason, "samples in memory cannot be read"),
                }
            }
        }
        Ok(())
    }

    fn candidates(&self) -> BTreeMap<WindowKey, Candidate> {
        let mut candidates: BTreeMap<WindowKey, Candidate> = BTreeMap::new();
        for target in self.targets() {
            for (window, slot) in Self::head_of(&target).slots() {
                let pack = u64::from(target.pack);
                let candidate = candidates.entry(WindowKey { window, pack });
                let candidate = candidate.or_insert(Candidate {
                    touched: slot.touched(),
                    bytes: 0,
                });
                candidate.touched = candidate.touched.max(slot.touched());
                candidate.bytes += slot.bytes();
            }
        }
        candidates
    }

    /// Packs do not all fold in the same minute.
    fn stagger(&self, pack: u64) -> Duration {
        let most = u64::try_from(self.options.fold_stagger.as_millis()).unwrap_or(u64::MAX);
        // Fibonacci hashing: neighbours end up far apart.
        let spread = pack.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        Duration::from_millis((spread * (most >> 8)) >> 24)
    }

    /// Removes the segments of the journal of which everything is in blocks, or gone.
    pub(super) async fn trim(&self) -> Result<usize, StoreError> {
        let committed = self.committed_seq();
        if self.horizon_seq.load(Ordering::Relaxed) > committed {
            // A restart finds either all of what is beyond the retention or nothing of it.
            return Ok(0);
        }
        let heads = self.targets();
        let oldest = heads
            .iter()
            .filter_map(|target| Self::head_of(target).oldest_commit())
            .min();
        let needed = oldest.unwrap_or(u64::MAX);
        let segments = self
            .queue
            .with_segments(|segments| segments.unneeded(needed, committed));
        for &segment in &segments {
            while self.store.trim(segment, TRIM_ROWS).await? == TRIM_ROWS {
                tokio::task::yield_now().await;
            }
            self.queue
                .with_segments(|segments| segments.trimmed(segment));
        }
        Ok(segments.len())
    }

    /// The newest durable commit.
    pub(super) fn committed_seq(&self) -> u64 {
        self.queue.progress().borrow().committed
    }

    pub(super) fn targets(&self) -> Vec<Arc<super::Target>> {
        read(&self.catalog).targets()
    }
}
