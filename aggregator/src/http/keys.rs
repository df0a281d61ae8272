//! Keys of writing clients: who must present one, and who did.

use axum::extract::{Request, State as Extracted};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::same_site;
use super::state::{Shared, State};
use crate::config::api_keys::Contract;

/// Refuses a write that needs a key and has none.
pub(crate) fn check(
    state: &State,
    headers: &HeaderMap,
    contract: Contract,
) -> Result<(), ApiError> {
    if !state.keys.current().is_needed(contract) {
        return Ok(());
    }
    require(state, headers)
}

/// The same for a form, which has a field for the key; without a contract nothing is exempt.
pub(crate) fn check_form(
    state: &State,
    headers: &HeaderMap,
    contract: Option<Contract>,
    key: &str,
) -> Result<(), ApiError> {
    let keys = state.keys.current();
    let is_needed = contract.map_or(!keys.is_empty(), |contract| keys.is_needed(contract));
    if !is_needed || keys.name_of(key).is_some() {
        return Ok(());
    }
    require(state, headers)
}

fn require(state: &State, headers: &HeaderMap) -> Result<(), ApiError> {
    let keys = state.keys.current();
    match presented(headers).and_then(|key| keys.name_of(key)) {
        Some(name) => {
            tracing::debug!(key = name, "a write with a key");
            Ok(())
        }
        None => Err(ApiError::Unauthorized),
    }
}

/// The name of the key that the request presents, if it is in force.
pub(crate) fn name(state: &State, headers: &HeaderMap) -> Option<String> {
    let keys = state.keys.current();
    let name = presented(headers).and_then(|key| keys.name_of(key));
    name.map(str::to_owned)
}

/// Whether the request presents a key that is in force.
pub(crate) fn is_presented(state: &State, headers: &HeaderMap) -> bool {
    presented(headers).is_some_and(|key| state.keys.current().name_of(key).is_some())
}

/// The layer for what deletes hosts: a key where one is needed, and no page of another site unless
/// it presents one.
pub(crate) async fn deleting(Extracted(state): Shared, request: Request, next: Next) -> Response {
    let checked = check(&state, request.headers(), Contract::MonitoringStack);
    guarded(&state, checked, request, next).await
}

/// The layer for remote writes and imports, and for what is done to silences: as for what deletes,
/// and no exemptions, as their clients can send a key.
pub(crate) async fn writing(Extracted(state): Shared, request: Request, next: Next) -> Response {
    let checked = if state.keys.current().is_empty() {
        Ok(())
    } else {
        require(&state, request.headers())
    };
    guarded(&state, checked, request, next).await
}

async fn guarded(
    state: &State,
    checked: Result<(), ApiError>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(error) = checked {
        return error.into_response();
    }
    let headers = request.headers();
    if same_site::is_cross_site(headers, &state.external_url) && !is_presented(state, headers) {
        return ApiError::CrossSite.into_response();
    }
    next.run(request).await
}

/// The key of `Authorization: Bearer KEY` (RFC 6750); the scheme is spelt in any case.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(AUTHORIZATION).into_iter();
    let mut keys = values.filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    keys.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_clients_write_them() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("abc", None),
        ];
        for (header, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            assert_eq!(presented(&headers), expected, "{header}");
        }
        assert_eq!(presented(&HeaderMap::new()), None);
    }
}
