//! What is known of the blocks without reading any: which windows there are, what is deleted from
//! them, and the layouts and groups used last.

mod deletion;
mod groups;
mod layouts;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use system_stats_model::sample::{Millis, TimeRange};

use crate::head::{WINDOW, window_of};
use crate::store::{Tier, WindowHead, WindowKey};
use crate::sync::{read, write};

pub(crate) use deletion::Deletion;
pub(crate) use groups::Groups;
pub(crate) use layouts::Layouts;

/// The windows of a tier's packs.
type Windows = HashMap<u64, BTreeMap<Millis, WindowHead>>;

/// What is known of the blocks.
#[derive(Debug)]
pub(crate) struct Past {
    tiers: RwLock<BTreeMap<Tier, Windows>>,
    /// Ascending by number; replaced as a whole.
    deletions: RwLock<Arc<Vec<Arc<Deletion>>>>,
    pub(crate) layouts: Layouts,
    pub(crate) groups: Arc<Groups>,
}

impl Past {
    pub(crate) fn new(layout_bytes: usize, group_bytes: usize) -> Self {
        Self {
            tiers: RwLock::default(),
            deletions: RwLock::default(),
            layouts: Layouts::new(layout_bytes),
            groups: Arc::new(Groups::new(group_bytes)),
        }
    }

    /// Notes that a window has this header now.
    pub(crate) fn set(&self, tier: Tier, head: WindowHead) {
        let mut tiers = write(&self.tiers);
        let packs = tiers.entry(tier).or_default();
        let windows = packs.entry(head.key.pack).or_default();
        windows.insert(head.key.window, head);
    }

    /// Notes that a window has none any more.
    pub(crate) fn remove(&self, tier: Tier, key: WindowKey) {
        if let Some(packs) = write(&self.tiers).get_mut(&tier)
            && let Some(windows) = packs.get_mut(&key.pack)
        {
            windows.remove(&key.window);
            if windows.is_empty() {
                packs.remove(&key.pack);
            }
        }
    }

    pub(crate) fn head(&self, tier: Tier, key: WindowKey) -> Option<WindowHead> {
        let tiers = read(&self.tiers);
        tiers.get(&tier)?.get(&key.pack)?.get(&key.window).copied()
    }

    /// The raw windows of a pack that overlap `range`, oldest first.
    pub(crate) fn overlapping(&self, pack: u64, range: TimeRange) -> Vec<WindowHead> {
        let from = window_of(range.start.max(0));
        self.between(Tier::Raw, pack, from, range.end)
    }

    /// The windows of a pack that begin from `from` to `to`, oldest first.
    pub(crate) fn between(
        &self,
        tier: Tier,
        pack: u64,
        from: Millis,
        to: Millis,
    ) -> Vec<WindowHead> {
        let tiers = read(&self.tiers);
        let windows = tiers.get(&tier).and_then(|packs| packs.get(&pack));
        let windows = windows.filter(|_| from <= to);
        let heads = windows
            .into_iter()
            .flat_map(|windows| windows.range(from..=to));
        heads.map(|(_, head)| *head).collect()
    }

    /// The packs that have windows.
    pub(crate) fn packs(&self, tier: Tier) -> Vec<u64> {
        let tiers = read(&self.tiers);
        let packs = tiers.get(&tier).into_iter().flat_map(|packs| packs.keys());
        let mut packs: Vec<u64> = packs.copied().collect();
        packs.sort_unstable();
        packs
    }

    /// Whether a pack has windows.
    pub(crate) fn has(&self, tier: Tier, pack: u64) -> bool {
        let tiers = read(&self.tiers);
        tiers
            .get(&tier)
            .is_some_and(|packs| packs.contains_key(&pack))
    }

    /// When the oldest window begins.
    pub(crate) fn oldest(&self, tier: Tier) -> Option<Millis> {
        let tiers = read(&self.tiers);
        let packs = tiers
            .get(&tier)
            .into_iter()
            .flat_map(|packs| packs.values());
        let first = packs.filter_map(|windows| windows.first_key_value());
        first.map(|(start, _)| *start).min()
    }

    /// When the first window begins that does not begin before `from`.
    pub(crate) fn next(&self, tier: Tier, from: Millis) -> Option<Millis> {
        let tiers = read(&self.tiers);
        let packs = tiers
            .get(&tier)
            .into_iter()
            .flat_map(|packs| packs.values());
        let next = packs.filter_map(|windows| windows.range(from..).next());
        next.map(|(start, _)| *start).min()
    }

    /// How many windows there are.
    pub(crate) fn count(&self, tier: Tier) -> usize {
        let tiers = read(&self.tiers);
        let packs = tiers
            .get(&tier)
            .into_iter()
            .flat_map(|packs| packs.values());
        packs.map(BTreeMap::len).sum()
    }

    /// The deletions that may still hide something.
    pub(crate) fn deletions(&self) -> Arc<Vec<Arc<Deletion>>> {
        Arc::clone(&read(&self.deletions))
    }

    /// Adds a deletion, newer than all before.
    pub(crate) fn delete(&self, deletion: Deletion) {
        let mut deletions = write(&self.deletions);
        Arc::make_mut(&mut deletions).push(Arc::new(deletion));
    }

    /// Forgets deletions that hide nothing any more.
    pub(crate) fn forget(&self, seqs: &[u64]) {
        let mut deletions = write(&self.deletions);
        Arc::make_mut(&mut deletions).retain(|deletion| !seqs.contains(&deletion.seq));
    }
}

/// The stretch of time of a raw window.
pub(crate) fn range_of(key: WindowKey) -> TimeRange {
    TimeRange {
        start: key.window,
        end: key.window + WINDOW - 1,
    }
}
