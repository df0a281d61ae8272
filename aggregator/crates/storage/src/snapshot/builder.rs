//! How a snapshot comes about.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::Fetch;

use super::{
    BlockWindow, CoarseNeed, CoarseNeeds, Part, Pick, Series, Snapshot, TierWindow, conditions,
};
use crate::head::Window;
use crate::rollup::tier_of;

/// By pack and stretch (its ends): series.
pub(crate) type Needs = BTreeMap<u64, BTreeMap<(Millis, Millis), Vec<u32>>>;

/// A series that a selector picks.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) part: Part,
    pub(crate) labels: Labels,
    /// The other series with the same labels, which are picked as well.
    pub(crate) twins: Vec<u32>,
    /// Whether these may have samples between those of this one.
    pub(crate) is_mixed: bool,
}

/// Collects what a snapshot needs.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    snapshot: Snapshot,
    /// The stretch that is needed of each target.
    ranges: BTreeMap<u32, TimeRange>,
    /// The series that are needed of each pack, and the stretches of these.
    needs: Needs,
    /// The series of which buckets will do.
    coarse_needs: CoarseNeeds,
}

impl Builder {
    /// Adds what a selector picks: series, ascending by id, and their places in the order of their
    /// labels.
    pub(crate) fn select(&mut self, fetch: &Fetch, series: &[Picked], order: &[u32]) {
        let range = fetch.selector.range;
        let tier = fetch.resolution.and_then(tier_of);
        let stretch = (range.start, range.end);
        let alike =
            |a: &Picked, b: &Picked| a.part.target == b.part.target && a.is_mixed == b.is_mixed;
        for run in series.chunk_by(alike) {
            let Part { target, pack, .. } = run[0].part;
            let needs = match tier {
                Some(tier) => {
                    let is_mixed = run[0].is_mixed;
                    let need = CoarseNeed {
                        tier,
                        pack,
                        is_mixed,
                    };
                    self.coarse_needs.entry(need).or_default()
                }
                None => self.needs.entry(pack).or_default(),
            };
            let ids = needs.entry(stretch).or_default();
            ids.extend(run.iter().map(|one| one.part.id));
            let have = self.ranges.entry(target).or_insert(range);
            have.start = have.start.min(range.start);
            have.end = have.end.max(range.end);
        }
        let picks = &mut self.snapshot.picks;
        let pick = picks.entry(conditions(&fetch.selector.matchers));
        pick.or_insert_with(|| in_order(series, order));
    }

    /// Notes that what a fetch asks for is read as buckets.
    pub(crate) fn coarsen(&mut self, fetch: &Fetch, resolution: Millis) {
        let asked = (conditions(&fetch.selector.matchers), resolution);
        self.snapshot.coarse.asked.insert(asked);
    }

    /// Notes that of a pack a stretch has buckets and no samples.
    pub(crate) fn expire(&mut self, pack: u64, stretch: TimeRange) {
        self.snapshot.coarse.expired.insert(pack, stretch);
    }

    /// Notes that days which begin before `floor` are read from a tier wherever it has them.
    pub(crate) fn expire_before(&mut self, floor: Millis) {
        self.snapshot.coarse.floor = floor;
    }

    /// The packs that anything is needed of.
    pub(crate) fn packs(&self) -> Vec<u64> {
        let coarse = self.coarse_needs.keys().map(|need| need.pack);
        let mut packs: Vec<u64> = self.needs.keys().copied().chain(coarse).collect();
        packs.sort_unstable();
        packs.dedup();
        packs
    }

    /// Whether memory has anything of a stretch of a target.
    pub(crate) fn is_in_memory(&self, target: u32, stretch: TimeRange) -> bool {
        let mut windows = self.snapshot.windows.get(&target).into_iter().flatten();
        windows.any(|window| window.range().overlaps(stretch))
    }

    /// Takes the windows, from a function that has those of a target in a range. Returns what is
    /// needed of blocks, and of what buckets will do.
    pub(crate) fn take_windows(
        &mut self,
        windows: impl Fn(u32, TimeRange) -> Vec<Arc<Window>>,
    ) -> (Needs, CoarseNeeds) {
        for (&target, &range) in &self.ranges {
            self.snapshot.windows.insert(target, windows(target, range));
        }
        let coarse = std::mem::take(&mut self.coarse_needs);
        (std::mem::take(&mut self.needs), coarse)
    }

    /// Takes the blocks, oldest first of each pack.
    pub(crate) fn build(mut self, blocks: Vec<BlockWindow>, tiers: Vec<TierWindow>) -> Snapshot {
        self.snapshot.coarse.add(tiers);
        for window in blocks {
            let pack = window.head().key.pack;
            self.snapshot.blocks.entry(pack).or_default().push(window);
        }
        self.snapshot
    }
}

/// The series in the order of their labels, those with the same labels as one.
fn in_order(series: &[Picked], order: &[u32]) -> Pick {
    let mut pick = Pick {
        labels: Vec::with_capacity(series.len()),
        series: Vec::with_capacity(series.len()),
    };
    let in_order = order.iter().filter_map(|at| series.get(*at as usize));
    for Picked {
        part,
        labels,
        twins,
        is_mixed,
    } in in_order
    {
        let last = pick.labels.last().filter(|_| !twins.is_empty());
        if last == Some(labels)
            && let Some(last) = pick.series.last_mut()
        {
            last.twins.push(*part);
            continue;
        }
        pick.labels.push(labels.clone());
        pick.series.push(Series {
            first: *part,
            twins: Vec::new(),
            is_mixed: *is_mixed,
        });
    }
    pick
}
