//! Retention: old windows go from memory and from the blocks, old segments from the journal, empty
//! series from all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use system_stats_model::append::Urgency;
use system_stats_model::sample::{Millis, Sample, is_stale};

use super::open::HORIZON;
use super::{Catalog, ExpireError, Inner, Storage};
use crate::block::Totals;
use crate::head::{LATEST, Tally, TargetHead, WINDOW, window_of};
use crate::queue::Pending;
use crate::store::{FoldCommit, Forgotten, Tier, Turn};
use crate::sync::write;

/// Rows of blocks that one transaction removes.
const EXPIRE_ROWS: usize = 64;

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
    /// [`ExpireError`] when the store is unavailable; memory is tidied as far as it can be, and
    /// the rest is done the next time.
    pub async fn expire(&self, horizon: Millis) -> Result<Expired, ExpireError> {
        let inner = &self.inner;
        let before = inner
            .floor
            .fetch_max(window_of(horizon.clamp(0, LATEST)), Ordering::Relaxed);
        let floor = inner.floor();
        if floor > before {
            let fill = |pending: &mut Pending, _| pending.set_meta(HORIZON, floor);
            let ticket = inner.queue.add(Urgency::Relaxed, fill);
            inner.horizon_seq.fetch_max(ticket.0, Ordering::Relaxed);
        }
        // A fold follows layouts that go here when nothing else names them.
        let _alone = inner.folding.lock().await;
        let mut expired = Expired::default();
        // Before the blocks or the journal lose anything, the horizon is durable: a restart in
        // between finds either all of the old samples or none.
        let noted = inner.queue.latest(Urgency::Relaxed);
        let mut failure = self.committed(noted).await.err().map(ExpireError::from);
        let is_durable = failure.is_none();
        for (pack, targets) in inner.by_pack() {
            if !is_durable && inner.past.has(Tier::Raw, pack) {
                continue;
            }
            inner.roll_up_before(pack, floor).await;
            let totals = match self.expire_pack(pack, floor, &mut expired).await {
                Ok(totals) => totals,
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            for target in targets {
                let lost = Inner::head_of(&target).expire(floor);
                expired.samples += lost.iter().map(|(_, samples)| samples).sum::<u64>();
                inner.recount(lost.into_iter().map(|(id, _)| id), &totals);
                // Names stay for as long as a tier has something under them.
                if inner.has_rollups(pack) {
                    continue;
                }
                let (series, is_gone) = inner.forget_empty(&target);
                expired.series += series;
                expired.targets += usize::from(is_gone);
            }
            // Other tasks have their turn between two packs.
            tokio::task::yield_now().await;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        // Whoever comes back from here on is new; whoever came back before is so in the database.
        write(&inner.catalog).left.expire(inner.names_floor(floor));
        for target in inner.targets() {
            expired.targets += usize::from(inner.forget_bare(&target));
        }
        // What was forgotten may still stand in the journal until it is durable that it is.
        self.committed(inner.queue.latest(Urgency::Relaxed)).await?;
        expired.segments = inner.trim().await?;
        self.expire_rows(floor).await?;
        Ok(expired)
    }

    /// Drops the oldest hours, one after the other, until what is stored takes at most `bytes`.
    /// The newest hours stay, and so does the journal: a bound below what these take is not kept.
    ///
    /// # Errors
    /// [`ExpireError`].
    pub async fn shrink(&self, bytes: u64) -> Result<Expired, ExpireError> {
        let inner = &self.inner;
        let mut all = Expired::default();
        while inner.store.size().await? > bytes {
            let newest = window_of(self.newest().unwrap_or_default());
            let Some(oldest) = inner.past.oldest(Tier::Raw).filter(|at| *at < newest) else {
                break;
            };
            let expired = self.expire(oldest + WINDOW).await?;
            if inner.past.oldest(Tier::Raw) == Some(oldest) {
                // It waits for its day to be rolled up.
                break;
            }
            all.samples += expired.samples;
            all.series += expired.series;
            all.targets += expired.targets;
            all.segments += expired.segments;
        }
        Ok(all)
    }

    /// Drops the old windows of a pack, and corrects what its blocks add up to; returns that, as
    /// far as the pack has blocks.
    async fn expire_pack(
        &self,
        pack: u64,
        floor: Millis,
        expired: &mut Expired,
    ) -> Result<Totals, ExpireError> {
        let inner = &self.inner;
        let _turning = inner.turning.lock().await;
        let heads = inner
            .past
            .between(Tier::Raw, pack, Millis::MIN, Millis::MAX);
        if heads.is_empty() {
            return Ok(Totals::new());
        }
        self.deletions_committed().await?;
        let mut totals = inner.totals(pack).await?;
        let (old, kept) = heads.split_at(inner.expendable(&heads, floor));
        if old.is_empty() {
            return Ok(totals);
        }
        let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
        let mut visit = |id: u32, _: &[Millis], values: &[f64]| {
            let alive = values.iter().filter(|value| !is_stale(**value)).count();
            *lost.entry(id).or_default() += alive as u64;
        };
        inner.scan(old, None, &mut visit).await?;
        expired.samples += lost.values().sum::<u64>();
        inner.shorten(&mut totals, &lost, floor, kept).await?;
        let gone = old.iter().map(|head| Turn::Gone(Tier::Raw, head.key));
        let commit = FoldCommit {
            turns: gone.collect(),
            packs: vec![Inner::pack_row(pack, &totals)?],
            ..FoldCommit::default()
        };
        inner.turn(&commit).await?;
        for head in old {
            inner.past.remove(Tier::Raw, head.key);
        }
        inner.recount(lost.into_keys(), &totals);
        let layouts = old.iter().map(|head| head.layout).collect();
        inner.forget_layouts(pack, layouts).await?;
        if kept.is_empty() && !inner.has_members(pack) {
            let packs = vec![pack];
            inner
                .store
                .forget(&Forgotten {
                    packs,
                    ..Forgotten::default()
                })
                .await?;
        }
        Ok(totals)
    }

    /// Removes rows that nothing names any more.
    async fn expire_rows(&self, floor: Millis) -> Result<(), ExpireError> {
        let store = &self.inner.store;
        // What waits to be rolled up stays.
        let oldest = self.inner.past.oldest(Tier::Raw).unwrap_or(floor);
        while store
            .expire(Tier::Raw, floor.min(oldest), EXPIRE_ROWS)
            .await?
            > 0
        {
            tokio::task::yield_now().await;
        }
        let floor = self.inner.names_floor(floor);
        while store.expire_series(floor, EXPIRE_ROWS).await? > 0 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Inner {
    /// Before when series ended of which neither samples nor buckets are left.
    fn names_floor(&self, floor: Millis) -> Millis {
        let tiers = [Tier::FiveMinutes, Tier::Hour].into_iter();
        let oldest = tiers.filter_map(|tier| self.past.oldest(tier)).min();
        oldest.map_or(floor, |oldest| oldest.min(floor))
    }

    /// Takes samples from before `floor` out of totals; `kept` are the windows that stay.
    async fn shorten(
        &self,
        totals: &mut Totals,
        lost: &BTreeMap<u32, u64>,
        floor: Millis,
        kept: &[crate::store::WindowHead],
    ) -> Result<(), ExpireError> {
        let mut unknown: BTreeSet<u32> = BTreeSet::new();
        for (&id, &samples) in lost {
            let Some(tally) = totals.get_mut(&id) else {
                continue;
            };
            if tally.latest_at() < Some(floor) {
                totals.remove(&id);
                continue;
            }
            let left = u64::from(tally.samples).saturating_sub(samples);
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            let latest = tally.latest().unwrap_or(Sample {
                timestamp: floor,
                value: 0.0,
            });
            let (from, to) = match left {
                0 => (Millis::MAX, Millis::MIN),
                _ => (tally.first, tally.last),
            };
            *tally = Tally::new(left, from, to, latest);
            if left > 0 && from < floor {
                unknown.insert(id);
            }
        }
        // When those begin that began before: nearly always in the first window that stays.
        for window in kept {
            if unknown.is_empty() {
                break;
            }
            let ids: Vec<u32> = unknown.iter().copied().collect();
            let mut firsts = Vec::new();
            let mut visit = |id: u32, timestamps: &[Millis], values: &[f64]| {
                let mut samples = timestamps.iter().zip(values);
                let first = samples.find(|(_, value)| !is_stale(**value));
                firsts.extend(first.map(|(first, _)| (id, *first)));
            };
            let window = std::slice::from_ref(window);
            self.scan(window, Some(&ids), &mut visit).await?;
            for (id, first) in firsts {
                unknown.remove(&id);
                if let Some(tally) = totals.get_mut(&id) {
                    tally.first = first;
                }
            }
        }
        Ok(())
    }

    /// All targets by pack.
    fn by_pack(&self) -> BTreeMap<u64, Vec<std::sync::Arc<super::Target>>> {
        let mut by_pack: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for target in self.targets() {
            let pack = u64::from(target.pack);
            by_pack.entry(pack).or_default().push(target);
        }
        // Packs whose targets have all gone still have windows to lose.
        for pack in self.past.packs(Tier::Raw) {
            by_pack.entry(pack).or_default();
        }
        by_pack
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
        let is_gone = self.is_bare(&catalog, target, &head);
        if is_gone {
            catalog.forget(target, &mut head);
        }
        self.queue.add(Urgency::Relaxed, |pending, _| {
            pending.forget(&gone, is_gone.then_some(target.id));
        });
        (gone.len(), is_gone)
    }

    /// Forgets a target that has had series and has none any more; whether it is one.
    fn forget_bare(&self, target: &super::Target) -> bool {
        let mut catalog = write(&self.catalog);
        let mut head = Self::head_of(target);
        let is_gone = head.saved && !head.forgotten && self.is_bare(&catalog, target, &head);
        if is_gone {
            catalog.forget(target, &mut head);
            self.queue.add(Urgency::Relaxed, |pending, _| {
                pending.forget(&[], Some(target.id));
            });
        }
        is_gone
    }

    fn is_bare(&self, catalog: &Catalog, target: &super::Target, head: &TargetHead) -> bool {
        head.len() == 0 && *self.recall.borrow() && !catalog.left.has(target.id)
    }
}

impl Catalog {
    fn forget(&mut self, target: &super::Target, head: &mut TargetHead) {
        head.forgotten = true;
        self.targets.remove(&target.id);
        self.forget_labels(target);
        self.packs.leave(target.id, target.pack);
    }
}
