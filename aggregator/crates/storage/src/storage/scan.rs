//! Blocks out of the store: for snapshots, and for whoever counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use super::{Inner, ReadError};
use crate::block::{Layout, group_of};
use crate::past::{Deletion, range_of};
use crate::snapshot::{BlockWindow, Needs};
use crate::store::{Tier, Wanted, WindowHead, WindowKey};

/// Groups and windows that are read at once.
const GROUPS_AT_ONCE: usize = 512;
const WINDOWS_AT_ONCE: usize = 64;

/// A snapshot of more groups than this does not take those of others out of memory.
const KEPT_GROUPS: usize = 512;

/// Windows that are counted at once.
const COUNTED_AT_ONCE: usize = 8;

/// Told a series, times and values.
pub(super) type Visit<'a> = dyn FnMut(u32, &[Millis], &[f64]) + Send + 'a;

/// What is to be read of a window.
struct Plan {
    head: WindowHead,
    layout: Arc<Layout>,
    groups: Arc<[u32]>,
}

impl Inner {
    /// The blocks that a snapshot needs, oldest first of each pack.
    pub(super) async fn blocks(
        &self,
        needs: Needs,
        deletions: &[Arc<Deletion>],
    ) -> Result<Vec<BlockWindow>, ReadError> {
        let mut plans = Vec::new();
        for (pack, stretches) in needs {
            self.plan(pack, &stretches, &mut plans).await?;
        }
        let groups: usize = plans.iter().map(|plan| plan.groups.len()).sum();
        if groups > KEPT_GROUPS {
            return self.fetch(plans, deletions).await;
        }
        let keeper = &self.past.groups;
        let (mut windows, mut rest) = (Vec::with_capacity(plans.len()), Vec::new());
        for plan in plans {
            let layout = Arc::clone(&plan.layout);
            let (head, groups) = (plan.head, &plan.groups);
            match BlockWindow::kept(head, layout, groups, keeper, deletions, &self.counters) {
                Some(window) => windows.push(window),
                None => rest.push(plan),
            }
        }
        if rest.is_empty() {
            return Ok(windows);
        }
        let wanted: HashMap<WindowKey, Arc<[u32]>> = rest
            .iter()
            .map(|plan| (plan.head.key, Arc::clone(&plan.groups)))
            .collect();
        for window in self.fetch(rest, deletions).await? {
            let groups = wanted.get(&window.head().key);
            let groups = groups.map(|groups| &**groups).unwrap_or_default();
            windows.push(window.keeping(groups, keeper));
        }
        windows.sort_by_key(|window| (window.head().key.pack, window.head().key.window));
        Ok(windows)
    }

    async fn plan(
        &self,
        pack: u64,
        stretches: &BTreeMap<(Millis, Millis), Vec<u32>>,
        plans: &mut Vec<Plan>,
    ) -> Result<(), ReadError> {
        let whole = TimeRange {
            start: stretches.keys().map(|ends| ends.0).min().unwrap_or(0),
            end: stretches.keys().map(|ends| ends.1).max().unwrap_or(-1),
        };
        let floor = self.floor();
        // Most windows of a pack have the same layout, and are asked for the same series.
        let mut known: BTreeMap<(u64, Vec<bool>), Arc<[u32]>> = BTreeMap::new();
        for head in self.past.overlapping(pack, whole) {
            if head.key.window < floor {
                continue;
            }
            let Some(layout) = self.sound_layout(head).await? else {
                continue;
            };
            let of_window = |ends: &(Millis, Millis)| {
                let (start, end) = *ends;
                TimeRange { start, end }.overlaps(range_of(head.key))
            };
            let meant: Vec<bool> = stretches.keys().map(of_window).collect();
            let groups = known
                .entry((head.layout, meant))
                .or_insert_with_key(|(_, meant)| {
                    let some = stretches.values().zip(meant).filter(|(_, meant)| **meant);
                    groups_of(&layout, some.flat_map(|(ids, _)| ids))
                });
            let groups = Arc::clone(groups);
            if !groups.is_empty() {
                plans.push(Plan {
                    head,
                    layout,
                    groups,
                });
            }
        }
        Ok(())
    }

