//! What stays in the database, and how fast it is read again.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, quantile};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::{SampleBuffer, Selector, SeriesSource};
use system_stats_storage::store::Tier;
use system_stats_storage::{Departed, FoldScope, Options, Storage};

use super::{Database, HOUR, Progress, START, close, millis, per, size};

/// A segment of the journal ends after ten minutes, which pass in no time here: so many bytes of
/// records stand for them.
const SEGMENT: usize = 2 << 20;

pub(super) async fn measured(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    hours: i64,
    interval: i64,
) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START).every(interval);
    let options = Options {
        segment_bytes: SEGMENT,
        ..Feed::options()
    };
    let (storage, store) = database.open(options).await;
    let mut progress = Progress::of("rest");
    for hour in 0..hours {
        // A commit a round: latencies are not the point here.
        feed.run_rounds(&storage, HOUR / interval).await;
        fold(&storage).await;
        progress.at(hour, hours);
    }
    let name = format!("{hosts} hosts, {hours} h, a sample in {interval} s");
    let mut table = Table::default();
    let raw = size(&store).await;
    table.add(
        format!("at rest: samples, names, journal, {name}"),
        format!("{:.3} B/sample", per(raw, feed.samples)),
        if database.files.is_some() {
            "≤ 0.60"
        } else {
            "≤ 0.70"
        },
    );
    let range = TimeRange {
        start: feed.now() - 24 * HOUR * 1000,
        end: feed.now(),
    };
    let metric = Matcher::equal("__name__", "node_load1");
    let one = Matcher::equal("instance", "host-01-0000:9100");
    let mut times = first_reads(&storage, &one, range).await;
    table.add(
        format!("one series, 24 h, that nobody has read before, median, {name}"),
        format!("{:.2} ms", millis(quantile(&mut times, 0.5))),
        "",
    );
    for (what, target, matchers) in [
        ("one series", "≤ 0.5 ms", vec![metric.clone(), one]),
        ("one metric over all hosts", "≤ 5 ms", vec![metric]),
    ] {
        let selector = Selector { matchers, range };
        let mut times = Vec::new();
        let mut samples = 0;
        for _ in 0..20 {
            let start = Instant::now();
            samples = read(&storage, &selector).await;
            times.push(start.elapsed());
        }
        table.add(
            format!("{what}, 24 h ({samples} samples), warm, median, {name}"),
            format!("{:.2} ms", millis(quantile(&mut times, 0.5))),
            target,
        );
    }
    close(storage).await;
    drop(store);
    let options = Options {
        rollups: vec![Tier::FiveMinutes, Tier::Hour],
        ..Feed::options()
    };
    let (storage, store) = database.open(options).await;
    fold(&storage).await;
    let rollups = size(&store).await.saturating_sub(raw);
    table.add(
        format!("rollups of the days that are over beside that, {name}"),
        format!("{:.3} B/sample", per(rollups, feed.samples)),
        "",
    );
    close(storage).await;
    table
}

/// How long it takes to read series of a host of which nothing is in memory, nor anything of the
/// series beside them.
async fn first_reads(storage: &Storage, host: &Matcher, range: TimeRange) -> Vec<Duration> {
    let mut metrics: BTreeMap<String, usize> = BTreeMap::new();
    let host = std::slice::from_ref(host);
    storage.series(host, &Departed::none(), &mut |labels, _| {
        *metrics.entry(labels.metric_name().to_owned()).or_default() += 1;
        ControlFlow::Continue(())
    });
    let mut times = Vec::new();
    let alone = metrics.iter().filter(|(_, series)| **series == 1);
    for (metric, _) in alone.filter(|(name, _)| *name != "node_load1").take(40) {
        let name = Matcher::equal("__name__", metric);
        let matchers = host.iter().cloned().chain([name]).collect();
        let selector = Selector { matchers, range };
        let start = Instant::now();
        std::hint::black_box(read(storage, &selector).await);
        times.push(start.elapsed());
    }
    times
}

async fn fold(storage: &Storage) {
    let folded = storage.fold(FoldScope::Everything).await;
    folded.unwrap_or_else(|e| panic!("{e}"));
}

pub(super) async fn read(storage: &Storage, selector: &Selector) -> usize {
    let snapshot = storage.snapshot(std::slice::from_ref(selector)).await;
    let snapshot = snapshot.unwrap_or_else(|e| panic!("{e}"));
    let set = snapshot.select(selector).unwrap_or_else(|e| panic!("{e}"));
    let mut buffer = SampleBuffer::default();
    let mut samples = 0;
    for at in 0..set.labels().len() {
        let read = set.read(at, selector.range, &mut buffer);
        read.unwrap_or_else(|e| panic!("{e}"));
        samples += std::hint::black_box(&buffer).values.len();
    }
    samples
}
