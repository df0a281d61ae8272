//! The tiers against the samples that they stand for.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use system_stats_model::rollup::{Bucket, RESOLUTIONS, buckets};
use system_stats_model::sample::is_stale;
use system_stats_model::source::{Fetch, SampleBuffer};

use super::*;
use crate::rollup::DAY;
use crate::storage::FoldScope;
use crate::store::{FoldCommit, LayoutRow, Store as _, Tier, Turn, Wanted, WindowKey, WindowRow};

const SERIES: [&str; 3] = ["a,instance=x", "b,instance=x", "a,instance=y"];

/// The samples of each of [`SERIES`].
type Samples = Vec<Vec<(Millis, f64)>>;

fn options() -> Options {
    Options {
        commit_interval: Duration::ZERO,
        out_of_order_window: Duration::from_hours(1_000_000),
        fold_interval: Duration::from_hours(1_000_000),
        rollups: vec![Tier::FiveMinutes, Tier::Hour],
        ..Options::default()
    }
}

async fn store(storage: &Storage, samples: &Samples) {
    for (text, samples) in SERIES.iter().zip(samples) {
        let (ticket, _) = push(storage, text, Order::Any, samples);
        storage.committed(ticket).await.unwrap();
    }
}

async fn fold(storage: &Storage) {
    storage.fold(FoldScope::Everything).await.unwrap();
}

/// What a query gets as buckets, and whether it comes from a tier.
async fn read(storage: &Storage, range: TimeRange, length: Millis) -> (Vec<Vec<Bucket>>, bool) {
    let selector = Selector {
        matchers: Vec::new(),
        range,
    };
    let fetch = Fetch {
        selector: selector.clone(),
        resolution: Some(length),
    };
    let snapshot = storage.fetch(&[fetch]).await.unwrap();
    let set = snapshot.select(&selector).unwrap();
    let mut found = vec![Vec::new(); SERIES.len()];
    let mut room = SampleBuffer::default();
    for (at, have) in set.labels().iter().enumerate() {
        let number = SERIES
            .iter()
            .position(|text| labels(text) == *have)
            .unwrap();
        set.read_buckets(at, range, length, &mut room, &mut found[number])
            .unwrap();
    }
    (found, set.has_buckets(length))
}

fn expected(samples: &Samples, range: TimeRange, length: Millis) -> Vec<Vec<Bucket>> {
    let of_series = |samples: &Vec<(Millis, f64)>| {
        let inside = samples.iter().filter(|(at, _)| range.contains(*at));
        let (times, values): (Vec<Millis>, Vec<f64>) = inside.copied().unzip();
        let mut into = Vec::new();
        buckets(&times, &values, length, &mut into);
        into
    };
    samples.iter().map(of_series).collect()
}

/// Whether two buckets are the same, the rounding of sums apart.
fn is_same(a: &Bucket, b: &Bucket) -> bool {
    let close = |a: f64, b: f64| {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs()
    };
    let totals = close(a.total(), b.total()) && close(a.correction, b.correction);
    let blank = |bucket: &Bucket| Bucket {
        sum: 0.0,
        compensation: 0.0,
        correction: 0.0,
        ..*bucket
    };
    totals && blank(a) == blank(b)
}

fn compare(found: &[Vec<Bucket>], expected: &[Vec<Bucket>]) -> TestCaseResult {
    for (found, expected) in found.iter().zip(expected) {
        prop_assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            prop_assert!(is_same(a, b), "{a:?}\n{b:?}");
        }
    }
    Ok(())
}

/// Some days of a series sampled every few minutes, with resets, gaps and both kinds of NaN.
fn series() -> impl Strategy<Value = Vec<(Millis, f64)>> {
    let gap = prop_oneof![
        20 => 60_000..700_000i64,
        3 => Just(300_000),
        1 => 3_000_000..40_000_000i64,
    ];
    let value = prop_oneof![
        10 => (0..500u32).prop_map(f64::from),
        5 => (0..500u32).prop_map(|v| f64::from(v) / 10.0),
        1 => Just(STALE),
        1 => Just(f64::NAN),
    ];
    prop::collection::vec((gap, value), 150..400).prop_map(|steps| {
        let mut at = 0;
        let step = |(gap, value)| {
            at += gap;
            (at, value)
        };
        steps.into_iter().map(step).collect()
    })
}