    async fn fetch(
        &self,
        plans: Vec<Plan>,
        deletions: &[Arc<Deletion>],
    ) -> Result<Vec<BlockWindow>, ReadError> {
        let mut windows = Vec::with_capacity(plans.len());
        let mut bytes = 0;
        let mut rest = plans.as_slice();
        while !rest.is_empty() {
            let mut groups = 0;
            let more = |plan: &&Plan| {
                let fits = groups == 0 || groups + plan.groups.len() <= GROUPS_AT_ONCE;
                groups += plan.groups.len();
                fits
            };
            let count = rest.iter().take(WINDOWS_AT_ONCE).take_while(more).count();
            let (now, later) = rest.split_at(count.max(1));
            rest = later;
            let wanted = now.iter().map(|plan| Wanted {
                key: plan.head.key,
                groups: plan.groups.to_vec(),
            });
            let wanted: Vec<Wanted> = wanted.collect();
            let found = self.store.read_windows(Tier::Raw, &wanted).await?;
            let mut plans = now.iter();
            for found in found {
                // In the order of what was wanted, some left out.
                let plan = plans.find(|plan| plan.head.key == found.row.head.key);
                let Some(plan) = plan else { break };
                let layout = Arc::clone(&plan.layout);
                let window = BlockWindow::new(found, layout, deletions, &self.counters);
                bytes += window.bytes();
                windows.push(window);
            }
            if bytes > self.options.snapshot_bytes {
                return Err(ReadError::TooMuch(self.options.snapshot_bytes));
            }
        }
        Ok(windows)
    }

    /// How many groups [`Self::scan`] would read of some series.
    pub(super) async fn groups(
        &self,
        heads: &[WindowHead],
        ids: &[u32],
    ) -> Result<usize, ReadError> {
        let (mut groups, mut of_layout) = (0, (0, 0));
        for head in heads.iter().filter(|_| !ids.is_empty()) {
            if of_layout.0 != head.layout {
                let layout = self.sound_layout(*head).await?;
                let count = layout.map_or(0, |layout| groups_of(&layout, ids).len());
                of_layout = (head.layout, count);
            }
            groups += of_layout.1;
        }
        Ok(groups)
    }

    /// Calls `visit` with the samples of series in blocks, window after window; `ids` are the
    /// series, ascending, or all.
    pub(super) async fn scan(
        &self,
        heads: &[WindowHead],
        ids: Option<&[u32]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), ReadError> {
        let deletions = self.past.deletions();
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        for some in heads.chunks(COUNTED_AT_ONCE) {
            let mut plans = Vec::with_capacity(some.len());
            for &head in some {
                let Some(layout) = self.sound_layout(head).await? else {
                    continue;
                };
                let groups = match ids {
                    Some(ids) => groups_of(&layout, ids),
                    None => (0..columns(&layout).div_ceil(64)).collect(),
                };
                plans.push(Plan {
                    head,
                    layout,
                    groups,
                });
            }
            for window in self.fetch(plans, &deletions).await? {
                let layout = Arc::clone(window.layout());
                let mut one = |id: u32, column: u32| {
                    timestamps.clear();
                    values.clear();
                    window.read(id, column, &mut timestamps, &mut values);
                    if !timestamps.is_empty() {
                        visit(id, &timestamps, &values);
                    }
                };
                match ids {
                    Some(ids) => ids
                        .iter()
                        .filter_map(|&id| Some((id, layout.column(id)?)))
                        .for_each(|(id, column)| one(id, column)),
                    None => (0..columns(&layout))
                        .filter_map(|column| Some((layout.series(column)?, column)))
                        .for_each(|(id, column)| one(id, column)),
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

fn columns(layout: &Layout) -> u32 {
    u32::try_from(layout.len()).unwrap_or(u32::MAX)
}

fn groups_of<'a>(layout: &Layout, ids: impl IntoIterator<Item = &'a u32>) -> Arc<[u32]> {
    let columns = ids.into_iter().filter_map(|&id| layout.column(id));
    let groups: BTreeSet<u32> = columns.map(group_of).collect();
    groups.into_iter().collect()
}
