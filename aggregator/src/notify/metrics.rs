//! What is counted about telling Alertmanagers. The names are those of Prometheus behind our own
//! prefix, so that its dashboards and alerts need only that changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the buckets of latencies, in seconds.
const LATENCY_BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0];

/// The label of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    alertmanager: String,
}

/// The notifier's own metrics; clones share their values.
#[derive(Clone, Debug)]
pub struct NotifyMetrics {
    sent: Family<Of, Counter>,
    errors: Family<Of, Counter>,
    dropped: Family<Of, Counter>,
    queue_length: Family<Of, Gauge>,
    queue_capacity: Gauge,
    discovered: Gauge,
    latency: Family<Of, Histogram, fn() -> Histogram>,
    /// How many count under a URL: several entries may have the same Alertmanager.
    sharers: Arc<Mutex<HashMap<String, usize>>>,
}

/// What is counted about one Alertmanager.
#[derive(Clone, Debug)]
pub(super) struct MetricsOf {
    all: NotifyMetrics,
    of: Of,
}

impl NotifyMetrics {
    pub(super) fn new(queue_capacity: usize) -> Self {
        let capacity = Gauge::default();
        capacity.set(i64::try_from(queue_capacity).unwrap_or(i64::MAX));
        Self {
            sent: Family::default(),
            errors: Family::default(),
            dropped: Family::default(),
            queue_length: Family::default(),
            queue_capacity: capacity,
            discovered: Gauge::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS)),
            sharers: Arc::default(),
        }
    }

    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "notifications_sent",
            "Alerts that an Alertmanager was sent, errors included",
            self.sent.clone(),
        );
        registry.register(
            "notifications_errors",
            "Alerts that an Alertmanager did not take",
            self.errors.clone(),
        );
        registry.register(
            "notifications_dropped",
            "Alerts lost to errors, to a full queue or at the end",
            self.dropped.clone(),
        );
        registry.register(
            "notifications_queue_length",
            "Alerts that wait for an Alertmanager",
            self.queue_length.clone(),
        );
        registry.register(
            "notifications_queue_capacity",
            "Alerts that may wait for an Alertmanager",
            self.queue_capacity.clone(),
        );
        registry.register(
            "notifications_alertmanagers_discovered",
            "Alertmanagers that are told",
            self.discovered.clone(),
        );
        registry.register_with_unit(
            "notifications_latency",
            "How long an Alertmanager took",
            Unit::Seconds,
            self.latency.clone(),
        );
    }

    fn sharers(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.sharers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of one Alertmanager, which are there from now on.
    pub(super) fn of(&self, url: &str) -> MetricsOf {
        let of = Of {
            alertmanager: url.to_owned(),
        };
        let mut sharers = self.sharers();
        *sharers.entry(of.alertmanager.clone()).or_default() += 1;
        self.sent.get_or_create(&of).inc_by(0);
        self.errors.get_or_create(&of).inc_by(0);
        self.dropped.get_or_create(&of).inc_by(0);
        self.queue_length.get_or_create(&of).inc_by(0);
        self.discovered.inc();
        MetricsOf {
            all: self.clone(),
            of,
        }
    }
}

impl MetricsOf {
    pub(super) fn sent(&self, alerts: usize, is_ok: bool, took: Duration) {
        let (all, of) = (&self.all, &self.of);
        all.sent.get_or_create(of).inc_by(alerts as u64);
        if !is_ok {
            all.errors.get_or_create(of).inc_by(alerts as u64);
            self.dropped(alerts);
        }
        let latency = all.latency.get_or_create(of);
        latency.observe(took.as_secs_f64());
    }

    pub(super) fn dropped(&self, alerts: usize) {
        let dropped = self.all.dropped.get_or_create(&self.of);
        dropped.inc_by(alerts as u64);
    }

    /// So many alerts wait now, and so many did before.
    pub(super) fn waiting(&self, alerts: usize, before: usize) {
        let count = |alerts| i64::try_from(alerts).unwrap_or(i64::MAX);
        let length = self.all.queue_length.get_or_create(&self.of);
        length.inc_by(count(alerts) - count(before));
    }

    /// The Alertmanager is gone; the counters go with the last that shares them.
    pub(super) fn end(&self) {
        let (all, of) = (&self.all, &self.of);
        all.discovered.dec();
        let mut sharers = all.sharers();
        if let Some(left) = sharers.get_mut(&of.alertmanager)
            && *left > 1
        {
            *left -= 1;
            return;
        }
        sharers.remove(&of.alertmanager);
        all.sent.remove(of);
        all.errors.remove(of);
        all.dropped.remove(of);
        all.queue_length.remove(of);
        all.latency.remove(of);
    }
}
