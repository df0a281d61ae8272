//! Series leave memory and are found again.

use super::*;
use crate::storage::FoldScope;

fn options() -> Options {
    Options {
        commit_interval: Duration::ZERO,
        out_of_order_window: Duration::from_hours(24 * 365),
        ..Options::default()
    }
}

/// Folds until nothing changes any more, everything durable.
async fn settle(storage: &Storage) {
    for _ in 0..2 {
        let last = storage.inner.queue.latest(Urgency::Waiting);
        storage.committed(last).await.unwrap();
        storage.fold(FoldScope::Everything).await.unwrap();
    }
}

#[tokio::test]
async fn no_number_is_given_again() {
    let store = MemoryStore::new();
    let leaving = Options {
        leave_after: Duration::ZERO,
        ..options()
    };
    let storage = open_with(&store, leaving).await;
    let target = storage.target(&labels("instance=a")).unwrap();
    // The second is saved before the first, and is not in memory at the next start.
    let first = series(&storage, target, "first,instance=a");
    for (text, at) in [("second,instance=a", 1000), ("other,instance=b", HOUR)] {
        let (ticket, _) = push(&storage, text, Order::Any, &[(at, 1.0)]);
        storage.committed(ticket).await.unwrap();
    }
    let rows = [(first, HOUR + 1000, 2.0)];
    let (ticket, _) = storage
        .append(batch(target, Order::Any, &rows), Urgency::Waiting)
        .unwrap();
    storage.committed(ticket).await.unwrap();
    settle(&storage).await;
    assert_eq!(series_of(&storage).1, 2);
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options()).await;
    push(&storage, "third,instance=a", Order::Any, &[(2 * HOUR, 3.0)]);
    assert_eq!(
        all(&storage).await,
        [
            "first{instance=\"a\"} 2@3601000",
            "other{instance=\"b\"} 1@3600000",
            "second{instance=\"a\"} 1@1000",
            "third{instance=\"a\"} 3@7200000",
        ]
    );
}

/// Series in memory, and those that have left.
fn series_of(storage: &Storage) -> (usize, usize) {
    let status = storage.status();
    (status.series, status.left_series)
}

async fn names(storage: &Storage, matchers: &[Matcher]) -> Vec<String> {
    let all = stats(storage, matchers).await.into_iter();
    all.map(|(labels, stats)| format!("{labels} {}", stats.samples))
        .collect()
}

/// Two hosts of 1970 and one of ten hours later; the old ones have left.
async fn some_left(options: Options) -> (MemoryStore, Storage) {
    let store = MemoryStore::new();
    let storage = open_with(&store, options).await;
    push(
        &storage,
        "x,instance=a",
        Order::Any,
        &[(1000, 1.0), (2000, 2.0)],
    );
    push(&storage, "y,instance=a", Order::Any, &[(1000, 3.0)]);
    push(&storage, "x,instance=b", Order::Any, &[(HOUR, 4.0)]);
    push(&storage, "x,instance=c", Order::Any, &[(10 * HOUR, 5.0)]);
    assert_eq!(series_of(&storage), (4, 0));
    settle(&storage).await;
    (store, storage)
}

