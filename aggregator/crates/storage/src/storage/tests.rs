//! The storage as a whole, on the store in memory.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use system_stats_model::append::{
    AppendError, Appender, Batch, Order, Outcome, Row, SeriesId, TargetId, Urgency,
};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, STALE, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};

use super::{CommitError, SeriesStats, Storage};
use crate::memory::{Fault, MemoryStore};
use crate::object::{Object, ObjectKind};
use crate::options::Options;

const HOUR: Millis = 3_600_000;

async fn open(store: &MemoryStore) -> Storage {
    let options = Options {
        commit_interval: Duration::ZERO,
        ..Options::default()
    };
    Storage::open(Arc::new(store.clone()), options)
        .await
        .unwrap()
}

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
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
    let mut visit = |labels: &Labels, samples: system_stats_model::source::Samples<'_>| {
        let samples = samples.timestamps.iter().zip(samples.values);
        let samples: Vec<String> = samples.map(|(ts, v)| format!("{v}@{ts}")).collect();
        lines.push(format!("{labels} {}", samples.join(" ")));
        ControlFlow::Continue(())
    };
    snapshot.for_each(&selector, &mut visit).unwrap();
    lines.sort();
    lines
}

fn stats(storage: &Storage, matchers: &[Matcher]) -> Vec<(String, SeriesStats)> {
    let mut all = Vec::new();
    storage.series(matchers, &mut |labels, stats| {
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
    let up = series(&storage, target, "__name__=up,job=node,instance=a");
    let load = series(&storage, target, "__name__=load,job=node,instance=a");
    let rows = [(up, 1000, 1.0), (load, 1000, 0.25), (up, 2000, STALE)];
    let taken = storage.append(batch(target, Order::Strict, &rows), Urgency::Waiting);
    let (ticket, outcome) = taken.unwrap();
    assert_eq!(
        outcome,
        Outcome {
            stored: 3,
            ..Outcome::default()
        }
    );
    let expected = [
        "load{instance=\"a\",job=\"node\"} 0.25@1000",
        "up{instance=\"a\",job=\"node\"} 1@1000 NaN@2000",
    ];
    assert_eq!(shown(&storage, &[], TimeRange::ALL).await, expected);
    let before = stats(&storage, &[]);
    assert_eq!((before[1].1.samples, before[1].1.last), (1, 1000));
    storage.committed(ticket).await.unwrap();
    let storage = open(&store.reopened()).await;
    assert_eq!(shown(&storage, &[], TimeRange::ALL).await, expected);
    assert_eq!(stats(&storage, &[]), before);
    let again = storage.target(&labels("job=node,instance=a")).unwrap();
    assert_eq!(again, target);
    assert_eq!(
        series(&storage, again, "__name__=up,job=node,instance=a"),
        up
    );
    assert_eq!(
        shown(
            &storage,
            &[Matcher::equal("__name__", "up")],
            TimeRange {
                start: 0,
                end: 1999
            }
        )
        .await,
        ["up{instance=\"a\",job=\"node\"} 1@1000"]
    );
}