/// The end of everything that is looked at.
const END: Millis = 4 * DAY;

async fn check(
    samples: [Vec<(Millis, f64)>; 3],
    late: Millis,
    range: TimeRange,
    length: Millis,
) -> TestCaseResult {
    let mut samples: Samples = samples.into();
    let store_ = MemoryStore::new();
    let storage = open_with(&store_, options()).await;
    // A part of the first series comes late: the days of its pack are done again.
    let (held_back, mut rest) = (samples[0].clone(), samples.clone());
    rest[0].retain(|sample| sample.0 % 7 != late);
    rest[1].push((END + DAY, 1.0));
    samples[1].push((END + DAY, 1.0));
    store(&storage, &rest).await;
    fold(&storage).await;
    fold(&storage).await;
    let (found, _) = read(&storage, range, length).await;
    compare(&found, &expected(&rest, range, length))?;
    let (ticket, _) = push(&storage, SERIES[0], Order::Any, &held_back);
    storage.committed(ticket).await.unwrap();
    let (found, _) = read(&storage, range, length).await;
    compare(&found, &expected(&samples, range, length))?;
    fold(&storage).await;
    fold(&storage).await;
    let (found, _) = read(&storage, range, length).await;
    compare(&found, &expected(&samples, range, length))?;
    // Another start, and the samples gone: the same from buckets alone.
    storage.close().await.unwrap();
    let storage = open_with(&store_.reopened(), options()).await;
    let (found, _) = read(&storage, range, length).await;
    compare(&found, &expected(&samples, range, length))?;
    storage.expire(END).await.unwrap();
    let (found, is_coarse) = read(&storage, range, length).await;
    prop_assert!(is_coarse || found.iter().all(Vec::is_empty));
    compare(&found, &expected(&samples, range, length))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_tier_says_what_the_samples_say(
        samples in [series(), series(), series()],
        late in 0..7i64,
        is_hour: bool,
        from in 0..60i64,
        length in 1..90i64,
    ) {
        let resolution = RESOLUTIONS[usize::from(is_hour)];
        let start = from * 3_600_000;
        let range = TimeRange { start: start + 1, end: (start + length * 3_600_000).min(END) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(samples, late, range, resolution))?;
    }
}

/// A sample a minute over two days and a bit.
fn two_days() -> Samples {
    let series = |number: i64| {
        let value = move |at: i64| (at * 60_000, (at * (number + 1)) as f64);
        (1..2 * 1440 + 30).map(value).collect()
    };
    (0..3).map(series).collect()
}

const FIRST_DAY: TimeRange = TimeRange { start: 1, end: DAY };

#[tokio::test]
async fn a_day_is_read_from_the_tier_only_while_it_knows_all() {
    let storage = open_with(&MemoryStore::new(), options()).await;
    let samples = two_days();
    store(&storage, &samples).await;
    let length = RESOLUTIONS[0];
    assert!(!read(&storage, FIRST_DAY, length).await.1);
    fold(&storage).await;
    assert!(read(&storage, FIRST_DAY, length).await.1);
    // Not all of the last day is over.
    let last = TimeRange {
        start: 2 * DAY + 1,
        end: 3 * DAY,
    };
    assert!(!read(&storage, last, length).await.1);
    let (ticket, _) = push(&storage, SERIES[0], Order::Any, &[(90_001, 5.0)]);
    storage.committed(ticket).await.unwrap();
    // One target knows something new; the pack's day is not read from the tier for it.
    let (found, _) = read(&storage, FIRST_DAY, length).await;
    assert_eq!(found[0][0].count, 6);
    fold(&storage).await;
    let (found, is_coarse) = read(&storage, FIRST_DAY, length).await;
    assert!(is_coarse);
    assert_eq!((found[0][0].count, found[1][0].count), (6, 5));
    storage.close().await.unwrap();
}

