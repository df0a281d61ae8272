//! Which targets share blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use system_stats_model::labels::Labels;

/// A pack with so many columns takes no more targets.
const MOST_COLUMNS: usize = 1 << 16;

/// A pack that takes no more is given up when less than one in so many of its places is in use, and
/// of its columns.
const SPARSE: usize = 4;

/// Packs: targets of one job, in order of arrival.
#[derive(Debug)]
pub(super) struct Packs {
    /// How many targets a pack takes.
    most_targets: usize,
    all: BTreeMap<u32, Pack>,
    /// The pack of a job that takes more.
    open: HashMap<String, u32>,
}

#[derive(Debug, Default)]
struct Pack {
    members: BTreeSet<u32>,
    /// How many joined, gone ones included.
    joined: usize,
    columns: usize,
}

impl Packs {
    pub(super) fn new(most_targets: usize) -> Self {
        Self {
            most_targets: most_targets.max(1),
            all: BTreeMap::new(),
            open: HashMap::new(),
        }
    }

    /// Finds a pack for a new target.
    pub(super) fn join(&mut self, target: u32, labels: &Labels) -> u32 {
        let open = self.open.get(job(labels)).copied();
        let open = open.filter(|pack| {
            let pack = self.all.get(pack);
            pack.is_some_and(|p| p.joined < self.most_targets && p.columns < MOST_COLUMNS)
        });
        let pack = open.unwrap_or(target);
        self.add(target, pack, labels);
        pack
    }

    /// Adds a target to the pack that it belongs to.
    pub(super) fn add(&mut self, target: u32, pack: u32, labels: &Labels) {
        let of = self.all.entry(pack).or_default();
        of.joined += usize::from(of.members.insert(target));
        let open = self.open.entry(job(labels).to_owned()).or_insert(pack);
        *open = pack.max(*open);
    }

    /// Notes that a target has so many series more.
    pub(super) fn grow(&mut self, pack: u32, series: usize) {
        if let Some(pack) = self.all.get_mut(&pack) {
            pack.columns += series;
        }
    }

    /// Takes a target out; its place is not given again.
    pub(super) fn leave(&mut self, target: u32, pack: u32) {
        if let Some(of) = self.all.get_mut(&pack) {
            of.members.remove(&target);
            if of.members.is_empty() {
                self.all.remove(&pack);
            }
        }
    }

    /// Those who are left of packs that have nearly emptied and take no more: they had better join
    /// the open pack of their job. `columns` says how many series a target has that is in use.
    pub(super) fn survivors(&self, columns: impl Fn(u32) -> Option<usize>) -> Vec<u32> {
        let open: BTreeSet<u32> = self.open.values().copied().collect();
        let closed = self.all.iter().filter(|(pack, _)| !open.contains(pack));
        let mut survivors = Vec::new();
        for (_, pack) in closed {
            let in_use = pack.members.iter();
            let in_use = in_use.filter_map(|&target| Some((target, columns(target)?)));
            let in_use: Vec<(u32, usize)> = in_use.collect();
            let columns: usize = in_use.iter().map(|(_, columns)| columns).sum();
            if in_use.len() < self.most_targets / SPARSE && columns < MOST_COLUMNS / SPARSE {
                survivors.extend(in_use.iter().map(|(target, _)| *target));
            }
        }
        survivors
    }

    /// The targets of a pack.
    pub(super) fn members(&self, pack: u32) -> Vec<u32> {
        let pack = self.all.get(&pack);
        let members = pack.into_iter().flat_map(|pack| &pack.members);
        members.copied().collect()
    }
}

fn job(labels: &Labels) -> &str {
    labels.get("job").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_a_job_share_packs_in_order_of_arrival() {
        let job = |name: &str| Labels::from_pairs([("job", name)]);
        let mut packs = Packs::new(2);
        let joined: Vec<u32> = [(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "b")]
            .map(|(target, name)| packs.join(target, &job(name)))
            .to_vec();
        assert_eq!(joined, [1, 2, 1, 4, 2]);
        packs.leave(5, 2);
        assert_eq!(packs.members(2), [2]);
        assert_eq!(packs.join(6, &job("b")), 6);
        packs.leave(2, 2);
        assert_eq!(packs.members(2), []);
        packs.grow(4, MOST_COLUMNS);
        assert_eq!(packs.join(7, &job("a")), 7);
        let mut packs = Packs::new(8);
        for target in 1..=18 {
            packs.join(target, &job("a"));
        }
        // The last of the first pack, two of the second, all of the open one.
        let columns = |target: u32| [8, 9, 10, 17, 18].contains(&target).then_some(1000);
        assert_eq!(packs.survivors(columns), [8]);
        let large = |target: u32| columns(target).map(|_| MOST_COLUMNS / 4);
        assert_eq!(packs.survivors(large), []);
        let mut alone = Packs::new(1);
        assert_eq!(
            [1, 2, 3].map(|target| alone.join(target, &job("a"))),
            [1, 2, 3]
        );
        assert_eq!(alone.survivors(|_| Some(1)), []);
    }
}
