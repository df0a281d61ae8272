//! A store without a disk, which can be told to fail.
//!
//! It keeps what has been committed for as long as one handle lives. [`MemoryStore::reopened`]
//! gives another handle on the same data, as a second start of the program would have: opening
//! through it fences the first one off.

mod blocks;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use system_stats_model::sample::Millis;

use crate::object::ObjectKind;
use crate::store::{
    BlockRow, CommitBatch, Committed, DeletionRow, EventRow, FoldCommit, Forgotten, Found,
    JournalRow, LayoutRow, Opened, PackRow, SeriesNames, SeriesRow, Store, StoreError,
    StoredObject, TargetRow, Tier, Wanted, WindowHead, WindowKey,
};
use crate::sync::lock;
use blocks::Blocks;

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and the caller knows.
    Before,
    /// Nothing is written, and the caller does not know.
    BeforeUnknown,
    /// Everything is written, and the caller does not know.
    AfterUnknown,
    /// Everything is written, but late.
    Slow(Duration),
}

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    /// The epoch in which this handle was opened.
    epoch: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Shared {
    epoch: u64,
    committed: Committed,
    targets: BTreeMap<u64, TargetRow>,
    series: BTreeMap<u64, SeriesRow>,
    blocks: Blocks,
    /// By segment and number.
    journal: BTreeMap<(u64, u64), JournalRow>,
    objects: BTreeMap<(ObjectKind, String), (Millis, Bytes)>,
    events: BTreeMap<(Millis, u64), Bytes>,
    meta: BTreeMap<String, i64>,
    faults: VecDeque<Fault>,
    /// The same for every other write.
    block_faults: VecDeque<Fault>,
    /// So many more writes of any kind, then the process is dead.
    writes_left: Option<usize>,
    is_down: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle on the same data, not opened yet.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            epoch: Arc::default(),
        }
    }

    /// The next commits go wrong like this, one after the other; those after them go well.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.extend(faults);
    }

    /// The same for writes that are no commits: blocks, headers, removals.
    pub fn fail_next_blocks(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).block_faults.extend(faults);
    }

    /// After so many more writes of any kind all others fail, as if the process had died, until
    /// the store is opened again.
    pub fn die_after(&self, writes: usize) {
        lock(&self.shared).writes_left = Some(writes);
    }

    /// The blocks of a tier, whether their version counts or not: window, group, version.
    #[must_use]
    pub fn blocks(&self, tier: Tier) -> Vec<(WindowKey, u32, u64)> {
        lock(&self.shared).blocks.keys(tier)
    }

    /// Replaces what a block of the valid version of a window holds.
    pub fn damage_block(&self, tier: Tier, key: WindowKey, group: u32, blob: Bytes) {
        lock(&self.shared).blocks.damage(tier, key, group, blob);
    }

    /// From now on everything fails, or nothing any more.
    pub fn set_down(&self, is_down: bool) {
        lock(&self.shared).is_down = is_down;
    }

    /// Replaces what a row of the journal holds.
    pub fn damage(&self, seq: u64, blob: Bytes) {
        let mut shared = lock(&self.shared);
        if let Some(row) = shared.journal.values_mut().find(|row| row.seq == seq) {
            row.blob = blob;
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Shared) -> T) -> Result<T, StoreError> {
        let shared = lock(&self.shared);
        if shared.is_down {
            return Err(StoreError::Failed("the store is down".to_owned()));
        }
        Ok(read(&shared))
    }

    /// Begins a write: the fault that it has, if any.
    fn begin(
        &self,
        faults: impl FnOnce(&mut Shared) -> &mut VecDeque<Fault>,
    ) -> Result<Option<Fault>, StoreError> {
        let mut shared = lock(&self.shared);
        if shared.is_down {
            return Err(StoreError::Failed("the store is down".to_owned()));
        }
        match &mut shared.writes_left {
            Some(0) => return Err(StoreError::Failed("told to die".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(faults(&mut shared).pop_front())
    }

    async fn apply<T>(
        &self,
        fault: Option<Fault>,
        write: impl FnOnce(&mut Shared) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        if let Some(Fault::Slow(pause)) = fault {
            tokio::time::sleep(pause).await;
        }
        let mut shared = lock(&self.shared);
        if shared.epoch != self.epoch.load(Ordering::SeqCst) {
            return Err(StoreError::Fenced);
        }
        let lost = || StoreError::Unknown("the connection was lost".to_owned());
        let written = match fault {
            Some(Fault::Before) => return Err(StoreError::Failed("told to fail".to_owned())),
            Some(Fault::BeforeUnknown) => return Err(lost()),
            _ => write(&mut shared)?,
        };
        match fault {
            Some(Fault::AfterUnknown) => Err(lost()),
            _ => Ok(written),
        }
    }

    /// A write that is no commit.
    async fn write<T>(&self, write: impl FnOnce(&mut Shared) -> T + Send) -> Result<T, StoreError> {
        let fault = self.begin(|shared| &mut shared.block_faults)?;
        self.apply(fault, |shared| Ok(write(shared))).await
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let mut shared = lock(&self.shared);
        if shared.is_down {
            return Err(StoreError::Failed("the store is down".to_owned()));
        }
        shared.epoch += 1;
        shared.writes_left = None;
        self.epoch.store(shared.epoch, Ordering::SeqCst);
        let objects = shared.objects.iter();
        Ok(Opened {
            committed: shared.committed,
            meta: shared
                .meta
                .iter()
                .map(|(key, value)| (key.clone(), *value))
                .collect(),
            objects: objects
                .map(|((kind, key), (updated, _))| (*kind, key.clone(), *updated))
                .collect(),
        })
    }

    async fn targets(&self, after: u64, limit: usize) -> Result<Vec<TargetRow>, StoreError> {
        self.read(|shared| page(&shared.targets, after, limit))
    }

    async fn series(&self, after: u64, limit: usize) -> Result<SeriesNames, StoreError> {
        self.read(|shared| {
            let rows = shared.series.range(after.saturating_add(1)..);
            let rows = rows.filter(|(_, row)| row.last.is_none());
            let mut names = SeriesNames::default();
            for (_, row) in rows.take(limit) {
                names.push(row);
            }
            names
        })
    }

    async fn left_series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        self.read(|shared| {
            let rows = shared.series.range(after.saturating_add(1)..);
            let rows = rows.filter(|(_, row)| row.last.is_some());
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    async fn series_by_id(&self, ids: &[u64]) -> Result<Vec<SeriesRow>, StoreError> {
        self.read(|shared| {
            let rows = ids.iter().filter_map(|id| shared.series.get(id));
            rows.cloned().collect()
        })
    }

    async fn journal(
        &self,
        segment: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, StoreError> {
        self.read(|shared| {
            let rows = shared.journal.range((segment, after.saturating_add(1))..);
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    async fn object(
        &self,
        kind: ObjectKind,
        key: &str,
    ) -> Result<Option<StoredObject>, StoreError> {
        self.read(|shared| {
            let (updated, body) = shared.objects.get(&(kind, key.to_owned()))?;
            Some(StoredObject {
                kind,
                key: key.to_owned(),
                updated: *updated,
                body: body.clone(),
            })
        })
    }

    async fn objects(
        &self,
        kind: ObjectKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredObject>, StoreError> {
        self.read(|shared| {
            let after = (Bound::Excluded((kind, after.to_owned())), Bound::Unbounded);
            let rows = shared.objects.range(after);
            rows.take_while(|((of, _), _)| *of == kind)
                .take(limit)
                .map(|((kind, key), (updated, body))| StoredObject {
                    kind: *kind,
                    key: key.clone(),
                    updated: *updated,
                    body: body.clone(),
                })
                .collect()
        })
    }

    async fn events(
        &self,
        start: Millis,
        before: (Millis, u64),
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.read(|shared| {
            let rows = shared.events.range(..before).rev();
            let rows = rows.take_while(|((at, _), _)| *at >= start);
            rows.take(limit)
                .map(|(&(at, id), body)| EventRow {
                    at,
                    id,
                    body: body.clone(),
                })
                .collect()
        })
    }

    async fn expire_events(&self, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let expire = |shared: &mut Shared| {
            let old = shared.events.range(..(before, 0)).take(limit);
            let old: Vec<(Millis, u64)> = old.map(|(key, _)| *key).collect();
            for key in &old {
                shared.events.remove(key);
            }
            old.len()
        };
        self.write(expire).await
    }

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let fault = self.begin(|shared| &mut shared.faults)?;
        self.apply(fault, |shared| shared.apply(batch)).await
    }

    async fn committed(&self) -> Result<Committed, StoreError> {
        self.read(|shared| shared.committed)
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        let trim = |shared: &mut Shared| {
            let rows = shared.journal.values().filter(|row| row.segment == segment);
            let rows: Vec<(u64, u64)> = rows.take(limit).map(|row| (segment, row.seq)).collect();
            for key in &rows {
                shared.journal.remove(key);
            }
            rows.len()
        };
        self.write(trim).await
    }

    async fn windows(
        &self,
        tier: Tier,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Result<Vec<WindowHead>, StoreError> {
        self.read(|shared| shared.blocks.windows(tier, after, limit))
    }

    async fn read_windows(&self, tier: Tier, wanted: &[Wanted]) -> Result<Vec<Found>, StoreError> {
        self.read(|shared| shared.blocks.read(tier, wanted))
    }

    async fn layout(&self, pack: u64, id: u64) -> Result<Option<LayoutRow>, StoreError> {
        self.read(|shared| shared.blocks.layout(pack, id))
    }

    async fn packs(&self, after: u64, limit: usize) -> Result<Vec<PackRow>, StoreError> {
        self.read(|shared| page(&shared.blocks.packs, after, limit))
    }

    async fn pack(&self, id: u64) -> Result<Option<PackRow>, StoreError> {
        self.read(|shared| shared.blocks.packs.get(&id).cloned())
    }

    async fn deletions(&self) -> Result<Vec<DeletionRow>, StoreError> {
        self.read(|shared| {
            let rows = shared.blocks.deletions.iter();
            let row = |(&seq, blob): (&u64, &Bytes)| DeletionRow {
                seq,
                blob: blob.clone(),
            };
            rows.map(row).collect()
        })
    }

    async fn put_blocks(
        &self,
        tier: Tier,
        key: WindowKey,
        ver: u64,
        blocks: &[BlockRow],
    ) -> Result<(), StoreError> {
        self.write(|shared| shared.blocks.put(tier, key, ver, blocks))
            .await
    }

    async fn turn(&self, commit: &FoldCommit) -> Result<(), StoreError> {
        let turn = |shared: &mut Shared| {
            shared.blocks.turn(commit);
            shared.put_meta(&commit.meta);
        };
        self.write(turn).await
    }

    async fn sweep(
        &self,
        tier: Tier,
        key: WindowKey,
        keep: u64,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.write(|shared| shared.blocks.sweep(tier, key, keep, limit))
            .await
    }

    async fn expire(&self, tier: Tier, before: Millis, limit: usize) -> Result<usize, StoreError> {
        self.write(|shared| shared.blocks.expire(tier, before, limit))
            .await
    }

    async fn expire_series(&self, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let expire = |shared: &mut Shared| {
            let is_old = |row: &&SeriesRow| row.last.is_some_and(|last| last < before);
            let old = shared.series.values().filter(is_old);
            let old: Vec<u64> = old.take(limit).map(|row| row.id).collect();
            for id in &old {
                shared.series.remove(id);
            }
            old.len()
        };
        self.write(expire).await
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        self.write(|shared| shared.blocks.forget(forgotten)).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        self.read(|shared| {
            let journal = shared.journal.values().map(|row| row.blob.len());
            (journal.sum::<usize>() + shared.blocks.size()) as u64
        })
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Shared {
    fn apply(&mut self, batch: &CommitBatch) -> Result<(), StoreError> {
        if batch.seq != self.committed.seq + 1 {
            return Err(StoreError::Fenced);
        }
        let is_there = |id: &u64| self.series.contains_key(id);
        if batch.series.iter().any(|row| is_there(&row.id))
            || batch
                .targets
                .iter()
                .any(|row| self.targets.contains_key(&row.id))
        {
            return Err(StoreError::Failed("an id is there already".to_owned()));
        }
        self.committed = Committed {
            seq: batch.seq,
            hash: batch.hash,
        };
        self.targets
            .extend(batch.targets.iter().map(|row| (row.id, row.clone())));
        self.series
            .extend(batch.series.iter().map(|row| (row.id, row.clone())));
        if let Some(blob) = &batch.blob {
            self.journal.insert(
                (batch.segment, batch.seq),
                JournalRow {
                    segment: batch.segment,
                    seq: batch.seq,
                    blob: blob.clone(),
                },
            );
        }
        for object in &batch.objects {
            let key = (object.kind, object.key.clone());
            self.objects
                .insert(key, (object.updated, object.body.clone()));
        }
        for key in &batch.deleted_objects {
            self.objects.remove(key);
        }
        for (id, last) in &batch.left_series {
            if let Some(row) = self.series.get_mut(id) {
                row.last = *last;
            }
        }
        for id in &batch.forgotten_series {
            self.series.remove(id);
        }
        for id in &batch.forgotten_targets {
            self.targets.remove(id);
        }
        if let Some(blob) = &batch.deletion {
            self.blocks.deletions.insert(batch.seq, blob.clone());
        }
        let events = batch.events.iter();
        self.events
            .extend(events.map(|row| ((row.at, row.id), row.body.clone())));
        self.blocks.put_packs(&batch.packs);
        self.put_meta(&batch.meta);
        Ok(())
    }

    fn put_meta(&mut self, meta: &[(&'static str, i64)]) {
        let meta = meta.iter();
        self.meta
            .extend(meta.map(|(key, value)| ((*key).to_owned(), *value)));
    }
}

fn page<T: Clone>(rows: &BTreeMap<u64, T>, after: u64, limit: usize) -> Vec<T> {
    let rows = rows.range(after.saturating_add(1)..);
    rows.take(limit).map(|(_, row)| row.clone()).collect()
}
