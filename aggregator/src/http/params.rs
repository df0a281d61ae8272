//! The parameters of a request, as text; reading them never fails.

use std::convert::Infallible;

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::error::ApiError;
use super::limits::{MAX_BODY, MAX_UNREAD};

/// The query string's parameters in their order.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(pairs.iter().map(owned).collect())
    }

    /// The first parameter called `name` that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(have, _)| have == name);
        named.find_map(|(_, value)| (!value.is_empty()).then_some(value.as_str()))
    }

    /// All parameters called `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(have, _)| have == name);
        named.map(|(_, value)| value.as_str())
    }

    /// A whole number, if the parameter is there.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parsed = self.get(name).map(str::parse).transpose();
        parsed.map_err(|_| ApiError::BadRequest(format!("{name} is not a whole number")))
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        Ok(Self(pairs.unwrap_or_default()))
    }
}

/// One segment of the path, as `Result<Path<String>, _>` gives it.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// The text of a path segment.
pub(crate) fn segment(segment: Segment) -> Result<String, ApiError> {
    let text = segment.map(|Path(text)| text);
    text.map_err(|_| ApiError::BadRequest("the path is not UTF-8".to_owned()))
}

/// A request body within its limit.
pub(crate) fn body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge { limit: MAX_BODY },
        _ => ApiError::BadRequest("the body cannot be read".to_owned()),
    })
}

/// A request body of at most [`MAX_BODY`] bytes.
///
/// What is beyond is read and dropped: clients look at the answer only when they have sent
/// everything, and take a connection that is closed before for a failure of the network.
pub(crate) struct Whole(pub(crate) Result<Bytes, ApiError>);

impl<S: Sync> FromRequest<S> for Whole {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let too_large = || Ok(Self(Err(ApiError::TooLarge { limit: MAX_BODY })));
        if is_asked_before(request.headers()) {
            return too_large();
        }
        let mut pieces = request.into_body().into_data_stream();
        let (mut whole, mut length) = (BytesMut::new(), 0);
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else {
                let message = "the body cannot be read".to_owned();
                return Ok(Self(Err(ApiError::BadRequest(message))));
            };
            length += piece.len();
            if length <= MAX_BODY {
                whole.extend_from_slice(&piece);
            } else if length > MAX_UNREAD {
                break;
            } else {
                whole = BytesMut::new();
            }
        }
        if length > MAX_BODY {
            return too_large();
        }
        Ok(Self(Ok(whole.freeze())))
    }
}

/// Whether a client that would send too much waits to hear whether it may.
fn is_asked_before(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    headers.contains_key(EXPECT) && length.is_some_and(|length| length > MAX_BODY)
}
