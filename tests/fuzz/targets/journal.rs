//! Any bytes as rows of the journal that a start has to read.

#![no_main]

mod frames;

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use system_stats_model::append::{Appender, Batch, Order, Row, SeriesId, TargetId, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::{TimeRange, is_stale};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::store::{CommitBatch, SeriesRow, TargetRow};
use system_stats_storage::{Departed, Options, Storage, Store};

use frames::{framed, run, sealed, split};

/// Ids that rows of the journal can name: targets from 1, and so many series of each.
const TARGETS: u64 = 2;
const SERIES: u64 = 4;

fuzz_target!(
    init: {
        let unreadable = run(replayed(&[framed(&[])])).unreadable;
        assert_eq!(unreadable, 0, "this program's frames are those of the journal");
    },
    |bytes: &[u8]| {
        let rows = [
            framed(bytes),
            sealed(bytes),
            split(bytes),
            bytes.to_vec(),
            framed(bytes),
        ];
        run(replayed(&rows));
    }
);

/// What can be seen of a storage.
#[derive(Debug, PartialEq)]
struct Contents {
    /// Labels, times and bits of the values, in order of the labels.
    series: Vec<(Labels, Vec<(i64, u64)>)>,
    unreadable: u64,
}

/// Starts with these rows, twice, with an append in between.
async fn replayed(rows: &[Vec<u8>]) -> Contents {
    let store = MemoryStore::new();
    write(&store, rows).await;
    let store = store.reopened();
    let storage = opened(&store).await;
    let first = contents(&storage).await;
    assert!(first.unreadable <= rows.len() as u64);

    append(&storage).await;
    let before = contents(&storage).await;
    storage.close().await.expect("the store works");
    let after = contents(&opened(&store.reopened()).await).await;
    assert_eq!(before, after, "what was acknowledged is there");
    first
}

async fn opened(store: &MemoryStore) -> Storage {
    let storage = Storage::open(Arc::new(store.clone()), Options::default()).await;
    storage.expect("a damaged row is no reason not to start")
}

/// Commits the names and the rows, half of them in a segment of their own.
async fn write(store: &MemoryStore, rows: &[Vec<u8>]) {
    store.open().await.expect("the store works");
    for (seq, row) in (1..).zip(rows) {
        let mut batch = CommitBatch {
            seq,
            segment: 1 + seq / 4,
            blob: Some(Bytes::from(row.clone())),
            ..CommitBatch::default()
        };
        if seq == 1 {
            batch.targets = (1..=TARGETS).map(target).collect();
            batch.series = (1..=TARGETS * SERIES).map(series).collect();
        }
        store.commit(&batch).await.expect("the store works");
    }
}

fn target(id: u64) -> TargetRow {
    TargetRow {
        id,
        pack: id,
        labels: Labels::from_pairs([("instance", format!("host{id}"))]),
    }
}

fn series(id: u64) -> SeriesRow {
    SeriesRow {
        id,
        target: 1 + (id - 1) / SERIES,
        inherits: true,
        labels: Labels::from_pairs([("__name__", format!("metric{id}"))]),
        first: 0,
        last: None,
    }
}

/// Appends to a series that the rows may have filled.
async fn append(storage: &Storage) {
    let batch = Batch {
        target: TargetId(1),
        order: Order::Unlimited,
        rows: vec![Row {
            series: SeriesId(1),
            timestamp: 1000,
            value: 0.5,
        }],
    };
    let (ticket, _) = storage
        .append(batch, Urgency::Waiting)
        .expect("the names are there");
    storage.committed(ticket).await.expect("the store works");
}

async fn contents(storage: &Storage) -> Contents {
    let mut counts = Vec::new();
    storage.series(&[], &Departed::none(), &mut |labels, stats| {
        counts.push((labels.clone(), stats.samples));
        ControlFlow::Continue(())
    });
    let everything = Selector {
        matchers: Vec::new(),
        range: TimeRange::ALL,
    };
    let snapshot = storage.snapshot(std::slice::from_ref(&everything)).await;
    let mut series = Vec::new();
    let read = snapshot
        .expect("it is in memory")
        .for_each(&everything, &mut |labels, samples| {
            assert!(samples.timestamps.is_sorted_by(|a, b| a < b), "{labels}");
            let values = samples.values.iter().map(|value| value.to_bits());
            let samples = samples.timestamps.iter().copied().zip(values);
            series.push((labels.clone(), samples.collect::<Vec<_>>()));
            ControlFlow::Continue(())
        });
    read.expect("what was taken in can be read");

    counts.sort();
    series.sort();
    let is_value = |sample: &&(i64, u64)| !is_stale(f64::from_bits(sample.1));
    let counted = series.iter().map(|(labels, samples)| {
        (
            labels.clone(),
            samples.iter().filter(is_value).count() as u64,
        )
    });
    assert_eq!(counted.collect::<Vec<_>>(), counts);
    Contents {
        series,
        unreadable: storage.status().unreadable_rows,
    }
}
