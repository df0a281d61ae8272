//! A store without a disk, which can be told to fail.
//!
//! It keeps what has been committed for as long as one handle lives. [`MemoryStore::reopened`]
//! gives another handle on the same data, as a second start of the program would have: opening
//! through it fences the first one off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use system_stats_model::sample::Millis;

use crate::object::ObjectKind;
use crate::store::{
    CommitBatch, Committed, JournalRow, Opened, SeriesRow, Store, StoreError, StoredObject,
    TargetRow,
};
use crate::sync::lock;

/// How a commit goes wrong.
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
    /// By segment and number.
    journal: BTreeMap<(u64, u64), JournalRow>,
    objects: BTreeMap<(ObjectKind, String), (Millis, Bytes)>,
    meta: BTreeMap<String, i64>,
    faults: VecDeque<Fault>,
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
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let mut shared = lock(&self.shared);
        if shared.is_down {
            return Err(StoreError::Failed("the store is down".to_owned()));
        }
        shared.epoch += 1;
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

    async fn series(&self, after: u64, limit: usize) -> Result<Vec<SeriesRow>, StoreError> {
        self.read(|shared| page(&shared.series, after, limit))
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

    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let fault = {
            let mut shared = lock(&self.shared);
            if shared.is_down {
                return Err(StoreError::Failed("the store is down".to_owned()));
            }
            shared.faults.pop_front()
        };
        if let Some(Fault::Slow(pause)) = fault {
            tokio::time::sleep(pause).await;
        }
        let mut shared = lock(&self.shared);
        if shared.epoch != self.epoch.load(Ordering::SeqCst) {
            return Err(StoreError::Fenced);
        }
        let lost = || StoreError::Unknown("the connection was lost".to_owned());
        match fault {
            Some(Fault::Before) => return Err(StoreError::Failed("told to fail".to_owned())),
            Some(Fault::BeforeUnknown) => return Err(lost()),
            _ => shared.apply(batch)?,
        }
        match fault {
            Some(Fault::AfterUnknown) => Err(lost()),
            _ => Ok(()),
        }
    }

    async fn committed(&self) -> Result<Committed, StoreError> {
        self.read(|shared| shared.committed)
    }

    async fn trim(&self, segment: u64, limit: usize) -> Result<usize, StoreError> {
        self.read(|_| ())?;
        let mut shared = lock(&self.shared);
        let rows = shared.journal.values().filter(|row| row.segment == segment);
        let rows: Vec<(u64, u64)> = rows.take(limit).map(|row| (segment, row.seq)).collect();
        for key in &rows {
            shared.journal.remove(key);
        }
        Ok(rows.len())
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
        for id in &batch.forgotten_series {
            self.series.remove(id);
        }
        for id in &batch.forgotten_targets {
            self.targets.remove(id);
        }
        let meta = batch.meta.iter();
        self.meta
            .extend(meta.map(|(key, value)| ((*key).to_owned(), *value)));
        Ok(())
    }
}

fn page<T: Clone>(rows: &BTreeMap<u64, T>, after: u64, limit: usize) -> Vec<T> {
    let rows = rows.range(after.saturating_add(1)..);
    rows.take(limit).map(|(_, row)| row.clone()).collect()
}
