//! The one task that commits.
//!
//! Batches go first in, first out: the next waits until the outcome of this one is known. A failed
//! batch is tried again byte for byte under its number; when it is not known whether a commit took
//! place, the number and digest of the newest commit are read back.

use std::sync::Arc;
use std::time::Duration;

use crate::journal::pack;
use crate::options::Options;
use crate::past::Deletion;
use crate::queue::{Pending, Queue};
use crate::storage::objects::Objects;
use crate::store::{CommitBatch, EventRow, Store, StoreError, StoredObject, join_digest};

/// Records of more bytes than this are compressed off the runtime's threads.
const COMPRESS_APART: usize = 64 << 10;

/// What the task works with.
pub(crate) struct Committer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) retry_first: Duration,
    pub(crate) retry_most: Duration,
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        queue: Arc<Queue>,
        objects: Arc<Objects>,
        options: &Options,
    ) -> Self {
        Self {
            store,
            queue,
            objects,
            retry_first: options.retry_first,
            retry_most: options.retry_most,
        }
    }

    /// Commits until the queue is closed and empty, or until the store has been taken over.
    pub(crate) async fn run(self) {
        while let Some(pending) = self.queue.next().await {
            let mut done = pending.done();
            let batch = self.prepare(pending).await;
            done.written = batch.blob.as_ref().map_or(0, bytes::Bytes::len);
            if let Err(error) = self.commit(&batch).await {
                tracing::error!(%error, "nothing can be stored any more");
                return self.queue.stop(Some(&error.to_string()));
            }
            let keys = batch
                .objects
                .iter()
                .map(|object| (object.kind, object.key.as_str()));
            self.objects.stored(batch.seq, keys);
            self.queue.committed(&done);
        }
        self.queue.stop(None);
    }

    async fn prepare(&self, pending: Pending) -> CommitBatch {
        let mut pause = Pause::new(self);
        let pending = Arc::new(pending);
        loop {
            let prepared = if pending.bytes() > COMPRESS_APART {
                let pending = Arc::clone(&pending);
                let task = tokio::task::spawn_blocking(move || prepare(&pending)).await;
                task.unwrap_or_else(|panic| Err(panic.to_string()))
            } else {
                prepare(&pending)
            };
            match prepared {
                Ok(batch) => return batch,
                Err(error) => {
                    self.queue.failed(&error);
                    tracing::error!(error, "a batch cannot be compressed; trying again");
                    pause.wait().await;
                }
            }
        }
    }

    /// Returns when the batch is durable.
    ///
    /// # Errors
    /// When it never will be.
    async fn commit(&self, batch: &CommitBatch) -> Result<(), StoreError> {
        let mut pause = Pause::new(self);
        let mut failures = 0u32;
        loop {
            let error = match self.store.commit(batch).await {
                Ok(()) => break,
                Err(StoreError::Fenced) => return Err(StoreError::Fenced),
                Err(error) => error,
            };
            self.queue.failed(&error.to_string());
            if failures == 0 {
                tracing::warn!(%error, seq = batch.seq, "a commit failed; it is tried again");
            }
            failures += 1;
            if matches!(error, StoreError::Unknown(_)) && self.has_happened(batch).await? {
                break;
            }
            pause.wait().await;
        }
        if failures > 0 {
            tracing::info!(failures, seq = batch.seq, "the store commits again");
        }
        Ok(())
    }

    /// Reads back whether a batch is durable.
    async fn has_happened(&self, batch: &CommitBatch) -> Result<bool, StoreError> {
        let mut pause = Pause::new(self);
        loop {
            match self.store.committed().await {
                Ok(newest) if newest.seq == batch.seq && newest.hash == batch.hash => {
                    return Ok(true);
                }
                Ok(newest) if newest.seq + 1 == batch.seq => return Ok(false),
                // Somebody else has written.
                Ok(_) | Err(StoreError::Fenced) => return Err(StoreError::Fenced),
                Err(error) => self.queue.failed(&error.to_string()),
            }
            pause.wait().await;
        }
    }
}

/// A pause that doubles, up to a bound.
struct Pause {
    next: Duration,
    most: Duration,
}

impl Pause {
    fn new(committer: &Committer) -> Self {
        Self {
            next: committer.retry_first,
            most: committer.retry_most,
        }
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.most);
    }
}

fn prepare(pending: &Pending) -> Result<CommitBatch, String> {
    let framed = |bytes: &[u8]| match pack(bytes) {
        Ok(blob) => Ok(bytes::Bytes::from(blob)),
        Err(error) => Err(error.to_string()),
    };
    let mut batch = CommitBatch {
        seq: pending.seq,
        hash: 0,
        segment: pending.segment,
        blob: None,
        targets: pending.targets.clone(),
        series: pending.series.clone(),
        left_series: pending.left_series(),
        forgotten_series: pending.forgotten_series.clone(),
        forgotten_targets: pending.forgotten_targets.clone(),
        deletion: None,
        packs: pending.packs().collect(),
        objects: Vec::new(),
        deleted_objects: Vec::new(),
        events: Vec::new(),
        meta: pending
            .meta
            .iter()
            .map(|(key, value)| (*key, *value))
            .collect(),
    };
    if !pending.deletions.is_empty() {
        let blob = Deletion::frame(&pending.deletions).map_err(|error| error.to_string())?;
        batch.deletion = Some(blob.into());
    }
    if pending.records.len() > 0 {
        batch.blob = Some(framed(pending.records.bytes())?);
    }
    for ((kind, key), object) in pending.objects() {
        match object {
            Some(object) => batch.objects.push(StoredObject {
                kind: *kind,
                key: key.clone(),
                updated: object.updated,
                body: framed(&object.body)?,
            }),
            None => batch.deleted_objects.push((*kind, key.clone())),
        }
    }
    for (id, event) in pending.events() {
        batch.events.push(EventRow {
            at: event.at,
            id,
            body: framed(&event.body)?,
        });
    }
    batch.hash = digest(&batch);
    Ok(batch)
}

/// A digest of what a batch writes: journal in one half, documents and names in the other. Without
/// these it is a [`row_digest`](crate::store::row_digest).
fn digest(batch: &CommitBatch) -> u64 {
    let journal = crc32c::crc32c(batch.blob.as_deref().unwrap_or_default());
    let mut rest = crc32c::crc32c(&batch.seq.to_le_bytes());
    for object in &batch.objects {
        rest = crc32c::crc32c_append(rest, object.key.as_bytes());
        rest = crc32c::crc32c_append(rest, &object.body);
    }
    for event in &batch.events {
        rest = crc32c::crc32c_append(rest, &event.at.to_le_bytes());
        rest = crc32c::crc32c_append(rest, &event.body);
    }
    for series in &batch.series {
        rest = crc32c::crc32c_append(rest, &series.id.to_le_bytes());
    }
    join_digest(journal, rest)
}
