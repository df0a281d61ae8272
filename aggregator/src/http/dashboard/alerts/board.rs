//! Everything that is wrong at a moment, whoever says so: rules, devices that push, services.

use std::collections::HashMap;
use std::sync::Arc;

use system_stats_model::labels::{INSTANCE, Labels};
use system_stats_model::sample::Millis;

use super::super::super::state::State;
use crate::alerting::{Silence, SilenceState, fingerprint};
use crate::config::RuleKind;
use crate::inventory::alerts::{Acknowledged, Alert as Reported, Severity};
use crate::inventory::devices::ActiveAlert;
use crate::inventory::hosts::Fleet;
use crate::rules::{Alert, AlertState, DeadHosts};

/// How long a report that somebody has seen to is here: it has no end of its own.
const SEEN_TO: Millis = 24 * 3_600_000;

/// What is wrong, sorted: the worst first, of equals the newest.
#[derive(Debug, Default)]
pub(in super::super) struct Board {
    /// What fires and needs somebody.
    pub(super) firing: Vec<Active>,
    /// What fires and is explained by a dead host.
    pub(super) suppressed: Vec<Active>,
    pub(super) pending: Vec<Active>,
    /// What fires and somebody has seen to.
    pub(super) silenced: Vec<Active>,
    /// All silences, those that are over at the end.
    pub(super) silences: Vec<Arc<Silence>>,
    pub(super) watch: Watch,
    of_instance: HashMap<String, OfHost>,
}

/// Who watches whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Watch {
    pub(super) alerting: usize,
    pub(super) rules: usize,
    /// Rules whose last evaluation failed.
    pub(super) unhealthy: usize,
    pub(super) hosts: usize,
}

/// An alert.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) source: Source,
    pub(super) severity: Severity,
    pub(super) title: String,
    /// What identifies it; what a device says has labels as a rule would give them, a report none.
    pub(super) labels: Labels,
    pub(super) since: Millis,
    /// What the host that it is about is called, by its `instance` where it is none.
    pub(super) subject: Option<Subject>,
    /// The alert by which it is explained.
    pub(super) suppressed_by: Option<String>,
    /// The silences in force that are about it.
    pub(super) silenced_by: Vec<Arc<Silence>>,
}

/// Whom an alert is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) instance: String,
    /// What a page of a host is called, if it is a host.
    pub(super) host: Option<String>,
}

/// Who says so.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A rule; when it will fire, if it is pending.
    Rule(Box<Alert>, Option<Millis>),
    /// A device's own samples.
    Device,
    /// Whoever reported it, under this number.
    Report(u64, Arc<Reported>),
}

/// The alerts of a host that fire and need somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct OfHost {
    pub(in super::super) count: usize,
    pub(in super::super) worst: Severity,
}

impl Board {
    /// As it is now.
    pub(in super::super) fn read(state: &State, fleet: &Fleet) -> Self {
        let names: HashMap<&str, &str> = (fleet.hosts().iter())
            .map(|host| (host.instance.as_str(), host.name.as_str()))
            .collect();
        let subject = |instance: &str| Subject {
            instance: instance.to_owned(),
            host: names.get(instance).map(|name| (*name).to_owned()),
        };
        let now = state.clock.now();
        let mut board = Self {
            silences: state.alerting.silences().sorted(now),
            ..Self::default()
        };
        let in_force = board.silences.iter();
        let in_force = in_force.filter(|silence| silence.state(now) == SilenceState::Active);
        let in_force: Vec<Arc<Silence>> = in_force.map(Arc::clone).collect();
        let silencing = |labels: &Labels| -> Vec<Arc<Silence>> {
            let about = in_force.iter().filter(|silence| silence.matches(labels));
            about.map(Arc::clone).collect()
        };
        let (alerts, watch) = of_rules(state);
        board.watch = Watch {
            hosts: names.len(),
            ..watch
        };
        let dead = DeadHosts::said_by(alerts.iter().map(|(alert, _)| alert));
        for (alert, fires_at) in alerts {
            let by = dead.suppressor(&alert.labels, &alert.annotations);
            let active = Active {
                severity: Severity::from_label(alert.labels.get("severity").unwrap_or_default()),
                title: alert.name().to_owned(),
                since: match alert.state {
                    AlertState::Firing => alert.fired_at.unwrap_or(alert.active_at),
                    _ => alert.active_at,
                },
                subject: alert.labels.get(INSTANCE).map(subject),
                suppressed_by: by.map(str::to_owned),
                silenced_by: silencing(&alert.labels),
                labels: alert.labels.clone(),
                source: Source::Rule(Box::new(alert), fires_at),
            };
            board.put(active);
        }
        for alert in state.inventory.active_alerts() {
            let by = dead.explain(&alert.device).map(str::to_owned);
            let mut active = Active::of_device(alert, by, subject);
            active.silenced_by = silencing(&active.labels);
            board.put(active);
        }
        let is_recent = |alert: &Reported| {
            let seen = alert.acknowledged.as_ref();
            seen.is_none_or(|seen| now - seen.at <= SEEN_TO)
        };
        for (id, alert) in state.inventory.reported_alerts(is_recent) {
            board.put(Active::reported(id, alert, subject));
        }
        board.finish()
    }

