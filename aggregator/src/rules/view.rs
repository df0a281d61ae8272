//! What is told to others: groups as they are at a moment.

use std::time::Duration;

use system_stats_model::sample::Millis;

use super::alert::Alert;
use super::group::{Group, Progress};
use crate::config::Rule;

/// A group.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The file it is from.
    pub file: String,
    /// Its name.
    pub name: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// The most that one of its rules may give; 0 is no limit.
    pub limit: u64,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
    /// When it was last evaluated, in milliseconds since 1970.
    pub last_evaluation: Option<Millis>,
    /// How long that took.
    pub duration: Duration,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// What it says.
    pub rule: Rule,
    /// Its expression as Prometheus writes it.
    pub query: String,
    /// How its last evaluation ended.
    pub progress: Progress,
    /// Its alerts that are pending or firing, ascending by labels.
    pub alerts: Vec<Alert>,
}

impl GroupView {
    pub(super) fn new(group: &Group) -> Self {
        let (last_evaluation, duration) = group.last();
        let rules = group.rules.iter().map(|rule| RuleView {
            rule: rule.rule.clone(),
            query: rule.query.clone(),
            progress: rule.progress(),
            alerts: rule.active(),
        });
        Self {
            file: group.file.clone(),
            name: group.definition.name.clone(),
            interval: group.definition.interval,
            limit: group.definition.limit,
            rules: rules.collect(),
            last_evaluation,
            duration,
        }
    }
}
