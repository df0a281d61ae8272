//! Deletion: a record of the journal; the head forgets at once, blocks are read without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use system_stats_model::append::{Ticket, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange, is_stale};

use super::{Catalog, DeleteError, Inner, ReadError, Storage};
use crate::block::Totals;
use crate::head::Tally;
use crate::journal::write_deletion;
use crate::past::Deletion;
use crate::store::{PackRow, Tier};
use crate::sync::{read, write};

/// What a deletion has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The series that lost samples, and how many each; staleness markers are not counted.
    pub series: Vec<(Labels, u64)>,
}

/// What a deletion does to blocks.
#[derive(Default)]
struct Cut {
    /// The packs' rows as they will be.
    packs: Vec<PackRow>,
    /// Of the packs that the series belong to: what the blocks add up to then.
    totals: Totals,
    /// Series that lose something, and how many samples, staleness markers not counted.
    lost: BTreeMap<u32, u64>,
    /// Groups that were read to find that out.
    groups: usize,
    /// Whether there would have been too many of them.
    is_uncounted: bool,
}

impl Storage {
    /// Removes the samples of all series that satisfy `matchers` inside `range`. They are gone for
    /// readers when this returns, and for good when the ticket is committed. Samples that are
    /// appended later stay.
    ///
    /// What is in blocks is read if it is removed in part, to be counted, unless that were much; a
    /// whole series goes without. What was not counted is missing in [`Deleted`], and statistics
    /// tell of it until it has left the blocks.
    ///
    /// # Errors
    /// [`DeleteError`]; nothing has been removed then.
    pub async fn delete(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<(Ticket, Deleted), DeleteError> {
        let inner = &self.inner;
        inner.queue.admit()?;
        let _turning = inner.turning.lock().await;
        self.deletions_committed().await?;
        let _stay = inner.leaving.read().await;
        inner.bring_back(matchers, range).await?;
        let by_pack = inner.selected(matchers);
        let mut cut = Cut::default();
        for (pack, ids) in by_pack {
            inner.cut(pack, &ids, range, &mut cut).await?;
            if inner.has_only_rollups(pack, range) {
                for id in ids {
                    cut.lost.entry(id).or_default();
                }
            }
        }
        let _gate = write(&inner.gate);
        inner.queue.admit()?;
        let removed = read(&inner.catalog).remove(matchers, range, &cut.totals, &|_| true);
        let mut all = std::mem::take(&mut cut.lost);
        let in_blocks: Vec<u32> = all.keys().copied().collect();
        for &(id, samples) in &removed {
            *all.entry(id).or_default() += samples;
        }
        if all.is_empty() {
            let ticket = inner.queue.latest(Urgency::Waiting);
            return Ok((ticket, Deleted::default()));
        }
        inner.recount(in_blocks.into_iter(), &cut.totals);
        let ticket = inner.write_deletion(matchers, range, &all, cut);
        let catalog = read(&inner.catalog);
        let series = all.iter().filter(|(_, samples)| **samples > 0);
        let series = series.filter_map(|(&id, &lost)| Some((catalog.index.labels(id)?, lost)));
        let series = series.collect();
        Ok((ticket, Deleted { series }))
    }

    /// Waits until no deletion waits to be committed: what blocks add up to is as the database
    /// has it then. The caller holds `turning`.
    pub(super) async fn deletions_committed(&self) -> Result<(), super::CommitError> {
        let last = self.inner.last_deletion.load(Ordering::SeqCst);
        self.committed(Ticket(last)).await
    }
}

impl Inner {
    /// Takes the series into memory that have left it and may lose something: they are counted
    /// there, and leave again.
    async fn bring_back(&self, matchers: &[Matcher], range: TimeRange) -> Result<(), ReadError> {
        for one in self.recall(&[matchers], range).await? {
            let mut catalog = write(&self.catalog);
            if let Some(target) = catalog.targets.get(&one.part.target).map(Arc::clone) {
                catalog.take_back(&target, one.part.id, &one.labels, one.last, &self.queue);
            }
        }
        Ok(())
    }

    /// The series that satisfy all matchers, by pack, ascending.
    fn selected(&self, matchers: &[Matcher]) -> BTreeMap<u64, Vec<u32>> {
        let catalog = read(&self.catalog);
        let mut by_pack: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for id in catalog.index.select(matchers) {
            let target = catalog.index.target(id);
            let target = target.and_then(|target| catalog.targets.get(&target));
            if let Some(target) = target {
                by_pack.entry(u64::from(target.pack)).or_default().push(id);
            }
        }
        by_pack
    }