    fn put(&mut self, active: Active) {
        let list = match &active.source {
            Source::Rule(alert, _) if alert.state != AlertState::Firing => &mut self.pending,
            _ if active.is_seen_to() => &mut self.silenced,
            _ if active.suppressed_by.is_some() => &mut self.suppressed,
            _ => &mut self.firing,
        };
        list.push(active);
    }

    fn finish(mut self) -> Self {
        for list in [
            &mut self.firing,
            &mut self.suppressed,
            &mut self.pending,
            &mut self.silenced,
        ] {
            list.sort_by(|a, b| {
                (b.severity, b.since, &a.title).cmp(&(a.severity, a.since, &b.title))
            });
        }
        for active in &self.firing {
            let Some(subject) = &active.subject else {
                continue;
            };
            let first = OfHost {
                count: 0,
                worst: active.severity,
            };
            let of_host = self
                .of_instance
                .entry(subject.instance.clone())
                .or_insert(first);
            of_host.count += 1;
            of_host.worst = of_host.worst.max(active.severity);
        }
        self
    }

    /// The alert whose labels have that fingerprint.
    pub(super) fn find(&self, wanted: &str) -> Option<&Active> {
        let lists = [
            &self.firing,
            &self.suppressed,
            &self.pending,
            &self.silenced,
        ];
        let mut all = lists.into_iter().flatten();
        all.find(|active| !active.labels.is_empty() && fingerprint(&active.labels) == wanted)
    }

    /// Those of a host, if there are any.
    pub(in super::super) fn of_host(&self, instance: &str) -> Option<OfHost> {
        self.of_instance.get(instance).copied()
    }

    /// How many need somebody.
    pub(in super::super) fn alerting(&self) -> usize {
        self.firing.len()
    }

    /// How many somebody has seen to.
    pub(in super::super) fn silenced(&self) -> usize {
        self.silenced.len()
    }
}

/// The alerts of all rules, with the moment at which a pending one will fire.
fn of_rules(state: &State) -> (Vec<(Alert, Option<Millis>)>, Watch) {
    let (mut alerts, mut watch) = (Vec::new(), Watch::default());
    for rule in state
        .rules
        .groups()
        .into_iter()
        .flat_map(|group| group.rules)
    {
        watch.rules += 1;
        watch.unhealthy += usize::from(rule.progress.health == crate::rules::RuleHealth::Err);
        let RuleKind::Alerting { hold, .. } = &rule.rule.kind else {
            continue;
        };
        watch.alerting += 1;
        let hold = Millis::try_from(hold.as_millis()).unwrap_or(Millis::MAX);
        for alert in rule.alerts {
            let is_pending = alert.state == AlertState::Pending;
            let fires_at = is_pending.then(|| alert.active_at.saturating_add(hold));
            alerts.push((alert, fires_at));
        }
    }
    (alerts, watch)
}

impl Active {
    fn of_device(
        alert: ActiveAlert,
        suppressed_by: Option<String>,
        subject: impl Fn(&str) -> Subject,
    ) -> Self {
        Self {
            source: Source::Device,
            labels: alert.labels(),
            silenced_by: Vec::new(),
            severity: alert.severity,
            title: alert.alert,
            since: alert.since,
            subject: Some(subject(&alert.device)),
            suppressed_by,
        }
    }

    pub(super) fn reported(
        id: u64,
        alert: Arc<Reported>,
        subject: impl Fn(&str) -> Subject,
    ) -> Self {
        Self {
            severity: alert.severity,
            title: alert.title.clone(),
            since: alert.at,
            subject: alert.service.as_deref().map(subject),
            suppressed_by: None,
            silenced_by: Vec::new(),
            labels: Labels::empty(),
            source: Source::Report(id, alert),
        }
    }

    /// Who has seen to a reported alert.
    pub(super) fn acknowledged(&self) -> Option<&Acknowledged> {
        match &self.source {
            Source::Report(_, alert) => alert.acknowledged.as_ref(),
            _ => None,
        }
    }

    /// The alert of a rule.
    pub(super) fn of_rule(&self) -> Option<&Alert> {
        match &self.source {
            Source::Rule(alert, _) => Some(alert),
            _ => None,
        }
    }

    /// Whether somebody has seen to it.
    fn is_seen_to(&self) -> bool {
        self.acknowledged().is_some() || !self.silenced_by.is_empty()
    }
}
