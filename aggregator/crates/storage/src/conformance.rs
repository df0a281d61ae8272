//! What every store has to do, as tests.
//!
//! A crate that has a [`Store`] gives a [`Harness`] to [`conformance!`](crate::conformance!),
//! which makes a test of every case here.

#![expect(
    clippy::missing_panics_doc,
    reason = "these are tests: each says what it asserts"
)]

mod blocks;
mod events;

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::{Selector, SeriesSource};

use crate::object::{Object, ObjectKind};
use crate::options::Options;
use crate::storage::Storage;
use crate::store::{
    CommitBatch, Committed, JournalRow, Opened, SeriesNames, SeriesRow, Store, StoreError,
    StoredObject, TargetRow,
};

pub use blocks::*;
pub use events::*;

/// Why a case fails, apart from what it asserts.
pub type CaseError = Box<dyn std::error::Error + Send + Sync>;

/// Makes stores of one kind.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A handle on the data that all handles of this harness share; there is none at first. The
    /// handles before have been dropped, closed or not.
    async fn store(&self) -> Result<Arc<dyn Store>, CaseError>;

    /// Another handle while this one is still there, as a second process would have it. None where
    /// a second process is kept out.
    async fn beside(&self, _first: &Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, CaseError> {
        Ok(None)
    }
}

/// Makes a test of every case, on a fresh harness each.
///
/// ```ignore
/// system_stats_storage::conformance!(MyHarness::new());
/// ```
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        $crate::conformance!($harness;
            an_empty_store_has_nothing, a_commit_is_read_back, a_commit_has_its_place,
            a_commit_happens_as_a_whole, what_is_forgotten_is_gone, segments_are_trimmed,
            many_rows_and_large_ones, it_is_all_there_without_closing, a_storage_comes_back);
    };
    (events $harness:expr) => {
        $crate::conformance!($harness;
            events_are_read_newest_first, an_event_is_stored_once, old_events_expire,
            a_storage_has_events_in_order);
    };
    (blocks $harness:expr) => {
        $crate::conformance!($harness;
            blocks_count_from_their_turn_on, blocks_are_read_by_group, windows_are_listed_in_pages,
            what_does_not_count_is_swept, old_windows_expire,
            packs_layouts_and_deletions_come_and_go, series_that_have_left_are_apart,
            blocks_survive_without_closing, who_was_taken_over_writes_no_blocks,
            many_blocks_and_large_ones);
    };
    ($harness:expr; $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() -> Result<(), $crate::conformance::CaseError> {
                $crate::conformance::$case(&$harness).await
            }
        )+
    };
}

fn batch(seq: u64) -> CommitBatch {
    CommitBatch {
        seq,
        hash: seq * 7919,
        segment: 1,
        ..CommitBatch::default()
    }
}

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
}

fn target(id: u64, text: &str) -> TargetRow {
    let labels = labels(text);
    TargetRow {
        id,
        pack: id,
        labels,
    }
}

fn series(id: u64, target: u64, text: &str) -> SeriesRow {
    SeriesRow {
        id,
        target,
        inherits: id % 2 == 1,
        labels: labels(text),
        first: i64::try_from(id).unwrap_or_default() * 1000,
        last: None,
    }
}

fn names(rows: &[SeriesRow]) -> SeriesNames {
    let mut names = SeriesNames::default();
    for row in rows {
        names.push(row);
    }
    names
}

fn object(key: &str, updated: i64, body: &'static [u8]) -> StoredObject {
    StoredObject {
        kind: ObjectKind::System,
        key: key.to_owned(),
        updated,
        body: Bytes::from_static(body),
    }
}

/// Opening an empty store is no error and finds nothing.
pub async fn an_empty_store_has_nothing(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    assert_eq!(store.open().await?, Opened::default());
    assert_eq!(store.committed().await?, Committed::default());
    assert_eq!(store.targets(0, 10).await?, []);
    assert_eq!(store.series(0, 10).await?, names(&[]));
    assert_eq!(store.journal(0, 0, 10).await?, []);
    assert_eq!(store.object(ObjectKind::System, "a").await?, None);
    assert_eq!(store.objects(ObjectKind::System, "", 10).await?, []);
    assert_eq!(store.trim(1, 10).await?, 0);
    store.close().await?;
    store.close().await?;
    Ok(())
}

