//! The storage as a whole, on the store in memory.

mod blocks;
mod commits;
mod left;
mod model;
mod moved;
mod removal;
mod rollup;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use system_stats_model::append::{
    AppendError, Appender, Batch, Order, Outcome, Row, SeriesId, TargetId, Ticket, Urgency,
};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, STALE, Sample, TimeRange};
use system_stats_model::source::{Samples, Selector, SeriesSource};

use super::{Inner, SeriesStats, Storage};
use crate::memory::MemoryStore;
use crate::object::{Object, ObjectKind};
use crate::options::Options;

const HOUR: Millis = 3_600_000;

type Values = &'static [(Millis, f64)];

async fn open(store: &MemoryStore) -> Storage {
    let commit_interval = Duration::ZERO;
    open_with(
        store,
        Options {
            commit_interval,
            ..Options::default()
        },
    )
    .await
}

async fn open_with(store: &MemoryStore, options: Options) -> Storage {
    Storage::open(Arc::new(store.clone()), options)
        .await
        .unwrap()
}

/// Labels as `name=value,name=value`; the first name is the metric's when it stands alone.
fn labels(text: &str) -> Labels {
    Labels::from_pairs(
        text.split(',')
            .map(|pair| pair.split_once('=').unwrap_or(("__name__", pair))),
    )
}

fn series(storage: &Storage, target: TargetId, text: &str) -> SeriesId {
    Appender::series(storage, target, &labels(text)).unwrap()
}

fn batch(target: TargetId, order: Order, rows: &[(SeriesId, Millis, f64)]) -> Batch {
    let row = |&(series, timestamp, value): &(SeriesId, Millis, f64)| Row {
        series,
        timestamp,
        value,
    };
    Batch {
        target,
        order,
        rows: rows.iter().map(row).collect(),
    }
}

/// Appends to the series `text` of the target `instance=…` that it names.
fn push(
    storage: &Storage,
    text: &str,
    order: Order,
    samples: &[(Millis, f64)],
) -> (Ticket, Outcome) {
    let whole = labels(text);
    let instance = whole.get("instance").unwrap();
    let target = storage
        .target(&Labels::from_pairs([("instance", instance)]))
        .unwrap();
    let id = series(storage, target, text);
    let rows: Vec<_> = samples
        .iter()
        .map(|&(timestamp, value)| (id, timestamp, value))
        .collect();
    storage
        .append(batch(target, order, &rows), Urgency::Waiting)
        .unwrap()
}

/// What a reader sees: a line per series, sorted.
async fn shown(storage: &Storage, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
    let selector = Selector {
        matchers: matchers.to_vec(),
        range,
    };
    let snapshot = storage
        .snapshot(std::slice::from_ref(&selector))
        .await
        .unwrap();
    let mut lines = Vec::new();
    let mut visit = |labels: &Labels, samples: Samples<'_>| {
        let samples = samples.timestamps.iter().zip(samples.values);
        let samples: Vec<String> = samples.map(|(ts, v)| format!("{v}@{ts}")).collect();
        lines.push(format!("{labels} {}", samples.join(" ")));
        ControlFlow::Continue(())
    };
    snapshot.for_each(&selector, &mut visit).unwrap();
    lines.sort();
    lines
}

async fn all(storage: &Storage) -> Vec<String> {
    shown(storage, &[], TimeRange::ALL).await
}

