//! Rollups over both databases, beside the samples that they stand for.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::postgres::Database;
use system_stats_model::append::{Appender, Batch, Order, Row, SeriesId, TargetId, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::rollup::{Bucket, RESOLUTIONS};
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Fetch, SampleBuffer, Selector, SeriesSource};
use system_stats_storage::store::Tier;
use system_stats_storage::{FoldScope, Options, Storage};

const DAY: Millis = 86_400_000;
const START: Millis = 19_000 * DAY;
const SERIES: usize = 70;
const TIERS: [Tier; 2] = [Tier::FiveMinutes, Tier::Hour];

async fn opened(url: &str) -> Storage {
    let store = system_stats_sql::open(url).await.unwrap();
    let options = Options {
        commit_interval: Duration::ZERO,
        out_of_order_window: Duration::from_hours(1_000_000),
        // Only when the test says so.
        fold_interval: Duration::from_hours(1_000_000),
        rollups: TIERS.into(),
        ..Options::default()
    };
    Storage::open(store, options).await.unwrap()
}

fn named(storage: &Storage) -> (TargetId, Vec<SeriesId>) {
    let target = Labels::from_pairs([("job", "j"), ("instance", "a")]);
    let id = storage.target(&target).unwrap();
    let series = (0..SERIES).map(|number| {
        let name = format!("m{number:02}");
        let labels = [("__name__", name.as_str()), ("job", "j"), ("instance", "a")];
        Appender::series(storage, id, &Labels::from_pairs(labels)).unwrap()
    });
    (id, series.collect())
}

async fn write(storage: &Storage, minutes: impl Iterator<Item = i64>) {
    let (target, series) = named(storage);
    let value = |number: usize, minute: i64| {
        let grown = minute * (1 + i64::try_from(number).unwrap()) % 100_000;
        grown as f64 + number as f64 / 8.0
    };
    let rows = minutes.flat_map(|minute| {
        let timestamp = START + minute * 60_000 + minute % 7;
        let series = series.iter().enumerate();
        series.map(move |(number, &series)| Row {
            series,
            timestamp,
            value: value(number, minute),
        })
    });
    let rows: Vec<Row> = rows.collect();
    for some in rows.chunks(50_000) {
        let order = Order::Any;
        let rows = some.to_vec();
        let batch = Batch {
            target,
            order,
            rows,
        };
        let (ticket, outcome) = storage.append(batch, Urgency::Waiting).unwrap();
        assert_eq!(outcome.stored, some.len());
        storage.committed(ticket).await.unwrap();
    }
}

async fn fold(storage: &Storage) {
    storage.fold(FoldScope::Everything).await.unwrap();
}

/// The buckets of the first three days, by tier and series, and whether a tier has them.
async fn read(storage: &Storage) -> (Vec<Vec<Bucket>>, bool) {
    let selector = Selector {
        matchers: vec![Matcher::equal("job", "j")],
        range: TimeRange {
            start: START + 1,
            end: START + 3 * DAY,
        },
    };
    let (mut all, mut are_buckets) = (Vec::new(), true);
    for length in RESOLUTIONS {
        let fetch = Fetch {
            selector: selector.clone(),
            resolution: Some(length),
        };
        let snapshot = storage.fetch(&[fetch]).await.unwrap();
        let set = snapshot.select(&selector).unwrap();
        are_buckets &= set.has_buckets(length);
        let mut named: Vec<(String, Vec<Bucket>)> = Vec::new();
        let mut room = SampleBuffer::default();
        for (at, labels) in set.labels().iter().enumerate() {
            let mut found = Vec::new();
            let read = set.read_buckets(at, selector.range, length, &mut room, &mut found);
            read.unwrap();
            named.push((labels.to_string(), found));
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        all.extend(named.into_iter().map(|(_, found)| found));
    }
    (all, are_buckets)
}

/// Equal but for the rounding of sums.
#[track_caller]
fn assert_same(found: &[Vec<Bucket>], expected: &[Vec<Bucket>]) {
    assert_eq!(found.len(), expected.len());
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs();
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            let blank = |bucket: &Bucket| Bucket {
                sum: 0.0,
                compensation: 0.0,
                correction: 0.0,
                ..*bucket
            };
            assert_eq!(blank(a), blank(b));
            assert!(close(a.total(), b.total()) && close(a.correction, b.correction));
        }
    }
}

async fn rollups_stand_for_samples(url: &str) {
    let storage = opened(url).await;
    // Four days and a bit, in which every fifth minute comes late; the last day is not over.
    let minutes = || 1..4 * 1440 + 30_i64;
    write(
        &storage,
        minutes().filter(|minute| minute % 5 != 0 || minute % 1440 > 600),
    )
    .await;
    fold(&storage).await;
    let (early, _) = read(&storage).await;
    write(
        &storage,
        minutes().filter(|minute| minute % 5 == 0 && minute % 1440 <= 600),
    )
    .await;
    let (in_memory, _) = read(&storage).await;
    assert_ne!(early, in_memory);
    fold(&storage).await;
    let (rolled, are_buckets) = read(&storage).await;
    assert!(are_buckets, "the tiers are not read");
    assert_same(&rolled, &in_memory);
    let deleted = TimeRange {
        start: START + DAY,
        end: START + DAY + DAY / 2,
    };
    let some = [Matcher::equal("__name__", "m07")];
    let (ticket, _) = storage.delete(&some, deleted).await.unwrap();
    storage.committed(ticket).await.unwrap();
    let (without, _) = read(&storage).await;
    assert_ne!(without, rolled);
    storage.close().await.unwrap();
    let storage = opened(url).await;
    assert_same(&read(&storage).await.0, &without);
    fold(&storage).await;
    assert_eq!(storage.status().deletions, 0);
    assert_same(&read(&storage).await.0, &without);
    // The samples of three days go; their buckets stay, and can be deleted themselves.
    storage.expire(START + 3 * DAY).await.unwrap();
    let (left, are_buckets) = read(&storage).await;
    assert!(are_buckets);
    assert_same(&left, &without);
    storage.close().await.unwrap();
    let storage = opened(url).await;
    assert_same(&read(&storage).await.0, &without);
    let (ticket, _) = storage.delete(&some, TimeRange::ALL).await.unwrap();
    storage.committed(ticket).await.unwrap();
    fold(&storage).await;
    storage.close().await.unwrap();
    let storage = opened(url).await;
    let (left, _) = read(&storage).await;
    let other = |(at, _): &(usize, &Vec<Bucket>)| at % SERIES != 7;
    let expected: Vec<_> = without.iter().enumerate().filter(other).collect();
    let expected: Vec<Vec<Bucket>> = expected.into_iter().map(|(_, b)| b.clone()).collect();
    let left: Vec<Vec<Bucket>> = left.into_iter().filter(|found| !found.is_empty()).collect();
    assert_same(&left, &expected);
    for tier in TIERS {
        storage
            .expire_rollups(tier, START + 10 * DAY)
            .await
            .unwrap();
    }
    assert!(read(&storage).await.0.iter().all(Vec::is_empty));
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_stand_for_samples_on_sqlite() {
    let folder = Folder::new();
    let url = format!("sqlite://{}/t.db", folder.path().display());
    rollups_stand_for_samples(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_stand_for_samples_on_postgres() {
    rollups_stand_for_samples(&Database::new().url()).await;
}
