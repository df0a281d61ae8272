//! `/api/v1/query`, `/api/v1/query_range`, `/api/v1/query_exemplars`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use system_stats_model::sample::Millis;
use system_stats_promql::ast::Expr;
use system_stats_promql::plan::TimeSpan;

use super::Success;
use super::body;
use super::form::{Form, invalid};
use super::result::{Body, Stats};
use super::times::duration;
use crate::http::error::ApiError;
use crate::http::state::Shared;
use crate::query::{Query, QueryError};

/// Points of a series that a range query may ask for, less one: a week by the minute.
const MAX_POINTS: i64 = 11_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// `GET` and `POST /api/v1/query?query=&time=&timeout=&limit=&lookback_delta=&stats=`
pub(in crate::http) async fn instant(
    State(state): Shared,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let at = form.time_or("time", state.clock.now())?;
    let query = query(&form, TimeSpan::instant(at))?;
    let answer = state.query.run(query).await?;
    Ok(body::json(&headers, Body::new(answer, stats(&form), limit)))
}

/// `GET` and `POST /api/v1/query_range?query=&start=&end=&step=…`, the rest as for `query`.
pub(in crate::http) async fn range(
    State(state): Shared,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let span = span(&form)?;
    let query = query(&form, span)?;
    let answer = state.query.run(query).await?;
    Ok(body::json(&headers, Body::new(answer, stats(&form), limit)))
}

/// `GET` and `POST /api/v1/query_exemplars?query=&start=&end=`: there are no exemplars, and to an
/// expression without a selector not even an answer.
pub(in crate::http) async fn exemplars(
    State(state): Shared,
    form: Form,
) -> Result<Response, ApiError> {
    let range = form.range()?;
    if range.end < range.start {
        let reason = "end timestamp must not be before start timestamp";
        return Err(ApiError::BadRequest(reason.to_owned()));
    }
    let has_selectors = |tree: &Expr, _: &str| {
        let mut found = false;
        tree.for_each_selector(&mut |_| found = true);
        found
    };
    let asks = state.query.read(form.get("query"), has_selectors).await;
    if !asks.map_err(|error| ApiError::BadRequest(error.to_string()))? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let none: [(); 0] = [];
    Ok(Json(Success::new(none)).into_response())
}

fn span(form: &Form) -> Result<TimeSpan, ApiError> {
    let (start, end) = (form.time("start")?, form.time("end")?);
    if end < start {
        return Err(invalid(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let Some(nanos) = form.duration("step")? else {
        return Err(invalid("step", "cannot parse \"\" to a valid duration"));
    };
    let too_small = || {
        let reason = "zero or negative query resolution step widths are not accepted. Try a \
                      positive integer";
        invalid("step", reason)
    };
    if nanos <= 0 {
        return Err(too_small());
    }
    let length = i128::from(end) - i128::from(start);
    if length * i128::from(NANOS_PER_MILLI) / i128::from(nanos) > i128::from(MAX_POINTS) {
        let reason = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing \
                      the query resolution (?step=XX)";
        return Err(ApiError::BadRequest(reason.to_owned()));
    }
    // Samples have milliseconds.
    let step = nanos / NANOS_PER_MILLI;
    if step == 0 {
        return Err(too_small());
    }
    Ok(TimeSpan { start, end, step })
}

fn query(form: &Form, span: TimeSpan) -> Result<Query, ApiError> {
    let timeout = form.duration("timeout")?;
    let lookback = Some(form.get("lookback_delta")).filter(|text| !text.is_empty());
    let lookback = lookback.map(duration).transpose().map_err(|reason| {
        ApiError::BadRequest(format!("error parsing lookback delta duration: {reason}"))
    })?;
    // A negative time to take is none, a lookback of nothing the usual one.
    let timeout = timeout.map(|nanos| Duration::from_nanos(nanos.max(0).unsigned_abs()));
    let lookback: Option<Millis> = lookback.map(|nanos| nanos / NANOS_PER_MILLI);
    Ok(Query {
        expression: form.get("query").to_owned(),
        span,
        lookback: lookback.filter(|lookback| *lookback > 0),
        timeout,
        per_step: form.get("stats") == "all",
    })
}

fn stats(form: &Form) -> Stats {
    match form.get("stats") {
        "" => Stats::None,
        "all" => Stats::PerStep,
        _ => Stats::Totals,
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Parse(_) | QueryError::RangeType(_) => invalid("query", &text),
            QueryError::Invalid(_) => Self::Execution(text),
            QueryError::TimedOut(_) => Self::QueryTimeout(text),
            QueryError::Canceled(_) => Self::Canceled(text),
            QueryError::Storage(reason) => {
                tracing::error!(%reason, "a query cannot read what is stored");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::FromRequest as _;
    use axum::http::Request;

    use super::*;

    async fn form(parameters: &str) -> Form {
        let request = Request::get(format!("/?{parameters}"))
            .body(Body::empty())
            .unwrap();
        Form::from_request(request, &()).await.unwrap()
    }

    #[tokio::test]
    async fn ranges_and_what_is_no_range() {
        type Found<'a> = Result<(i64, i64, i64), &'a str>;
        let cases: [(&str, Found<'_>); 11] = [
            ("start=0&end=10&step=5", Ok((0, 10_000, 5000))),
            ("start=1.5&end=1.5&step=1m", Ok((1500, 1500, 60_000))),
            ("start=0&end=11000&step=1", Ok((0, 11_000_000, 1000))),
            (
                "start=0&end=11001&step=1",
                Err(
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
                ),
            ),
            (
                "start=2&end=1&step=1",
                Err("invalid parameter \"end\": end timestamp must not be before start time"),
            ),
            (
                "start=0&end=1&step=0",
                Err(
                    "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
                ),
            ),
            (
                "start=0&end=60&step=0.0001",
                Err(
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
                ),
            ),
            (
                "start=0&end=0&step=0.0001",
                Err(
                    "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
                ),
            ),
            (
                "start=0&end=1",
                Err("invalid parameter \"step\": cannot parse \"\" to a valid duration"),
            ),
            (
                "end=1&step=1",
                Err("invalid parameter \"start\": cannot parse \"\" to a valid timestamp"),
            ),
            (
                "start=0&end=1&step=5x",
                Err("invalid parameter \"step\": cannot parse \"5x\" to a valid duration"),
            ),
        ];
        for (parameters, expected) in cases {
            let found = span(&form(parameters).await);
            let found = found.map(|span| (span.start, span.end, span.step));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{parameters}");
        }
    }

    #[tokio::test]
    async fn what_a_query_may_ask_for() {
        let asked = form("query=up&timeout=0.5&lookback_delta=1m&stats=all").await;
        let asked = query(&asked, TimeSpan::instant(0)).unwrap();
        assert_eq!(asked.timeout, Some(Duration::from_millis(500)));
        assert_eq!((asked.lookback, asked.per_step), (Some(60_000), true));
        let wrong = query(&form("lookback_delta=1e10").await, TimeSpan::instant(0)).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "error parsing lookback delta duration: cannot parse \"1e10\" to a valid duration. It overflows int64"
        );
        let wrong = query(&form("lookback_delta=x").await, TimeSpan::instant(0)).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration"
        );
    }
}
