//! The single metrics that services push: which series they are, and what is read back of them.
//!
//! Types that have a place in the vocabulary of hosts are that; every other one is
//! `service_metric` with its type as a label.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hasher as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::{INSTANCE, JOB, Labels, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use xxhash_rust::xxh3::Xxh3;

use super::ingest::Measured;
use super::vocabulary::{CPU, DISK, MEMORY, MOUNTPOINT};
use super::{Inventory, InventoryError, SERVICE_JOB};

/// Metrics without a place in the vocabulary of hosts.
const OTHER: &str = "service_metric";
const SERVICE: &str = "service";
const METRIC_TYPE: &str = "metric_type";
/// The most metrics that are read back at once; the newest count.
const MAX_ROWS: usize = 100_000;
/// Numbers of one millisecond: the id of a metric stays below 2^53 until the year 2109.
const IDS: i64 = 2048;

/// A metric as it was pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceMetric {
    /// Whose it is.
    pub service: Arc<str>,
    /// Which of its metrics.
    pub metric_type: Arc<str>,
    /// When it arrived.
    pub at: Millis,
    /// The number.
    pub value: f64,
}

impl ServiceMetric {
    /// A number of its own: of one service no two metrics share it, and of two services hardly
    /// ever.
    #[must_use]
    pub fn id(&self) -> i64 {
        metric_id(&self.service, self.at)
    }
}

/// The number of the metric that a service pushed at this time.
#[must_use]
pub fn metric_id(service: &str, at: Millis) -> i64 {
    let mut hasher = Xxh3::new();
    hasher.write(service.as_bytes());
    #[expect(clippy::cast_possible_wrap, reason = "below 2048")]
    let of_service = (hasher.finish() % IDS.unsigned_abs()) as i64;
    at * IDS + of_service
}

/// The sample that a pushed metric becomes.
#[must_use]
pub fn sample(service: &str, metric_type: &str, value: f64) -> Measured {
    let (metric, labels) = match metric_type {
        "cpu" => (CPU, Vec::new()),
        "memory" => (MEMORY, Vec::new()),
        "disk" => (DISK, vec![(MOUNTPOINT, "/".to_owned())]),
        other => {
            let of_type = (METRIC_TYPE, other.to_owned());
            (OTHER, vec![(SERVICE, service.to_owned()), of_type])
        }
    };
    Measured {
        metric,
        labels,
        value,
    }
}

/// The metric type of a series; none of a series that is no pushed metric.
fn metric_type(labels: &Labels) -> Option<&str> {
    match labels.metric_name() {
        CPU => Some("cpu"),
        MEMORY => Some("memory"),
        DISK => Some("disk"),
        OTHER => labels.get(METRIC_TYPE),
        _ => None,
    }
}

/// A row while rows are collected: ordered by time, then by what is left.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    at: Millis,
    service: Arc<str>,
    metric_type: Arc<str>,
    value: u64,
}

impl Inventory {
    /// The metrics that services pushed from `since` on, newest first: those of one service or all,
    /// of one type or all, at most 100,000.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn service_metrics(
        &self,
        service: Option<&str>,
        of_type: Option<&str>,
        since: Millis,
    ) -> Result<Vec<ServiceMetric>, InventoryError> {
        let range = TimeRange {
            start: since,
            end: Millis::MAX,
        };
        let mut matchers = vec![Matcher::equal(JOB, SERVICE_JOB)];
        matchers.extend(service.map(|service| Matcher::equal(INSTANCE, service)));
        let metric = of_type.map(|of_type| sample("", of_type, 0.0).metric);
        matchers.extend(metric.map(|metric| Matcher::equal(METRIC_NAME, metric)));
        let selector = Selector { matchers, range };
        let wanted = of_type.map(str::to_owned);
        let picked = selector.clone();
        let read = move |source: &dyn SeriesSource| collect(source, &picked, wanted.as_deref());
        self.decode(vec![selector], read).await
    }
}

fn collect(
    source: &dyn SeriesSource,
    selector: &Selector,
    wanted: Option<&str>,
) -> Result<Vec<ServiceMetric>, InventoryError> {
    let mut newest: BinaryHeap<Reverse<Row>> = BinaryHeap::new();
    let read = source.for_each(selector, &mut |labels, samples| {
        let of_type = metric_type(labels).filter(|have| wanted.is_none_or(|want| want == *have));
        let Some(of_type) = of_type else {
            return ControlFlow::Continue(());
        };
        let service: Arc<str> = Arc::from(labels.get(INSTANCE).unwrap_or_default());
        let metric_type: Arc<str> = Arc::from(of_type);
        let pairs = samples.timestamps.iter().zip(samples.values);
        for (at, value) in pairs.filter(|(_, value)| value.is_finite()) {
            newest.push(Reverse(Row {
                at: *at,
                service: Arc::clone(&service),
                metric_type: Arc::clone(&metric_type),
                value: value.to_bits(),
            }));
            if newest.len() > MAX_ROWS {
                newest.pop();
            }
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
    // Ascending by the reversed order: newest first.
    let rows = newest.into_sorted_vec().into_iter();
    let rows = rows.map(|Reverse(row)| ServiceMetric {
        service: row.service,
        metric_type: row.metric_type,
        at: row.at,
        value: f64::from_bits(row.value),
    });
    Ok(rows.collect())
}
