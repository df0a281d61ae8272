//! Series leave memory, and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use system_stats_model::append::Urgency;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use tokio::time::Instant;

use super::append::split;
use super::fold::{FoldFailure, FoldScope};
use super::{Catalog, Inner, ReadError, Target};
use crate::block::Totals;
use crate::left::{LeftSeries, PORTION};
use crate::queue::Queue;
use crate::store::StoreError;
use crate::sync::{lock, read, write};

/// Metadata: no series that has left has a sample after this.
pub(super) const LEFT_UNTIL: &str = "left_until";

/// How often it is looked for series to leave, at most; more often where they leave soon.
const EVERY: Duration = Duration::from_mins(1);

/// How often it is looked in the time after which a series leaves, at least.
const LOOKS: u32 = 60;

impl Inner {
    /// Lets the series leave memory that have nothing in it and had no sample for long. The caller
    /// holds `folding`.
    pub(super) async fn leave(&self, scope: FoldScope) -> Result<(), FoldFailure> {
        self.count_back().await?;
        let now = Instant::now();
        let every = EVERY.min(self.options.leave_after / LOOKS);
        let is_due = |last: &mut Option<Instant>| {
            let is_due =
                scope == FoldScope::Everything || last.is_none_or(|last| last + every <= now);
            is_due.then(|| last.replace(now)).is_some()
        };
        if !*self.recall.borrow() || !is_due(&mut lock(&self.looked)) {
            return Ok(());
        }
        self.repack();
        let age = i64::try_from(self.options.leave_after.as_millis()).unwrap_or(i64::MAX);
        let before = self.newest.load(Ordering::Relaxed).saturating_sub(age);
        let is_any = |target: &Arc<Target>| Self::head_of(target).idle(before).next().is_some();
        let idle: Vec<_> = self.targets().into_iter().filter(is_any).collect();
        if idle.is_empty() {
            return Ok(());
        }
        let _alone = self.leaving.write().await;
        for target in idle {
            // A portion at a time: nobody waits long for the catalog.
            while self.leave_target(&target, before)? {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Lets some series of a target leave; whether there may be more.
    fn leave_target(&self, target: &Target, before: Millis) -> Result<bool, FoldFailure> {
        let has_rollups = self.has_rollups(u64::from(target.pack));
        let mut catalog = write(&self.catalog);
        let catalog = &mut *catalog;
        let mut head = Self::head_of(target);
        let mut leaving = Vec::new();
        for (id, tally) in head.idle(before) {
            // What has no sample left is forgotten, unless a tier still has something of it.
            let last = match tally.latest_at() {
                None if !has_rollups => continue,
                None => self.floor(),
                Some(latest) => latest,
            };
            let Some(labels) = catalog.index.labels(id) else {
                continue;
            };
            if self.options.lasting.contains(&labels.metric_name()) {
                continue;
            }
            let (inherits, labels) = split(&labels, &target.labels);
            leaving.push(LeftSeries {
                id,
                inherits,
                labels,
                last,
            });
            if leaving.len() == PORTION {
                break;
            }
        }
        if leaving.is_empty() {
            return Ok(false);
        }
        let ids: Vec<(u32, Millis)> = leaving.iter().map(|one| (one.id, one.last)).collect();
        let is_plain = leaving.iter().all(|one| is_plain(one, &target.labels));
        let is_more = leaving.len() == PORTION;
        let added = catalog.left.add(target.id, leaving, is_plain);
        added.map_err(|error| StoreError::Failed(error.to_string()))?;
        let numbers: Vec<u32> = ids.iter().map(|(id, _)| *id).collect();
        head.leave(&numbers);
        catalog.index.remove(&numbers);
        let until = catalog.left.until();
        self.queue.add(Urgency::Relaxed, |pending, _| {
            for &(id, last) in &ids {
                pending.leave(id, Some(last));
            }
            if let Some(until) = until {
                pending.raise_meta(LEFT_UNTIL, until);
            }
        });
        Ok(is_more)
    }

    /// Counts the series that came back, unless a deletion waits to be durable. The caller holds
    /// `folding`.
    pub(super) async fn count_back(&self) -> Result<(), StoreError> {
        let _turning = self.turning.lock().await;
        if self.last_deletion.load(Ordering::SeqCst) > self.committed_seq() {
            return Ok(());
        }
        let back = std::mem::take(&mut write(&self.catalog).back);
        let counted = self.count(&back).await;
        if counted.is_err() {
            write(&self.catalog).back.extend(back);
        }
        counted
    }

    async fn count(&self, ids: &[u32]) -> Result<(), StoreError> {
        let mut by_pack: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        {
            let catalog = read(&self.catalog);
            for (target, ids) in catalog.by_target(ids) {
                if let Some(target) = catalog.targets.get(&target) {
                    by_pack
                        .entry(u64::from(target.pack))
                        .or_default()
                        .extend(ids);
                }
            }
        }
        for (pack, ids) in by_pack {
            let totals = self.totals(pack).await?;
            self.recount(ids.into_iter(), &totals);
        }
        Ok(())
    }

    /// What blocks have of some series that have left memory, by pack.
    pub(super) async fn totals_of(
        &self,
        by_pack: BTreeMap<u64, Vec<u32>>,
    ) -> Result<Totals, ReadError> {
        let mut all = Totals::new();
        for (pack, ids) in by_pack {
            let totals = self.totals(pack).await?;
            all.extend(
                ids.into_iter()
                    .filter_map(|id| Some((id, *totals.get(&id)?))),
            );
        }
        Ok(all)
    }
}

impl Catalog {
    /// Takes a series of a target back into memory that has left it; its id. None if it is not
    /// known that there is one.
    pub(super) fn come_back(
        &mut self,
        target: &Target,
        labels: &Labels,
        queue: &Queue,
    ) -> Option<u32> {
        if !self.left.has(target.id) {
            return None;
        }
        let (inherits, own) = split(labels, &target.labels);
        let series = self.left.find(target.id, inherits, &own)?;
        self.take_back(target, series.id, labels, series.last, queue);
        Some(series.id)
    }

    /// Takes a series back into memory.
    pub(super) fn take_back(
        &mut self,
        target: &Target,
        id: u32,
        labels: &Labels,
        last: Millis,
        queue: &Queue,
    ) {
        if self.index.target(id).is_some() {
            return;
        }
        self.left.take(target.id, id);
        self.index.insert(id, target.id, labels);
        Inner::head_of(target).come_back(id, last);
        self.back.push(id);
        // Before anything that is appended to it.
        queue.add(Urgency::Relaxed, |pending, _| pending.leave(id, None));
    }
}

/// Whether a series has every label of its target as it is.
pub(super) fn is_plain(series: &LeftSeries, target: &Labels) -> bool {
    series.inherits
        && series
            .labels
            .iter()
            .all(|(name, _)| target.get(name).is_none())
}
