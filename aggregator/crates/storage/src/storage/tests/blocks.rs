//! Blocks: when hours are folded, what is read of them, what damage costs.

use super::*;
use crate::past::range_of;
use crate::storage::FoldScope;
use crate::store::{Store as _, Tier, WindowKey};

const START: Millis = 400_000 * HOUR;

/// Two hours and a bit of ten series on each of three hosts, a sample a minute.
async fn filled(storage: &Storage) -> Vec<String> {
    for host in ["a", "b", "c"] {
        for metric in 0..10 {
            let name = format!("m{metric},instance={host},job=node");
            let at = |minute: i64| START + minute * 60_000 + i64::from(metric == 3);
            let samples: Vec<_> = (0..130).map(|m| (at(m), (m * metric) as f64)).collect();
            let ticket = push(storage, &name, Order::Any, &samples).0;
            storage.committed(ticket).await.unwrap();
        }
    }
    all(storage).await
}

fn key(storage: &Storage, hour: i64) -> WindowKey {
    let window = START + hour * HOUR;
    let pack = storage.inner.past.packs(Tier::Raw)[0];
    WindowKey { window, pack }
}

#[tokio::test(start_paused = true)]
async fn an_hour_that_has_ended_leaves_memory_and_journal_after_a_grace() {
    let store = MemoryStore::new();
    let options = Options {
        segment_bytes: 1,
        fold_stagger: Duration::ZERO,
        ..Options::default()
    };
    let storage = open_with(&store, options.clone()).await;
    let before = filled(&storage).await;
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(storage.status().windows, 0);
    tokio::time::sleep(Duration::from_mins(2)).await;
    // Three targets, one pack; the third hour goes on.
    let status = storage.status();
    assert_eq!((status.windows, status.samples), (2, 30 * 10));
    assert_eq!(status.folded_samples, 30 * 120);
    assert_eq!(all(&storage).await, before);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let status = storage.status();
    assert_eq!((status.windows, status.samples), (3, 0));
    assert!(status.journal_segments <= 1, "{status:?}");
    assert_eq!(all(&storage).await, before);
    let stats_before = stats(&storage, &[]).await;
    let storage = open_with(&store.reopened(), options).await;
    assert_eq!(storage.status().samples, 0);
    assert_eq!(all(&storage).await, before);
    assert_eq!(stats(&storage, &[]).await, stats_before);
}

#[tokio::test]
async fn a_query_of_one_series_fetches_one_group_an_hour() {
    let storage = open(&MemoryStore::new()).await;
    for metric in 0..100 {
        let name = format!("m{metric:03},instance=a");
        push(
            &storage,
            &name,
            Order::Any,
            &[(START, 1.0), (START + HOUR, 2.0)],
        );
    }
    let last = storage.inner.queue.latest(Urgency::Waiting);
    storage.committed(last).await.unwrap();
    assert_eq!(storage.fold(FoldScope::Everything).await.unwrap(), 2);
    let one = [Matcher::equal("__name__", "m070")];
    let first = range_of(key(&storage, 0));
    let shown = shown(&storage, &one, first).await;
    assert_eq!(shown, [format!("m070{{instance=\"a\"}} 1@{START}")]);
    // The layout is by name: the 70th is in the second group.
    let layout = storage
        .inner
        .past
        .head(Tier::Raw, key(&storage, 0))
        .unwrap();
    let layout = storage.inner.layout(layout).await.unwrap();
    let target = storage.target(&labels("instance=a")).unwrap();
    let id = series(&storage, target, "m070,instance=a").0;
    assert_eq!(layout.column(u32::try_from(id).unwrap()), Some(70));
}

#[tokio::test]
async fn damage_is_counted_and_costs_what_is_in_it() {
    let store = MemoryStore::new();
    let options = Options {
        commit_interval: Duration::ZERO,
        // Every snapshot reads what is stored.
        group_bytes: 0,
        ..Options::default()
    };
    let storage = open_with(&store, options).await;
    let before = filled(&storage).await;
    storage.fold(FoldScope::Everything).await.unwrap();
    assert_eq!(all(&storage).await, before);
    let (first, second) = (key(&storage, 0), key(&storage, 1));
    let wanted = crate::store::Wanted {
        key: second,
        groups: vec![0],
    };
    let found = store.read_windows(Tier::Raw, std::slice::from_ref(&wanted));
    let mut blob = found.await.unwrap()[0].blocks[0].blob.to_vec();
    let middle = blob.len() / 2;
    blob[middle] ^= 4;
    store.damage_block(Tier::Raw, second, 0, blob.into());
    let after = shown(&storage, &[], range_of(first)).await;
    assert_eq!((after.len(), storage.status().damaged_blocks), (30, 0));
    let after = all(&storage).await;
    assert_eq!(after.len(), 30);
    assert!(
        after
            .iter()
            .all(|line| !line.contains(&format!("@{}", second.window)))
    );
    // Once a snapshot, however many series are in it.
    assert_eq!(storage.status().damaged_blocks, 1);
    // Late samples and deletions still find their way into the hour.
    let late = (second.window + 1, 77.0);
    let (ticket, outcome) = push(
        &storage,
        "m1,instance=b,job=node",
        Order::Unlimited,
        &[late],
    );
    assert_eq!((outcome.stored, outcome.out_of_order), (1, 0));
    storage.committed(ticket).await.unwrap();
    assert_eq!(storage.fold(FoldScope::Everything).await.unwrap(), 1);
    let ones = [
        Matcher::equal("__name__", "m1"),
        Matcher::equal("instance", "b"),
    ];
    let shown = shown(&storage, &ones, range_of(second)).await;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].ends_with(&format!("77@{}", late.0)), "{shown:?}");
}