    /// Finds out what a deletion does to the blocks of a pack.
    async fn cut(
        &self,
        pack: u64,
        ids: &[u32],
        range: TimeRange,
        cut: &mut Cut,
    ) -> Result<(), DeleteError> {
        let heads = self.past.between(Tier::Raw, pack, i64::MIN, i64::MAX);
        if heads.is_empty() {
            return Ok(());
        }
        let mut totals = self.totals(pack).await?;
        let mut in_part = Vec::new();
        let mut is_changed = false;
        let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
        for &id in ids {
            let Some(tally) = totals.get(&id) else {
                continue;
            };
            let newest = tally.latest_at().unwrap_or(Millis::MIN);
            if range.start > newest {
                continue;
            }
            if range.start <= 0 && range.end >= newest {
                lost.insert(id, u64::from(tally.samples));
                totals.remove(&id);
                is_changed = true;
            } else {
                in_part.push(id);
            }
        }
        cut.groups += self.groups(&heads, &in_part).await?;
        if cut.groups > self.options.counted_groups {
            cut.is_uncounted |= !in_part.is_empty();
            lost.extend(in_part.drain(..).map(|id| (id, 0)));
        }
        if !in_part.is_empty() {
            is_changed = true;
            let mut left: BTreeMap<u32, Tally> = BTreeMap::new();
            let mut visit = |id: u32, timestamps: &[Millis], values: &[f64]| {
                for (&timestamp, &value) in timestamps.iter().zip(values) {
                    if range.contains(timestamp) {
                        *lost.entry(id).or_default() += u64::from(!is_stale(value));
                    } else {
                        left.entry(id).or_default().count(timestamp, value);
                    }
                }
            };
            self.scan(&heads, Some(&in_part), &mut visit).await?;
            for id in in_part {
                match left.get(&id) {
                    Some(tally) => totals.insert(id, *tally),
                    None => totals.remove(&id),
                };
            }
        }
        if is_changed {
            cut.packs.push(Self::pack_row(pack, &totals)?);
        }
        cut.lost.append(&mut lost);
        let of_series = ids.iter().filter_map(|id| Some((*id, *totals.get(id)?)));
        cut.totals.extend(of_series);
        Ok(())
    }

    /// Puts a deletion into the journal, and among those that blocks are read without.
    fn write_deletion(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        all: &BTreeMap<u32, u64>,
        cut: Cut,
    ) -> Ticket {
        let mut deletion = Deletion {
            seq: 0,
            range,
            is_counted: !cut.is_uncounted,
            ids: all.keys().copied().collect(),
        };
        let ticket = self.queue.add(Urgency::Waiting, |pending, _| {
            write_deletion(&mut pending.records, matchers, range);
            deletion.write(&mut pending.deletions);
            cut.packs
                .into_iter()
                .for_each(|pack| pending.set_pack(pack));
        });
        deletion.seq = ticket.0;
        self.last_deletion.store(ticket.0, Ordering::SeqCst);
        self.past.delete(deletion);
        ticket
    }

    /// Brings the statistics of series up to date after they have lost samples.
    pub(super) fn recount(&self, ids: impl Iterator<Item = u32>, totals: &Totals) {
        let catalog = read(&self.catalog);
        let ids: Vec<u32> = ids.collect();
        for (target, ids) in catalog.by_target(&ids) {
            if let Some(target) = catalog.targets.get(&target) {
                let mut head = Self::head_of(target);
                for id in ids {
                    head.recount(id, totals);
                }
            }
        }
    }
}

impl Catalog {
    /// Removes samples from memory; how many of which series, of those that lost any, staleness
    /// markers included in that, not in the number. `totals` is what blocks have of them. Only of
    /// targets for which `is_meant` holds.
    pub(super) fn remove(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        totals: &Totals,
        is_meant: &dyn Fn(u32) -> bool,
    ) -> Vec<(u32, u64)> {
        let mut removed = Vec::new();
        for (target, ids) in self.by_target(&self.index.select(matchers)) {
            if let Some(target) = self.targets.get(&target).filter(|_| is_meant(target)) {
                let mut head = Inner::head_of(target);
                let lost = head.remove(&ids, range);
                for (id, _) in &lost {
                    head.recount(*id, totals);
                }
                removed.extend(lost);
            }
        }
        removed
    }

    /// Series by target, both ascending.
    pub(super) fn by_target(&self, ids: &[u32]) -> BTreeMap<u32, Vec<u32>> {
        let mut by_target: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &id in ids {
            if let Some(target) = self.index.target(id) {
                by_target.entry(target).or_default().push(id);
            }
        }
        by_target
    }

    /// All targets.
    pub(super) fn targets(&self) -> Vec<Arc<super::Target>> {
        self.targets.values().cloned().collect()
    }
}
