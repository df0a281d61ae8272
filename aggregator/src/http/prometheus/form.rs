//! Parameters as Prometheus takes them: in the address, or as a form in the body of a POST.

use std::borrow::Cow;

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use system_stats_model::sample::{Millis, TimeRange};

use super::times::{duration, time};
use crate::http::error::ApiError;
use crate::http::params;

/// The selectors of series.
pub(super) const MATCH: &str = "match[]";

/// The parameters of a request. Those of the body come before those of the address.
///
/// As in Go, a parameter that is badly written is left out, and only handlers that ask for it say
/// so.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Form {
    pairs: Vec<(String, String)>,
    /// What is wrong with the first that is badly written.
    fault: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let is_write = [Method::POST, Method::PUT].contains(request.method());
        let address = request.uri().query().unwrap_or_default().to_owned();
        let mut form = Self::default();
        if is_form && is_write {
            form.add(&params::body(Bytes::from_request(request, state).await)?);
        }
        form.add(address.as_bytes());
        Ok(form)
    }
}

impl Form {
    fn add(&mut self, text: &[u8]) {
        for pair in text.split(|byte| *byte == b'&') {
            match read_pair(pair) {
                Ok(Some(pair)) => self.pairs.push(pair),
                Ok(None) => {}
                Err(reason) => {
                    self.fault.get_or_insert(reason);
                }
            }
        }
    }

    /// Whether each parameter is well written.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let fault = self.fault.as_ref();
        fault.map_or(Ok(()), |reason| {
            let reason = format!("error parsing form values: {reason}");
            Err(ApiError::BadRequest(reason))
        })
    }

    /// The first parameter of that name, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let mut named = self.pairs.iter().filter(|(have, _)| have == name);
        named.next().map_or("", |(_, value)| value)
    }

    /// All parameters of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.pairs.iter().filter(move |(have, _)| have == name);
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

/// A name and its value; nothing where nothing is written.
fn read_pair(pair: &[u8]) -> Result<Option<(String, String)>, String> {
    if pair.contains(&b';') {
        return Err("invalid semicolon separator in query".to_owned());
    }
    if pair.is_empty() {
        return Ok(None);
    }
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    let name = unescape(halves.next().unwrap_or_default())?;
    let value = unescape(halves.next().unwrap_or_default())?;
    Ok(Some((name, value)))
}

/// A text with `+` for blanks and `%2b` for any byte; what is no UTF-8 is replaced.
fn unescape(text: &[u8]) -> Result<String, String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => {
                let escape = rest.as_slice();
                let (Some(high), Some(low)) = (digit(escape.first()), digit(escape.get(1))) else {
                    let shown = String::from_utf8_lossy(&escape[..escape.len().min(2)]);
                    return Err(format!("invalid URL escape {:?}", format!("%{shown}")));
                };
                rest = escape[2..].iter();
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            byte => *byte,
        };
        out.push(byte);
    }
    Ok(match String::from_utf8_lossy(&out) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

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

    #[tokio::test]
    async fn what_is_badly_written_is_left_out() {
        let escape = "error parsing form values: invalid URL escape";
        let cases = [
            ("a=%zz&a=2", "2", Some(format!("{escape} \"%zz\""))),
            ("a=%4&b=%5", "", Some(format!("{escape} \"%4\""))),
            (
                "a=1;b=2&a=3",
                "3",
                Some("error parsing form values: invalid semicolon separator in query".to_owned()),
            ),
            ("&&a=%41%e2%82%ac+b&", "A€ b", None),
            ("a==b=&b", "=b=", None),
            ("a=%ff", "\u{fffd}", None),
            ("%61=x", "x", None),
        ];
        for (text, expected, fault) in cases {
            let request = Request::post("/x")
                .header("content-type", "Application/X-WWW-Form-Urlencoded;")
                .body(Body::from(text))
                .unwrap();
            let form = Form::from_request(request, &()).await.unwrap();
            let found = form.check().err().map(|error| error.to_string());
            assert_eq!((form.get("a"), found), (expected, fault), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_its_parameter() {
        let form = |name: &str, value: &str| Form {
            pairs: vec![(name.to_owned(), value.to_owned())],
            fault: None,
        };
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
