//! Blocks of a snapshot: fetched as they are stored, decoded when they are read, once.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use system_stats_model::sample::{Millis, TimeRange};

use crate::block::{Clocks, GROUP, Group, Layout, group_of};
use crate::past::{Deletion, Groups, range_of};
use crate::storage::Counters;
use crate::store::{BlockRow, Found, WindowHead};
use crate::varint::Malformed;

/// A window of a pack, as far as it was fetched.
#[derive(Debug)]
pub(crate) struct BlockWindow {
    head: WindowHead,
    layout: Arc<Layout>,
    clocks_blob: Bytes,
    clocks: OnceLock<Option<Arc<Clocks>>>,
    /// Ascending.
    groups: Vec<Fetched>,
    /// Those that are newer than the blocks.
    deletions: Vec<Arc<Deletion>>,
    counters: Arc<Counters>,
    /// Where what is decoded is kept for others.
    keeper: Option<Arc<Groups>>,
}

#[derive(Debug)]
struct Fetched {
    number: u32,
    blob: Bytes,
    group: OnceLock<Option<Arc<Group>>>,
}

impl BlockWindow {
    /// `layout` is the one that the window had when it was asked for, or one that only has more
    /// columns behind it.
    pub(crate) fn new(
        found: Found,
        layout: Arc<Layout>,
        deletions: &[Arc<Deletion>],
        counters: &Arc<Counters>,
    ) -> Self {
        let head = found.row.head;
        let fetched = |block: BlockRow| Fetched {
            number: block.group,
            blob: block.blob,
            group: OnceLock::new(),
        };
        Self {
            head,
            layout,
            clocks_blob: found.row.clocks,
            clocks: OnceLock::new(),
            groups: found.blocks.into_iter().map(fetched).collect(),
            deletions: concerning(head, deletions),
            counters: Arc::clone(counters),
            keeper: None,
        }
    }

    /// The same where some of these groups may have no block, and what is decoded is kept.
    pub(crate) fn keeping(mut self, numbers: &[u32], keeper: &Arc<Groups>) -> Self {
        for &number in numbers {
            let at = self
                .groups
                .binary_search_by_key(&number, |have| have.number);
            if let Err(at) = at {
                // Nothing at all is a group without a sample.
                let nothing = Fetched {
                    number,
                    blob: Bytes::new(),
                    group: OnceLock::new(),
                };
                self.groups.insert(at, nothing);
            }
        }
        self.keeper = Some(Arc::clone(keeper));
        self
    }

    /// A window of which all groups that are needed, ascending, have been kept.
    pub(crate) fn kept(
        head: WindowHead,
        layout: Arc<Layout>,
        numbers: &[u32],
        keeper: &Groups,
        deletions: &[Arc<Deletion>],
        counters: &Arc<Counters>,
    ) -> Option<Self> {
        let (clocks, groups) = keeper.get(head, numbers)?;
        let groups = numbers.iter().zip(groups);
        let groups = groups.map(|(&number, group)| Fetched {
            number,
            blob: Bytes::new(),
            group: OnceLock::from(Some(group)),
        });
        Some(Self {
            head,
            layout,
            clocks_blob: Bytes::new(),
            clocks: OnceLock::from(Some(clocks)),
            groups: groups.collect(),
            deletions: concerning(head, deletions),
            counters: Arc::clone(counters),
            keeper: None,
        })
    }

    pub(crate) fn head(&self) -> WindowHead {
        self.head
    }

    pub(crate) fn range(&self) -> TimeRange {
        range_of(self.head.key)
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// What it takes in memory before anything is decoded.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(|group| group.blob.len());
        self.clocks_blob.len() + groups.sum::<usize>()
    }

    /// Appends the samples of a series, which has a column. What is damaged is left out: it is
    /// named in the log and counted.
    pub(crate) fn read(
        &self,
        id: u32,
        column: u32,
        timestamps: &mut Vec<Millis>,
        values: &mut Vec<f64>,
    ) {
        let number = group_of(column);
        let at = self
            .groups
            .binary_search_by_key(&number, |group| group.number);
        let Ok(at) = at else { return };
        let (Some(clocks), Some(group)) = (self.clocks(), self.group(&self.groups[at])) else {
            return;
        };
        let (start, from) = (self.head.key.window, timestamps.len());
        let place = column as usize % GROUP;
        let read = group.read(place, clocks, values, &mut |times| {
            timestamps.extend(times.iter().map(|time| start + Millis::from(*time)));
        });
        if let Err(reason) = read {
            timestamps.truncate(from);
            values.truncate(from);
            self.report(&format!("column {place} of group {number}"), reason);
            return;
        }
        if self.deletions.iter().any(|deletion| deletion.is_meant(id)) {
            self.hide(id, from, timestamps, values);
        }
    }

    /// Takes out what is deleted.
    fn hide(&self, id: u32, from: usize, timestamps: &mut Vec<Millis>, values: &mut Vec<f64>) {
        let mut kept = from;
        for at in from..timestamps.len() {
            let timestamp = timestamps[at];
            if !self.deletions.iter().any(|one| one.hides(id, timestamp)) {
                timestamps[kept] = timestamp;
                values[kept] = values[at];
                kept += 1;
            }
        }
        timestamps.truncate(kept);
        values.truncate(kept);
    }

    fn clocks(&self) -> Option<&Arc<Clocks>> {
        let decode = || {
            let clocks = Clocks::decode(self.clocks_blob.clone());
            let clocks = clocks.map_err(|e| self.report("the clocks", e));
            clocks.ok().map(Arc::new)
        };
        self.clocks.get_or_init(decode).as_ref()
    }

    fn group<'a>(&self, fetched: &'a Fetched) -> Option<&'a Group> {
        let decode = || {
            let group = Group::decode(&fetched.blob);
            let what = || format!("group {}", fetched.number);
            let group = Arc::new(group.map_err(|e| self.report(&what(), e)).ok()?);
            if let Some((keeper, clocks)) = self.keeper.as_ref().zip(self.clocks()) {
                keeper.keep(self.head, clocks, fetched.number, &group);
            }
            Some(group)
        };
        fetched.group.get_or_init(decode).as_deref()
    }

    fn report(&self, what: &str, reason: Malformed) {
        self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        let key = self.head.key;
        tracing::warn!(window = key.window, pack = key.pack, what, %reason,
            "a stored block is damaged; answers are without what is in it");
    }
}

/// The deletions that hide something in a window.
fn concerning(head: WindowHead, deletions: &[Arc<Deletion>]) -> Vec<Arc<Deletion>> {
    let concerns = |deletion: &&Arc<Deletion>| {
        deletion.seq > head.fold_seq && deletion.range.overlaps(range_of(head.key))
    };
    deletions.iter().filter(concerns).cloned().collect()
}
