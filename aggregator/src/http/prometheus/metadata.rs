//! `/api/v1/metadata`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Success;
use super::form::{Form, whole};
use crate::http::error::ApiError;
use crate::http::state::Shared;
use crate::metadata::Description;

/// What a metric is said to be.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Entry {
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    unit: String,
}

/// `GET /api/v1/metadata?metric=&limit=&limit_per_metric=`
pub(in crate::http) async fn metadata(
    State(state): Shared,
    form: Form,
) -> Result<Json<Success<BTreeMap<String, Vec<Entry>>>>, ApiError> {
    let (limit, per_metric) = (bound(&form, "limit")?, bound(&form, "limit_per_metric")?);
    let metric = Some(form.get("metric")).filter(|metric| !metric.is_empty());
    // Negative limits are none, and of an answer without a limit on metrics 0 asks for nothing.
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let per_metric = per_metric.and_then(|limit| usize::try_from(limit).ok());
    let per_metric = per_metric.filter(|limit| *limit > 0);
    let listed = state.metadata.list(metric, limit, per_metric);
    let entries = |all: Vec<Description>| all.into_iter().map(Entry::from).collect();
    let data = listed
        .into_iter()
        .map(|(metric, all)| (metric, entries(all)));
    Ok(Json(Success::new(data.collect())))
}

fn bound(form: &Form, name: &str) -> Result<Option<i64>, ApiError> {
    let text = form.get(name);
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| ApiError::BadRequest(format!("{name} must be a number"));
    whole(text).map(Some).map_err(wrong)
}

impl From<Description> for Entry {
    fn from(description: Description) -> Self {
        Self {
            kind: description.kind.as_str(),
            help: description.help,
            unit: description.unit,
        }
    }
}
