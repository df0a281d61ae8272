//! `/api/v1/status/…`, and what there is none of.

use axum::Json;
use serde::Serialize;

use super::Success;
use crate::telemetry::BUILD;

/// The version of Prometheus whose query language and API this is: clients choose by it what they
/// ask for. The program's own version is in the revision.
const COMPATIBLE_VERSION: &str = "3.5.0";

/// The data of `/api/v1/status/buildinfo`. There is no key `features`: by it Grafana would take
/// the server for one whose rules can be edited.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BuildInfo {
    version: &'static str,
    revision: String,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

/// `GET /api/v1/status/buildinfo`
pub(in crate::http) async fn buildinfo() -> Json<Success<BuildInfo>> {
    Json(Success::new(BuildInfo {
        version: COMPATIBLE_VERSION,
        revision: format!(
            "system-stats-aggregator {} {}",
            BUILD.version, BUILD.revision
        ),
        branch: "",
        build_user: "",
        build_date: "",
        go_version: BUILD.rustc,
    }))
}
