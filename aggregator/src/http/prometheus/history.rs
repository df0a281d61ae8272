//! `/api/v1/alerts/history` and `/api/v1/alerts/acknowledge`, which Prometheus does not have.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::parse::parse_selector;
use system_stats_promql::value::write_exponent;

use super::Success;
use super::form::{Form, invalid};
use super::targets::{map, time};
use crate::alerting::fingerprint;
use crate::alerting::{AlertChange, Cursor, Event, HistoryQuery, SilenceChange, Subject, What};
use crate::http::alertmanager::GettableSilence;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_NAME, MAX_TEXT};
use crate::http::params;
use crate::http::state::Shared;
use crate::inventory::devices::ActiveAlert;

/// Lines given when nobody says how many, and at most.
const LINES: usize = 100;
const MAX_LINES: usize = 1000;
/// More alternatives than this are not looked at.
const MAX_SELECTORS: usize = 32;

/// The data of `/api/v1/alerts/history`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct History {
    events: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    at: String,
    state: &'static str,
    #[serde(flatten)]
    detail: Detail,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail {
    Alert(Box<AlertLine>),
    Silence(Box<SilenceLine>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertLine {
    from: &'static str,
    fingerprint: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    value: String,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fired_at: Option<String>,
    file: String,
    group: String,
    /// Nobody watched it end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unseen: bool,
}

#[derive(Debug, Serialize)]
struct SilenceLine {
    by: String,
    /// Of the alert that it acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    silence: GettableSilence,
}

/// `GET /api/v1/alerts/history?start=&end=&match[]=&state=&limit=&before=`
pub(in crate::http) async fn history(
    State(state): Shared,
    form: Form,
) -> Result<Json<Success<History>>, ApiError> {
    let query = query(&form)?;
    let page = state.alerting.history(&query).await?;
    let now = state.clock.now();
    let line = |(cursor, event): (Cursor, Event)| Line::new(cursor, event, now);
    Ok(Json(Success::new(History {
        events: page.lines.into_iter().map(line).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    })))
}

fn query(form: &Form) -> Result<HistoryQuery, ApiError> {
    if form.all("match[]").count() > MAX_SELECTORS {
        let reason = format!("there are more than {MAX_SELECTORS}");
        return Err(invalid("match[]", &reason));
    }
    let matchers = form.all("match[]").map(parse_selector);
    let matchers = matchers.collect::<Result<_, _>>();
    let before = match form.get("before") {
        "" => None,
        text => Some(
            text.parse::<Cursor>()
                .map_err(|error| invalid("before", &error.to_string()))?,
        ),
    };
    let limit = match form.limit()? {
        0 => LINES,
        limit => limit.min(MAX_LINES),
    };
    Ok(HistoryQuery {
        range: form.range()?,
        before,
        matchers: matchers.map_err(|error| invalid("match[]", &error.to_string()))?,
        kinds: form.all("state").map(kind).collect::<Result<_, _>>()?,
        limit,
    })
}

fn kind(text: &str) -> Result<What, ApiError> {
    let known = What::ALL.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or_else(|| {
        let all: Vec<&str> = What::ALL.iter().map(|kind| kind.as_str()).collect();
        let reason = format!("{text:?} is none of {}", all.join(", "));
        invalid("state", &reason)
    })
}

impl Line {
    fn new(cursor: Cursor, event: Event, now: Millis) -> Self {
        let state = event.what().as_str();
        let (at, detail) = match event {
            Event::Alert(change) => (change.at, Detail::Alert(Box::new(change.into()))),
            Event::Silence(change) => {
                let detail = SilenceLine::new(&change, now);
                (change.at, Detail::Silence(Box::new(detail)))
            }
        };
        Self {
            id: cursor.to_string(),
            at: time(Some(at)),
            state,
            detail,
        }
    }
}

impl From<AlertChange> for AlertLine {
    fn from(change: AlertChange) -> Self {
        let mut value = String::new();
        write_exponent(&mut value, change.value);
        Self {
            from: change.from.as_str(),
            fingerprint: fingerprint(&change.labels),
            labels: map(&change.labels),
            annotations: change.annotations.into_iter().collect(),
            value,
            active_at: time(Some(change.active_at)),
            fired_at: change.fired_at.map(|at| time(Some(at))),
            file: change.file,
            group: change.group,
            unseen: change.is_noticed,
        }
    }
}

impl SilenceLine {
    fn new(change: &SilenceChange, now: Millis) -> Self {
        let alert = change.silence.acknowledges.as_ref();
        Self {
            by: change.by.clone(),
            fingerprint: alert.map(fingerprint),
            labels: alert.map(map),
            silence: GettableSilence::new(&change.silence, now),
        }
    }
}

/// The body of an acknowledgement.
#[derive(Debug, Deserialize)]
struct Acknowledgement {
    fingerprint: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    by: Option<String>,
    #[serde(default)]
    comment: String,
}

/// `POST /api/v1/alerts/acknowledge`
pub(in crate::http) async fn acknowledge(
    State(state): Shared,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Success<Value>>, ApiError> {
    let bad = |text: &str| ApiError::BadRequest(text.to_owned());
    let body: Acknowledgement = serde_json::from_slice(&params::body(body)?)
        .map_err(|error| ApiError::BadRequest(format!("the body cannot be read: {error}")))?;
    let subject = match (body.fingerprint, body.labels) {
        (Some(fingerprint), None) => Subject::Fingerprint(fingerprint.to_ascii_lowercase()),
        (None, Some(labels)) => Subject::Labels(Labels::from_pairs(labels)),
        _ => return Err(bad("either fingerprint or labels has to say which alert")),
    };
    let by = body.by.unwrap_or_default();
    if by.trim().is_empty() {
        return Err(bad("by has to say who acknowledges it"));
    }
    if by.chars().count() > MAX_NAME || body.comment.len() > MAX_TEXT {
        return Err(bad("by or comment is too long"));
    }
    let told = state.inventory.active_alerts();
    let told: Vec<Labels> = told.iter().map(ActiveAlert::labels).collect();
    let id = state
        .alerting
        .acknowledge(&subject, &told, by.trim(), &body.comment);
    Ok(Json(Success::new(json!({ "silenceID": id.await? }))))
}
