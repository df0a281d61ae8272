//! The index: from labels to series, from matchers to series.
//!
//! Every (name, value) pair that a series has is kept once, with the ascending list of the series
//! that have it; a series is the list of its pairs. Ids only grow, so lists are appended to.

mod entries;
mod load;
mod order;
mod pairs;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};

use entries::Entries;
pub(crate) use entries::Entry;
pub(crate) use load::{Loader, Shared};
use pairs::Pairs;

/// Labels of all series in memory.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pairs: Pairs,
    entries: Entries,
    /// From the hash of a label set to the first series that has it.
    by_hash: HashMap<u32, u32>,
    /// Further series of a hash: of other targets, or by collision.
    further: HashMap<u32, Vec<u32>>,
    hasher: RandomState,
}

impl Index {
    /// The series of a target with these labels.
    pub(crate) fn find(&self, target: u32, labels: &Labels) -> Option<u32> {
        self.same_hash(self.hash(labels)).find(|&id| {
            let entry = self.entries.get(id);
            entry.is_some_and(|entry| entry.target == target && self.has_labels(entry, labels))
        })
    }

    /// Adds a series that is not there.
    pub(crate) fn insert(&mut self, id: u32, target: u32, labels: &Labels) {
        let pairs = labels
            .iter()
            .map(|(name, value)| self.pairs.add(name, value, id));
        self.entries.insert(id, target, pairs);
        self.note_hash(self.hash(labels), id);
    }

    fn note_hash(&mut self, hash: u32, id: u32) {
        match self.by_hash.entry(hash) {
            std::collections::hash_map::Entry::Vacant(vacant) => drop(vacant.insert(id)),
            std::collections::hash_map::Entry::Occupied(_) => {
                self.further.entry(hash).or_default().push(id);
            }
        }
    }

    /// Takes series out.
    pub(crate) fn remove(&mut self, ids: &[u32]) {
        for &id in ids {
            let Some(labels) = self.labels(id) else {
                continue;
            };
            let hash = self.hash(&labels);
            let mut rest: Vec<u32> = self.same_hash(hash).filter(|&other| other != id).collect();
            self.further.remove(&hash);
            if rest.is_empty() {
                self.by_hash.remove(&hash);
            } else {
                self.by_hash.insert(hash, rest.remove(0));
                if !rest.is_empty() {
                    self.further.insert(hash, rest);
                }
            }
        }
        let mut gone: Vec<(u32, u32)> = Vec::new();
        for &id in ids {
            let pairs = self.entries.remove(id).into_iter();
            gone.extend(pairs.map(|pair| (pair, id)));
        }
        gone.sort_unstable();
        for of_pair in gone.chunk_by(|a, b| a.0 == b.0) {
            self.pairs.remove(of_pair[0].0, |id| {
                of_pair.binary_search(&(of_pair[0].0, id)).is_ok()
            });
        }
    }

    /// The whole label set of a series.
    pub(crate) fn labels(&self, id: u32) -> Option<Labels> {
        let entry = self.entries.get(id)?;
        let pairs = entry.pairs.iter().map(|&pair| self.pairs.get(pair));
        Some(Labels::from_sorted(pairs))
    }

