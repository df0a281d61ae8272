//! Numbered records, newest last: in memory for whoever reads them, in the store for the next
//! start.
//!
//! What is kept is bounded in number and bytes; the oldest give way. Numbers are never given twice:
//! the newest record stays, however old it is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};

use super::InventoryError;

/// Documents read at a time when a log is loaded.
pub(super) const PAGE: usize = 1000;

/// What a log keeps.
pub(super) trait Record: Serialize + DeserializeOwned {
    const KIND: ObjectKind;
    /// When it was made.
    fn at(&self) -> Millis;
}

/// How much a log keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// The records of one kind.
#[derive(Debug)]
pub(super) struct Log<R> {
    rows: VecDeque<Row<R>>,
    next: u64,
    bytes: usize,
    bounds: Bounds,
}

#[derive(Debug)]
struct Row<R> {
    id: u64,
    bytes: usize,
    record: Arc<R>,
}

impl<R: Record> Log<R> {
    /// What the store has of it. A record that cannot be read is left out, and said so.
    pub(super) async fn load(storage: &Storage, bounds: Bounds) -> Result<Self, InventoryError> {
        let mut log = Self {
            rows: VecDeque::new(),
            next: 1,
            bytes: 0,
            bounds,
        };
        let mut after = String::new();
        loop {
            let page = storage.object_page(R::KIND, &after, PAGE).await;
            let page = page.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for object in page {
                let record = serde_json::from_slice(&object.body).ok();
                let Some((id, record)) = object.key.parse().ok().zip(record) else {
                    tracing::warn!(kind = ?R::KIND, key = object.key, "a record cannot be read");
                    continue;
                };
                log.insert(id, record, object.body.len());
            }
        }
        Ok(log)
    }

    /// The number that the next record gets.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Adds a record whose document the store has been given.
    pub(super) fn insert(&mut self, id: u64, record: R, bytes: usize) {
        self.next = self.next.max(id + 1);
        self.bytes += bytes;
        self.rows.push_back(Row {
            id,
            bytes,
            record: Arc::new(record),
        });
    }

    /// Puts another version in the place of a record whose document the store has been given.
    pub(super) fn replace(&mut self, id: u64, record: R, bytes: usize) {
        if let Some(at) = self.position(id) {
            let row = &mut self.rows[at];
            self.bytes = self.bytes - row.bytes + bytes;
            row.bytes = bytes;
            row.record = Arc::new(record);
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&R> {
        self.position(id).map(|at| self.rows[at].record.as_ref())
    }

    /// All records with their numbers, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Arc<R>)> {
        self.rows.iter().map(|row| (row.id, &row.record))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets what is beyond the bounds or older than `horizon`, here and in the store. What the
    /// store does not take now goes the next time.
    pub(super) fn trim(&mut self, storage: &Storage, horizon: Option<Millis>) {
        while let Some(oldest) = self.rows.front() {
            let is_old = horizon.is_some_and(|horizon| oldest.record.at() < horizon);
            let is_too_much =
                self.rows.len() > self.bounds.records || self.bytes > self.bounds.bytes;
            if self.rows.len() == 1 || !(is_old || is_too_much) {
                break;
            }
            if storage.delete_object(R::KIND, &key(oldest.id)).is_err() {
                break;
            }
            self.bytes -= oldest.bytes;
            self.rows.pop_front();
        }
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.rows.binary_search_by_key(&id, |row| row.id).ok()
    }
}

/// The document of a record.
pub(super) fn document<R: Record>(id: u64, record: &R) -> Result<Object, InventoryError> {
    Ok(Object {
        kind: R::KIND,
        key: key(id),
        updated: record.at(),
        body: json(record)?,
    })
}

/// A value as the text of a document.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Bytes, InventoryError> {
    let json = serde_json::to_vec(value);
    json.map(Bytes::from)
        .map_err(|error| InventoryError::Unreadable(error.to_string()))
}

/// A number as a key: the order of the keys is that of the numbers.
fn key(id: u64) -> String {
    format!("{id:020}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use system_stats_model::append::Urgency;
    use system_stats_storage::Options;
    use system_stats_storage::memory::MemoryStore;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        at: Millis,
        text: String,
    }

    impl Record for Line {
        const KIND: ObjectKind = ObjectKind::Alert;
        fn at(&self) -> Millis {
            self.at
        }
    }

    const BOUNDS: Bounds = Bounds {
        records: 3,
        bytes: 1000,
    };

    async fn storage(store: &MemoryStore) -> Storage {
        let store = Arc::new(store.clone());
        Storage::open(store, Options::default()).await.unwrap()
    }

    async fn write(log: &mut Log<Line>, storage: &Storage, at: Millis, length: usize) {
        let (id, text) = (log.next(), "x".repeat(length));
        let line = Line { at, text };
        let object = document(id, &line).unwrap();
        let bytes = object.body.len();
        let ticket = storage.put_object(object, Urgency::Waiting).unwrap();
        log.insert(id, line, bytes);
        log.trim(storage, None);
        storage.committed(ticket).await.unwrap();
    }

    fn ids(log: &Log<Line>) -> Vec<u64> {
        log.iter().map(|(id, _)| id).collect()
    }

    #[tokio::test]
    async fn the_oldest_give_way_and_numbers_go_on_after_a_restart() {
        let store = MemoryStore::new();
        let before = storage(&store).await;
        let mut log = Log::load(&before, BOUNDS).await.unwrap();
        for at in [5, 6, 7, 8] {
            write(&mut log, &before, at, 1).await;
        }
        assert_eq!(ids(&log), [2, 3, 4]);
        write(&mut log, &before, 9, 980).await;
        assert_eq!(ids(&log), [5], "bytes count as well as records");
        log.trim(&before, Some(100));
        assert_eq!(ids(&log), [5], "the newest stays");
        write(&mut log, &before, 10, 1).await;
        log.trim(&before, Some(10));
        before.close().await.unwrap();

        let after = storage(&store.reopened()).await;
        let log = Log::<Line>::load(&after, BOUNDS).await.unwrap();
        assert_eq!((ids(&log), log.next()), (vec![6], 7));
        assert_eq!(log.get(6).map(|line| line.at), Some(10));
        assert_eq!(log.get(5), None);
    }
}
