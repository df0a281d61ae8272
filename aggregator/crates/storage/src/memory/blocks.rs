//! The compressed past, in maps.

use std::collections::BTreeMap;

use bytes::Bytes;
use system_stats_model::sample::Millis;

use crate::store::{
    BlockRow, FoldCommit, Forgotten, Found, LayoutRow, PackRow, Tier, Turn, Wanted, WindowHead,
    WindowKey, WindowRow,
};

/// A tier's headers and blocks.
#[derive(Debug, Default)]
struct Tables {
    headers: BTreeMap<WindowKey, WindowRow>,
    /// By window, group and version.
    blocks: BTreeMap<(WindowKey, u32, u64), Bytes>,
}

impl Tables {
    /// The block of a group that counts under version `ver`.
    fn valid(
        &self,
        key: WindowKey,
        ver: u64,
        group: u32,
    ) -> Option<((WindowKey, u32, u64), &Bytes)> {
        let versions = (key, group, 1)..=(key, group, ver.max(1));
        let newest = self.blocks.range(versions).next_back()?;
        (ver > 0).then_some((*newest.0, newest.1))
    }
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    tiers: BTreeMap<Tier, Tables>,
    pub(super) layouts: BTreeMap<(u64, u64), Bytes>,
    pub(super) packs: BTreeMap<u64, PackRow>,
    pub(super) deletions: BTreeMap<u64, Bytes>,
}

impl Blocks {
    pub(super) fn windows(
        &self,
        tier: Tier,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Vec<WindowHead> {
        let Some(tables) = self.tiers.get(&tier) else {
            return Vec::new();
        };
        let rows = tables.headers.iter();
        let rows = rows.filter(|(key, _)| after.is_none_or(|after| **key > after));
        rows.take(limit).map(|(_, row)| row.head).collect()
    }

    pub(super) fn read(&self, tier: Tier, wanted: &[Wanted]) -> Vec<Found> {
        let Some(tables) = self.tiers.get(&tier) else {
            return Vec::new();
        };
        let found = wanted.iter().filter_map(|wanted| {
            let row = tables.headers.get(&wanted.key)?;
            let blocks = wanted.groups.iter().filter_map(|&group| {
                let (_, blob) = tables.valid(wanted.key, row.head.ver, group)?;
                let blob = blob.clone();
                Some(BlockRow { group, blob })
            });
            Some(Found {
                row: row.clone(),
                blocks: blocks.collect(),
            })
        });
        found.collect()
    }

    pub(super) fn layout(&self, pack: u64, id: u64) -> Option<LayoutRow> {
        let blob = self.layouts.get(&(pack, id))?.clone();
        Some(LayoutRow { pack, id, blob })
    }

    pub(super) fn put(&mut self, tier: Tier, key: WindowKey, ver: u64, blocks: &[BlockRow]) {
        let tables = self.tiers.entry(tier).or_default();
        let rows = blocks.iter();
        let rows = rows.map(|row| ((key, row.group, ver), row.blob.clone()));
        tables.blocks.extend(rows);
    }

    pub(super) fn turn(&mut self, commit: &FoldCommit) {
        for layout in &commit.layouts {
            let key = (layout.pack, layout.id);
            self.layouts
                .entry(key)
                .or_insert_with(|| layout.blob.clone());
        }
        for turn in &commit.turns {
            match turn {
                Turn::Valid(tier, row) => {
                    let tables = self.tiers.entry(*tier).or_default();
                    tables.headers.insert(row.head.key, row.clone());
                }
                Turn::Gone(tier, key) => {
                    self.tiers.entry(*tier).or_default().headers.remove(key);
                }
            }
        }
        self.put_packs(&commit.packs);
    }

    pub(super) fn put_packs(&mut self, packs: &[PackRow]) {
        let packs = packs.iter();
        self.packs.extend(packs.map(|pack| (pack.id, pack.clone())));
    }

    pub(super) fn sweep(&mut self, tier: Tier, key: WindowKey, keep: u64, limit: usize) -> usize {
        let tables = self.tiers.entry(tier).or_default();
        let rows = tables.blocks.range((key, 0, 0)..=(key, u32::MAX, u64::MAX));
        let counts = |at: &(WindowKey, u32, u64)| {
            let valid = tables.valid(key, keep, at.1);
            valid.is_some_and(|(valid, _)| valid == *at)
        };
        let rubbish = rows.map(|(at, _)| *at).filter(|at| !counts(at));
        let rubbish: Vec<_> = rubbish.take(limit).collect();
        for at in &rubbish {
            tables.blocks.remove(at);
        }
        rubbish.len()
    }

    pub(super) fn expire(&mut self, tier: Tier, before: Millis, limit: usize) -> usize {
        let tables = self.tiers.entry(tier).or_default();
        let old = |key: &WindowKey| key.window < before;
        let headers: Vec<_> = tables.headers.keys().copied().filter(old).collect();
        if !headers.is_empty() {
            let some = headers.iter().take(limit);
            some.clone()
                .for_each(|key| drop(tables.headers.remove(key)));
            return some.count();
        }
        let blocks = tables.blocks.keys().copied();
        let blocks: Vec<_> = blocks.filter(|(key, ..)| old(key)).take(limit).collect();
        for at in &blocks {
            tables.blocks.remove(at);
        }
        blocks.len()
    }

    pub(super) fn forget(&mut self, forgotten: &Forgotten) {
        for key in &forgotten.layouts {
            self.layouts.remove(key);
        }
        for id in &forgotten.packs {
            self.packs.remove(id);
        }
        for seq in &forgotten.deletions {
            self.deletions.remove(seq);
        }
    }

    /// What the blobs take.
    pub(super) fn size(&self) -> usize {
        let tiers = self.tiers.values().map(|tables| {
            let clocks = tables.headers.values().map(|row| row.clocks.len());
            let blocks = tables.blocks.values().map(Bytes::len);
            clocks.sum::<usize>() + blocks.sum::<usize>()
        });
        tiers.sum::<usize>() + self.layouts.values().map(Bytes::len).sum::<usize>()
    }

    /// The blocks of a tier, valid or not: window, group, version.
    pub(super) fn keys(&self, tier: Tier) -> Vec<(WindowKey, u32, u64)> {
        let tables = self.tiers.get(&tier);
        tables.map_or_else(Vec::new, |tables| tables.blocks.keys().copied().collect())
    }

    /// Replaces what a block holds, of whatever version is valid.
    pub(super) fn damage(&mut self, tier: Tier, key: WindowKey, group: u32, blob: Bytes) {
        if let Some(tables) = self.tiers.get_mut(&tier)
            && let Some(row) = tables.headers.get(&key)
            && let Some((at, _)) = tables.valid(key, row.head.ver, group)
        {
            tables.blocks.insert(at, blob);
        }
    }
}
