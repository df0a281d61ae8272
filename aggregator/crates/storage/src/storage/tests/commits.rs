//! The commit path: batches, failures, unknown outcomes, damage.

use super::*;
use crate::memory::Fault;
use crate::storage::{CommitError, DeleteError};

fn push_at(storage: &Storage, at: i64) -> Ticket {
    push(storage, "x,instance=a", Order::Strict, &[(at, 1.0)]).0
}

/// Lets the task that commits do what it can without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_commits_at_once_and_the_rest_within_the_interval() {
    let storage = open_with(&MemoryStore::new(), Options::default()).await;
    let target = storage.target(&labels("instance=a")).unwrap();
    let id = series(&storage, target, "x,instance=a");
    let relaxed = |at: i64| {
        let rows = [(id, at, 1.0)];
        storage
            .append(batch(target, Order::Strict, &rows), Urgency::Relaxed)
            .unwrap()
            .0
    };
    // Little waits for five seconds, much for one.
    let mut at = 0;
    for (count, millis) in [(1, 5000), (20_000, 1000)] {
        let committed = storage.status().committed;
        let mut last = Ticket(0);
        for _ in 0..count {
            at += 1;
            last = relaxed(at);
        }
        settle().await;
        assert_eq!(storage.status().committed, committed);
        tokio::time::advance(Duration::from_millis(millis - 1)).await;
        settle().await;
        assert_eq!(
            (storage.status().committed, storage.status().waiting_batches),
            (committed, 1)
        );
        let waited = tokio::time::Instant::now();
        storage.committed(last).await.unwrap();
        assert_eq!(waited.elapsed(), Duration::from_millis(1));
        assert_eq!(storage.status().waiting_batches, 0);
    }
    let before = relaxed(at + 1);
    let pushed = push_at(&storage, at + 2);
    assert_eq!(before, pushed);
    settle().await;
    assert_eq!(storage.status().committed, pushed.0);
    assert_eq!(storage.status().waiting_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_during_a_commit_is_one_batch() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    store.fail_next([Fault::Slow(Duration::from_secs(3))]);
    let first = push_at(&storage, 1);
    settle().await;
    let mut last = first;
    for at in 2..50 {
        last = push_at(&storage, at);
    }
    assert_eq!(last.0, first.0 + 1);
    storage.committed(last).await.unwrap();
    assert_eq!(storage.status().journal_rows, 2);
}

