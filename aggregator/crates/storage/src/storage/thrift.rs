//! Memory that is not needed.

use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::fold::{FoldFailure, FoldScope, off};
use crate::allocator;
use crate::sync::{lock, read, write};

/// What each cache of the past may take: so much, and so much more for each series in memory. A
/// layout takes 8 bytes a series, a name that is kept compressed about as much.
const CACHE_BYTES: usize = 2 << 20;
const CACHE_BYTES_PER_SERIES: usize = 24;

/// How often memory that hours in blocks have left is given back, at most.
const EVERY: Duration = Duration::from_mins(10);

impl Inner {
    /// Makes the caches of the past fit what is in memory: where series come and go they would
    /// else outgrow it.
    pub(super) fn fit_caches(&self) {
        let (series, allowed) = {
            let catalog = read(&self.catalog);
            (catalog.index.len(), catalog.left.allowed())
        };
        let layouts = fitting(series, self.options.layout_bytes);
        self.past.layouts.allow(layouts);
        let names = fitting(series, self.options.name_bytes);
        if names != allowed {
            write(&self.catalog).left.allow(names);
        }
    }

    /// Gives memory that is free back to the system, after a fold. The caller holds `folding`.
    pub(super) async fn give_back(&self, scope: FoldScope) -> Result<(), FoldFailure> {
        let now = Instant::now();
        let is_due = {
            let mut last = lock(&self.given_back);
            let is_due = last.is_none_or(|last| last + EVERY <= now);
            let is_due = is_due || scope == FoldScope::Everything;
            is_due.then(|| last.replace(now)).is_some()
        };
        if is_due {
            off(allocator::give_back).await?;
        }
        Ok(())
    }
}

/// What a cache may take beside so many series in memory, at most `most`.
fn fitting(series: usize, most: usize) -> usize {
    most.min(CACHE_BYTES + CACHE_BYTES_PER_SERIES * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_follows_what_it_stands_beside() {
        let most = 32 << 20;
        assert_eq!(fitting(0, most), CACHE_BYTES);
        assert_eq!(fitting(250_000, most), CACHE_BYTES + 6_000_000);
        assert_eq!(fitting(2_000_000, most), most);
        assert_eq!(fitting(2_000_000, 0), 0);
    }
}
