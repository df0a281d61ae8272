//! Any bytes as what a store has of its rollups: shapes, blocks, layouts.

#![no_main]

mod frames;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::rollup::RESOLUTIONS;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::{Fetch, SampleBuffer, Selector, SeriesSource};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::store::{FoldCommit, LayoutRow, Tier, Turn, Wanted, WindowRow};
use system_stats_storage::{FoldScope, Options, Storage, Store};

use frames::{framed, run, sealed, split};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

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
    let folded = storage.fold(FoldScope::Everything).await;
    folded.expect("it is sound");
    storage.close().await.expect("the store works");

    let store = store.reopened();
    store.open().await.expect("the store works");
    let tier = if kind & 1 == 0 {
        Tier::FiveMinutes
    } else {
        Tier::Hour
    };
    let heads = store.windows(tier, None, 9).await.expect("it works");
    let mut head = heads[0];
    let mut commit = FoldCommit::default();
    match kind >> 1 & 3 {
        0 | 1 => store.damage_block(tier, head.key, 0, blob),
        2 => {
            let row = WindowRow { head, clocks: blob };
            commit.turns.push(Turn::Valid(tier, row));
        }
        _ => {
            head.layout = 77;
            let (key, groups) = (head.key, Vec::new());
            let found = store.read_windows(tier, &[Wanted { key, groups }]).await;
            let clocks = found.expect("it works")[0].row.clocks.clone();
            let pack = head.key.pack;
            commit.layouts.push(LayoutRow { pack, id: 77, blob });
            let row = WindowRow { head, clocks };
            commit.turns.push(Turn::Valid(tier, row));
        }
    }
    store.turn(&commit).await.expect("the store works");

    // Samples of the first day are gone for good when `kind` says so: only buckets are left.
    let storage = opened(&store.reopened()).await;
    if kind & 8 != 0 {
        drop(storage.expire(DAY).await);
    }
    read(&storage).await;
    fill(&storage, 7).await;
    // What cannot be rolled up stays as samples.
    drop(storage.fold(FoldScope::Everything).await);
    read(&storage).await;
    let (some, range) = (
        Matcher::equal("instance", "a"),
        TimeRange { start: 5, end: 900 },
    );
    drop(storage.delete(&[some], range).await);
    drop(storage.fold(FoldScope::Everything).await);
    drop(storage.expire_rollups(tier, DAY).await);
    read(&storage).await;
}

async fn opened(store: &MemoryStore) -> Storage {
    let options = Options {
        commit_interval: Duration::ZERO,
        fold_interval: Duration::from_hours(1_000_000),
        rollups: vec![Tier::FiveMinutes, Tier::Hour],
        ..Options::default()
    };
    let storage = Storage::open(Arc::new(store.clone()), options).await;
    storage.expect("what is damaged is no reason not to start")
}

/// A day of two series, and a moment of the next.
async fn fill(storage: &Storage, shift: i64) {
    let labels = Labels::from_pairs([("instance", "a")]);
    let target = storage.target(&labels).expect("it is open");
    let mut rows = Vec::new();
    for metric in 0..2i32 {
        let name = format!("m{metric}");
        let labels = Labels::from_pairs([("__name__", name.as_str()), ("instance", "a")]);
        let series = Appender::series(storage, target, &labels).expect("it is open");
        rows.extend((0..50i32).map(|at| Row {
            series,
            timestamp: i64::from(at) * HOUR / 2 + shift,
            value: f64::from(metric * at % 9) + 0.5,
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
    for length in RESOLUTIONS {
        let selector = Selector {
            matchers: Vec::new(),
            range: TimeRange {
                start: 1,
                end: 2 * DAY,
            },
        };
        let fetch = Fetch {
            selector: selector.clone(),
            resolution: Some(length),
        };
        let snapshot = storage.fetch(&[fetch]).await;
        let snapshot = snapshot.expect("what is damaged is left out");
        let set = snapshot
            .select(&selector)
            .expect("what is damaged is left out");
        let (mut room, mut found) = (SampleBuffer::default(), Vec::new());
        for (at, labels) in set.labels().iter().enumerate() {
            found.clear();
            let read = set.read_buckets(at, selector.range, length, &mut room, &mut found);
            read.expect("what is damaged is left out");
            assert!(found.is_sorted_by(|a, b| a.end < b.end), "{labels}");
        }
    }
}