#[tokio::test]
async fn what_is_deleted_leaves_the_tiers_with_or_without_samples() {
    let mut samples = two_days();
    for has_samples in [true, false] {
        let store_ = MemoryStore::new();
        let storage = open_with(&store_, options()).await;
        store(&storage, &two_days()).await;
        fold(&storage).await;
        if !has_samples {
            storage.expire(2 * DAY).await.unwrap();
        }
        // Whole buckets, so that what is left is the same either way.
        let range = TimeRange {
            start: 600_001,
            end: 7_200_000,
        };
        let matchers = [Matcher::equal("__name__", "b")];
        let (ticket, _) = storage.delete(&matchers, range).await.unwrap();
        samples[1].retain(|sample| !range.contains(sample.0));
        let wanted = expected(&samples, FIRST_DAY, RESOLUTIONS[0]);
        let (found, _) = read(&storage, FIRST_DAY, RESOLUTIONS[0]).await;
        compare(&found, &wanted).unwrap();
        storage.committed(ticket).await.unwrap();
        fold(&storage).await;
        fold(&storage).await;
        assert_eq!(storage.status().deletions, 0);
        let (found, is_coarse) = read(&storage, FIRST_DAY, RESOLUTIONS[0]).await;
        assert!(is_coarse);
        compare(&found, &wanted).unwrap();
        storage.close().await.unwrap();
        let storage = open_with(&store_.reopened(), options()).await;
        let (found, _) = read(&storage, FIRST_DAY, RESOLUTIONS[0]).await;
        compare(&found, &wanted).unwrap();
    }
}

#[tokio::test]
async fn samples_wait_for_their_day_to_be_over() {
    let store_ = MemoryStore::new();
    let storage = open_with(&store_, options()).await;
    let samples = two_days();
    store(&storage, &samples).await;
    fold(&storage).await;
    let third = TimeRange {
        start: 2 * DAY + 1,
        end: 3 * DAY,
    };
    storage.expire(3 * DAY).await.unwrap();
    assert!(read(&storage, third, RESOLUTIONS[0]).await.0[0].is_empty());
    let (ticket, _) = push(&storage, SERIES[0], Order::Any, &[(4 * DAY, 1.0)]);
    storage.committed(ticket).await.unwrap();
    storage.close().await.unwrap();
    let storage = open_with(&store_.reopened(), options()).await;
    fold(&storage).await;
    let (found, _) = read(&storage, third, RESOLUTIONS[0]).await;
    compare(&found, &expected(&samples, third, RESOLUTIONS[0])).unwrap();
}

#[tokio::test]
async fn a_tier_has_its_own_retention() {
    let storage = open_with(&MemoryStore::new(), options()).await;
    let samples = two_days();
    store(&storage, &samples).await;
    fold(&storage).await;
    storage.expire(2 * DAY).await.unwrap();
    let selector = Selector {
        matchers: Vec::new(),
        range: FIRST_DAY,
    };
    let snapshot = storage.snapshot(std::slice::from_ref(&selector)).await;
    let snapshot = snapshot.unwrap();
    let set = snapshot.select(&selector).unwrap();
    assert_eq!(set.expired_before(), Some(2 * DAY));
    assert!(!set.has_buckets(RESOLUTIONS[0]));
    let alive = samples[0]
        .iter()
        .filter(|(at, v)| *at <= DAY && !is_stale(*v));
    let (found, _) = read(&storage, FIRST_DAY, RESOLUTIONS[1]).await;
    let counted: u64 = found[0].iter().map(|bucket| bucket.count).sum();
    assert_eq!(counted, alive.count() as u64);
    storage.expire_rollups(Tier::Hour, DAY).await.unwrap();
    let hours = read(&storage, FIRST_DAY, RESOLUTIONS[1]).await.0;
    let minutes = read(&storage, FIRST_DAY, RESOLUTIONS[0]).await.0;
    // The first sample of the second day closes the last bucket of the first.
    assert_eq!((hours[0].len(), minutes[0].len()), (1, 288));
    // With the last of it the names go as well, but for a series that lives.
    let (ticket, _) = push(&storage, SERIES[2], Order::Any, &[(9 * DAY, 1.0)]);
    storage.committed(ticket).await.unwrap();
    storage.expire(9 * DAY).await.unwrap();
    storage.expire_rollups(Tier::Hour, 9 * DAY).await.unwrap();
    storage
        .expire_rollups(Tier::FiveMinutes, 9 * DAY)
        .await
        .unwrap();
    let expired = storage.expire(9 * DAY).await.unwrap();
    assert_eq!((expired.series, expired.targets), (2, 1));
}

