//! What is told to others: groups as they are at a moment.

use std::time::Duration;

use system_stats_model::sample::Millis;

use super::alert::{Alert, AlertState};
use super::group::{Group, Progress, RuleHealth, RunningRule};
use crate::config::{Rule, RuleKind};

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

/// A rule's alerts that fire.
#[derive(Clone, Debug)]
pub struct FiringRule {
    /// The file and the name of its group.
    pub group: (String, String),
    /// Its name.
    pub name: String,
    /// Whether these are all: it has been evaluated since the start, after there was time to
    /// scrape, and it works.
    pub is_decided: bool,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

impl FiringRule {
    /// Those of a group's rules that have this annotation.
    pub(super) fn all(group: &Group, annotation: &str) -> Vec<Self> {
        let has = |rule: &&RunningRule| match &rule.rule.kind {
            RuleKind::Recording { .. } => false,
            RuleKind::Alerting { annotations, .. } => {
                annotations.iter().any(|(name, _)| name == annotation)
            }
        };
        let rules = group.rules.iter().filter(has).map(|rule| {
            let mut alerts = rule.active();
            alerts.retain(|alert| alert.state == AlertState::Firing);
            let works = rule.progress().health == RuleHealth::Ok;
            Self {
                group: (group.file.clone(), group.definition.name.clone()),
                name: rule.rule.name().to_owned(),
                is_decided: works && rule.alerts().restored,
                alerts,
            }
        });
        rules.collect()
    }
}

impl RuleView {
    /// Whether it is a rule that raises alerts.
    #[must_use]
    pub fn is_alerting(&self) -> bool {
        matches!(self.rule.kind, RuleKind::Alerting { .. })
    }
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
