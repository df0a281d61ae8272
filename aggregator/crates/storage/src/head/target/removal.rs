//! Taking samples out of a target: deletion and retention.

use std::collections::BTreeMap;

use system_stats_model::sample::{Millis, Sample, TimeRange, is_stale};

use super::TargetHead;
use super::columns::{Columns, Standing};
use crate::block::Totals;
use crate::head::tally::Tally;
use crate::head::window::Window;
use crate::journal::Chain;

impl TargetHead {
    /// Removes samples of some series inside `range`. `ids` is ascending. Returns per series that
    /// lost any how many, staleness markers not counted; these are still to be counted anew.
    pub(crate) fn remove(&mut self, ids: &[u32], range: TimeRange) -> Vec<(u32, u64)> {
        let of = |id: u32| ids.binary_search(&id).is_ok();
        let mut removed: BTreeMap<u32, u64> = BTreeMap::new();
        for slot in self.slots.values_mut() {
            let is_meant = |window: &Window| {
                if !range.overlaps(window.range()) {
                    return false;
                }
                let lost = count(window, &of, range);
                for (id, samples) in &lost {
                    *removed.entry(*id).or_default() += samples;
                }
                !lost.is_empty()
            };
            slot.change(is_meant, |window| window.remove(&of, range));
        }
        self.slots.retain(|_, slot| !slot.is_empty());
        removed.into_iter().collect()
    }

    /// Drops the windows that begin before `floor`, which is the start of a window. Returns what
    /// they held, like [`TargetHead::remove`].
    pub(crate) fn expire(&mut self, floor: Millis) -> Vec<(u32, u64)> {
        let kept = self.slots.split_off(&floor);
        let dropped = std::mem::replace(&mut self.slots, kept);
        let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
        for window in dropped.values().flat_map(super::Slot::windows) {
            for (id, samples) in count(window, &|_| true, TimeRange::ALL) {
                *lost.entry(id).or_default() += samples;
            }
        }
        lost.into_iter().collect()
    }

    /// The series that have nothing in memory and no sample from `before` on.
    pub(crate) fn idle(&self, before: Millis) -> impl Iterator<Item = (u32, Tally)> {
        // Nothing in memory is older than its oldest window.
        let oldest = self.slots.keys().next().copied();
        let before = oldest.map_or(before, |oldest| before.min(oldest));
        let is_idle = move |standing: &Standing| {
            let is_old = standing.latest_at().is_none_or(|latest| latest < before);
            is_old && standing.saved && standing.counted
        };
        let idle = self
            .columns
            .iter()
            .filter(move |(_, standing, _)| is_idle(standing));
        idle.map(|(id, _, tally)| (id, tally))
    }

    /// Takes out series, ascending, that have nothing in memory.
    pub(crate) fn leave(&mut self, ids: &[u32]) {
        self.columns.retain(|id, _| ids.binary_search(&id).is_err());
        if self.columns.len() == 0 {
            // What comes back begins a chain anew.
            self.columns = Columns::default();
            self.chain = Chain::default();
            self.layout = None;
        }
    }

    /// Adds a series that has left before; its newest sample was at `last`.
    pub(crate) fn come_back(&mut self, id: u32, last: Millis) {
        if self.columns.position(id, 0).is_some() {
            return;
        }
        let latest = Sample {
            timestamp: last,
            value: 0.0,
        };
        let tally = Tally::new(0, Millis::MAX, Millis::MIN, latest);
        self.columns.insert(id, Standing::of_returned(tally));
    }

    /// Takes out the series that had samples and have none any more, and returns them.
    pub(crate) fn forget_empty(&mut self) -> Vec<u32> {
        let is_gone = |standing: &Standing| {
            standing.saved && standing.counted && standing.latest_at().is_none()
        };
        let gone = self.columns.iter().filter(|(_, of, _)| is_gone(of));
        let gone: Vec<u32> = gone.map(|(id, ..)| id).collect();
        if !gone.is_empty() {
            self.columns.retain(|_, standing| !is_gone(standing));
        }
        gone
    }

    /// Counts a series anew: what `totals` says of its blocks, and what is here.
    pub(crate) fn recount(&mut self, id: u32, totals: &Totals) {
        let Some(at) = self.columns.position(id, 0) else {
            return;
        };
        let mut tally = totals.get(&id).copied().unwrap_or_default();
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        for window in self.slots.values().flat_map(super::Slot::windows) {
            timestamps.clear();
            values.clear();
            // Unreadable memory counts as empty.
            let _ = window.read(id, TimeRange::ALL, &mut timestamps, &mut values);
            for (&timestamp, &value) in timestamps.iter().zip(&values) {
                tally.count(timestamp, value);
            }
        }
        self.columns.set(at, tally, true);
    }
}

/// The samples inside `range` of each series for which `of` holds: only series that have any,
/// staleness markers included in that, not in the number.
fn count(window: &Window, of: &dyn Fn(u32) -> bool, range: TimeRange) -> Vec<(u32, u64)> {
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    for id in window.ids() {
        if !of(id) {
            continue;
        }
        timestamps.clear();
        values.clear();
        // Unreadable memory counts as empty.
        let _ = window.read(id, range, &mut timestamps, &mut values);
        if !values.is_empty() {
            let markers = values.iter().filter(|value| is_stale(**value)).count();
            counts.push((id, (values.len() - markers) as u64));
        }
    }
    counts
}
