//! Parameters as Prometheus takes them: in the address, or as a form in the body of a POST.

use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use system_stats_model::sample::{Millis, TimeRange};

use crate::config::parse_duration;
use crate::http::error::ApiError;
use crate::http::limits::MAX_BODY;

/// The selectors of series.
pub(super) const MATCH: &str = "match[]";

const NANOS_PER_SECOND: f64 = 1e9;
const NANOS_PER_MILLI: i128 = 1_000_000;

/// The parameters of a request. Those of the body come before those of the address.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Form(Pairs);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let address = Query::<Pairs>::try_from_uri(request.uri());
        let address = address.map(|Query(pairs)| pairs).unwrap_or_default();
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let mut pairs = Vec::new();
        let is_write = [Method::POST, Method::PUT].contains(request.method());
        if is_form && is_write {
            let form = axum::Form::<Pairs>::from_request(request, state).await;
            pairs = form.map_err(|rejection| unreadable(&rejection))?.0;
        }
        pairs.extend(address);
        Ok(Self(pairs))
    }
}

type Pairs = Vec<(String, String)>;

fn unreadable(rejection: &FormRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge { limit: MAX_BODY };
    }
    let reason = rejection.body_text();
    ApiError::BadRequest(format!("error parsing form values: {reason}"))
}

impl Form {
    /// The first parameter of that name, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let mut named = self.0.iter().filter(|(have, _)| have == name);
        named.next().map_or("", |(_, value)| value)
    }

    /// All parameters of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(have, _)| have == name);
        named.map(|(_, value)| value.as_str())
    }

    /// How many results to give; 0 is no limit.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(0);
        }
        let number = whole(text).map_err(|reason| invalid("limit", &reason))?;
        usize::try_from(number).map_err(|_| invalid("limit", "limit must be non-negative"))
    }

    /// A time that must be there.
    pub(super) fn time(&self, name: &str) -> Result<Millis, ApiError> {
        time(self.get(name)).map_err(|reason| invalid(name, &reason))
    }

    /// A time that need not be there.
    pub(super) fn time_or(&self, name: &str, otherwise: Millis) -> Result<Millis, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(otherwise);
        }
        time(text)
            .map_err(|reason| invalid(name, &format!("invalid time value for '{name}': {reason}")))
    }

    /// `start` and `end`, everything if they are not there.
    pub(super) fn range(&self) -> Result<TimeRange, ApiError> {
        Ok(TimeRange {
            start: self.time_or("start", TimeRange::ALL.start)?,
            end: self.time_or("end", TimeRange::ALL.end)?,
        })
    }

    /// A duration in nanoseconds, if it is there.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        duration(text)
            .map(Some)
            .map_err(|reason| invalid(name, &reason))
    }
}

/// A parameter that cannot be used.
pub(super) fn invalid(name: &str, reason: &str) -> ApiError {
    ApiError::BadRequest(format!("invalid parameter {name:?}: {reason}"))
}

/// A whole number; the errors are in the words of Go's `strconv.Atoi`.
pub(super) fn whole(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let reason = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {text:?}: {reason}")
    })
}

/// A time: seconds since 1970 with a fraction, rounded to milliseconds, or RFC 3339.
pub(super) fn time(text: &str) -> Result<Millis, String> {
    let wrong = || format!("cannot parse {text:?} to a valid timestamp");
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return Err(wrong());
        }
        return Ok(from_seconds(seconds));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(time.as_millisecond())
}

/// As Prometheus does it, its way through nanoseconds included; what lies beyond 64 bits is the
/// first or last moment there is.
fn from_seconds(seconds: f64) -> Millis {
    let fraction = (seconds.fract() * 1000.0).round() / 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions of a nanosecond are cut off, and what is too large stays the largest"
    )]
    let (whole, nanos) = (seconds.trunc() as i64, (fraction * NANOS_PER_SECOND) as i64);
    let nanos = i128::from(whole) * 1_000_000_000 + i128::from(nanos);
    let millis = nanos.div_euclid(NANOS_PER_MILLI);
    let outermost = if millis < 0 { Millis::MIN } else { Millis::MAX };
    Millis::try_from(millis).unwrap_or(outermost)
}

/// A duration in nanoseconds: seconds with a fraction, or `1h30m`.
fn duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let nanos = seconds * NANOS_PER_SECOND;
        if !(nanos >= i64::MIN as f64 && nanos <= i64::MAX as f64) {
            return Err(format!(
                "cannot parse {text:?} to a valid duration. It overflows int64"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the bounds; fractions of a nanosecond are cut off"
        )]
        return Ok(nanos as i64);
    }
    let wrong = || format!("cannot parse {text:?} to a valid duration");
    let duration = parse_duration(text).map_err(|_| wrong())?;
    i64::try_from(duration.as_nanos()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn times_as_prometheus_reads_them() {
        let cases = [
            ("4", 4000),
            ("1795195546.864", 1_795_195_546_864),
            ("1.0004", 1000),
            ("1.0006", 1001),
            ("0.57", 570),
            ("-1.5", -1500),
            ("1e3", 1_000_000),
            ("1e40", Millis::MAX),
            ("-1e40", Millis::MIN),
            ("-9223309901257974", -9_223_309_901_257_974_000),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), Ok(expected), "{text}");
        }
        for text in ["", "x", "NaN", "Inf", "2015-07-01"] {
            let expected = format!("cannot parse {text:?} to a valid timestamp");
            assert_eq!(time(text), Err(expected));
        }
    }

    #[test]
    fn durations_as_prometheus_reads_them() {
        let second = 1_000_000_000;
        let cases = [
            ("15", 15 * second),
            ("0.5", second / 2),
            ("-1", -second),
            ("1m30s", 90 * second),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for (text, more) in [
            ("x", ""),
            ("5x", ""),
            ("1e10", ". It overflows int64"),
            ("NaN", ". It overflows int64"),
        ] {
            let expected = format!("cannot parse {text:?} to a valid duration{more}");
            assert_eq!(duration(text), Err(expected));
        }
    }

    #[tokio::test]
    async fn a_form_comes_before_the_address() {
        let request = Request::post("/x?a=1&b=2&match[]=x")
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(Body::from("a=3&match[]=y+z&match%5B%5D=%C3%BC&c="))
            .unwrap();
        let form = Form::from_request(request, &()).await.unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c"), form.get("d")),
            ("3", "2", "", "")
        );
        assert_eq!(form.all("match[]").collect::<Vec<_>>(), ["y z", "ü", "x"]);
    }

    #[test]
    fn what_cannot_be_read_names_its_parameter() {
        let form = |name: &str, value: &str| Form(vec![(name.to_owned(), value.to_owned())]);
        let limit = |value: &str| {
            form("limit", value)
                .limit()
                .map_err(|error| error.to_string())
        };
        assert_eq!(limit("7"), Ok(7));
        assert_eq!(limit(""), Ok(0));
        let refused = |reason: &str| Err(format!("invalid parameter \"limit\": {reason}"));
        assert_eq!(limit("-1"), refused("limit must be non-negative"));
        assert_eq!(
            limit("x"),
            refused(r#"strconv.Atoi: parsing "x": invalid syntax"#)
        );
        let error = form("start", "x").range().unwrap_err().to_string();
        assert_eq!(
            error,
            r#"invalid parameter "start": invalid time value for 'start': cannot parse "x" to a valid timestamp"#
        );
    }
}
