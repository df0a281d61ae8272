//! Deletion and retention.

use super::*;
use crate::storage::FoldScope;

#[tokio::test]
async fn a_deletion_is_remembered_and_what_comes_later_stays() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    push(
        &storage,
        "x,instance=a",
        Order::Strict,
        &[(1, 1.0), (2, STALE), (3, 3.0)],
    );
    push(&storage, "y,instance=a", Order::Strict, &[(2, STALE)]);
    push(&storage, "x,instance=b", Order::Strict, &[(2, 2.0)]);
    let hosts = |host: &str| [Matcher::equal("instance", host)];
    let middle = TimeRange { start: 2, end: 3 };
    let (_, deleted) = storage.delete(&hosts("a"), middle).await.unwrap();
    assert_eq!(deleted.series, [(labels("x,instance=a"), 1)]);
    let latest = Some(Sample {
        timestamp: 1,
        value: 1.0,
    });
    let left = SeriesStats {
        samples: 1,
        first: 1,
        last: 1,
        latest,
    };
    assert_eq!(
        stats(&storage, &hosts("a")).await,
        [("x{instance=\"a\"}".to_owned(), left)]
    );
    let (_, again) = storage.delete(&hosts("a"), middle).await.unwrap();
    assert_eq!(again.series, []);
    // Also samples older than the deleted ones are in order again.
    push(&storage, "x,instance=a", Order::Strict, &[(2, 7.0)]);
    let expected = ["x{instance=\"a\"} 1@1 7@2", "x{instance=\"b\"} 2@2"];
    assert_eq!(all(&storage).await, expected);
    storage.close().await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(all(&storage).await, expected);
    let (_, deleted) = storage.delete(&[], TimeRange::ALL).await.unwrap();
    assert_eq!(deleted.series.len(), 2);
    assert_eq!(stats(&storage, &[]).await, []);
    storage.close().await.unwrap();
    assert_eq!(all(&open(&store.reopened()).await).await, [""; 0]);
}

#[tokio::test]
async fn retention_drops_windows_forgets_series_and_trims_segments() {
    let store = MemoryStore::new();
    let options = Options {
        commit_interval: Duration::ZERO,
        segment_bytes: 1,
        ..Options::default()
    };
    let storage = open_with(&store, options.clone()).await;
    for hour in 0..5 {
        let at = hour * HOUR;
        push(
            &storage,
            "x,instance=a",
            Order::Strict,
            &[(at, 1.0), (at + 1, STALE)],
        );
        let ticket = push(&storage, "y,instance=a", Order::Strict, &[(at + 5, 2.0)]).0;
        storage.committed(ticket).await.unwrap();
    }
    let ticket = push(&storage, "z,instance=b", Order::Strict, &[(HOUR, 1.0)]).0;
    storage.committed(ticket).await.unwrap();
    let target = storage.target(&labels("instance=b")).unwrap();
    let gone = series(&storage, target, "z,instance=b");

    assert_eq!(
        storage.expire(HOUR - 1).await.unwrap(),
        super::super::Expired::default()
    );
    // The horizon lies within the fourth window, which stays as a whole.
    let expired = storage.expire(3 * HOUR + 1).await.unwrap();
    assert_eq!(
        (expired.samples, expired.series, expired.targets),
        (7, 1, 1)
    );
    let segments = storage.status().journal_segments;
    assert!(
        expired.segments >= 3 && segments <= 3,
        "{expired:?}, {segments} left"
    );
    let expected = [
        "x{instance=\"a\"} 1@10800000 NaN@10800001 1@14400000 NaN@14400001",
        "y{instance=\"a\"} 2@10800005 2@14400005",
    ];
    assert_eq!(all(&storage).await, expected);
    let both = stats(&storage, &[]).await;
    assert_eq!(
        (both[0].1.samples, both[0].1.first, both[1].1.first),
        (2, 3 * HOUR, 3 * HOUR + 5)
    );

    storage.expire(Millis::MIN).await.unwrap();
    // Nothing older is taken, and forgotten ids are unknown and never given again.
    let (_, outcome) = push(&storage, "w,instance=a", Order::Any, &[(3 * HOUR - 1, 1.0)]);
    assert_eq!(outcome.out_of_order, 1);
    let rows = batch(target, Order::Any, &[(gone, 4 * HOUR, 1.0)]);
    let refused = storage.append(rows, Urgency::Waiting).err();
    assert_eq!(refused, Some(AppendError::UnknownTarget(target)));
    let anew = storage.target(&labels("instance=b")).unwrap();
    assert!(anew > target);
    assert!(series(&storage, anew, "z,instance=b") > gone);
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options).await;
    assert_eq!(all(&storage).await, expected);
    let after = storage.target(&labels("instance=c")).unwrap();
    assert!(after > target && series(&storage, after, "z,instance=c") > gone);
}

#[tokio::test]
async fn a_part_of_too_many_blocks_is_counted_when_it_has_left_them() {
    let store = MemoryStore::new();
    let options = Options {
        commit_interval: Duration::ZERO,
        counted_groups: 1,
        ..Options::default()
    };
    let storage = open_with(&store, options.clone()).await;
    for name in ["x,instance=a", "y,instance=a"] {
        for hour in 0..4 {
            let at = hour * HOUR;
            let samples = [(at, 1.0), (at + 1, STALE), (at + 2, 3.0)];
            let ticket = push(&storage, name, Order::Any, &samples).0;
            storage.committed(ticket).await.unwrap();
        }
    }
    storage.fold(FoldScope::Everything).await.unwrap();
    let of = [Matcher::equal("__name__", "x")];
    let before = stats(&storage, &of).await[0].1;
    // From within the first hour to the end, by two that overlap.
    let newest = 3 * HOUR + 2;
    for start in [HOUR + 1, 2] {
        let end = newest;
        let range = TimeRange { start, end };
        let (ticket, deleted) = storage.delete(&of, range).await.unwrap();
        storage.committed(ticket).await.unwrap();
        assert_eq!(deleted.series, []);
    }
    let backfill = (2 * HOUR, 7.0);
    let (ticket, outcome) = push(&storage, "x,instance=a", Order::Unlimited, &[backfill]);
    assert_eq!(outcome.stored, 1);
    storage.committed(ticket).await.unwrap();
    let whole = "3@2 1@3600000 NaN@3600001 3@3600002 1@7200000 NaN@7200001 3@7200002 \
                 1@10800000 NaN@10800001 3@10800002";
    let expected = [
        "x{instance=\"a\"} 1@0 NaN@1 7@7200000".to_owned(),
        format!("y{{instance=\"a\"}} 1@0 NaN@1 {whole}"),
    ];
    assert_eq!(all(&storage).await, expected);
    assert_eq!(stats(&storage, &of).await[0].1.last, before.last);
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options.clone()).await;
    assert_eq!(all(&storage).await, expected);
    storage.purge().await.unwrap();
    storage.fold(FoldScope::Everything).await.unwrap();
    assert_eq!(
        (storage.status().deletions, storage.status().samples),
        (0, 0)
    );
    let counted = SeriesStats {
        samples: 2,
        first: 0,
        last: 2 * HOUR,
        latest: Some(Sample {
            timestamp: 2 * HOUR,
            value: 7.0,
        }),
    };
    assert_eq!(stats(&storage, &of).await[0].1, counted);
    assert_eq!(all(&storage).await, expected);
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options).await;
    assert_eq!(stats(&storage, &of).await[0].1, counted);
    assert_eq!(all(&storage).await, expected);
}
