//! The rules: what each says, and how its last evaluation went.

use std::time::Duration;

use serde::Serialize;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::super::view::{Seen, length};
use super::active::{Label, SHOWN};
use super::asked::Asked;
use crate::config::RuleKind;
use crate::rules::{AlertState, GroupView, RuleHealth, RuleView};

/// What the filter calls a rule's expression; double quotes in it do not count.
pub(super) const EXPRESSION: &str = "expr";

/// Groups with the rules that match.
#[derive(Serialize)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Rules that match and are not shown.
    omitted: usize,
}

#[derive(Serialize)]
struct Group {
    name: String,
    file: String,
    interval: String,
    /// When it was last evaluated.
    last: Option<Seen>,
    took: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    name: String,
    is_alert: bool,
    query: String,
    labels: Vec<Label>,
    /// How long its alerts wait, and how long they go on.
    hold: Option<String>,
    keep: Option<String>,
    /// The state of its worst alert, and its colour.
    state: Option<(&'static str, &'static str)>,
    active: usize,
    health: &'static str,
    health_class: &'static str,
    error: Option<String>,
    took: String,
}

impl Groups {
    pub(super) fn of(groups: &[GroupView], asked: &Asked, now: Millis) -> Self {
        let (mut room, mut omitted) = (SHOWN, 0);
        let mut shown = Vec::new();
        for group in groups {
            let picked = group
                .rules
                .iter()
                .filter(|rule| is_picked(group, rule, asked));
            let picked: Vec<&RuleView> = picked.collect();
            let rules: Vec<Rule> = picked
                .iter()
                .take(room)
                .map(|rule| Rule::new(rule))
                .collect();
            omitted += picked.len() - rules.len();
            room -= rules.len();
            if !rules.is_empty() {
                shown.push(Group {
                    name: group.name.clone(),
                    file: group.file.clone(),
                    interval: length(millis(group.interval)),
                    last: group.last_evaluation.map(|at| Seen::new(at, now)),
                    took: took(group.duration),
                    rules,
                });
            }
        }
        Self {
            groups: shown,
            omitted,
        }
    }
}

impl Rule {
    fn new(view: &RuleView) -> Self {
        let (hold, keep, is_alert) = match &view.rule.kind {
            RuleKind::Recording { .. } => (Duration::ZERO, Duration::ZERO, false),
            RuleKind::Alerting {
                hold,
                keep_firing_for,
                ..
            } => (*hold, *keep_firing_for, true),
        };
        let time = |time: Duration| (!time.is_zero()).then(|| length(millis(time)));
        let worst = view.alerts.iter().map(|alert| alert.state).max();
        let state = match worst.unwrap_or(AlertState::Inactive) {
            AlertState::Firing => ("firing", "critical"),
            AlertState::Pending => ("pending", "warning"),
            AlertState::Inactive => ("inactive", "up"),
        };
        let health = view.progress.health;
        Self {
            name: view.rule.name().to_owned(),
            is_alert,
            query: view.query.clone(),
            labels: (view.rule.labels.iter())
                .map(|(name, value)| Label::new(name, value))
                .collect(),
            hold: time(hold),
            keep: time(keep),
            state: is_alert.then_some(state),
            active: view.alerts.len(),
            health: match health {
                RuleHealth::Unknown => "not evaluated yet",
                RuleHealth::Ok => "ok",
                RuleHealth::Err => "error",
            },
            health_class: match health {
                RuleHealth::Unknown => "gone",
                RuleHealth::Ok => "up",
                RuleHealth::Err => "down",
            },
            error: Some(view.progress.last_error.clone()).filter(|error| !error.is_empty()),
            took: took(view.progress.duration),
        }
    }
}

fn is_picked(group: &GroupView, rule: &RuleView, asked: &Asked) -> bool {
    let kind = match rule.rule.kind {
        RuleKind::Alerting { .. } => "alert",
        RuleKind::Recording { .. } => "record",
    };
    let (name, health) = (rule.rule.name(), rule.progress.health.as_str());
    let texts = [
        name,
        &group.name,
        &group.file,
        &rule.query,
        &rule.progress.last_error,
    ];
    // In a filter quotes hold words together.
    let expression = rule.query.replace('"', "");
    let more = [
        ("alertname", name),
        (EXPRESSION, &expression),
        ("group", &group.name),
        ("file", &group.file),
        ("health", health),
        ("type", kind),
    ];
    let labels = Labels::from_pairs(rule.rule.labels.iter().map(|(n, v)| (n, v)));
    asked.picks(&texts, &labels, &more)
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

/// How long something took.
fn took(time: Duration) -> String {
    match time.as_micros() {
        0 => "–".to_owned(),
        1..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        10_000..1_000_000 => format!("{:.0} ms", time.as_secs_f64() * 1000.0),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_read_them() {
        for (micros, words) in [
            (0, "–"),
            (120, "0.1 ms"),
            (9_940, "9.9 ms"),
            (12_400, "12 ms"),
            (1_250_000, "1.2 s"),
        ] {
            assert_eq!(took(Duration::from_micros(micros)), words);
        }
    }
}