/// Everything in a batch is there afterwards, page by page, and again after closing.
pub async fn a_commit_is_read_back(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let targets = [target(1, "job=a"), target(4, "job=b,instance=x")];
    let own = [
        series(3, 1, "__name__=up"),
        series(6, 4, "__name__=load"),
        series(7, 4, "a=b"),
    ];
    let rows =
        [(2, 1, "one"), (2, 2, "two"), (3, 3, "three")].map(|(segment, seq, text)| JournalRow {
            segment,
            seq,
            blob: Bytes::from_static(text.as_bytes()),
        });
    for row in &rows {
        store
            .commit(&CommitBatch {
                segment: row.segment,
                blob: Some(row.blob.clone()),
                targets: if row.seq == 1 {
                    targets.to_vec()
                } else {
                    Vec::new()
                },
                series: if row.seq == 1 {
                    own.to_vec()
                } else {
                    Vec::new()
                },
                objects: vec![object("host", 5, b"old"), object("b\0", 6, b"")],
                meta: vec![("horizon", -5), ("next", i64::MAX)],
                ..batch(row.seq)
            })
            .await?;
    }
    store
        .commit(&CommitBatch {
            objects: vec![object("host", 3, b"new")],
            meta: vec![("horizon", 9)],
            ..batch(4)
        })
        .await?;
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            harness.store().await?
        } else {
            Arc::clone(&store)
        };
        let mut opened = if reopened {
            store.open().await?
        } else {
            Opened::default()
        };
        assert_eq!(store.targets(0, 1).await?, targets[..1]);
        assert_eq!(store.targets(1, 9).await?, targets[1..]);
        assert_eq!(store.series(0, 2).await?, names(&own[..2]));
        assert_eq!(store.series(6, 2).await?, names(&own[2..]));
        assert_eq!(store.series(7, 2).await?, names(&[]));
        assert_eq!(store.journal(0, 0, 2).await?, rows[..2]);
        assert_eq!(store.journal(2, 1, 9).await?, rows[1..]);
        assert_eq!(store.journal(2, 2, 9).await?, rows[2..]);
        assert_eq!(store.journal(3, 3, 9).await?, []);
        let of = |key| store.object(ObjectKind::System, key);
        assert_eq!(of("host").await?, Some(object("host", 3, b"new")));
        assert_eq!(of("b\0").await?, Some(object("b\0", 6, b"")));
        let after = |key, limit| store.objects(ObjectKind::System, key, limit);
        let both = [object("b\0", 6, b""), object("host", 3, b"new")];
        assert_eq!(after("", 9).await?, both);
        assert_eq!(after("", 1).await?, both[..1]);
        assert_eq!(after("b\0", 9).await?, both[1..]);
        assert_eq!(store.objects(ObjectKind::Alert, "", 9).await?, []);
        assert_eq!(of("b").await?, None);
        let newest = Committed {
            seq: 4,
            hash: 4 * 7919,
        };
        assert_eq!(store.committed().await?, newest);
        if reopened {
            opened.meta.sort();
            opened.objects.sort();
            let system = ObjectKind::System;
            assert_eq!(
                opened,
                Opened {
                    committed: newest,
                    meta: vec![("horizon".to_owned(), 9), ("next".to_owned(), i64::MAX)],
                    objects: vec![
                        (system, "b\0".to_owned(), 6),
                        (system, "host".to_owned(), 3)
                    ],
                }
            );
            store.close().await?;
        }
    }
    Ok(())
}

