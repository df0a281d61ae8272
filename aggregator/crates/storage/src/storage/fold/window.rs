//! One hour of one pack: from memory into blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::FoldFailure;
use crate::block::{Clocks, Group, Layout, Totals, decode_totals, encode_totals};
use crate::fold::{Base, Fold, Folded, Source, touched};
use crate::head::Window;
use crate::past::{Deletion, range_of};
use crate::storage::{Inner, Target};
use crate::store::{
    FoldCommit, Forgotten, LayoutRow, PackRow, StoreError, Tier, Turn, Wanted, WindowHead,
    WindowKey, WindowRow,
};
use crate::sync::read;

/// Bytes and groups of a write, so that a commit of the journal never waits long.
const SLICE_BYTES: usize = 384 << 10;
const SWEEP_ROWS: usize = 64;

/// Groups that are read at once.
const GROUPS: usize = 256;

/// The first pause before a turn of unknown outcome is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Metadata: the id of the next layout.
pub(in crate::storage) const NEXT_LAYOUT: &str = "next_layout";

/// What a fold begins with.
struct Begun {
    /// Everything up to this commit is in it.
    committed: u64,
    before: Option<WindowHead>,
    members: Vec<Arc<Target>>,
    sources: Vec<Source>,
    deletions: Vec<Arc<Deletion>>,
}

/// A layout, and whether the database has it.
pub(in crate::storage) struct Chosen {
    pub(in crate::storage) layout: Arc<Layout>,
    pub(in crate::storage) id: u64,
    pub(in crate::storage) row: Option<LayoutRow>,
}

impl Inner {
    /// Folds what is durable of an hour of a pack into blocks, and removes from these what is
    /// deleted. False when there is nothing to do, or not everything is durable yet.
    pub(in crate::storage) async fn fold_window(
        &self,
        key: WindowKey,
    ) -> Result<bool, FoldFailure> {
        let Some(begun) = self.begin(key).await? else {
            return Ok(false);
        };
        let chosen = self.choose_layout(key, &begun).await?;
        let base = match begun.before {
            Some(before) => Some(self.base(before, &chosen.layout, &begun).await?),
            None => None,
        };
        let before = begun.before.map_or(0, |before| before.ver);
        self.sweep(Tier::Raw, key, before).await?;
        let ver = before + 1;
        let begun_layout = begun.before.map(|before| before.layout);
        let Begun {
            committed,
            members,
            sources,
            deletions,
            ..
        } = begun;
        let layout = Arc::clone(&chosen.layout);
        let plan = move || Fold::new(key.window, layout, sources, base, deletions);
        let mut fold = off(plan).await?.map_err(|e| FoldFailure::of(key, &e))?;
        loop {
            let make = move || {
                let rows = fold.slice(SLICE_BYTES);
                (fold, rows)
            };
            let (same, rows) = off(make).await?;
            fold = same;
            let rows = rows.map_err(|error| FoldFailure::of(key, &error))?;
            if rows.is_empty() {
                break;
            }
            self.store.put_blocks(Tier::Raw, key, ver, &rows).await?;
        }
        let (clocks, folded) = fold.finish();
        let head = WindowHead {
            key,
            ver,
            layout: chosen.id,
            fold_seq: committed,
        };
        let clocks = clocks.into();
        let turned = self
            .turn_to(WindowRow { head, clocks }, &chosen, &folded)
            .await?;
        let Some(totals) = turned else {
            return Ok(false);
        };
        self.melt(key, &members, &folded, &totals);
        self.sweep(Tier::Raw, key, ver).await?;
        let was = begun_layout.into_iter().collect();
        self.forget_layouts(key.pack, was).await?;
        Ok(true)
    }