#[tokio::test]
async fn without_its_layout_an_hour_is_left_out() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    filled(&storage).await;
    storage.fold(FoldScope::Everything).await.unwrap();
    let key = key(&storage, 1);
    let head = storage.inner.past.head(Tier::Raw, key).unwrap();
    let clocks = Bytes::new();
    let head = crate::store::WindowHead { layout: 99, ..head };
    let row = crate::store::WindowRow { head, clocks };
    let broken = crate::store::FoldCommit {
        turns: vec![crate::store::Turn::Valid(Tier::Raw, row)],
        ..crate::store::FoldCommit::default()
    };
    store.turn(&broken).await.unwrap();
    let storage = open(&store.reopened()).await;
    let read = all(&storage).await;
    assert_eq!(read.len(), 30);
    assert!(read.iter().all(|line| line.matches('@').count() == 70));
    assert_eq!(storage.status().damaged_blocks, 1);
}

#[tokio::test]
async fn totals_that_cannot_be_read_are_counted_again() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    let before = filled(&storage).await;
    storage.fold(FoldScope::Everything).await.unwrap();
    // A sample that only the journal has, and one more than once.
    let late = (START + HOUR + 5, 1.0);
    let name = "m1,instance=b,job=node";
    let ticket = push(&storage, name, Order::Unlimited, &[late]).0;
    storage.committed(ticket).await.unwrap();
    let counted = stats(&storage, &[]).await;
    let pack = key(&storage, 0).pack;
    let broken = crate::store::FoldCommit {
        packs: vec![crate::store::PackRow {
            id: pack,
            blob: Bytes::from_static(b"nonsense"),
        }],
        ..crate::store::FoldCommit::default()
    };
    store.turn(&broken).await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(stats(&storage, &[]).await, counted);
    storage.expire(0).await.unwrap();
    storage.fold(FoldScope::Everything).await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(stats(&storage, &[]).await, counted);
    assert_eq!(all(&storage).await.len(), before.len());
}

#[tokio::test(start_paused = true)]
async fn ancient_samples_in_any_order_take_bounded_memory() {
    let storage = open_with(
        &MemoryStore::new(),
        Options {
            cold_bytes: 64 << 10,
            ..Options::default()
        },
    )
    .await;
    push(&storage, "x,instance=a", Order::Any, &[(START, 1.0)]);
    let mut most = 0;
    for round in 0..40i64 {
        // A thousand samples a round, spread over four days of January 1970.
        let at =
            |step: i64| (step * 7919 + round * 13) % 96 * HOUR + (round * 1000 + step) * 17 % HOUR;
        let samples: Vec<_> = (0..1000).map(|step| (at(step), step as f64)).collect();
        let ticket = push(&storage, "x,instance=a", Order::Unlimited, &samples).0;
        storage.committed(ticket).await.unwrap();
        tokio::time::sleep(Duration::from_secs(6)).await;
        most = most.max(storage.status().sample_bytes);
    }
    assert!(most < 1 << 20, "{most}");
    let status = storage.status();
    assert!(status.windows >= 60, "{status:?}");
    let found = stats(&storage, &[]).await;
    storage.fold(FoldScope::Everything).await.unwrap();
    let read = all(&storage).await;
    let samples = read[0].matches('@').count() as u64;
    assert_eq!(stats(&storage, &[]).await[0].1.samples, samples);
    assert!(samples > 30_000 && found[0].1.samples >= samples);
}

#[tokio::test]
async fn the_oldest_hours_go_when_the_store_is_too_large() {
    let storage = open(&MemoryStore::new()).await;
    filled(&storage).await;
    storage.fold(FoldScope::Everything).await.unwrap();
    let size = storage.inner.store.size().await.unwrap();
    assert_eq!(storage.shrink(size).await.unwrap().samples, 0);
    let shrunk = storage.shrink(size - 1).await.unwrap();
    assert_eq!((shrunk.samples, shrunk.series), (30 * 60, 0));
    assert!(storage.inner.store.size().await.unwrap() < size);
    // The newest hour stays, whatever is asked for.
    let shrunk = storage.shrink(0).await.unwrap();
    assert_eq!((shrunk.samples, storage.status().windows), (30 * 60, 1));
    assert_eq!(stats(&storage, &[]).await[0].1.first, START + 2 * HOUR);
}