#[tokio::test]
async fn a_day_that_is_rolled_up_again_has_no_group_more() {
    let store = MemoryStore::new();
    let storage = open_with(&store, options()).await;
    let (minute, late) = (60_000, 77);
    for at in [minute, late, DAY + minute] {
        let ticket = push(&storage, "a,instance=x", Order::Any, &[(at, 1.0)]).0;
        storage.committed(ticket).await.unwrap();
        fold(&storage).await;
    }
    let ticket = push(&storage, "a,instance=x", Order::Any, &[(late + 1, 1.0)]).0;
    storage.committed(ticket).await.unwrap();
    fold(&storage).await;
    let pack = storage.inner.past.packs(Tier::Hour)[0];
    let key = WindowKey { window: 0, pack };
    let groups = (0..64).collect();
    let wanted = [Wanted { key, groups }];
    let found = store.read_windows(Tier::Hour, &wanted).await.unwrap();
    assert_eq!((found[0].row.head.ver, found[0].blocks.len()), (2, 1));
}

/// Names are forgotten as soon as their series leave: whoever comes back is new.
fn forgetful() -> Options {
    Options {
        name_bytes: 0,
        ..options()
    }
}

/// Some days in two halves, between which the series leave memory; with the end of all.
async fn halves(storage: &Storage, samples: &mut Samples, at: Millis) {
    samples[1].push((END + DAY, 1.0));
    let half = |is_first: bool| -> Samples {
        let keep = |samples: &Vec<(Millis, f64)>| {
            let kept = samples.iter().filter(|one| (one.0 <= at) == is_first);
            kept.copied().collect()
        };
        samples.iter().map(keep).collect()
    };
    let (mut first, mut second) = (half(true), half(false));
    // This one never leaves.
    first[1].append(&mut second[1]);
    store(storage, &first).await;
    for _ in 0..2 {
        fold(storage).await;
    }
    let (before, left) = (storage.status().series, storage.status().left_series);
    assert_eq!(before + left, 3);
    store(storage, &second).await;
    let known = storage.status();
    assert_eq!((known.series, known.left_series), (3, left));
    for _ in 0..2 {
        fold(storage).await;
    }
}

async fn check_halves(
    samples: [Vec<(Millis, f64)>; 3],
    at: Millis,
    range: TimeRange,
    length: Millis,
) -> TestCaseResult {
    let mut samples: Samples = samples.into();
    let store = MemoryStore::new();
    let storage = open_with(&store, forgetful()).await;
    halves(&storage, &mut samples, at).await;
    let expected = expected(&samples, range, length);
    compare(&read(&storage, range, length).await.0, &expected)?;
    // A part of the samples has gone, then all of them.
    for horizon in [at - 2 * DAY, at, at + DAY / 2, END] {
        storage.expire(horizon).await.unwrap();
        let (found, _) = read(&storage, range, length).await;
        compare(&found, &expected)?;
    }
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), forgetful()).await;
    fold(&storage).await;
    let (found, is_coarse) = read(&storage, range, length).await;
    prop_assert!(is_coarse || found.iter().all(Vec::is_empty));
    compare(&found, &expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_series_with_two_numbers_is_one_in_the_tiers(
        samples in [series(), series(), series()],
        at in 0..END,
        is_hour: bool,
        from in 0..60i64,
        length in 1..90i64,
    ) {
        let resolution = RESOLUTIONS[usize::from(is_hour)];
        let start = from * 3_600_000;
        let range = TimeRange { start: start + 1, end: (start + length * 3_600_000).min(END) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check_halves(samples, at, range, resolution))?;
    }
}

