//! `/api/v2/status` and `/api/v2/receivers`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::RECEIVER;
use super::silences::moment;
use crate::http::state::Shared;
use crate::telemetry::BUILD;

/// The version of Alertmanager whose API this is: clients compare it with their own. The program's
/// own version is in the revision.
const COMPATIBLE_VERSION: &str = "0.25.0";

/// `GET /api/v2/status`
pub(in crate::http) async fn status(State(state): Shared) -> Json<Value> {
    let revision = format!(
        "system-stats-aggregator {} {}",
        BUILD.version, BUILD.revision
    );
    Json(json!({
        "cluster": {"status": "disabled", "peers": []},
        "config": {
            "original": format!("route:\n  receiver: {RECEIVER}\nreceivers:\n- name: {RECEIVER}\n"),
        },
        "uptime": moment(state.alerting.opened()),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": BUILD.rustc,
            "revision": revision,
            "version": COMPATIBLE_VERSION,
        },
    }))
}

/// `GET /api/v2/receivers`
pub(in crate::http) async fn receivers() -> Json<Value> {
    Json(json!([{ "name": RECEIVER }]))
}
