//! One alert and the states it goes through.

use std::collections::BTreeMap;
use std::time::Duration;

use system_stats_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::sample::Millis;
use system_stats_promql::value::Element;

/// The series that say which alerts are pending or firing.
pub(crate) const ALERTS: &str = "ALERTS";
/// The series that say since when, for a restart.
pub(crate) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label that holds an alert's name.
pub(crate) const ALERT_NAME: &str = "alertname";
/// The label that holds its state.
pub(crate) const ALERT_STATE: &str = "alertstate";

/// How long a resolved alert is remembered, so that its end is told to those who missed it.
const RESOLVED_RETENTION: Millis = 15 * 60_000;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Its element is gone.
    Inactive,
    /// Its element is there, but not for long enough yet.
    Pending,
    /// It is.
    Firing,
}

impl AlertState {
    /// As the API and the series write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert of a rule. All times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Where it stands.
    pub state: AlertState,
    /// What identifies it, `alertname` included.
    pub labels: Labels,
    /// What people are told, expanded.
    pub annotations: Vec<(String, String)>,
    /// The newest value of its element.
    pub value: f64,
    /// When its element appeared.
    pub active_at: Millis,
    /// When it began to fire.
    pub fired_at: Option<Millis>,
    /// When it ended.
    pub resolved_at: Option<Millis>,
    /// Since when it fires without its element.
    pub keep_firing_since: Option<Millis>,
    /// When it was last told.
    pub last_sent_at: Option<Millis>,
    /// How long what was told last holds.
    pub valid_until: Option<Millis>,
}

/// An alert that changed its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// What it was before; inactive if it is new.
    pub from: AlertState,
    /// The alert as it is now.
    pub alert: Alert,
}

/// What an evaluation of an alerting rule gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evaluated {
    /// The series to write.
    pub(crate) series: Vec<Element>,
    /// Alerts that changed.
    pub(crate) transitions: Vec<Transition>,
}

/// Why a rule gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    /// Two elements are the same alert.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    SameAlert,
    /// Two elements are the same series.
    #[error("vector contains metrics with the same labelset after applying rule labels")]
    SameSeries,
    /// More than the group allows.
    #[error("exceeded limit of {limit} with {found} {what}")]
    Limit {
        /// What the group allows.
        limit: u64,
        /// How many there were.
        found: usize,
        /// `alerts` or `series`.
        what: &'static str,
    },
    /// The expression could not be evaluated.
    #[error("{0}")]
    Query(String),
}

/// A rule found more alerts than its group allows: it has none any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exceeded {
    /// What is said of it.
    pub(crate) error: RuleError,
    /// The ends of those that there were.
    pub(crate) ended: Vec<Transition>,
}

/// The alerts of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alerts {
    of_labels: BTreeMap<Labels, Alert>,
    /// Whether the state before the start is known; nothing is written before.
    pub(crate) restored: bool,
}

impl Alerts {
    pub(crate) fn new(restored: bool) -> Self {
        let of_labels = BTreeMap::new();
        Self {
            of_labels,
            restored,
        }
    }

    /// All alerts, the resolved ones that are remembered included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.of_labels.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Alert> {
        self.of_labels.values_mut()
    }

    /// Moves every alert on by what the expression gave at `now`.
    pub(crate) fn advance(
        &mut self,
        rule: &AlertingRule<'_>,
        limit: u64,
        now: Millis,
        mut found: Found,
    ) -> Result<Evaluated, Exceeded> {
        let mut evaluated = Evaluated::default();
        let mut present = 0;
        self.of_labels.retain(|labels, alert| {
            let before = alert.state;
            let keeps = match found.0.remove(labels) {
                Some(new) => {
                    alert.renew(new);
                    alert.keep_firing_since = None;
                    true
                }
                None => alert.keeps_firing(now, rule.keep_firing_for),
            };
            let stays = if keeps {
                present += 1;
                alert.fire_after(rule.hold, now);
                true
            } else {
                alert.end(now)
            };
            if alert.state != before {
                evaluated.note(now, before, alert);
            }
            stays
        });
        for (labels, mut alert) in found.0 {
            present += 1;
            alert.fire_after(rule.hold, now);
            evaluated.note(now, AlertState::Inactive, &alert);
            self.of_labels.insert(labels, alert);
        }
        if limit > 0 && present as u64 > limit {
            let what = "alerts";
            let error = RuleError::Limit {
                limit,
                found: present,
                what,
            };
            let ended = self.end_all(now, evaluated.transitions);
            return Err(Exceeded { error, ended });
        }
        if self.restored {
            evaluated.series = self.series();
        }
        Ok(evaluated)
    }

    /// Forgets all alerts; says how those ended that there were before `transitions`.
    fn end_all(&mut self, now: Millis, transitions: Vec<Transition>) -> Vec<Transition> {
        for Transition { from, alert, .. } in transitions {
            // Nobody hears of what has only just begun.
            let known = self.of_labels.get_mut(&alert.labels);
            if let Some(known) = known.filter(|known| known.state != AlertState::Inactive) {
                known.state = from;
            } else if alert.state == AlertState::Inactive {
                let restored = Alert {
                    state: from,
                    ..alert
                };
                self.of_labels.insert(restored.labels.clone(), restored);
            }
        }
        let mut evaluated = Evaluated::default();
        for mut alert in std::mem::take(&mut self.of_labels).into_values() {
            let before = alert.state;
            if before != AlertState::Inactive {
                alert.end(now);
                evaluated.note(now, before, &alert);
            }
        }
        evaluated.transitions
    }

    fn series(&self) -> Vec<Element> {
        let active = self
            .iter()
            .filter(|alert| alert.state != AlertState::Inactive);
        active
            .flat_map(|alert| [alert.state_series(), alert.since_series()])
            .collect()
    }

    /// What the alerts were before the program stopped, from the values of their
    /// `ALERTS_FOR_STATE` series: `since` gives the last of them and its time.
    ///
    /// An alert that is pending now goes on waiting where it stood when the program stopped, but
    /// at least `grace`; one that was firing fires at the next evaluation.
    pub(crate) fn restore(
        &mut self,
        hold: Duration,
        now: Millis,
        grace: Duration,
        since: impl Fn(&Labels) -> Option<(Millis, f64)>,
    ) {
        let (hold, grace) = (millis(hold), millis(grace));
        for alert in self.iter_mut() {
            let Some((last_seen, active_seconds)) = since(&alert.labels) else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "seconds since 1970, saturating"
            )]
            let active_at = (active_seconds * 1000.0) as Millis;
            let pending_before = last_seen - active_at;
            let remaining = hold - pending_before;
            alert.active_at = if remaining <= 0 {
                // It was firing: for its whole time and longer.
                active_at
            } else if remaining < grace {
                now + grace - hold
            } else {
                // The time in which nothing was evaluated does not count.
                active_at + (now - last_seen)
            };
        }
    }
}