async fn stats(storage: &Storage, matchers: &[Matcher]) -> Vec<(String, SeriesStats)> {
    let mut all = Vec::new();
    let departed = storage.departed(&[matchers.to_vec()], TimeRange::ALL).await;
    storage.series(matchers, &departed.unwrap(), &mut |labels, stats| {
        all.push((labels.to_string(), stats));
        ControlFlow::Continue(())
    });
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test]
async fn samples_are_seen_at_once_and_again_after_a_restart() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    let target = storage.target(&labels("job=node,instance=a")).unwrap();
    let up = series(&storage, target, "up,job=node,instance=a");
    let load = series(&storage, target, "load,job=node,instance=a");
    let rows = [(up, 1000, 1.0), (load, 1000, 0.25), (up, 2000, STALE)];
    let taken = storage.append(batch(target, Order::Strict, &rows), Urgency::Waiting);
    let (ticket, outcome) = taken.unwrap();
    assert_eq!(
        (outcome.stored, outcome.duplicate, outcome.out_of_order),
        (3, 0, 0)
    );
    let expected = [
        "load{instance=\"a\",job=\"node\"} 0.25@1000",
        "up{instance=\"a\",job=\"node\"} 1@1000 NaN@2000",
    ];
    assert_eq!(all(&storage).await, expected);
    let before = stats(&storage, &[]).await;
    let latest = Some(Sample {
        timestamp: 2000,
        value: STALE,
    });
    assert_eq!(
        before[1].1,
        SeriesStats {
            samples: 1,
            first: 1000,
            last: 1000,
            latest
        }
    );
    storage.committed(ticket).await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(all(&storage).await, expected);
    assert_eq!(stats(&storage, &[]).await, before);
    assert_eq!(storage.newest(), Some(2000));
    assert_eq!(storage.next_hour(1500), Some(0));
    assert_eq!(storage.next_hour(3_600_000), None);
    let again = storage.target(&labels("job=node,instance=a")).unwrap();
    assert_eq!(again, target);
    assert_eq!(series(&storage, again, "up,job=node,instance=a"), up);
    let ups = [Matcher::equal("__name__", "up")];
    let early = TimeRange {
        start: 0,
        end: 1999,
    };
    assert_eq!(
        shown(&storage, &ups, early).await,
        ["up{instance=\"a\",job=\"node\"} 1@1000"]
    );
}

#[tokio::test]
async fn what_is_unknown_or_too_much_is_refused_as_a_whole() {
    let store = MemoryStore::new();
    let options = Options {
        series_per_target: 2,
        ..Options::default()
    };
    let storage = open_with(&store, options).await;
    let target = storage.target(&labels("instance=a")).unwrap();
    let first = series(&storage, target, "a,instance=a");
    let second = series(&storage, target, "b,instance=a");
    let refused = Appender::series(&storage, target, &labels("c,instance=a"));
    let whole = labels("instance=a");
    assert_eq!(
        refused,
        Err(AppendError::TooManySeries {
            target: whole,
            limit: 2
        })
    );
    let other = storage.target(&labels("instance=b")).unwrap();
    let foreign = series(&storage, other, "a,instance=b");
    let rows = [(first, 1, 1.0), (foreign, 1, 1.0), (second, 1, 1.0)];
    let taken = storage.append(batch(target, Order::Any, &rows), Urgency::Waiting);
    assert_eq!(taken.err(), Some(AppendError::UnknownSeries(foreign)));
    let nowhere = TargetId(77);
    let taken = storage.append(batch(nowhere, Order::Any, &rows[..1]), Urgency::Waiting);
    assert_eq!(taken.err(), Some(AppendError::UnknownTarget(nowhere)));
    assert_eq!(all(&storage).await, [""; 0]);
}

#[tokio::test]
async fn late_samples_are_merged_and_duplicates_refused() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    let outcome = |stored, out_of_order, duplicate| Outcome {
        stored,
        out_of_order,
        duplicate,
    };
    let (x, any, strict) = ("x,instance=a", Order::Any, Order::Strict);
    let cases: [(Order, Values, Outcome); 8] = [
        (
            any,
            &[(5 * HOUR, 5.0), (5 * HOUR, 5.0), (5 * HOUR, 6.0)],
            outcome(2, 0, 1),
        ),
        (
            any,
            &[(4 * HOUR, 4.0), (4 * HOUR, 4.0), (4 * HOUR, 7.0)],
            outcome(2, 0, 1),
        ),
        (
            any,
            &[(4 * HOUR, 4.0), (4 * HOUR, f64::NAN)],
            outcome(1, 0, 1),
        ),
        (
            any,
            &[(4 * HOUR - 1, 1.0), (-1, 1.0), (Millis::MAX, 1.0)],
            outcome(0, 3, 0),
        ),
        (any, &[(4 * HOUR + 1, STALE)], outcome(1, 0, 0)),
        (
            strict,
            &[(5 * HOUR - 1, 1.0), (5 * HOUR, 5.0)],
            outcome(1, 1, 0),
        ),
        (
            strict,
            &[(5 * HOUR, 9.0), (5 * HOUR + 1, 1.0)],
            outcome(1, 0, 1),
        ),
        (any, &[(5 * HOUR + 1, 1.0)], outcome(1, 0, 0)),
    ];
    for (order, samples, expected) in cases {
        assert_eq!(
            push(&storage, x, order, samples).1,
            expected,
            "{order:?} {samples:?}"
        );
    }
    let expected = ["x{instance=\"a\"} 4@14400000 NaN@14400001 5@18000000 1@18000001"];
    assert_eq!(all(&storage).await, expected);
    storage.close().await.unwrap();
    assert_eq!(all(&open(&store.reopened()).await).await, expected);
}

