//! What the service counts about itself.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Timings;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Phase {
    phase: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// The service's own metrics; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct QueryMetrics {
    queries: Counter,
    failures: Counter,
    canceled: Counter,
    waiting: Gauge,
    running: Gauge,
    seconds: Family<Phase, Seconds>,
}

impl QueryMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "queries",
            "Queries that were evaluated, failed ones included",
            self.queries.clone(),
        );
        registry.register(
            "query_failures",
            "Queries whose evaluation failed",
            self.failures.clone(),
        );
        registry.register(
            "queries_canceled",
            "Queries whose client went away before there was an answer",
            self.canceled.clone(),
        );
        registry.register(
            "queries_waiting",
            "Queries that wait for a place",
            self.waiting.clone(),
        );
        registry.register(
            "queries_running",
            "Queries that are evaluated, those included that nobody waits for any more",
            self.running.clone(),
        );
        registry.register_with_unit(
            "query_time",
            "Time that queries took, by what they spent it on",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    pub(super) fn note(&self, timings: &Timings, is_ok: bool) {
        self.queries.inc();
        if !is_ok {
            self.failures.inc();
        }
        let phases = [
            ("queue", timings.queue),
            ("fetch", timings.preparation),
            ("evaluate", timings.evaluation),
        ];
        for (phase, time) in phases {
            self.seconds
                .get_or_create(&Phase { phase })
                .inc_by(time.as_secs_f64());
        }
    }

    /// Counts a query that nobody waits for any more.
    pub(super) fn note_canceled(&self) {
        self.canceled.inc();
    }

    /// Counts a query as waiting until the result is dropped.
    pub(super) fn waiting(&self) -> Counted {
        Counted::of(&self.waiting)
    }

    /// Counts a query as running until the result is dropped.
    pub(super) fn running(&self) -> Counted {
        Counted::of(&self.running)
    }
}

/// One in a gauge.
pub(super) struct Counted(Gauge);

impl Counted {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
