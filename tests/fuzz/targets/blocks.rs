//! Any bytes as what a store has of the past: headers' clocks, blocks, layouts, totals, deletions.

#![no_main]

mod frames;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::store::{
    CommitBatch, FoldCommit, LayoutRow, PackRow, Tier, Turn, Wanted, WindowRow,
};
use system_stats_storage::{FoldScope, Options, Storage, Store};

use frames::{framed, run, sealed, split};

const HOUR: i64 = 3_600_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    // As they are; with a checksum that fits; compressed as a whole or in part.
    for blob in [bytes.to_vec(), sealed(bytes), framed(bytes), split(bytes)] {
        run(damaged(kind, blob.into()));
    }
});

/// Puts a blob in the place of a sound one, and does everything that reads it.
async fn damaged(kind: u8, blob: Bytes) {
    let store = MemoryStore::new();
    let storage = opened(&store).await;
    fill(&storage, 0).await;
    storage
        .fold(FoldScope::Everything)
        .await
        .expect("it is sound");
    storage.close().await.expect("the store works");

    let store = store.reopened();
    let committed = store.open().await.expect("the store works").committed;
    let heads = store.windows(Tier::Raw, None, 9).await.expect("it works");
    let head = heads[0];
    let mut commit = FoldCommit::default();
    match kind % 5 {
        0 => store.damage_block(Tier::Raw, head.key, 0, blob),
        1 => {
            let row = WindowRow { head, clocks: blob };
            commit.turns.push(Turn::Valid(Tier::Raw, row));
        }
        2 => commit.packs.push(PackRow {
            id: head.key.pack,
            blob,
        }),
        3 => {
            let mut head = head;
            head.layout = 77;
            let wanted = Wanted {
                key: head.key,
                groups: Vec::new(),
            };
            let found = store.read_windows(Tier::Raw, &[wanted]).await;
            let clocks = found.expect("it works")[0].row.clocks.clone();
            let pack = head.key.pack;
            commit.layouts.push(LayoutRow { pack, id: 77, blob });
            let row = WindowRow { head, clocks };
            commit.turns.push(Turn::Valid(Tier::Raw, row));
        }
        _ => {
            let batch = CommitBatch {
                seq: committed.seq + 1,
                deletion: Some(blob),
                ..CommitBatch::default()
            };
            store.commit(&batch).await.expect("the store works");
        }
    }
    store.turn(&commit).await.expect("the store works");

    let storage = Storage::open(Arc::new(store.reopened()), options()).await;
    let storage = storage.expect("what is damaged is no reason not to start");
    read(&storage).await;
    fill(&storage, 7).await;
    // What cannot be folded stays in memory.
    drop(storage.fold(FoldScope::Everything).await);
    read(&storage).await;
    let range = TimeRange { start: 5, end: 900 };
    drop(
        storage
            .delete(&[Matcher::equal("instance", "a")], range)
            .await,
    );
    drop(storage.expire(2 * HOUR).await);
    read(&storage).await;
}

fn options() -> Options {
    Options {
        // What a fold leaves to be committed is not waited for by the second.
        commit_interval: Duration::ZERO,
        fold_interval: Duration::from_hours(1),
        ..Options::default()
    }
}

async fn opened(store: &MemoryStore) -> Storage {
    let storage = Storage::open(Arc::new(store.clone()), options()).await;
    storage.expect("it is sound")
}

/// Two hours of three series.
async fn fill(storage: &Storage, shift: i64) {
    let labels = Labels::from_pairs([("instance", "a")]);
    let target = storage.target(&labels).expect("it is open");
    let mut rows = Vec::new();
    for metric in 0..3i32 {
        let name = format!("m{metric}");
        let labels = Labels::from_pairs([("__name__", name.as_str()), ("instance", "a")]);
        let series = Appender::series(storage, target, &labels).expect("it is open");
        rows.extend((0..20i64).map(|at| Row {
            series,
            timestamp: at * HOUR / 10 + shift,
            value: f64::from(metric) + 0.5,
        }));
    }
    let batch = Batch {
        target,
        order: Order::Unlimited,
        rows,
    };
    let (ticket, _) = storage.append(batch, Urgency::Waiting).expect("it is open");
    storage.committed(ticket).await.expect("the store works");
}

async fn read(storage: &Storage) {
    let everything = Selector {
        matchers: Vec::new(),
        range: TimeRange::ALL,
    };
    let snapshot = storage.snapshot(std::slice::from_ref(&everything)).await;
    let snapshot = snapshot.expect("what is damaged is left out");
    let read = snapshot.for_each(&everything, &mut |labels, samples| {
        assert!(samples.timestamps.is_sorted_by(|a, b| a < b), "{labels}");
        assert_eq!(samples.timestamps.len(), samples.values.len());
        ControlFlow::Continue(())
    });
    read.expect("what is damaged is left out");
}
