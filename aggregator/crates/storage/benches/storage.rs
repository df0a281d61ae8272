//! What the storage costs without a database: appending, folding, reading blocks.
//!
//! `cargo bench -p system-stats-storage`. Throughput is in samples.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark documents itself and may stop at the first surprise"
)]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use system_stats_model::append::{Appender, Batch, Order, Row, SeriesId, TargetId, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{FoldScope, Options, Storage};
use tokio::runtime::Runtime;

const HOUR: Millis = 3_600_000;
const EVERY: Millis = 15_000;

/// Some targets with the same series, and where they are in time.
struct Fleet {
    storage: Storage,
    targets: Vec<(TargetId, Vec<SeriesId>)>,
    scrapes: i64,
}

impl Fleet {
    fn new(runtime: &Runtime, targets: usize, series: usize) -> Self {
        let options = Options {
            fold_interval: Duration::from_hours(1000),
            ..Options::default()
        };
        let store = Arc::new(MemoryStore::new());
        let storage = runtime.block_on(Storage::open(store, options)).unwrap();
        let target = |at: usize| {
            let instance = format!("host{at}");
            let labels = Labels::from_pairs([("instance", instance.as_str()), ("job", "node")]);
            let target = storage.target(&labels).unwrap();
            let one = |metric: usize| {
                let name = format!("metric_{metric}");
                let labels = Labels::from_pairs([
                    ("__name__", name.as_str()),
                    ("instance", instance.as_str()),
                    ("job", "node"),
                ]);
                Appender::series(&storage, target, &labels).unwrap()
            };
            (target, (0..series).map(one).collect())
        };
        let targets = (0..targets).map(target).collect();
        Self {
            storage,
            targets,
            scrapes: 0,
        }
    }

    /// A scrape of every target: two thirds of the values as they were, the rest counters and
    /// decimals.
    fn scrape(&mut self) {
        let at = self.scrapes;
        for (number, (target, series)) in (0i64..).zip(&self.targets) {
            let timestamp = at * EVERY + number * 7 + (at * 7919 + number) % 5;
            let value = |metric: i64| match metric % 6 {
                0 => (at * (metric + 3) + number) as f64,
                1 => ((at * 7919 + metric * 31 + number) % 1000) as f64 / 100.0,
                _ => metric as f64,
            };
            let row = |(metric, &series): (i64, &SeriesId)| Row {
                series,
                timestamp,
                value: value(metric),
            };
            let rows = (0i64..).zip(series).map(row).collect();
            let (target, order) = (*target, Order::Strict);
            let batch = Batch {
                target,
                order,
                rows,
            };
            self.storage.append(batch, Urgency::Relaxed).unwrap();
        }
        self.scrapes += 1;
    }

    fn hours(&mut self, runtime: &Runtime, hours: i64) {
        for _ in 0..hours * HOUR / EVERY {
            self.scrape();
        }
        let labels = Labels::from_pairs([("instance", "other")]);
        let target = self.storage.target(&labels).unwrap();
        let series = Appender::series(&self.storage, target, &labels).unwrap();
        let timestamp = self.scrapes * EVERY;
        let batch = Batch {
            target,
            order: Order::Strict,
            rows: vec![Row {
                series,
                timestamp,
                value: 0.0,
            }],
        };
        let (ticket, _) = self.storage.append(batch, Urgency::Waiting).unwrap();
        runtime.block_on(self.storage.committed(ticket)).unwrap();
    }

    fn read(&self, runtime: &Runtime, matchers: &[Matcher]) -> usize {
        let selector = Selector {
            matchers: matchers.to_vec(),
            range: TimeRange::ALL,
        };
        let snapshot = self.storage.snapshot(std::slice::from_ref(&selector));
        let snapshot = runtime.block_on(snapshot).unwrap();
        let mut count = 0;
        snapshot
            .for_each(&selector, &mut |_, samples| {
                count += black_box(samples.values).len();
                ControlFlow::Continue(())
            })
            .unwrap();
        count
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn append(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(10 * 1000));
    let mut fleet = Fleet::new(&runtime, 10, 1000);
    group.bench_function("a scrape of ten targets with 1000 series", |bencher| {
        bencher.iter(|| {
            fleet.scrape();
            let waits = fleet.storage.status().waiting_bytes > 8 << 20;
            if waits {
                std::thread::yield_now();
            }
        });
    });
    group.finish();
}

fn fold(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("fold");
    group.sample_size(10);
    group.throughput(Throughput::Elements(16 * 500 * 240));
    group.bench_function("an hour of 16 targets with 500 series", |bencher| {
        let filled = || {
            let mut fleet = Fleet::new(&runtime, 16, 500);
            fleet.hours(&runtime, 1);
            fleet
        };
        let fold = |fleet: Fleet| {
            let folded = runtime.block_on(fleet.storage.fold(FoldScope::Everything));
            assert!(folded.unwrap() > 0);
            fleet
        };
        bencher.iter_batched(filled, fold, BatchSize::PerIteration);
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut fleet = Fleet::new(&runtime, 64, 100);
    fleet.hours(&runtime, 24);
    let folded = runtime.block_on(fleet.storage.fold(FoldScope::Everything));
    assert!(folded.unwrap() >= 24);
    let name = Matcher::equal("__name__", "metric_1");
    let one = [name.clone(), Matcher::equal("instance", "host7")];
    let day = 24 * HOUR / EVERY;
    let day = usize::try_from(day).unwrap();
    let mut group = criterion.benchmark_group("read");
    assert_eq!(fleet.read(&runtime, &one), day);
    group.bench_function("one series, a day of blocks", |bencher| {
        bencher.iter(|| fleet.read(&runtime, &one));
    });
    let all = [name];
    assert_eq!(fleet.read(&runtime, &all), 64 * day);
    group.bench_function("one metric of 64 targets, a day of blocks", |bencher| {
        bencher.iter(|| fleet.read(&runtime, &all));
    });
    group.finish();
}

criterion_group!(benches, append, fold, read);
criterion_main!(benches);
