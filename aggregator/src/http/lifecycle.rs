//! What programs that look after programs ask: is it alive, is it ready, reload.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::error::ApiError;
use super::negotiate;
use super::state::Shared;

/// `GET /`: browsers are led to the dashboard.
pub(super) async fn root(headers: HeaderMap) -> Response {
    let vary = [(VARY, "accept")];
    if negotiate::wants_html(&headers) {
        return (vary, Redirect::temporary("/dashboard")).into_response();
    }
    (vary, Json(json!({ "msg": "Backend is running" }))).into_response()
}

/// `GET /health`
pub(super) async fn health(State(state): Shared) -> Json<Value> {
    let now = state.clock.now();
    Json(json!({
        "status": "ok",
        "devices_reporting": state.inventory.reporting(),
        "total_alerts": state.inventory.transition_count(),
        "server_time": now as f64 / 1000.0,
    }))
}

/// `GET /-/healthy`: the program runs.
pub(super) async fn healthy() -> &'static str {
    "System Stats is healthy.\n"
}

/// `GET /-/ready`: what was stored is loaded, or this would not be asked.
pub(super) async fn ready() -> &'static str {
    "System Stats is ready.\n"
}

/// `POST /-/reload`: answers when the new configuration runs, or was refused.
pub(super) async fn reload(State(state): Shared) -> Result<(), ApiError> {
    let off = "the lifecycle API is off; --web.enable-lifecycle turns it on";
    let reload = state.reload.as_ref().ok_or(ApiError::Disabled(off))?;
    let (answer, answered) = oneshot::channel();
    let busy = |_| ApiError::Unavailable("a reload is under way".to_owned());
    reload.try_send(answer).map_err(busy)?;
    let stopped = |_| ApiError::Unavailable("the program is stopping".to_owned());
    answered
        .await
        .map_err(stopped)?
        .map_err(ApiError::ReloadFailed)
}
