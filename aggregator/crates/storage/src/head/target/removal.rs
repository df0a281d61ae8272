//! Taking samples out of a target: deletion and retention.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange, is_stale};

use super::{Column, TargetHead};
use crate::head::window::Window;

impl TargetHead {
    /// Removes samples of some series inside `range`. `ids` is ascending. Returns per series that
    /// lost any how many, staleness markers not counted.
    pub(crate) fn remove(&mut self, ids: &[u32], range: TimeRange) -> Vec<(u32, u64)> {
        let of = |id: u32| ids.binary_search(&id).is_ok();
        let mut removed: BTreeMap<u32, u64> = BTreeMap::new();
        for window in self.windows.values_mut() {
            if !range.overlaps(window.range()) {
                continue;
            }
            let lost = count(window, &of, range);
            if !lost.is_empty() {
                Arc::make_mut(window).remove(&of, range);
                for (id, samples) in lost {
                    *removed.entry(id).or_default() += samples;
                }
            }
        }
        self.windows.retain(|_, window| !window.is_empty());
        for (&id, &samples) in &removed {
            self.lose(id, samples);
        }
        removed.into_iter().collect()
    }

    /// Drops the windows that begin before `floor`, which is the start of a window.
    pub(crate) fn expire(&mut self, floor: Millis) -> u64 {
        let kept = self.windows.split_off(&floor);
        let dropped = std::mem::replace(&mut self.windows, kept);
        let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
        for window in dropped.values() {
            for (id, samples) in count(window, &|_| true, TimeRange::ALL) {
                *lost.entry(id).or_default() += samples;
            }
        }
        for (&id, &samples) in &lost {
            self.lose(id, samples);
        }
        lost.values().sum()
    }

    /// Takes out the series that had samples and have none any more, and returns them.
    pub(crate) fn forget_empty(&mut self) -> Vec<u32> {
        let is_gone = |column: &Column| column.saved && column.latest().is_none();
        let gone: Vec<u32> = self
            .columns
            .iter()
            .filter(|c| is_gone(c))
            .map(|c| c.id)
            .collect();
        if !gone.is_empty() {
            self.columns.retain(|column| !is_gone(column));
            self.columns.shrink_to_fit();
        }
        gone
    }

    /// Brings a series' statistics up to date after it has lost samples.
    fn lose(&mut self, id: u32, samples: u64) {
        let Some(at) = self.position(id, 0) else {
            return;
        };
        let mut fresh = Column::new(id, self.columns[at].saved);
        let lost = u32::try_from(samples).unwrap_or(u32::MAX);
        fresh.samples = self.columns[at].samples.saturating_sub(lost);
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        let mut read = |window: &Window| {
            timestamps.clear();
            values.clear();
            // Unreadable memory counts as empty.
            let _ = window.read(id, TimeRange::ALL, &mut timestamps, &mut values);
            let samples: Vec<_> = timestamps
                .iter()
                .copied()
                .zip(values.iter().copied())
                .collect();
            samples
        };
        for window in self.windows.values() {
            let samples = read(window);
            if let Some(first) = samples.iter().find(|(_, value)| !is_stale(*value)) {
                fresh.first = first.0;
                break;
            }
        }
        for window in self.windows.values().rev() {
            let samples = read(window);
            if let Some(&(timestamp, value)) = samples.last()
                && fresh.latest().is_none()
            {
                (fresh.latest_at, fresh.latest) = (timestamp, value);
            }
            if let Some(last) = samples.iter().rfind(|(_, value)| !is_stale(*value)) {
                fresh.last = last.0;
                break;
            }
        }
        self.columns[at] = fresh;
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
