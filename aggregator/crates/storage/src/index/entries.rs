//! Series by id, in pages that go when all of their series have gone.

use std::collections::BTreeMap;

const PAGE: u32 = 256;

/// A series.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: u32,
    /// Its pairs, ascending by name.
    pub(super) pairs: Box<[u32]>,
}

#[derive(Debug, Default)]
struct Page {
    entries: Vec<Option<Entry>>,
    live: usize,
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    pages: BTreeMap<u32, Page>,
    live: usize,
}

impl Entries {
    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        let page = self.pages.get(&(id / PAGE))?;
        page.entries.get((id % PAGE) as usize)?.as_ref()
    }

    pub(super) fn insert(&mut self, id: u32, entry: Entry) {
        let page = self.pages.entry(id / PAGE).or_default();
        let at = (id % PAGE) as usize;
        if page.entries.len() <= at {
            page.entries.resize_with(at + 1, || None);
        }
        page.entries[at] = Some(entry);
        page.live += 1;
        self.live += 1;
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Entry> {
        let page = self.pages.get_mut(&(id / PAGE))?;
        let entry = page.entries.get_mut((id % PAGE) as usize)?.take()?;
        page.live -= 1;
        self.live -= 1;
        if page.live == 0 {
            self.pages.remove(&(id / PAGE));
        }
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.live);
        for (number, page) in &self.pages {
            let live = (0u32..)
                .zip(&page.entries)
                .filter(|(_, entry)| entry.is_some());
            ids.extend(live.map(|(at, _)| number * PAGE + at));
        }
        ids
    }
}
