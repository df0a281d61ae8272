//! `/api/v1/alertmanagers`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Success;
use crate::http::state::Shared;

/// The data of `/api/v1/alertmanagers`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Alertmanagers {
    #[serde(rename = "activeAlertmanagers")]
    active: Vec<Alertmanager>,
    #[serde(rename = "droppedAlertmanagers")]
    dropped: Vec<Alertmanager>,
}

#[derive(Debug, Serialize)]
struct Alertmanager {
    url: String,
}

/// `GET /api/v1/alertmanagers`
pub(in crate::http) async fn alertmanagers(State(state): Shared) -> Json<Success<Alertmanagers>> {
    let known = state.notifier.alertmanagers();
    let urls = |urls: Vec<String>| urls.into_iter().map(|url| Alertmanager { url }).collect();
    Json(Success::new(Alertmanagers {
        active: urls(known.active),
        dropped: urls(known.dropped),
    }))
}