    /// Some series, as they are kept. `ids` ascend.
    pub(crate) fn list<'a>(&'a self, ids: &[u32]) -> Vec<(u32, Entry<'a>)> {
        self.entries.list(ids)
    }

    /// The whole label set of a listed series. Who asks for many does it with one `room`.
    pub(crate) fn labels_of(&self, entry: Entry<'_>, room: &mut String) -> Labels {
        let pairs = entry.pairs.iter().map(|&pair| self.pairs.get(pair));
        Labels::from_sorted_with(pairs, room)
    }

    /// The target of a series.
    pub(crate) fn target(&self, id: u32) -> Option<u32> {
        self.entries.get(id).map(|entry| entry.target)
    }

    /// Other series with the same labels, of other targets; empty nearly always. `id` may be that of
    /// a series that is not here.
    pub(crate) fn twins(&self, labels: &Labels, id: u32) -> Vec<u32> {
        if self.further.is_empty() && self.entries.get(id).is_some() {
            return Vec::new();
        }
        let is_twin = |other: &u32| {
            let entry = self.entries.get(*other);
            *other != id && entry.is_some_and(|entry| self.has_labels(entry, labels))
        };
        self.same_hash(self.hash(labels)).filter(is_twin).collect()
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        // A table is an eighth larger than what it has room for at least, and has a byte a place.
        let table = self.by_hash.capacity() / 7 * 8 * (size_of::<(u32, u32)>() + 1);
        let further = self.further.len() * size_of::<(u32, Vec<u32>)>();
        self.pairs.bytes() + self.entries.bytes() + table + further
    }

    /// The series that satisfy all matchers, ascending.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        let mut selected: Option<Vec<u32>> = None;
        let (excluding, including): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| matcher.matches(""));
        for matcher in including {
            let ids = match matcher.op() {
                MatchOp::Equal => self.pairs.ids(matcher.name(), matcher.value()).to_vec(),
                _ => self
                    .pairs
                    .union(matcher.name(), |value| matcher.matches(value)),
            };
            selected = Some(match selected {
                Some(have) => intersect(&have, &ids),
                None => ids,
            });
        }
        let mut selected = selected.unwrap_or_else(|| self.entries.ids());
        for matcher in excluding {
            if selected.is_empty() {
                break;
            }
            // What matches the empty value is satisfied by absence too: only values that do not
            // match take a series out.
            let out = self
                .pairs
                .union(matcher.name(), |value| !matcher.matches(value));
            selected = subtract(&selected, &out);
        }
        selected
    }

    fn same_hash(&self, hash: u32) -> impl Iterator<Item = u32> {
        let first = self.by_hash.get(&hash).copied();
        let further = first.and_then(|_| self.further.get(&hash));
        first
            .into_iter()
            .chain(further.into_iter().flatten().copied())
    }

    /// The sum of what each pair adds.
    fn hash(&self, labels: &Labels) -> u32 {
        let pairs = labels.iter();
        let hashes = pairs.map(|(name, value)| self.pair_hash(name, value));
        half(hashes.fold(0, u64::wrapping_add))
    }

    fn pair_hash(&self, name: &str, value: &str) -> u64 {
        self.hasher.hash_one((name, value))
    }

    fn has_labels(&self, entry: Entry<'_>, labels: &Labels) -> bool {
        let pairs = entry.pairs.iter().map(|&pair| self.pairs.get(pair));
        pairs.eq(labels.iter())
    }
}

/// Half of a hash: among millions of series a few hundred share one, and are told apart by their
/// labels.
fn half(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    let half = hash as u32;
    half
}

fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut rest = long;
    let mut both = Vec::with_capacity(short.len());
    for &id in short {
        rest = &rest[seek(rest, id)..];
        if rest.first() == Some(&id) {
            both.push(id);
        }
    }
    both
}

fn subtract(from: &[u32], out: &[u32]) -> Vec<u32> {
    let mut rest = out;
    let mut left = Vec::with_capacity(from.len());
    for &id in from {
        rest = &rest[seek(rest, id)..];
        if rest.first() != Some(&id) {
            left.push(id);
        }
    }
    left
}

