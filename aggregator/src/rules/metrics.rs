//! What the rule manager counts about itself.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use system_stats_model::append::Outcome;

/// The manager's own metrics; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct RuleMetrics {
    groups: Gauge,
    rules: Gauge,
    evaluations: Counter,
    failures: Counter,
    iterations: Counter,
    iteration_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
    missed: Counter,
    samples: Counter,
    rejected: Counter,
}

impl RuleMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("rule_groups", "Groups of rules", self.groups.clone());
        registry.register("rules", "Rules in all groups", self.rules.clone());
        registry.register(
            "rule_evaluations",
            "Evaluations of rules, failed ones included",
            self.evaluations.clone(),
        );
        registry.register(
            "rule_evaluation_failures",
            "Evaluations of rules that failed",
            self.failures.clone(),
        );
        registry.register(
            "rule_group_iterations",
            "Evaluations of groups",
            self.iterations.clone(),
        );
        registry.register_with_unit(
            "rule_group_iteration",
            "Time that the evaluations of groups took",
            Unit::Seconds,
            self.iteration_seconds.clone(),
        );
        registry.register(
            "rule_group_iterations_missed",
            "Evaluations of groups left out because the one before took too long",
            self.missed.clone(),
        );
        registry.register(
            "rule_samples",
            "Samples stored by rules",
            self.samples.clone(),
        );
        registry.register(
            "rule_samples_rejected",
            "Samples of rules that were not stored, late ones and duplicates",
            self.rejected.clone(),
        );
    }

    pub(super) fn loaded(&self, groups: usize, rules: usize) {
        self.groups.set(i64::try_from(groups).unwrap_or(i64::MAX));
        self.rules.set(i64::try_from(rules).unwrap_or(i64::MAX));
    }

    pub(super) fn evaluated(&self, is_ok: bool) {
        self.evaluations.inc();
        if !is_ok {
            self.failures.inc();
        }
    }

    pub(super) fn iterated(&self, took: Duration) {
        self.iterations.inc();
        self.iteration_seconds.inc_by(took.as_secs_f64());
    }

    pub(super) fn missed(&self, count: u64) {
        self.missed.inc_by(count);
    }

    pub(super) fn stored(&self, outcome: Outcome) {
        self.samples.inc_by(outcome.stored as u64);
        self.rejected
            .inc_by((outcome.out_of_order + outcome.duplicate) as u64);
    }
}