    /// Freezes what there is. None if there is nothing, or something of it is not durable.
    async fn begin(&self, key: WindowKey) -> Result<Option<Begun>, FoldFailure> {
        let committed = self.committed_seq();
        let pending = self.last_deletion.load(Ordering::SeqCst) > committed;
        if pending || key.window < self.floor() {
            return Ok(None);
        }
        let mut members = Vec::new();
        let mut frozen: Vec<Vec<Arc<Window>>> = Vec::new();
        for target in self.members(key.pack) {
            let Some(windows) = Self::head_of(&target).freeze(key.window, committed) else {
                return Ok(None);
            };
            if !windows.is_empty() {
                frozen.push(windows);
                members.push(target);
            }
        }
        let before = self.past.head(Tier::Raw, key);
        let deletions = match before {
            Some(before) => self.deletions_of(before, committed).await?,
            None => Vec::new(),
        };
        if frozen.is_empty() && deletions.is_empty() {
            return Ok(None);
        }
        let whole = move || {
            let sources = frozen.into_iter();
            let sources = sources.filter_map(|of| Source::new(key.window, &of));
            sources.collect::<Vec<_>>()
        };
        let sources = off(whole).await?;
        Ok(Some(Begun {
            committed,
            before,
            members,
            sources,
            deletions,
        }))
    }

    /// The deletions that a window is to be rid of.
    async fn deletions_of(
        &self,
        before: WindowHead,
        committed: u64,
    ) -> Result<Vec<Arc<Deletion>>, FoldFailure> {
        let all = self.past.deletions();
        let concerns = |deletion: &&Arc<Deletion>| {
            (before.fold_seq + 1..=committed).contains(&deletion.seq)
                && deletion.range.overlaps(range_of(before.key))
        };
        let some: Vec<_> = all.iter().filter(concerns).cloned().collect();
        if some.is_empty() {
            return Ok(some);
        }
        let layout = self.layout(before).await?;
        let is_there = |deletion: &Arc<Deletion>| {
            let mut ids = deletion.ids.iter();
            ids.any(|&id| layout.column(id).is_some())
        };
        Ok(some.into_iter().filter(is_there).collect())
    }

    pub(in crate::storage) async fn layout(
        &self,
        head: WindowHead,
    ) -> Result<Arc<Layout>, StoreError> {
        let layouts = &self.past.layouts;
        layouts.get(&*self.store, head.key.pack, head.layout).await
    }

