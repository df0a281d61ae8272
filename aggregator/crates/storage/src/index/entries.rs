//! Series by id, in pages that go when all of their series have gone.
//!
//! A page keeps the pairs of its series one after the other: a series is a target and an end.

use std::collections::BTreeMap;

const PAGE: u32 = 256;

/// The target of a place without a series. No target has this number.
const NONE: u32 = u32::MAX;

/// A series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) target: u32,
    /// Its pairs, ascending by name.
    pub(super) pairs: &'a [u32],
}

#[derive(Debug, Default)]
struct Page {
    /// By place: the target, and where in `pairs` the series' own end.
    places: Vec<(u32, u32)>,
    pairs: Vec<u32>,
    live: usize,
}

impl Page {
    fn start(&self, at: usize) -> u32 {
        let before = at.checked_sub(1).and_then(|before| self.places.get(before));
        before.map_or(0, |before| before.1)
    }

    fn insert(&mut self, at: usize, target: u32, pairs: impl Iterator<Item = u32>) {
        if self.places.capacity() == 0 {
            self.places.reserve_exact(PAGE as usize);
        }
        let length = |pairs: &Vec<u32>| u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        let before = length(&self.pairs);
        if at >= self.places.len() {
            self.places.resize(at, (NONE, before));
            self.pairs.extend(pairs);
            self.places.push((target, length(&self.pairs)));
        } else {
            let start = self.start(at) as usize;
            self.pairs.splice(start..start, pairs);
            let more = length(&self.pairs) - before;
            self.places[at].0 = target;
            self.places[at..]
                .iter_mut()
                .for_each(|place| place.1 += more);
        }
        self.live += 1;
    }

    fn remove(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.places[at].1);
        self.pairs.drain(start as usize..end as usize);
        self.places[at].0 = NONE;
        self.places[at..]
            .iter_mut()
            .for_each(|place| place.1 -= end - start);
        self.live -= 1;
    }

    fn get(&self, at: usize) -> Option<Entry<'_>> {
        let &(target, end) = self.places.get(at)?;
        let pairs = self.pairs.get(self.start(at) as usize..end as usize)?;
        (target != NONE).then_some(Entry { target, pairs })
    }
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    pages: BTreeMap<u32, Page>,
    live: usize,
}

impl Entries {
    pub(super) fn get(&self, id: u32) -> Option<Entry<'_>> {
        self.pages.get(&(id / PAGE))?.get((id % PAGE) as usize)
    }

    /// Those of `ids`, ascending, that are there.
    pub(super) fn list<'a>(&'a self, ids: &[u32]) -> Vec<(u32, Entry<'a>)> {
        let mut list = Vec::with_capacity(ids.len());
        for some in ids.chunk_by(|a, b| a / PAGE == b / PAGE) {
            if let Some(page) = self.pages.get(&(some[0] / PAGE)) {
                let entry = |&id: &u32| Some((id, page.get((id % PAGE) as usize)?));
                list.extend(some.iter().filter_map(entry));
            }
        }
        list
    }

    /// Adds a series that is not there.
    pub(super) fn insert(&mut self, id: u32, target: u32, pairs: impl Iterator<Item = u32>) {
        let (number, at) = (id / PAGE, (id % PAGE) as usize);
        self.live += 1;
        if let Some(mut last) = self.pages.last_entry() {
            if *last.key() == number {
                return last.get_mut().insert(at, target, pairs);
            }
            // No more is added to it, nearly always.
            if *last.key() < number {
                last.get_mut().pairs.shrink_to_fit();
            }
        }
        let page = self.pages.entry(number).or_default();
        page.insert(at, target, pairs);
    }

    /// Takes a series out; its pairs.
    pub(super) fn remove(&mut self, id: u32) -> Vec<u32> {
        let Some(entry) = self.get(id) else {
            return Vec::new();
        };
        let pairs = entry.pairs.to_vec();
        if let Some(page) = self.pages.get_mut(&(id / PAGE)) {
            page.remove((id % PAGE) as usize);
            self.live -= 1;
            if page.live == 0 {
                self.pages.remove(&(id / PAGE));
            }
        }
        pairs
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        let of_page = |page: &Page| {
            size_of::<Page>() + page.places.capacity() * 8 + page.pairs.capacity() * 4
        };
        self.pages.values().map(of_page).sum()
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.live);
        for (number, page) in &self.pages {
            let live = (0u32..)
                .zip(&page.places)
                .filter(|(_, place)| place.0 != NONE);
            ids.extend(live.map(|(at, _)| number * PAGE + at));
        }
        ids
    }
}
