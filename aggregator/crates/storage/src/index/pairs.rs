//! Label pairs and which series have them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A name with a value, and the series that have it.
#[derive(Debug)]
struct Pair {
    name: Arc<str>,
    value: Arc<str>,
    /// Ascending; empty in a free place.
    ids: Vec<u32>,
}

/// All pairs; a pair is known by its number.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    all: Vec<Pair>,
    names: BTreeMap<Arc<str>, HashMap<Arc<str>, u32>>,
    free: Vec<u32>,
}

impl Pairs {
    pub(super) fn get(&self, pair: u32) -> (&str, &str) {
        let pair = &self.all[pair as usize];
        (&pair.name, &pair.value)
    }

    /// How many numbers are given, those of free places included.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        // The text has two counters in front of it, the table a place for it and a number.
        let of_pair = |pair: &Pair| pair.ids.capacity() * 4 + pair.value.len() + 48;
        self.all.capacity() * size_of::<Pair>() + self.all.iter().map(of_pair).sum::<usize>()
    }

    /// Notes that a series has a pair.
    pub(super) fn add(&mut self, name: &str, value: &str, id: u32) -> u32 {
        let number = self.number(name, value);
        self.note(number, id);
        number
    }

    /// The number of a pair, which a series is about to have.
    pub(super) fn number(&mut self, name: &str, value: &str) -> u32 {
        let known = self.names.get(name).and_then(|values| values.get(value));
        match known {
            Some(&number) => number,
            None => self.create(name, value),
        }
    }

    /// Notes that a series has a pair. Nearly always its id is above all before.
    pub(super) fn note(&mut self, number: u32, id: u32) {
        let ids = &mut self.all[number as usize].ids;
        match ids.last() {
            Some(&last) if last >= id => {
                if let Err(at) = ids.binary_search(&id) {
                    ids.insert(at, id);
                }
            }
            _ => {
                if ids.len() == ids.capacity() {
                    // Room for twice as many would be a good part of the index.
                    ids.reserve_exact((ids.len() / 8).max(4));
                }
                ids.push(id);
            }
        }
    }

    /// Takes out the pairs that no series has, where there is no free place yet.
    pub(super) fn drop_unused(&mut self) {
        let numbered = (0u32..).zip(&self.all);
        let unused = numbered.filter(|(_, pair)| pair.ids.is_empty());
        let unused: Vec<u32> = unused.map(|(number, _)| number).collect();
        for number in unused {
            self.remove(number, |_| true);
        }
    }

    /// Takes the series for which `is_gone` holds out of a pair's list, and the pair if none is
    /// left.
    pub(super) fn remove(&mut self, number: u32, is_gone: impl Fn(u32) -> bool) {
        let pair = &mut self.all[number as usize];
        pair.ids.retain(|&id| !is_gone(id));
        if !pair.ids.is_empty() {
            return;
        }
        pair.ids = Vec::new();
        let name = std::mem::replace(&mut pair.name, Arc::from(""));
        let value = std::mem::replace(&mut pair.value, Arc::from(""));
        if let Some(values) = self.names.get_mut(&name) {
            values.remove(&value);
            if values.is_empty() {
                self.names.remove(&name);
            }
        }
        self.free.push(number);
    }

    /// The series with `name="value"`, ascending.
    pub(super) fn ids(&self, name: &str, value: &str) -> &[u32] {
        let number = self.names.get(name).and_then(|values| values.get(value));
        number.map_or(&[], |&number| &self.all[number as usize].ids)
    }

    /// The series whose value of `name` satisfies `is_wanted`, ascending.
    pub(super) fn union(&self, name: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let mut ids = Vec::new();
        for (value, &number) in self.names.get(name).into_iter().flatten() {
            if is_wanted(value) {
                ids.extend_from_slice(&self.all[number as usize].ids);
            }
        }
        // A series has one value of a name, so there is nothing twice.
        ids.sort_unstable();
        ids
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.free.len() == self.all.len()
    }

    fn create(&mut self, name: &str, value: &str) -> u32 {
        let shared = self
            .names
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name));
        let pair = Pair {
            name: shared.unwrap_or_else(|| Arc::from(name)),
            value: Arc::from(value),
            ids: Vec::new(),
        };
        let values = self.names.entry(Arc::clone(&pair.name)).or_default();
        let number = self.free.pop().unwrap_or_else(|| {
            // There are fewer pairs than series times labels, and both fit 32 bits.
            u32::try_from(self.all.len()).unwrap_or(u32::MAX)
        });
        values.insert(Arc::clone(&pair.value), number);
        match self.all.get_mut(number as usize) {
            Some(place) => *place = pair,
            None => self.all.push(pair),
        }
        number
    }
}
