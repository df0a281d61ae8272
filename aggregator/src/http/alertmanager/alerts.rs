//! `/api/v2/alerts` and `/api/v2/alerts/groups`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::Millis;

use super::RECEIVER;
use super::filter::{conditions, is_on, picks};
use super::silences::moment;
use crate::alerting::{Silences, fingerprint};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::state::{Shared, State as Services};
use crate::rules::{Alert, AlertState, DeadHosts, GroupView, RuleView, expression_link};

/// An alert is sent at least so often to those who are sent any; it is over for them when they have
/// not heard of it four times.
const RESEND_DELAY: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct GettableAlert {
    annotations: BTreeMap<String, String>,
    ends_at: String,
    fingerprint: String,
    receivers: [Receiver; 1],
    starts_at: String,
    status: Status,
    updated_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Receiver {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    inhibited_by: Vec<String>,
    silenced_by: Vec<String>,
    state: &'static str,
}

/// Alerts that go to one receiver together; here all of them do.
#[derive(Debug, Serialize)]
pub(in crate::http) struct AlertGroup {
    alerts: Vec<GettableAlert>,
    labels: BTreeMap<String, String>,
    receiver: Receiver,
}

/// `GET /api/v2/alerts?active=&silenced=&inhibited=&unprocessed=&filter=&receiver=`: the alerts
/// that fire.
pub(in crate::http) async fn alerts(
    State(state): Shared,
    params: Params,
) -> Result<Json<Vec<GettableAlert>>, ApiError> {
    Ok(Json(found(&state, &Filter::read(&params)?)))
}

/// `GET /api/v2/alerts/groups`, with the parameters of [`alerts`].
pub(in crate::http) async fn groups(
    State(state): Shared,
    params: Params,
) -> Result<Json<Vec<AlertGroup>>, ApiError> {
    let alerts = found(&state, &Filter::read(&params)?);
    let all = AlertGroup {
        alerts,
        labels: BTreeMap::new(),
        receiver: Receiver { name: RECEIVER },
    };
    let groups = Some(all).filter(|group| !group.alerts.is_empty());
    Ok(Json(groups.into_iter().collect()))
}

fn found(state: &Services, filter: &Filter) -> Vec<GettableAlert> {
    let groups = state.rules.groups();
    let rules = || groups.iter().flat_map(|group| &group.rules);
    let seen = Seen {
        silences: &state.alerting.silences(),
        dead: &DeadHosts::said_by(rules().flat_map(|rule| &rule.alerts)),
        external_url: &state.external_url,
        now: state.clock.now(),
    };
    let mut found = Vec::new();
    for group in &groups {
        for rule in &group.rules {
            let alerts = rule.alerts.iter();
            for alert in alerts.filter(|alert| alert.state == AlertState::Firing) {
                let shown = seen.shown(group, rule, alert);
                if filter.takes(alert, &shown) {
                    found.push(shown);
                }
            }
        }
    }
    found.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    found
}

/// What alerts are looked at with.
struct Seen<'a> {
    silences: &'a Silences,
    dead: &'a DeadHosts,
    external_url: &'a str,
    now: Millis,
}

impl Seen<'_> {
    fn shown(&self, group: &GroupView, rule: &RuleView, alert: &Alert) -> GettableAlert {
        let silencing = self.silences.silencing(&alert.labels, self.now);
        let inhibiting = self.dead.suppressing(&alert.labels, &alert.annotations);
        let updated = group.last_evaluation.unwrap_or(self.now);
        let heard = group.interval.max(RESEND_DELAY) * 4;
        let heard = Millis::try_from(heard.as_millis()).unwrap_or(Millis::MAX);
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let is_active = silencing.is_empty() && inhibiting.is_none();
        GettableAlert {
            annotations: alert.annotations.iter().cloned().collect(),
            ends_at: moment(updated.saturating_add(heard)),
            fingerprint: fingerprint(&alert.labels),
            receivers: [Receiver { name: RECEIVER }],
            starts_at: moment(alert.fired_at.unwrap_or(alert.active_at)),
            status: Status {
                inhibited_by: inhibiting.map(fingerprint).into_iter().collect(),
                silenced_by: silencing.iter().map(|one| one.id.clone()).collect(),
                state: if is_active { "active" } else { "suppressed" },
            },
            updated_at: moment(updated),
            generator_url: expression_link(self.external_url, &rule.query),
            labels: alert.labels.iter().map(own).collect(),
        }
    }
}

struct Filter {
    active: bool,
    silenced: bool,
    inhibited: bool,
    conditions: Vec<Matcher>,
    receiver: Option<Matcher>,
}

impl Filter {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let receiver = params.get("receiver").map(|expression| {
            Matcher::new("receiver", MatchOp::Regex, expression).map_err(|error| {
                let reason = error.reason;
                ApiError::BadRequest(format!("failed to parse receiver param: {reason}"))
            })
        });
        Ok(Self {
            active: is_on(params, "active"),
            silenced: is_on(params, "silenced"),
            inhibited: is_on(params, "inhibited"),
            conditions: conditions(params)?,
            receiver: receiver.transpose()?,
        })
    }

    fn takes(&self, alert: &Alert, shown: &GettableAlert) -> bool {
        let is_silenced = !shown.status.silenced_by.is_empty();
        let is_inhibited = !shown.status.inhibited_by.is_empty();
        (self.active || is_silenced || is_inhibited)
            && (self.silenced || !is_silenced)
            && (self.inhibited || !is_inhibited)
            && (self.receiver.as_ref()).is_none_or(|receiver| receiver.matches(RECEIVER))
            && picks(&self.conditions, &alert.labels)
    }
}
