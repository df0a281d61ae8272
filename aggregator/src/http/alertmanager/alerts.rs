//! `/api/v2/alerts`.

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
use crate::http::state::Shared;
use crate::rules::{Alert, AlertState, GroupView};

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
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Receiver {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    inhibited_by: [String; 0],
    silenced_by: Vec<String>,
    state: &'static str,
}

/// `GET /api/v2/alerts?active=&silenced=&inhibited=&unprocessed=&filter=&receiver=`: the alerts
/// that fire.
pub(in crate::http) async fn alerts(
    State(state): Shared,
    params: Params,
) -> Result<Json<Vec<GettableAlert>>, ApiError> {
    let filter = Filter::read(&params)?;
    let (silences, now) = (state.alerting.silences(), state.clock.now());
    let mut found = Vec::new();
    for group in state.rules.groups() {
        let alerts = group.rules.iter().flat_map(|rule| &rule.alerts);
        for alert in alerts.filter(|alert| alert.state == AlertState::Firing) {
            let shown = GettableAlert::new(&group, alert, &silences, now);
            if filter.takes(alert, &shown) {
                found.push(shown);
            }
        }
    }
    found.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    Ok(Json(found))
}

impl GettableAlert {
    fn new(group: &GroupView, alert: &Alert, silences: &Silences, now: Millis) -> Self {
        let silencing = silences.silencing(&alert.labels, now);
        let updated = group.last_evaluation.unwrap_or(now);
        let heard = group.interval.max(RESEND_DELAY) * 4;
        let heard = Millis::try_from(heard.as_millis()).unwrap_or(Millis::MAX);
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            annotations: alert.annotations.iter().cloned().collect(),
            ends_at: moment(updated.saturating_add(heard)),
            fingerprint: fingerprint(&alert.labels),
            receivers: [Receiver { name: RECEIVER }],
            starts_at: moment(alert.fired_at.unwrap_or(alert.active_at)),
            status: Status {
                inhibited_by: [],
                state: if silencing.is_empty() {
                    "active"
                } else {
                    "suppressed"
                },
                silenced_by: silencing.iter().map(|one| one.id.clone()).collect(),
            },
            updated_at: moment(updated),
            labels: alert.labels.iter().map(own).collect(),
        }
    }
}

struct Filter {
    active: bool,
    silenced: bool,
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
            conditions: conditions(params)?,
            receiver: receiver.transpose()?,
        })
    }

    fn takes(&self, alert: &Alert, shown: &GettableAlert) -> bool {
        let is_silenced = !shown.status.silenced_by.is_empty();
        (self.active || is_silenced)
            && (self.silenced || !is_silenced)
            && (self.receiver.as_ref()).is_none_or(|receiver| receiver.matches(RECEIVER))
            && picks(&self.conditions, &alert.labels)
    }
}