#[tokio::test]
async fn the_same_labels_of_two_targets_are_one_series() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    for (job, samples) in [
        ("one", [(1000, 1.0), (3000, 3.0)]),
        ("two", [(2000, 2.0), (3000, 9.0)]),
    ] {
        let target = storage
            .target(&Labels::from_pairs([("scraped", job)]))
            .unwrap();
        let id = series(&storage, target, "x,instance=a");
        let rows = samples.map(|(timestamp, value)| (id, timestamp, value));
        storage
            .append(batch(target, Order::Any, &rows), Urgency::Waiting)
            .unwrap();
    }
    assert_eq!(
        all(&storage).await,
        ["x{instance=\"a\"} 1@1000 2@2000 3@3000"]
    );
    let stats = stats(&storage, &[]).await;
    assert_eq!(stats.len(), 1);
    assert_eq!(
        (stats[0].1.samples, stats[0].1.first, stats[0].1.last),
        (4, 1000, 3000)
    );
    storage.close().await.unwrap();
    let again = open(&store.reopened()).await;
    assert_eq!(
        all(&again).await,
        ["x{instance=\"a\"} 1@1000 2@2000 3@3000"]
    );
}

#[tokio::test]
async fn documents_have_one_newest_version() {
    let store = MemoryStore::new();
    let storage = open(&store).await;
    let object = |updated, body: &'static str| Object {
        kind: ObjectKind::System,
        key: "pi".to_owned(),
        updated,
        body: Bytes::from_static(body.as_bytes()),
    };
    let system = ObjectKind::System;
    assert_eq!(storage.object(system, "pi").await, Ok(None));
    storage
        .put_object(object(1, "{}"), Urgency::Relaxed)
        .unwrap();
    let ticket = storage
        .put_object(object(2, "{\"a\":1}"), Urgency::Waiting)
        .unwrap();
    assert_eq!(
        storage.object(system, "pi").await,
        Ok(Some(object(2, "{\"a\":1}")))
    );
    storage.committed(ticket).await.unwrap();
    assert_eq!(
        storage.object(system, "pi").await,
        Ok(Some(object(2, "{\"a\":1}")))
    );
    let storage = open(&store.reopened()).await;
    assert_eq!(storage.objects(system), [("pi".to_owned(), 2)]);
    assert_eq!(
        storage.object(system, "pi").await,
        Ok(Some(object(2, "{\"a\":1}")))
    );
    let (ticket, had) = storage.delete_object(system, "pi").unwrap();
    assert!(had);
    assert_eq!(storage.object(system, "pi").await, Ok(None));
    assert!(!storage.delete_object(system, "pi").unwrap().1);
    storage.committed(ticket).await.unwrap();
    assert_eq!(open(&store.reopened()).await.objects(system), []);
}

#[test]
fn readers_see_whole_batches() {
    const SERIES: usize = 20;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let storage = runtime.block_on(open(&MemoryStore::new()));
    let target = storage.target(&labels("instance=a")).unwrap();
    let name = |at: usize| series(&storage, target, &format!("x{at},instance=a"));
    let ids: Vec<SeriesId> = (0..SERIES).map(name).collect();
    let selector = Selector {
        matchers: Vec::new(),
        range: TimeRange::ALL,
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for at in 0..300 {
                let rows: Vec<_> = ids.iter().map(|&id| (id, at * 1000, at as f64)).collect();
                storage
                    .append(batch(target, Order::Strict, &rows), Urgency::Relaxed)
                    .unwrap();
            }
        });
        while !writer.is_finished() {
            let snapshot = storage.snapshot(std::slice::from_ref(&selector));
            let snapshot = runtime.block_on(snapshot).unwrap();
            let mut lengths = Vec::new();
            let mut visit = |_: &Labels, samples: Samples<'_>| {
                lengths.push(samples.timestamps.len());
                ControlFlow::Continue(())
            };
            snapshot.for_each(&selector, &mut visit).unwrap();
            assert!(lengths.is_empty() || lengths.len() == SERIES, "{lengths:?}");
            lengths.dedup();
            assert!(lengths.len() <= 1, "{lengths:?}");
        }
    });
    let counted = runtime.block_on(stats(&storage, &[]));
    assert_eq!(counted[0].1.samples, 300);
}
