//! The order of series by their labels, found without building any label set.

use std::cmp::Ordering;

use super::{Entry, Index};

/// From so many series on, the pairs are ranked first.
const FEW: usize = 32;

/// How many pairs there may be in all for each series that is to be ordered, if all are given room
/// for a rank.
const ROOM: usize = 64;

/// The bits of a key that is a number.
const KEY_BITS: u32 = u128::BITS;

impl Index {
    /// The places of listed series in the order of their labels; of those with the same labels the
    /// first comes first.
    pub(crate) fn order(&self, list: &[(u32, Entry<'_>)]) -> Vec<u32> {
        let mut order: Vec<u32> = (0u32..).zip(list).map(|(at, _)| at).collect();
        let pairs = |at: u32| list[at as usize].1.pairs;
        if list.len() < FEW || self.pairs.len() / ROOM > list.len() {
            order.sort_by(|a, b| self.compare(pairs(*a), pairs(*b)));
            return order;
        }
        let ranks = self.ranks(list);
        let rank = |pair: &u32| ranks[*pair as usize];
        // Of 0 there is none: a set that ends where another goes on comes first.
        let most = ranks.iter().copied().max().unwrap_or(0);
        let width = (u32::BITS - most.leading_zeros()).max(1);
        let longest = list.iter().map(|(_, entry)| entry.pairs.len()).max();
        let longest = longest.and_then(|longest| u32::try_from(longest).ok());
        let fits = |longest: &u32| {
            let bits = longest.checked_mul(width);
            bits.is_some_and(|bits| bits < KEY_BITS)
        };
        let Some(longest) = longest.filter(fits) else {
            let ranked = |at: u32| pairs(at).iter().map(rank);
            order.sort_by(|a, b| ranked(*a).cmp(ranked(*b)));
            return order;
        };
        let key = |at: u32| {
            let mut missing = longest;
            let mut key = 0u128;
            for pair in pairs(at) {
                key = key << width | u128::from(rank(pair));
                missing -= 1;
            }
            (key << (missing * width), at)
        };
        let mut keys: Vec<(u128, u32)> = order.iter().map(|&at| key(at)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, at)| at).collect()
    }

    fn compare(&self, a: &[u32], b: &[u32]) -> Ordering {
        let differing = a.iter().zip(b).find(|(a, b)| a != b);
        let decided = differing.map(|(&a, &b)| self.pairs.get(a).cmp(&self.pairs.get(b)));
        decided.unwrap_or_else(|| a.len().cmp(&b.len()))
    }

    /// By pair: its place, from 1, in the order of those that these series have; 0 for others.
    fn ranks(&self, list: &[(u32, Entry<'_>)]) -> Vec<u32> {
        let mut ranks = vec![0u32; self.pairs.len()];
        let mut used = Vec::new();
        for (_, entry) in list {
            for &pair in entry.pairs {
                let rank = &mut ranks[pair as usize];
                if *rank == 0 {
                    *rank = 1;
                    used.push(pair);
                }
            }
        }
        used.sort_unstable_by(|&a, &b| self.pairs.get(a).cmp(&self.pairs.get(b)));
        for (place, pair) in (1u32..).zip(used) {
            ranks[pair as usize] = place;
        }
        ranks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use system_stats_model::labels::Labels;

    use super::*;

    fn check(series: &[BTreeMap<String, String>]) -> Result<(), TestCaseError> {
        let mut index = Index::default();
        let mut all: Vec<Labels> = Vec::new();
        for (id, pairs) in (1u32..).zip(series) {
            let labels = Labels::from_pairs(pairs);
            index.insert(id, id, &labels);
            all.push(labels);
        }
        let ids: Vec<u32> = (1u32..).zip(&all).map(|(id, _)| id).collect();
        let mut expected: Vec<u32> = (0u32..).zip(&all).map(|(at, _)| at).collect();
        expected.sort_by(|a, b| all[*a as usize].cmp(&all[*b as usize]));
        prop_assert_eq!(index.order(&index.list(&ids)), expected);
        Ok(())
    }

    fn series(labels: std::ops::Range<usize>) -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-f]{1,2}", "[0-9a]{1,3}", labels)
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_label_sets(
            few in prop::collection::vec(series(0..4), 0..FEW),
            many in prop::collection::vec(series(0..6), FEW..3 * FEW),
            long in prop::collection::vec(series(0..30), FEW..2 * FEW),
        ) {
            check(&few)?;
            check(&many)?;
            check(&long)?;
        }
    }
}