#[tokio::test(start_paused = true)]
async fn failed_and_unknown_commits_end_well_and_write_once() {
    let faults = [Fault::Before, Fault::BeforeUnknown, Fault::AfterUnknown];
    for first in faults {
        for second in faults {
            let store = MemoryStore::new();
            let storage = open(&store).await;
            store.fail_next([first, second]);
            let one = push_at(&storage, 1);
            settle().await;
            let two = push_at(&storage, 2);
            assert!(two > one);
            storage.committed(one).await.unwrap();
            storage.committed(two).await.unwrap();
            assert_eq!(storage.status().commit_error, None);
            let storage = open(&store.reopened()).await;
            assert_eq!(
                all(&storage).await,
                ["x{instance=\"a\"} 1@1 1@2"],
                "{first:?} {second:?}"
            );
            assert_eq!(storage.status().journal_rows, 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_unavailable_and_then_nothing_is_lost() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    store.set_down(true);
    let ticket = push_at(&storage, 1);
    let unavailable = Err(CommitError::Unavailable("the store is down".to_owned()));
    assert_eq!(storage.committed(ticket).await, unavailable);
    // Whoever comes now need not wait as long again.
    let later = push_at(&storage, 2);
    let before = tokio::time::Instant::now();
    assert_eq!(storage.committed(later).await, unavailable);
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(all(&storage).await, ["x{instance=\"a\"} 1@1 1@2"]);
    store.set_down(false);
    tokio::time::advance(Duration::from_secs(6)).await;
    settle().await;
    storage.committed(later).await.unwrap();
    assert_eq!(
        all(&open(&store.reopened()).await).await,
        ["x{instance=\"a\"} 1@1 1@2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_is_unavailable() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    store.fail_next([Fault::Slow(Duration::from_mins(1))]);
    let ticket = push_at(&storage, 1);
    let unavailable = Err(CommitError::Unavailable("it does not answer".to_owned()));
    assert_eq!(storage.committed(ticket).await, unavailable);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(storage.committed(ticket).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn too_much_waiting_refuses_more_and_drops_nothing() {
    let store = MemoryStore::new();
    let options = Options {
        waiting_bytes: 2000,
        ..Options::default()
    };
    let storage = open_with(&store, options).await;
    store.set_down(true);
    let target = storage.target(&labels("instance=a")).unwrap();
    let id = series(&storage, target, "x,instance=a");
    let mut taken = 0;
    let refused = loop {
        let rows = [(id, taken, 0.1 * taken as f64)];
        match storage.append(batch(target, Order::Strict, &rows), Urgency::Relaxed) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000);
    };
    assert!(
        matches!(
            refused,
            AppendError::Overloaded {
                waiting_bytes: 2000..
            }
        ),
        "{refused}"
    );
    let refused = storage.delete(&[], TimeRange::ALL).await.err();
    assert!(matches!(
        refused,
        Some(DeleteError::Append(AppendError::Overloaded { .. }))
    ));
    assert_eq!(
        stats(&storage, &[]).await[0].1.samples,
        u64::try_from(taken).unwrap()
    );
    store.set_down(false);
    storage.close().await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(
        stats(&storage, &[]).await[0].1.samples,
        u64::try_from(taken).unwrap()
    );
}

#[tokio::test]
async fn who_has_been_taken_over_writes_nothing_more() {
    let store = MemoryStore::new();
    let old = open(&store).await;
    let before = push_at(&old, 1);
    old.committed(before).await.unwrap();
    let new = open(&store.reopened()).await;
    let lost = push_at(&old, 2);
    assert!(matches!(
        old.committed(lost).await,
        Err(CommitError::Stopped(_))
    ));
    assert_eq!(old.target(&labels("instance=b")), Err(AppendError::Closed));
    let kept = push_at(&new, 3);
    new.committed(kept).await.unwrap();
    assert_eq!(
        all(&open(&store.reopened()).await).await,
        ["x{instance=\"a\"} 1@1 1@3"]
    );
}

#[tokio::test]
async fn closing_commits_what_waits_and_takes_no_more() {
    let store = MemoryStore::new();
    let interval = Duration::from_hours(1);
    let storage = open_with(
        &store,
        Options {
            commit_interval: interval,
            ..Options::default()
        },
    )
    .await;
    let target = storage.target(&labels("instance=a")).unwrap();
    let id = series(&storage, target, "x,instance=a");
    let rows = batch(target, Order::Strict, &[(id, 1, 1.0)]);
    storage.append(rows.clone(), Urgency::Relaxed).unwrap();
    storage.close().await.unwrap();
    assert_eq!(
        storage.append(rows, Urgency::Relaxed).err(),
        Some(AppendError::Closed)
    );
    assert_eq!(storage.close().await, Ok(()));
    assert_eq!(
        all(&open(&store.reopened()).await).await,
        ["x{instance=\"a\"} 1@1"]
    );
}

#[tokio::test]
async fn a_lost_deletion_leaves_what_was_there() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    for at in [1, 2] {
        let ticket = push_at(&storage, at);
        storage.committed(ticket).await.unwrap();
    }
    let (deletion, _) = storage.delete(&[], TimeRange::ALL).await.unwrap();
    storage.committed(deletion).await.unwrap();
    push(&storage, "x,instance=a", Order::Any, &[(1, 7.0), (3, 3.0)]);
    storage.close().await.unwrap();
    store.damage(deletion.0, Bytes::new());
    let storage = open(&store.reopened()).await;
    assert_eq!(all(&storage).await, ["x{instance=\"a\"} 1@1 1@2 3@3"]);
    assert_eq!(stats(&storage, &[]).await[0].1.samples, 3);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_row_costs_what_builds_on_it() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    for at in 1..=6 {
        let ticket = push_at(&storage, at);
        storage.committed(ticket).await.unwrap();
        if at == 4 {
            // The next segment.
            tokio::time::advance(Options::default().segment_length).await;
        }
        let other = push(&storage, "y,instance=b", Order::Strict, &[(at, 2.0)]).0;
        storage.committed(other).await.unwrap();
    }
    store.damage(3, Bytes::from_static(b"\x01nonsense"));
    let storage = open(&store.reopened()).await;
    // The second of x is lost, and what builds on it: the third and fourth.
    assert_eq!(
        all(&storage).await,
        [
            "x{instance=\"a\"} 1@1 1@5 1@6",
            "y{instance=\"b\"} 2@1 2@2 2@3 2@4 2@5 2@6",
        ]
    );
    let status = storage.status();
    assert_eq!((status.unreadable_rows, status.unreadable_records), (1, 2));
}
