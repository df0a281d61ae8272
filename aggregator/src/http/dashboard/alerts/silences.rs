//! Silences: the list, the form of a new one, and what the forms of the page send.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;
use system_stats_promql::parse::parse_selector;

use super::super::super::error::ApiError;
use super::super::super::params::{self, Params, Segment};
use super::super::super::state::{Shared, State as Services};
use super::super::super::{keys, same_site};
use super::super::page;
use super::super::view::{Seen, ahead};
use super::board::Board;
use crate::alerting::{AlertingError, Draft, Silence, SilenceState, Subject};
use crate::config::parse_duration;
use crate::inventory::devices::ActiveAlert;

/// Silences of the list, those that are over included.
const SHOWN: usize = 100;
/// The longest name of somebody, in characters.
pub(super) const MAX_USER: usize = 100;
/// The longest comment, in characters.
const MAX_COMMENT: usize = 1000;
/// How long a silence is if nobody says otherwise.
const USUAL: &str = "2h";

/// The list.
#[derive(Serialize)]
pub(super) struct Silences {
    rows: Vec<Row>,
    omitted: usize,
}

#[derive(Serialize)]
struct Row {
    id: String,
    state: &'static str,
    class: &'static str,
    is_over: bool,
    is_acknowledgement: bool,
    matchers: Vec<String>,
    by: String,
    comment: String,
    starts: String,
    ends: String,
    /// How many alerts that fire it is about.
    alerts: usize,
}

impl Silences {
    pub(super) fn of(board: &Board, now: Millis) -> Self {
        let rows = board.silences.iter().take(SHOWN);
        Self {
            rows: rows.map(|silence| Row::new(silence, board, now)).collect(),
            omitted: board.silences.len().saturating_sub(SHOWN),
        }
    }
}

impl Row {
    fn new(silence: &Arc<Silence>, board: &Board, now: Millis) -> Self {
        let state = silence.state(now);
        let is_about = |own: &Arc<Silence>| own.id == silence.id;
        let alerts = board.silenced.iter();
        let alerts = alerts.filter(|active| active.silenced_by.iter().any(is_about));
        let when = |at: Millis| {
            if at > now {
                ahead(at, now)
            } else {
                Seen::new(at, now).ago().to_owned()
            }
        };
        let is_acknowledgement = silence.acknowledges.is_some();
        let is_over = state == SilenceState::Expired;
        Self {
            id: silence.id.clone(),
            state: state.as_str(),
            class: match state {
                SilenceState::Active => "running",
                SilenceState::Pending => "silent",
                SilenceState::Expired => "gone",
            },
            is_over,
            is_acknowledgement,
            matchers: silence.matchers.iter().map(ToString::to_string).collect(),
            by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            starts: when(silence.starts_at),
            ends: if is_acknowledgement && !is_over {
                "with the alert".to_owned()
            } else {
                when(silence.ends_at)
            },
            alerts: alerts.count(),
        }
    }
}

/// The page with the form.
#[derive(Serialize)]
struct FormView {
    matchers: String,
    duration: String,
    by: String,
    comment: String,
    /// What is wrong with what was sent.
    problem: Option<String>,
    needs_key: bool,
}

impl FormView {
    fn new(state: &Services, matchers: &[Matcher]) -> Self {
        let lines: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        Self {
            matchers: lines.join("\n"),
            duration: USUAL.to_owned(),
            by: String::new(),
            comment: String::new(),
            problem: None,
            needs_key: needs_key(state),
        }
    }
}

/// Whether whoever silences or acknowledges has to present a key.
pub(super) fn needs_key(state: &Services) -> bool {
    !state.keys.current().is_empty()
}

/// `GET /dashboard/alerts/silence?alert=|silence=`: the form of a new silence, with the matchers of
/// an alert or of another silence filled in.
pub(in super::super::super) async fn form(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let matchers: Vec<Matcher> = match (params.get("alert"), params.get("silence")) {
        (Some(fingerprint), _) => {
            let board = Board::read(&state, &state.inventory.names());
            let missing = || ApiError::Missing("that alert is over".to_owned());
            let active = board.find(fingerprint).ok_or_else(missing)?;
            let labels = active.labels.iter();
            labels
                .map(|(name, value)| Matcher::equal(name, value))
                .collect()
        }
        (_, Some(id)) => {
            let missing = || ApiError::Missing("there is no such silence".to_owned());
            let silences = state.alerting.silences();
            silences.get(id).ok_or_else(missing)?.matchers.clone()
        }
        _ => Vec::new(),
    };
    page("silence.html", FormView::new(&state, &matchers), &headers).await
}

/// What the form of a silence sends.
#[derive(Deserialize)]
pub(in super::super::super) struct Wish {
    matchers: String,
    duration: String,
    by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    key: String,
}

