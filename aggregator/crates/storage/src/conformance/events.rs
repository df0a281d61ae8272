//! Events: added with a commit, read from the newest on, removed from the oldest on.

use std::sync::Arc;

use bytes::Bytes;
use system_stats_model::append::Urgency;
use system_stats_model::sample::{Millis, TimeRange};

use super::{CaseError, Harness, batch};
use crate::object::{Event, Object, ObjectKind};
use crate::options::Options;
use crate::storage::{Changes, Storage};
use crate::store::{CommitBatch, EventRow, StoreError};

fn event(at: Millis, id: u64) -> EventRow {
    // Some of a kilobyte, one empty, and none that is text.
    let size = usize::try_from(id % 27 * 37).unwrap_or_default();
    EventRow {
        at,
        id,
        body: vec![0xf0; size].into(),
    }
}

/// By time, then by number, from any place on; again after closing.
pub async fn events_are_read_newest_first(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let newest = (Millis::MAX, 0);
    assert_eq!(store.events(0, newest, 9).await?, []);
    let rows = [
        event(-5, 27),
        event(1000, 2),
        event(1000, 54),
        event(2000, 1),
        event(i64::MAX - 1, i64::MAX.cast_unsigned()),
    ];
    for (seq, some) in (1..).zip([&rows[1..3], &rows[3..], &rows[..1]]) {
        let events = some.to_vec();
        store
            .commit(&CommitBatch {
                events,
                ..batch(seq)
            })
            .await?;
    }
    let reversed: Vec<EventRow> = rows.iter().rev().cloned().collect();
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            harness.store().await?
        } else {
            Arc::clone(&store)
        };
        if reopened {
            store.open().await?;
        }
        assert_eq!(store.events(Millis::MIN, newest, 9).await?, reversed);
        assert_eq!(store.events(Millis::MIN, newest, 2).await?, reversed[..2]);
        let from = store.events(1000, newest, 9).await?;
        assert_eq!(from, reversed[..4], "the start belongs to the range");
        assert_eq!(store.events(1001, newest, 9).await?, reversed[..2]);
        let before = |at, id| store.events(Millis::MIN, (at, id), 9);
        assert_eq!(before(1000, 54).await?, reversed[3..]);
        assert_eq!(before(1000, 55).await?, reversed[2..]);
        assert_eq!(before(1000, 0).await?, reversed[4..]);
        assert_eq!(before(-5, 27).await?, []);
        if reopened {
            store.close().await?;
        }
    }
    Ok(())
}

/// A batch that is tried again after it took place leaves nothing twice, and one that fails
/// nothing at all.
pub async fn an_event_is_stored_once(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let first = CommitBatch {
        events: (0..1000).map(|id| event(5, id)).collect(),
        ..batch(1)
    };
    store.commit(&first).await?;
    assert_eq!(store.commit(&first).await, Err(StoreError::Fenced));
    let stored = store.events(0, (Millis::MAX, 0), 9999).await?;
    assert_eq!(stored.len(), 1000);
    store.close().await?;
    Ok(())
}

/// The oldest go first, as many as are asked for.
pub async fn old_events_expire(harness: &dyn Harness) -> Result<(), CaseError> {
    let store = harness.store().await?;
    store.open().await?;
    let rows: Vec<EventRow> = (1..=9)
        .map(|at| event(at, 100 - at.unsigned_abs()))
        .collect();
    store
        .commit(&CommitBatch {
            events: rows.clone(),
            ..batch(1)
        })
        .await?;
    let left = || store.events(Millis::MIN, (Millis::MAX, 0), 99);
    assert_eq!(store.expire_events(1, 9).await?, 0);
    assert_eq!(store.expire_events(6, 3).await?, 3);
    assert_eq!(left().await?.last(), Some(&rows[3]));
    assert_eq!(store.expire_events(6, 3).await?, 2);
    assert_eq!(store.expire_events(6, 3).await?, 0);
    let expected: Vec<EventRow> = rows[5..].iter().rev().cloned().collect();
    assert_eq!(left().await?, expected);
    store.close().await?;
    Ok(())
}

/// A whole [`Storage`]: events of one moment are in the order in which they were added, over
/// batches and restarts, and durable together with their documents.
pub async fn a_storage_has_events_in_order(harness: &dyn Harness) -> Result<(), CaseError> {
    let event = |text: String| Event {
        at: 7,
        body: Bytes::from(text),
    };
    for round in 0..3 {
        let storage = Storage::open(harness.store().await?, Options::default()).await?;
        for batch in 0..3 {
            let events = (0..3)
                .map(|nr| event(format!("{round}.{batch}.{nr}")))
                .collect();
            let object = Object {
                kind: ObjectKind::Active,
                key: format!("{round}.{batch}"),
                updated: 7,
                body: Bytes::from_static(b"{}"),
            };
            let changes = Changes {
                objects: vec![object],
                removed: vec![(ObjectKind::Active, format!("{}.{batch}", round - 1))],
                events,
            };
            let ticket = storage.change(changes, Urgency::Waiting)?;
            storage.committed(ticket).await?;
        }
        if round == 1 {
            storage.close().await?;
        }
    }
    let storage = Storage::open(harness.store().await?, Options::default()).await?;
    let active = storage.objects(ObjectKind::Active).into_iter();
    let active: Vec<String> = active.map(|(key, _)| key).collect();
    assert_eq!(active, ["2.0", "2.1", "2.2"]);
    let mut expected: Vec<String> = (0..27)
        .map(|nr| format!("{}.{}.{}", nr / 9, nr / 3 % 3, nr % 3))
        .collect();
    expected.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = storage.events(TimeRange::ALL, before, 4).await?;
        let Some((last, _)) = page.last() else { break };
        before = Some(*last);
        let bodies = page.iter().map(|(_, event)| event.body.to_vec());
        seen.extend(bodies.map(|body| String::from_utf8_lossy(&body).into_owned()));
    }
    assert_eq!(seen, expected);
    assert_eq!(storage.expire_events(7).await?, 0);
    assert_eq!(storage.expire_events(8).await?, 27);
    storage.close().await?;
    Ok(())
}