#[tokio::test]
async fn what_two_numbers_had_at_the_same_time_is_refused_without_samples() {
    let storage = open_with(&MemoryStore::new(), forgetful()).await;
    let mut samples = two_days();
    // The second halves stay in memory.
    for at in [0, 2] {
        samples[at].push((END + DAY, 1.0));
    }
    halves(&storage, &mut samples, 2 * DAY).await;
    let selector = Selector {
        matchers: vec![Matcher::equal("__name__", "a")],
        range: FIRST_DAY,
    };
    let fetch = Fetch {
        selector: selector.clone(),
        resolution: Some(RESOLUTIONS[0]),
    };
    let fetches = std::slice::from_ref(&fetch);
    let is_coarse = async || {
        let snapshot = storage.fetch(fetches).await.unwrap();
        snapshot
            .select(&selector)
            .unwrap()
            .has_buckets(RESOLUTIONS[0])
    };
    // One ended before the other began.
    assert!(is_coarse().await);
    let late = [(90_001, 5.0), (90_002, 7.0)];
    let (ticket, _) = push(&storage, SERIES[0], Order::Any, &late);
    storage.committed(ticket).await.unwrap();
    fold(&storage).await;
    let (found, _) = read(&storage, FIRST_DAY, RESOLUTIONS[0]).await;
    assert_eq!((found[0][0].count, found[2][0].count), (7, 5));
    storage.expire(DAY).await.unwrap();
    let snapshot = storage.fetch(fetches).await.unwrap();
    let set = snapshot.select(&selector).unwrap();
    let (mut room, mut into) = (SampleBuffer::default(), Vec::new());
    let mut read = |at: usize, start: Millis| {
        let range = TimeRange { start, end: DAY };
        set.read_buckets(at, range, RESOLUTIONS[0], &mut room, &mut into)
            .map(|()| into.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(1, 1), Ok(288));
    assert_eq!(read(0, 300_001), Ok(287));
    assert_eq!(
        read(0, 1),
        Err(
            "of a{instance=\"x\"} several targets had samples between 1 ms and 300000 ms, and only \
             rollups are left, of each its own; leave the series out or ask for a later time"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_damaged_layout_is_skipped_and_made_anew() {
    let store_ = MemoryStore::new();
    let storage = open_with(&store_, options()).await;
    let mut samples = two_days();
    store(&storage, &samples).await;
    fold(&storage).await;
    storage.close().await.unwrap();
    let store_ = store_.reopened();
    store_.open().await.unwrap();
    let heads = store_.windows(Tier::Hour, None, 9).await.unwrap();
    let mut head = heads[0];
    let (key, groups) = (head.key, Vec::new());
    let wanted = [Wanted { key, groups }];
    let found = store_.read_windows(Tier::Hour, &wanted).await.unwrap();
    let clocks = found[0].row.clocks.clone();
    head.layout = 77;
    let pack = key.pack;
    let blob = Bytes::from_static(b"no layout");
    let damaged = FoldCommit {
        layouts: vec![LayoutRow { pack, id: 77, blob }],
        turns: vec![Turn::Valid(Tier::Hour, WindowRow { head, clocks })],
        ..FoldCommit::default()
    };
    store_.turn(&damaged).await.unwrap();
    let storage = open_with(&store_.reopened(), options()).await;
    let range = TimeRange {
        start: 1,
        end: 2 * DAY,
    };
    let found = read(&storage, range, RESOLUTIONS[1]).await.0;
    let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
    // What is only in the first day's buckets is missing.
    assert_eq!(lengths, [25; 3]);
    assert!(storage.status().damaged_blocks > 0);
    for (at, text) in SERIES.iter().enumerate() {
        let late = (90_001, 5.0);
        let (ticket, _) = push(&storage, text, Order::Any, &[late]);
        storage.committed(ticket).await.unwrap();
        samples[at].insert(1, late);
    }
    fold(&storage).await;
    let (found, is_coarse) = read(&storage, range, RESOLUTIONS[1]).await;
    assert!(is_coarse);
    compare(&found, &expected(&samples, range, RESOLUTIONS[1])).unwrap();
}