/// The first place in an ascending list that is not below `id`, by steps that double.
fn seek(list: &[u32], id: u32) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < id {
        step *= 2;
    }
    let (from, to) = (step / 2, list.len().min(step + 1));
    from + list[from..to].partition_point(|&other| other < id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    fn sample() -> Index {
        let mut index = Index::default();
        index.insert(
            1,
            7,
            &labels(&[("__name__", "up"), ("job", "node"), ("instance", "a")]),
        );
        index.insert(
            2,
            7,
            &labels(&[("__name__", "up"), ("job", "node"), ("instance", "b")]),
        );
        index.insert(
            5,
            8,
            &labels(&[("__name__", "load"), ("job", "node"), ("instance", "b")]),
        );
        index.insert(9, 9, &labels(&[("__name__", "load"), ("instance", "c")]));
        index
    }

    type Condition = (&'static str, MatchOp, &'static str);

    #[test]
    fn matchers_select() {
        let index = sample();
        let cases: [(&[Condition], &[u32]); 10] = [
            (&[], &[1, 2, 5, 9]),
            (&[("__name__", MatchOp::Equal, "up")], &[1, 2]),
            (&[("__name__", MatchOp::Equal, "nothing")], &[]),
            (&[("instance", MatchOp::Regex, "a|b")], &[1, 2, 5]),
            (&[("instance", MatchOp::NotRegex, "a|b")], &[9]),
            (&[("job", MatchOp::Equal, "")], &[9]),
            (&[("job", MatchOp::NotEqual, "")], &[1, 2, 5]),
            (&[("job", MatchOp::Regex, ".*")], &[1, 2, 5, 9]),
            (&[("none", MatchOp::NotEqual, "x")], &[1, 2, 5, 9]),
            (
                &[
                    ("__name__", MatchOp::Equal, "up"),
                    ("instance", MatchOp::NotEqual, "a"),
                ],
                &[2],
            ),
        ];
        for (conditions, expected) in cases {
            let new = |&(name, op, value): &(&str, MatchOp, &str)| Matcher::new(name, op, value);
            let matchers: Vec<Matcher> = conditions.iter().map(|c| new(c).unwrap()).collect();
            assert_eq!(index.select(&matchers), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_series_is_found_by_target_and_labels_until_it_is_gone() {
        let mut index = sample();
        let of = labels(&[("__name__", "up"), ("job", "node"), ("instance", "a")]);
        index.insert(12, 8, &of);
        assert_eq!(index.find(7, &of), Some(1));
        assert_eq!(index.find(8, &of), Some(12));
        assert_eq!(index.find(9, &of), None);
        assert_eq!(index.twins(&of, 1), [12]);
        index.remove(&[1]);
        assert_eq!(index.find(7, &of), None);
        assert_eq!(index.find(8, &of), Some(12));
        assert_eq!(index.labels(12), Some(of.clone()));
        assert_eq!(index.twins(&of, 12), []);
        // Of one that is not here the other is a twin, too.
        assert_eq!(index.twins(&of, 99), [12]);
        index.remove(&[2, 5, 9, 12]);
        assert_eq!(index.len(), 0);
        assert_eq!(index.select(&[]), []);
        assert!(index.pairs.is_empty());
        assert!(index.by_hash.is_empty());
    }

    proptest! {
        #[test]
        fn selection_is_what_matching_every_series_gives(
            series in prop::collection::vec(prop::collection::vec((0u8..3, 0u8..4), 0..4), 1..40),
            conditions in prop::collection::vec((0u8..3, 0u8..4, 0usize..7), 0..4),
        ) {
            let mut index = Index::default();
            let mut all = Vec::new();
            for (id, pairs) in (0u32..).zip(&series) {
                let pairs = pairs.iter().map(|(n, v)| (format!("n{n}"), format!("v{v}")));
                let labels = Labels::from_pairs(pairs);
                index.insert(id, 1, &labels);
                all.push(labels);
            }
            let matchers: Vec<Matcher> = conditions.iter().map(|&(name, value, kind)| {
                let (op, value) = match kind {
                    0 => (MatchOp::Equal, format!("v{value}")),
                    1 => (MatchOp::NotEqual, format!("v{value}")),
                    2 => (MatchOp::Regex, format!("v{value}|v1")),
                    3 => (MatchOp::NotRegex, format!("v{value}|v1")),
                    4 => (MatchOp::Regex, format!("|v{value}")),
                    5 => (MatchOp::Equal, String::new()),
                    _ => (MatchOp::NotEqual, String::new()),
                };
                Matcher::new(format!("n{name}"), op, value).unwrap()
            }).collect();
            let is_match = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
            let expected: Vec<u32> =
                (0u32..).zip(&all).filter(|(_, l)| is_match(l)).map(|(id, _)| id).collect();
            prop_assert_eq!(index.select(&matchers), expected);
        }
    }
}