/// `POST /dashboard/alerts/silence`
pub(in super::super::super) async fn create(
    State(state): Shared,
    headers: HeaderMap,
    form: Result<Form<Wish>, FormRejection>,
) -> Result<Response, ApiError> {
    let unreadable = |_| ApiError::BadRequest("the form is not complete".to_owned());
    let Form(wish) = form.map_err(unreadable)?;
    allow(&state, &headers, &wish.key)?;
    let made = match wish.draft(state.clock.now()) {
        Ok(draft) => state.alerting.set_silence(draft).await,
        Err(problem) => Err(AlertingError::Invalid(problem)),
    };
    match made {
        Ok(_) => Ok(silenced()),
        Err(AlertingError::Invalid(problem)) => {
            let view = FormView {
                matchers: wish.matchers,
                duration: wish.duration,
                by: wish.by,
                comment: wish.comment,
                problem: Some(problem),
                needs_key: needs_key(&state),
            };
            let mut response = page("silence.html", view, &headers).await?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

impl Wish {
    fn draft(&self, now: Millis) -> Result<Draft, String> {
        let by = somebody(&self.by).ok_or("your name is missing")?;
        let duration = parse_duration(self.duration.trim());
        let duration = duration.map_err(|reason| format!("duration: {reason}"))?;
        let duration = Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX);
        Ok(Draft {
            id: String::new(),
            matchers: matchers(&self.matchers)?,
            starts_at: now,
            ends_at: now.saturating_add(duration),
            created_by: by,
            comment: self.comment.trim().chars().take(MAX_COMMENT).collect(),
        })
    }
}

/// Matchers, one a line.
fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let mut matchers = Vec::new();
    let lines = text.lines().map(|line| line.trim().trim_end_matches(','));
    for line in lines.filter(|line| !line.is_empty()) {
        let wrong = || {
            format!(
                "{line:?} is no matcher; write one a line, like alertname=\"Name\" or instance=~\"web.*\""
            )
        };
        let found = parse_selector(&format!("{{{line}}}")).map_err(|_| wrong())?;
        matchers.extend(found);
    }
    Ok(matchers)
}

/// A name of somebody, as far as it is kept.
fn somebody(by: &str) -> Option<String> {
    let by: String = by.trim().chars().take(MAX_USER).collect();
    (!by.is_empty()).then_some(by)
}

/// What the button of an alert sends.
#[derive(Deserialize)]
pub(in super::super::super) struct Acknowledgement {
    fingerprint: String,
    by: String,
    #[serde(default)]
    key: String,
}

/// `POST /dashboard/alerts/acknowledge`: of an alert of a rule or of a device.
pub(in super::super::super) async fn acknowledge(
    State(state): Shared,
    headers: HeaderMap,
    form: Result<Form<Acknowledgement>, FormRejection>,
) -> Result<Response, ApiError> {
    let Form(sent) = form.map_err(|_| nobody())?;
    allow(&state, &headers, &sent.key)?;
    let by = somebody(&sent.by).ok_or_else(nobody)?;
    let subject = Subject::Fingerprint(sent.fingerprint);
    let told = state.inventory.active_alerts();
    let told: Vec<Labels> = told.iter().map(ActiveAlert::labels).collect();
    let acknowledged = state.alerting.acknowledge(&subject, &told, &by, "");
    acknowledged.await?;
    Ok(silenced())
}

/// What the button of a silence sends.
#[derive(Deserialize)]
pub(in super::super::super) struct End {
    by: String,
    #[serde(default)]
    key: String,
}

/// `POST /dashboard/alerts/silences/{id}/expire`
pub(in super::super::super) async fn expire(
    State(state): Shared,
    id: Segment,
    headers: HeaderMap,
    form: Result<Form<End>, FormRejection>,
) -> Result<Response, ApiError> {
    let id = params::segment(id)?;
    let Form(sent) = form.map_err(|_| nobody())?;
    allow(&state, &headers, &sent.key)?;
    let by = somebody(&sent.by).ok_or_else(nobody)?;
    state.alerting.expire_silence(&id, &by).await?;
    Ok(silenced())
}

fn nobody() -> ApiError {
    ApiError::BadRequest("your name is missing".to_owned())
}

fn silenced() -> Response {
    Redirect::to("/dashboard/alerts?tab=silenced").into_response()
}

/// No page of another site, and a key where there are keys.
fn allow(state: &Services, headers: &HeaderMap, key: &str) -> Result<(), ApiError> {
    if same_site::is_cross_site(headers, &state.external_url) {
        return Err(ApiError::CrossSite);
    }
    keys::check_form(state, headers, None, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_as_people_write_them() {
        let read = |text: &str| {
            let all = matchers(text)?
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            Ok::<_, String>(all.join(" "))
        };
        for (text, expected) in [
            ("", ""),
            ("a=\"b\"\r\n\r\n c=~\"d|e\", ", "a=\"b\" c=~\"d|e\""),
            ("a!=\"b\",c!~'d'", "a!=\"b\" c!~\"d\""),
            (r#"path="C:\\ \"x\"""#, r#"path="C:\\ \"x\"""#),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["a", "a=b", "a=\"b\"} or {c=\"d\"", "a=~\"(\""] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains("is no matcher"), "{text}: {problem}");
        }
    }
}