pub(super) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// What an alerting rule says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlertingRule<'a> {
    pub(crate) name: &'a str,
    pub(crate) hold: Duration,
    pub(crate) keep_firing_for: Duration,
    /// Templates.
    pub(crate) labels: &'a [(String, String)],
    /// Templates.
    pub(crate) annotations: &'a [(String, String)],
}

/// The alerts that the elements of a result stand for, all of them new.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found(BTreeMap<Labels, Alert>);

impl Found {
    /// Names the elements of a result; `expand` expands a template for one of them.
    pub(crate) fn new(
        rule: &AlertingRule<'_>,
        now: Millis,
        elements: &[Element],
        expand: impl Fn(&str, &Element) -> String,
    ) -> Result<Self, RuleError> {
        let mut found = BTreeMap::new();
        for element in elements {
            let mut labels = LabelsBuilder::from(&element.labels);
            labels.remove(METRIC_NAME);
            for (label, text) in rule.labels {
                labels.set(label, &expand(text, element));
            }
            labels.set(ALERT_NAME, rule.name);
            let labels = labels.build();
            let annotations = rule.annotations.iter();
            let annotations = annotations.map(|(name, text)| (name.clone(), expand(text, element)));
            let alert = Alert {
                state: AlertState::Pending,
                labels: labels.clone(),
                annotations: annotations.collect(),
                value: element.value,
                active_at: now,
                fired_at: None,
                resolved_at: None,
                keep_firing_since: None,
                last_sent_at: None,
                valid_until: None,
            };
            if found.insert(labels, alert).is_some() {
                return Err(RuleError::SameAlert);
            }
        }
        Ok(Self(found))
    }
}

impl Evaluated {
    fn note(&mut self, at: Millis, from: AlertState, alert: &Alert) {
        let alert = alert.clone();
        self.transitions.push(Transition { at, from, alert });
    }
}

impl Alert {
    /// Takes over what an evaluation found; one that had ended begins anew.
    fn renew(&mut self, new: Alert) {
        if self.state == AlertState::Inactive {
            *self = new;
        } else {
            self.value = new.value;
            self.annotations = new.annotations;
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME).unwrap_or_default()
    }

    /// One of its annotations, unless it is empty.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        let mut annotations = self.annotations.iter();
        let (_, text) = annotations.find(|(own, _)| own == name)?;
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    fn keeps_firing(&mut self, now: Millis, keep_firing_for: Duration) -> bool {
        if self.state != AlertState::Firing || keep_firing_for.is_zero() {
            return false;
        }
        let since = *self.keep_firing_since.get_or_insert(now);
        now - since < millis(keep_firing_for)
    }

    fn fire_after(&mut self, hold: Duration, now: Millis) {
        if self.state == AlertState::Pending && now - self.active_at >= millis(hold) {
            self.state = AlertState::Firing;
            self.fired_at = Some(now);
        }
    }

    /// Its element is gone; says whether it has to be remembered. A pending one leaves nothing.
    fn end(&mut self, now: Millis) -> bool {
        match self.state {
            AlertState::Pending => {
                self.state = AlertState::Inactive;
                false
            }
            AlertState::Firing => {
                self.state = AlertState::Inactive;
                self.resolved_at = Some(now);
                true
            }
            AlertState::Inactive => self
                .resolved_at
                .is_some_and(|at| now - at <= RESOLVED_RETENTION),
        }
    }

    fn named(&self, name: &str) -> LabelsBuilder {
        let mut labels = LabelsBuilder::from(&self.labels);
        labels.set(METRIC_NAME, name);
        labels
    }

    fn state_series(&self) -> Element {
        let mut labels = self.named(ALERTS);
        labels.set(ALERT_STATE, self.state.as_str());
        Element {
            labels: labels.build(),
            value: 1.0,
        }
    }

    fn since_series(&self) -> Element {
        let value = self.active_at.div_euclid(1000) as f64;
        Element {
            labels: self.named(ALERTS_FOR_STATE).build(),
            value,
        }
    }
}

#[cfg(test)]
mod tests;
