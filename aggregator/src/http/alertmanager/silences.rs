//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use bytes::Bytes;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::Millis;

use super::filter::{conditions, picks};
use crate::alerting::{Draft, Silence};
use crate::http::error::ApiError;
use crate::http::params::{self, Params, Segment};
use crate::http::state::Shared;
use crate::http::{keys, limits};

/// The most conditions that a silence may have.
const MAX_MATCHERS: usize = 64;
/// What go-openapi calls a field that is missing, one that has too little in it, and one of
/// another type.
const REQUIRED: u16 = 602;
const TOO_FEW: u16 = 612;
const OF_TYPE: u16 = 601;
/// And a body that cannot be read.
const UNREADABLE: u16 = 400;

/// A silence as it is given.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct GettableSilence {
    id: String,
    status: Status,
    updated_at: String,
    comment: String,
    created_by: String,
    ends_at: String,
    matchers: Vec<GettableMatcher>,
    starts_at: String,
}

#[derive(Debug, Serialize)]
struct Status {
    state: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GettableMatcher {
    is_equal: bool,
    is_regex: bool,
    name: String,
    value: String,
}

/// A silence as it is wanted. What is missing is said with its name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableSilence {
    id: Option<String>,
    comment: Option<String>,
    created_by: Option<String>,
    #[serde(default, deserialize_with = "timestamp")]
    ends_at: Option<Timestamp>,
    matchers: Option<Vec<PostableMatcher>>,
    #[serde(default, deserialize_with = "timestamp")]
    starts_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableMatcher {
    is_equal: Option<bool>,
    is_regex: Option<bool>,
    name: Option<String>,
    value: Option<String>,
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let time = text.map(|text| text.parse().map_err(de::Error::custom));
    time.transpose()
}

impl GettableSilence {
    pub(in crate::http) fn new(silence: &Silence, now: Millis) -> Self {
        let matcher = |matcher: &Matcher| GettableMatcher {
            is_equal: matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
            is_regex: matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
        };
        Self {
            id: silence.id.clone(),
            status: Status {
                state: silence.state(now).as_str(),
            },
            updated_at: moment(silence.updated_at),
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            ends_at: moment(silence.ends_at),
            matchers: silence.matchers.iter().map(matcher).collect(),
            starts_at: moment(silence.starts_at),
        }
    }
}

/// A time as Alertmanager writes it.
pub(in crate::http) fn moment(at: Millis) -> String {
    let time = Timestamp::from_millisecond(at).unwrap_or_default();
    format!("{time:.3}")
}

/// `GET /api/v2/silences?filter=`
pub(in crate::http) async fn silences(
    State(state): Shared,
    params: Params,
) -> Result<Json<Vec<GettableSilence>>, ApiError> {
    let (conditions, now) = (conditions(&params)?, state.clock.now());
    let all = state.alerting.silences().sorted(now);
    let picked = all
        .iter()
        .filter(|silence| picks(&conditions, &silence.compared()));
    let shown = picked.map(|silence| GettableSilence::new(silence, now));
    Ok(Json(shown.collect()))
}

/// `GET /api/v2/silence/{id}`
pub(in crate::http) async fn silence(
    State(state): Shared,
    id: Segment,
) -> Result<Json<GettableSilence>, ApiError> {
    let id = uuid(id)?;
    let silences = state.alerting.silences();
    let missing = || ApiError::Missing("silence not found".to_owned());
    let silence = silences.get(&id).ok_or_else(missing)?;
    Ok(Json(GettableSilence::new(silence, state.clock.now())))
}

/// `POST /api/v2/silences`
pub(in crate::http) async fn create(
    State(state): Shared,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let draft = draft(&params::body(body)?)?;
    let id = state.alerting.set_silence(draft).await?;
    Ok(Json(json!({ "silenceID": id })))
}

/// `DELETE /api/v2/silence/{id}`
pub(in crate::http) async fn expire(
    State(state): Shared,
    id: Segment,
    headers: HeaderMap,
) -> Result<(), ApiError> {
    let by = keys::name(&state, &headers).unwrap_or_default();
    Ok(state.alerting.expire_silence(&uuid(id)?, &by).await?)
}

fn uuid(id: Segment) -> Result<String, ApiError> {
    let id = params::segment(id)?;
    let is_digit = |(at, c): (usize, char)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    };
    if id.len() == 36 && id.chars().enumerate().all(is_digit) {
        return Ok(id.to_ascii_lowercase());
    }
    let text = format!("silenceID in path must be of type uuid: {id:?}");
    Err(refused(OF_TYPE, text))
}

fn refused(code: u16, message: String) -> ApiError {
    ApiError::Refused { code, message }
}

fn draft(body: &[u8]) -> Result<Draft, ApiError> {
    if body.len() > limits::MAX_SILENCE {
        let (bytes, limit) = (body.len(), limits::MAX_SILENCE);
        let text = format!("silence exceeded maximum size: {bytes} bytes (limit: {limit} bytes)");
        return Err(ApiError::BadRequest(text));
    }
    let posted: PostableSilence = serde_json::from_slice(body).map_err(|error| {
        let text = format!("parsing silence body from \"\" failed, because {error}");
        refused(UNREADABLE, text)
    })?;
    // In the order in which Alertmanager looks at them.
    let comment = required(posted.comment, "comment")?;
    let created_by = required(posted.created_by, "createdBy")?;
    let ends_at = required(posted.ends_at, "endsAt")?;
    let matchers = required(posted.matchers, "matchers")?;
    if matchers.is_empty() {
        let text = "matchers in body should have at least 1 items".to_owned();
        return Err(refused(TOO_FEW, text));
    }
    if matchers.len() > MAX_MATCHERS {
        let text = format!("silence invalid: more than {MAX_MATCHERS} matchers");
        return Err(ApiError::BadRequest(text));
    }
    let matchers = matchers.into_iter().enumerate();
    let matchers = matchers.map(|(at, matcher)| matcher.read(at));
    Ok(Draft {
        id: posted.id.unwrap_or_default(),
        matchers: matchers.collect::<Result<_, _>>()?,
        starts_at: millis(required(posted.starts_at, "startsAt")?),
        ends_at: millis(ends_at),
        created_by,
        comment,
    })
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| refused(REQUIRED, format!("{name} in body is required")))
}

/// A time to the millisecond, as it is kept.
fn millis(time: Timestamp) -> Millis {
    let floor = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(RoundMode::Floor);
    time.round(floor).unwrap_or(time).as_millisecond()
}

impl PostableMatcher {
    fn read(self, at: usize) -> Result<Matcher, ApiError> {
        let field = |name: &str| format!("matchers.{at}.{name}");
        let is_regex = required(self.is_regex, &field("isRegex"))?;
        let name = required(self.name, &field("name"))?;
        let value = required(self.value, &field("value"))?;
        let op = match (self.is_equal.unwrap_or(true), is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (false, true) => MatchOp::NotRegex,
        };
        Matcher::new(name, op, value).map_err(|error| {
            let (pattern, reason) = (error.pattern, error.reason);
            ApiError::BadRequest(format!(
                "silence invalid: invalid label matcher {at}: \
                 invalid regular expression {pattern:?}: {reason}"
            ))
        })
    }
}