    /// The same; none when it is damaged: then nothing of the window can be read.
    pub(in crate::storage) async fn sound_layout(
        &self,
        head: WindowHead,
    ) -> Result<Option<Arc<Layout>>, StoreError> {
        match self.layout(head).await {
            Err(StoreError::Corrupt { place, reason }) => {
                self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    window = head.key.window,
                    place,
                    reason,
                    "a stored layout is damaged; answers are without the hours that follow it"
                );
                Ok(None)
            }
            layout => layout.map(Some),
        }
    }

    /// The layout to fold by: the window's own, else the pack's newest while it suits; with what
    /// it lacks behind it.
    async fn choose_layout(&self, key: WindowKey, begun: &Begun) -> Result<Chosen, FoldFailure> {
        let ids = begun.sources.iter().flat_map(Source::ids).copied();
        let ids: BTreeSet<u32> = ids.collect();
        let ids: Vec<u32> = ids.into_iter().collect();
        let windows = || self.past.between(Tier::Raw, key.pack, i64::MIN, i64::MAX);
        let newest = || windows().into_iter().max_by_key(|head| head.layout);
        let known = match begun.before.or_else(newest) {
            Some(head) => Some((head.layout, self.layout(head).await)),
            None => None,
        };
        let (have, layout) = match known {
            Some((id, Ok(layout))) if begun.before.is_some() || layout.suits(&ids) => (id, layout),
            // Its own is the only one by which a window can be read.
            Some((_, Err(error))) if begun.before.is_some() => return Err(error.into()),
            _ => {
                let labels = |id: u32| read(&self.catalog).index.labels(id);
                let owned: Vec<(u32, u32)> = {
                    let catalog = read(&self.catalog);
                    let owner = |id: &u32| catalog.index.target(*id).unwrap_or_default();
                    ids.iter().map(|id| (owner(id), *id)).collect()
                };
                return self.new_layout(key, Layout::of(&owned, labels));
            }
        };
        let missing = ids.iter().filter(|id| layout.column(**id).is_none());
        let missing: Vec<u32> = missing.copied().collect();
        if missing.is_empty() {
            let row = None;
            let id = have;
            return Ok(Chosen { layout, id, row });
        }
        self.new_layout(key, layout.extended(missing))
    }

    pub(in crate::storage) fn new_layout(
        &self,
        key: WindowKey,
        layout: Layout,
    ) -> Result<Chosen, FoldFailure> {
        let id = self.next_layout.fetch_add(1, Ordering::SeqCst);
        let blob = layout.encode();
        let blob = blob.map_err(|error| FoldFailure::of(key, &error.into()))?;
        Ok(Chosen {
            layout: Arc::new(layout),
            id,
            row: Some(LayoutRow {
                pack: key.pack,
                id,
                blob: blob.into(),
            }),
        })
    }

    /// Reads what a fold adds to or takes from.
    async fn base(
        &self,
        before: WindowHead,
        layout: &Layout,
        begun: &Begun,
    ) -> Result<Base, FoldFailure> {
        let key = before.key;
        let groups = touched(layout, &begun.sources, &begun.deletions);
        let mut base = Base {
            clocks: Clocks::default(),
            groups: BTreeMap::new(),
            is_lost: false,
        };
        let pages = groups.chunks(GROUPS).map(<[u32]>::to_vec);
        for (at, groups) in pages.enumerate() {
            let wanted = Wanted { key, groups };
            let found = self.store.read_windows(Tier::Raw, &[wanted]).await?;
            let found = found
                .into_iter()
                .next()
                .ok_or_else(|| StoreError::Corrupt {
                    place: format!("hour {} of pack {}", key.window, key.pack),
                    reason: "its header is not there".to_owned(),
                })?;
            if at == 0 {
                match Clocks::decode(found.row.clocks) {
                    Ok(clocks) => base.clocks = clocks,
                    Err(reason) => {
                        self.damaged(key, "the clocks", &reason);
                        base.is_lost = true;
                    }
                }
            }
            for block in found.blocks {
                match Group::decode(&block.blob) {
                    Ok(group) => drop(base.groups.insert(block.group, group)),
                    Err(reason) => {
                        self.damaged(key, &format!("group {}", block.group), &reason);
                    }
                }
            }
        }
        if base.is_lost {
            // Without clocks no column means anything.
            base.groups.clear();
        }
        Ok(base)
    }

    fn damaged(&self, key: WindowKey, what: &str, reason: &dyn std::fmt::Display) {
        self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        tracing::error!(window = key.window, pack = key.pack, what, %reason,
            "a stored block is damaged; what was in it is lost");
    }

    /// Makes a version valid, together with what it adds to the totals; returns these. None when
    /// something has happened since it was begun: then it is done again from the beginning.
    async fn turn_to(
        &self,
        row: WindowRow,
        chosen: &Chosen,
        folded: &Folded,
    ) -> Result<Option<Totals>, FoldFailure> {
        let head = row.head;
        let _turning = self.turning.lock().await;
        let newer = self.past.deletions();
        let mut newer = newer.iter().rev().take_while(|one| one.seq > head.fold_seq);
        let is_hit = newer.any(|deletion| {
            let mut ids = deletion.ids.iter();
            ids.any(|&id| chosen.layout.column(id).is_some())
        });
        let pending = self.last_deletion.load(Ordering::SeqCst) > self.committed_seq();
        if is_hit || pending || head.key.window < self.floor() {
            return Ok(None);
        }
        let mut totals = self.totals(head.key.pack).await?;
        for (id, added) in &folded.added {
            totals.entry(*id).or_default().merge(added);
        }
        let commit = FoldCommit {
            layouts: chosen.row.iter().cloned().collect(),
            turns: vec![Turn::Valid(Tier::Raw, row)],
            packs: vec![Self::pack_row(head.key.pack, &totals)?],
            meta: self.layout_meta(),
        };
        self.turn(&commit).await?;
        self.past
            .layouts
            .keep(head.key.pack, chosen.id, &chosen.layout);
        self.past.set(Tier::Raw, head);
        self.rollups_due.store(true, Ordering::SeqCst);
        Ok(Some(totals))
    }

    /// Removes those of a pack's layouts that no window follows. The caller holds `folding`.
    pub(in crate::storage) async fn forget_layouts(
        &self,
        pack: u64,
        layouts: BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let windows = Tier::ALL.map(|tier| self.past.between(tier, pack, i64::MIN, i64::MAX));
        let used: BTreeSet<u64> = windows.iter().flatten().map(|head| head.layout).collect();
        let unused = layouts.difference(&used).map(|&id| (pack, id));
        let layouts: Vec<(u64, u64)> = unused.collect();
        if layouts.is_empty() {
            return Ok(());
        }
        self.store
            .forget(&Forgotten {
                layouts,
                ..Forgotten::default()
            })
            .await
    }

    pub(in crate::storage) fn layout_meta(&self) -> Vec<(&'static str, i64)> {
        let next = self.next_layout.load(Ordering::SeqCst);
        vec![(NEXT_LAYOUT, i64::try_from(next).unwrap_or(i64::MAX))]
    }

    /// What the blocks of a pack add up to. Whoever changes it holds `turning`, and nothing that
    /// changes it waits to be committed.
    pub(in crate::storage) async fn totals(&self, pack: u64) -> Result<Totals, StoreError> {
        let Some(row) = self.store.pack(pack).await? else {
            return Ok(Totals::new());
        };
        decode_totals(&row.blob).map_err(|reason| StoreError::Corrupt {
            place: format!("pack {pack}"),
            reason: reason.to_string(),
        })
    }

    pub(in crate::storage) fn pack_row(pack: u64, totals: &Totals) -> Result<PackRow, StoreError> {
        let blob = encode_totals(totals).map_err(|e| StoreError::Failed(e.to_string()))?;
        let blob = blob.into();
        Ok(PackRow { id: pack, blob })
    }

    /// Turns headers. When it is not known whether it happened, it is done again until it is
    /// known: it is the same done twice.
    pub(in crate::storage) async fn turn(&self, commit: &FoldCommit) -> Result<(), StoreError> {
        let mut pause = RETRY.0;
        let mut is_unknown = false;
        loop {
            match self.store.turn(commit).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Unknown(reason)) => {
                    tracing::warn!(reason, "it is not known whether blocks became valid");
                    is_unknown = true;
                }
                Err(error) if !is_unknown || error == StoreError::Fenced => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Removes the blocks of a window that do not count.
    pub(in crate::storage) async fn sweep(
        &self,
        tier: Tier,
        key: WindowKey,
        keep: u64,
    ) -> Result<(), StoreError> {
        while self.store.sweep(tier, key, keep, SWEEP_ROWS).await? == SWEEP_ROWS {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn melt(&self, key: WindowKey, members: &[Arc<Target>], folded: &Folded, totals: &Totals) {
        for target in members {
            let mut head = Self::head_of(target);
            head.melt(key.window);
            // What was counted when it came again.
            for &id in &folded.again {
                head.recount(id, totals);
            }
        }
        let counters = &self.counters;
        counters.folded.fetch_add(folded.samples, Ordering::Relaxed);
        counters
            .refused
            .fetch_add(folded.refused, Ordering::Relaxed);
        counters.raw_groups.fetch_add(folded.raw, Ordering::Relaxed);
    }

    pub(in crate::storage) fn members(&self, pack: u64) -> Vec<Arc<Target>> {
        let Ok(pack) = u32::try_from(pack) else {
            return Vec::new();
        };
        let catalog = read(&self.catalog);
        let members = catalog.packs.members(pack);
        let members = members.iter().filter_map(|id| catalog.targets.get(id));
        members.cloned().collect()
    }

    /// Whether a pack has targets.
    pub(in crate::storage) fn has_members(&self, pack: u64) -> bool {
        !self.members(pack).is_empty()
    }
}

/// Does work off the runtime's threads.
pub(in crate::storage) async fn off<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FoldFailure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| FoldFailure::Interrupted(panic.to_string()))
}
