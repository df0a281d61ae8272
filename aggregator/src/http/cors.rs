//! Lets pages of other sites use the contracts that promise it.
//!
//! Every origin may, unless a pattern narrows it; methods and headers are free, credentials are
//! not sent. Only the routes that the layer stands before are open: not what deletes.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use system_stats_model::matcher::{InvalidMatcher, MatchOp, Matcher};

const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// What clients of these contracts send; a list of its own is echoed.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");
/// How long a browser may rely on the answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which origins may.
#[derive(Clone, Debug, Default)]
pub struct Origins(Option<Matcher>);

impl Origins {
    /// Those that match the pattern as a whole; `.*` and `*` are all.
    ///
    /// # Errors
    /// When it is not a regular expression.
    pub fn matching(pattern: &str) -> Result<Self, InvalidMatcher> {
        if pattern == ".*" || pattern == "*" {
            return Ok(Self(None));
        }
        Matcher::new("origin", MatchOp::Regex, pattern).map(|matcher| Self(Some(matcher)))
    }

    /// What an origin is told, if it may.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let Some(pattern) = &self.0 else {
            return Some(HeaderValue::from_static("*"));
        };
        let text = origin.to_str().ok()?;
        pattern.matches(text).then(|| origin.clone())
    }
}

/// The layer.
pub(crate) async fn open(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        let mut response = next.run(request).await;
        if origins.0.is_some() {
            // Or a cache would give it to an origin that has to be named.
            let vary = HeaderValue::from_static("origin");
            response.headers_mut().append(VARY, vary);
        }
        return response;
    };
    let allowed = origins.allowed(&origin);
    let asked = request.headers();
    let is_preflight =
        request.method() == Method::OPTIONS && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        if allowed.is_some() {
            preflight(response.headers_mut(), wanted);
        }
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

fn preflight(headers: &mut HeaderMap, wanted: Option<HeaderValue>) {
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may() {
        let cases = [
            (".*", "http://a", Some("*")),
            ("*", "null", Some("*")),
            ("https?://a|http://b:1", "http://a", Some("http://a")),
            ("https?://a|http://b:1", "http://b:1", Some("http://b:1")),
            ("https?://a", "http://a.evil", None),
            ("https?://a", "null", None),
        ];
        for (pattern, origin, expected) in cases {
            let origin = HeaderValue::from_static(origin);
            let allowed = Origins::matching(pattern).unwrap().allowed(&origin);
            let allowed = allowed.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(allowed, expected, "{pattern}");
        }
        assert!(Origins::matching("(").is_err());
    }
}