/// A batch whose number is not the next one is refused, and changes nothing.
pub async fn a_commit_has_its_place(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    store.commit(&batch(1)).await?;
    for seq in [0, 1, 3] {
        let refused = store
            .commit(&CommitBatch {
                blob: Some(Bytes::from_static(b"x")),
                ..batch(seq)
            })
            .await;
        assert_eq!(
            refused,
            Err(StoreError::Fenced),
            "batch {seq} after batch 1"
        );
    }
    assert_eq!(store.committed().await?.seq, 1);
    assert_eq!(store.journal(0, 0, 10).await?, []);
    store.commit(&batch(2)).await?;
    store.close().await?;
    Ok(())
}

/// A batch of which a part is impossible leaves no trace, and the next attempt succeeds.
pub async fn a_commit_happens_as_a_whole(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let first = CommitBatch {
        series: vec![series(1, 1, "a=b")],
        ..batch(1)
    };
    store.commit(&first).await?;
    let twice = CommitBatch {
        blob: Some(Bytes::from_static(b"x")),
        targets: vec![target(9, "job=a")],
        series: vec![series(2, 1, "a=c"), series(1, 1, "a=b")],
        objects: vec![object("host", 1, b"x")],
        ..batch(2)
    };
    let refused = store.commit(&twice).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(store.committed().await?.seq, 1);
    assert_eq!(store.targets(0, 9).await?, []);
    assert_eq!(store.series(0, 9).await?, names(&first.series));
    assert_eq!(store.journal(0, 0, 9).await?, []);
    assert_eq!(store.object(ObjectKind::System, "host").await?, None);
    store.commit(&batch(2)).await?;
    store.close().await?;
    Ok(())
}

/// Forgotten rows and deleted documents are gone; others stay.
pub async fn what_is_forgotten_is_gone(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let own: Vec<SeriesRow> = (1..=4).map(|id| series(id, 1, "a=b")).collect();
    store
        .commit(&CommitBatch {
            targets: vec![target(1, "job=a"), target(2, "job=b")],
            series: own.clone(),
            objects: vec![object("a", 1, b"a"), object("b", 1, b"b")],
            ..batch(1)
        })
        .await?;
    store
        .commit(&CommitBatch {
            // The last one was named in this very batch.
            series: vec![series(9, 1, "a=c")],
            forgotten_series: vec![1, 3, 77, 9],
            forgotten_targets: vec![2],
            deleted_objects: vec![
                (ObjectKind::System, "a".to_owned()),
                (ObjectKind::System, "none".to_owned()),
            ],
            ..batch(2)
        })
        .await?;
    assert_eq!(store.targets(0, 9).await?, [target(1, "job=a")]);
    assert_eq!(
        store.series(0, 9).await?,
        names(&[own[1].clone(), own[3].clone()])
    );
    assert_eq!(store.object(ObjectKind::System, "a").await?, None);
    assert_eq!(
        store.object(ObjectKind::System, "b").await?,
        Some(object("b", 1, b"b"))
    );
    store.close().await?;
    Ok(())
}

/// Trimming removes the rows of one segment, in pages.
pub async fn segments_are_trimmed(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    for seq in 1..=9 {
        store
            .commit(&CommitBatch {
                segment: 1 + seq / 4,
                blob: Some(Bytes::from_static(b"row")),
                ..batch(seq)
            })
            .await?;
    }
    // Segments of 3, 4 and 2 rows.
    let mut trimmed = store.trim(2, 3).await?;
    assert!(trimmed >= 3, "{trimmed}");
    trimmed += store.trim(2, 3).await?;
    assert_eq!(trimmed, 4);
    assert_eq!(store.trim(2, 3).await?, 0);
    let rows = store.journal(0, 0, 99).await?;
    let left: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(left, [1, 2, 3, 8, 9]);
    assert_eq!(store.committed().await?.seq, 9);
    store.close().await?;
    Ok(())
}

