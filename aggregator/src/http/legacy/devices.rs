//! What the hardware monitor's contract reads: single samples, histories, alerts.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::params::{self, Params, Segment};
use super::super::state::Shared;
use super::newest;

/// Alerts that `/alerts` shows.
const ALERTS: usize = 20;
/// Samples that a history has when nobody says how many.
const DEFAULT_SAMPLES: usize = 24;
/// The most that it may have.
const MAX_SAMPLES: usize = 1000;

/// `GET /metrics/{agent_id}`: the newest sample of one device, empty of an unknown one.
pub(crate) async fn sample(State(state): Shared, device: Segment) -> Result<Response, ApiError> {
    let name = params::segment(device)?;
    let inventory = &state.inventory;
    if let Some(json) = inventory.device_sample(&name).await? {
        return Ok(([(CONTENT_TYPE, "application/json")], json).into_response());
    }
    let fleet = inventory.fleet();
    let host = fleet.resolve(&name).filter(|host| host.readings > 0);
    let Some(host) = host else {
        return Ok(Json(json!({})).into_response());
    };
    let details = inventory.kept(&host.instance).await?;
    Ok(Json(newest::sample(host, details.as_ref())).into_response())
}

/// `GET /history/{agent_id}?samples=24`: CPU and memory usage, oldest first, 0 where there is none.
pub(crate) async fn history(
    State(state): Shared,
    device: Segment,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let name = params::segment(device)?;
    let count = match params.get("samples").map(str::parse::<usize>) {
        None => DEFAULT_SAMPLES,
        Some(Ok(count)) if (1..=MAX_SAMPLES).contains(&count) => count,
        Some(_) => {
            let message = format!("samples: expected a whole number from 1 to {MAX_SAMPLES}");
            return Err(ApiError::BadRequest(message));
        }
    };
    let inventory = &state.inventory;
    let rows = if inventory.is_device(&name) {
        inventory.usage(&name, count).await?
    } else if let Some(host) = inventory.fleet().resolve(&name) {
        inventory.usage(&host.instance, count).await?
    } else {
        BTreeMap::new()
    };
    let padding = count.saturating_sub(rows.len());
    let column = |of: fn(&(f64, f64)) -> f64| {
        let zeros = std::iter::repeat_n(0.0, padding);
        zeros.chain(rows.values().map(of)).collect::<Vec<f64>>()
    };
    let mut gaps: Vec<i64> = rows
        .keys()
        .zip(rows.keys().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
    Ok(Json(json!({
        "cpu": column(|row| row.0),
        "mem": column(|row| row.1),
        "interval_sec": median as f64 / 1000.0,
    })))
}

/// `GET /alerts`: the newest alerts, those that began and those that ended, oldest first.
pub(crate) async fn alerts(State(state): Shared) -> Json<Value> {
    let rows = state.inventory.transitions(ALERTS).into_iter();
    let rows = rows.map(|(id, row)| {
        json!({
            "id": id,
            "device": row.device,
            "alert": row.alert,
            "severity": row.severity.as_str(),
            "timestamp": row.at as f64 / 1000.0,
        })
    });
    Json(rows.collect())
}