#[tokio::test(start_paused = true)]
async fn what_has_left_is_found_when_a_range_reaches_back() {
    for name_bytes in [0, 1 << 20] {
        let options = Options {
            name_bytes,
            ..options()
        };
        let (store, storage) = some_left(options.clone()).await;
        assert_eq!(series_of(&storage), (1, 3));
        storage.close().await.unwrap();
        let again = open_with(&store.reopened(), options).await;
        assert_eq!(series_of(&again), (1, 3));
        let expected = [
            "x{instance=\"a\"} 1@1000 2@2000",
            "x{instance=\"b\"} 4@3600000",
            "x{instance=\"c\"} 5@36000000",
            "y{instance=\"a\"} 3@1000",
        ];
        for _ in 0..2 {
            assert_eq!(all(&again).await, expected);
            let of_a = [Matcher::equal("instance", "a")];
            assert_eq!(
                shown(&again, &of_a, TimeRange::ALL).await,
                [expected[0], expected[3]]
            );
            let listed = ["x{instance=\"a\"} 2", "y{instance=\"a\"} 1"];
            assert_eq!(names(&again, &of_a).await, listed);
            let recent = TimeRange {
                start: 9 * HOUR,
                end: 11 * HOUR,
            };
            assert_eq!(shown(&again, &[], recent).await, expected[2..3]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_one_series() {
    // With its names in memory it has its own number again, else another.
    for (name_bytes, found) in [(1 << 20, true), (0, false)] {
        let options = Options {
            name_bytes,
            ..options()
        };
        let (store, storage) = some_left(options.clone()).await;
        let host = storage.target(&labels("instance=a")).unwrap();
        let id = series(&storage, host, "x,instance=a");
        assert_eq!(id.0 < 4, found);
        assert_eq!(series(&storage, host, "x,instance=a"), id);
        let late = batch(host, Order::Strict, &[(id, 1500, 9.0)]);
        let (_, outcome) = storage.append(late, Urgency::Waiting).unwrap();
        assert_eq!(outcome.out_of_order, usize::from(found));
        push(
            &storage,
            "x,instance=a",
            Order::Strict,
            &[(2000, 2.0), (10 * HOUR, 6.0)],
        );
        let of_x = [
            Matcher::equal("__name__", "x"),
            Matcher::equal("instance", "a"),
        ];
        let one = if found {
            "x{instance=\"a\"} 1@1000 2@2000 6@36000000"
        } else {
            "x{instance=\"a\"} 1@1000 9@1500 2@2000 6@36000000"
        };
        assert_eq!(shown(&storage, &of_x, TimeRange::ALL).await, [one]);
        settle(&storage).await;
        assert_eq!(shown(&storage, &of_x, TimeRange::ALL).await, [one]);
        assert_eq!(series_of(&storage).0, 2);
        if found {
            assert_eq!(names(&storage, &of_x).await, ["x{instance=\"a\"} 3"]);
        }
        storage.close().await.unwrap();
        let storage = open_with(&store.reopened(), options).await;
        assert_eq!(shown(&storage, &of_x, TimeRange::ALL).await, [one]);
        // It leaves again.
        push(&storage, "x,instance=c", Order::Any, &[(30 * HOUR, 5.0)]);
        settle(&storage).await;
        assert_eq!(series_of(&storage).0, 1);
        assert_eq!(shown(&storage, &of_x, TimeRange::ALL).await, [one]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_left_is_deleted_and_expires() {
    let (store, storage) = some_left(options()).await;
    let of_y = [Matcher::equal("__name__", "y")];
    let (ticket, deleted) = storage.delete(&of_y, TimeRange::ALL).await.unwrap();
    assert_eq!(deleted.series, [(labels("y,instance=a"), 1)]);
    storage.committed(ticket).await.unwrap();
    let early = TimeRange {
        start: 0,
        end: 1500,
    };
    let of_a = [Matcher::equal("instance", "a")];
    storage.delete(&of_a, early).await.unwrap();
    assert_eq!(names(&storage, &of_a).await, ["x{instance=\"a\"} 1"]);
    settle(&storage).await;
    let expected = [
        "x{instance=\"a\"} 2@2000",
        "x{instance=\"b\"} 4@3600000",
        "x{instance=\"c\"} 5@36000000",
    ];
    assert_eq!(all(&storage).await, expected);
    let expired = storage.expire(HOUR).await.unwrap();
    assert_eq!((expired.samples, expired.targets), (1, 1));
    assert_eq!(all(&storage).await, expected[1..]);
    let expired = storage.expire(3 * HOUR).await.unwrap();
    assert_eq!((expired.samples, expired.targets), (1, 1));
    assert_eq!(
        (all(&storage).await, series_of(&storage)),
        (vec![expected[2].to_owned()], (1, 0))
    );
    // Whoever was forgotten is new.
    let host = storage.target(&labels("instance=a")).unwrap();
    assert!(series(&storage, host, "x,instance=a").0 > 4);
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options()).await;
    assert_eq!(
        (all(&storage).await, series_of(&storage)),
        (vec![expected[2].to_owned()], (1, 0))
    );
}

#[tokio::test(start_paused = true)]
async fn lasting_metrics_stay() {
    let options = Options {
        lasting: vec!["x"],
        ..options()
    };
    let (_, storage) = some_left(options).await;
    assert_eq!(series_of(&storage), (3, 1));
}