/// Thousands of rows in a batch, labels of every kind, a row of megabytes.
pub async fn many_rows_and_large_ones(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let odd = [
        "plain",
        "quote\"",
        "nul\0inside",
        "ünïcode",
        "\\u0000",
        "line\nbreak",
        "\u{10ffff}",
    ];
    let long = "x".repeat(70_000);
    let own: Vec<SeriesRow> = (1..=40_000u64)
        .map(|id| {
            let value = match id {
                1 => long.as_str(),
                _ => odd[usize::try_from(id).unwrap_or_default() % odd.len()],
            };
            SeriesRow {
                labels: Labels::from_pairs([("name", value), (value, "value")]),
                ..series(id, 1, "")
            }
        })
        .collect();
    let noise = (0..3_000_000u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    let blob: Bytes = noise.collect();
    store
        .commit(&CommitBatch {
            blob: Some(blob.clone()),
            series: own.clone(),
            ..batch(1)
        })
        .await?;
    let forgotten: Vec<u64> = own
        .iter()
        .map(|row| row.id)
        .filter(|id| id % 3 != 0)
        .collect();
    assert_eq!(store.series(0, 99_999).await?, names(&own));
    assert_eq!(store.journal(0, 0, 9).await?[0].blob, blob);
    store
        .commit(&CommitBatch {
            forgotten_series: forgotten,
            ..batch(2)
        })
        .await?;
    assert_eq!(store.series(0, 99_999).await?.iter().count(), 13_333);
    store.close().await?;
    Ok(())
}

/// A store that is dropped without closing has everything that was committed.
pub async fn it_is_all_there_without_closing(harness: &dyn Harness) -> Result<(), CaseError> {
    for seq in 1..=3 {
        let store = harness.store().await?;
        assert_eq!(store.open().await?.committed.seq, seq - 1);
        store
            .commit(&CommitBatch {
                blob: Some(Bytes::from_static(b"row")),
                ..batch(seq)
            })
            .await?;
        assert_eq!(store.journal(0, 0, 9).await?.len() as u64, seq);
    }
    Ok(())
}

/// A whole [`Storage`] on the store: what was acknowledged comes back.
pub async fn a_storage_comes_back(harness: &dyn Harness) -> Result<(), CaseError> {
    for round in 0..3i32 {
        let storage = Storage::open(harness.store().await?, Options::default()).await?;
        let target = storage.target(&labels("instance=a"))?;
        let series = Appender::series(&storage, target, &labels("instance=a,__name__=up"))?;
        let row = |at: i32| Row {
            series,
            timestamp: i64::from(round * 100 + at) * 1000,
            value: f64::from(round) + 0.25,
        };
        let rows = (0..50).map(row).collect();
        let order = Order::Strict;
        storage.append(
            Batch {
                target,
                order,
                rows,
            },
            Urgency::Relaxed,
        )?;
        let body = Bytes::from(format!("{{\"round\":{round}}}"));
        let object = Object {
            kind: ObjectKind::System,
            key: "a".to_owned(),
            updated: i64::from(round),
            body: body.clone(),
        };
        let ticket = storage.put_object(object, Urgency::Waiting)?;
        storage.committed(ticket).await?;
        if round == 1 {
            storage.close().await?;
        }
        drop(storage);
        let storage = Storage::open(harness.store().await?, Options::default()).await?;
        let kept = storage.object(ObjectKind::System, "a").await?;
        assert_eq!(kept.map(|object| object.body), Some(body));
        let all = Selector {
            matchers: Vec::new(),
            range: TimeRange::ALL,
        };
        let snapshot = storage.snapshot(std::slice::from_ref(&all)).await?;
        let mut seen = Vec::new();
        snapshot.for_each(&all, &mut |_, samples| {
            seen.extend_from_slice(samples.values);
            ControlFlow::Continue(())
        })?;
        let expected = (0..=round).flat_map(|round| [f64::from(round) + 0.25; 50]);
        assert_eq!(seen, expected.collect::<Vec<f64>>());
        storage.close().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    #[derive(Default)]
    struct Memory(MemoryStore);

    #[async_trait]
    impl Harness for Memory {
        async fn store(&self) -> Result<Arc<dyn Store>, CaseError> {
            Ok(Arc::new(self.0.reopened()))
        }

        async fn beside(&self, _: &Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, CaseError> {
            self.store().await.map(Some)
        }
    }

    crate::conformance!(Memory::default());
    crate::conformance!(blocks Memory::default());
    crate::conformance!(events Memory::default());
}
