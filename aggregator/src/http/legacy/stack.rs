//! What the older monitoring stack's contract reads and deletes: `/data`, `/details`, `/hosts`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::params::{self, Params, Segment};
use super::super::state::Shared;
use super::super::stream;
use crate::inventory::InventoryError;
use crate::inventory::hosts::Host;
use crate::inventory::ingest::MEBIBYTE;
use crate::inventory::readings::{Reading, Readings};

const HOUR: i64 = 60 * 60 * 1000;

/// `GET /data?hostname=&timeframe=`
pub(crate) async fn data(State(state): Shared, params: Params) -> Result<Response, ApiError> {
    let now = state.clock.now();
    let since = match params.get("timeframe") {
        None => None,
        Some("1h") => Some(now - HOUR),
        Some("24h") => Some(now - 24 * HOUR),
        Some("7d") => Some(now - 7 * 24 * HOUR),
        Some(_) => return Err(ApiError::BadRequest("Unsupported timeframe".to_owned())),
    };
    let fleet = state.inventory.fleet();
    let hosts = match params.get("hostname") {
        None => fleet.hosts(),
        Some(name) => fleet
            .resolve(name)
            .map(std::slice::from_ref)
            .unwrap_or_default(),
    };
    let readings = state.inventory.readings(hosts, since).await?;
    Ok(stream::json(Rows {
        readings,
        count: 0,
        at: Place::Start,
    }))
}

/// The body of `/data`. The count comes last: it counts the rows that were in fact written.
struct Rows {
    readings: Readings,
    count: u64,
    at: Place,
}

enum Place {
    Start,
    Rows,
    End,
}

#[derive(Serialize)]
struct Row<'a> {
    timestamp: i64,
    hostname: &'a str,
    cpu: f64,
    ram: f64,
    disk: f64,
    disk_read: f64,
    disk_write: f64,
}

impl<'a> From<&'a Reading> for Row<'a> {
    fn from(reading: &'a Reading) -> Self {
        // JSON has no infinity.
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        Self {
            timestamp: reading.timestamp.div_euclid(1000),
            hostname: &reading.host,
            cpu: finite(reading.cpu),
            ram: finite(reading.memory),
            disk: finite(reading.disk),
            disk_read: finite(reading.disk_read) / MEBIBYTE,
            disk_write: finite(reading.disk_written) / MEBIBYTE,
        }
    }
}

impl stream::Pieces for Rows {
    async fn next(&mut self) -> Result<Option<Bytes>, InventoryError> {
        match self.at {
            Place::Start => {
                self.at = Place::Rows;
                Ok(Some(Bytes::from_static(br#"{"data":["#)))
            }
            Place::Rows => {
                if let Some(readings) = self.readings.next().await {
                    return self.rows(&readings?).map(Some);
                }
                self.at = Place::End;
                Ok(Some(Bytes::from(format!(r#"],"count":{}}}"#, self.count))))
            }
            Place::End => Ok(None),
        }
    }
}

impl Rows {
    fn rows(&mut self, readings: &[Reading]) -> Result<Bytes, InventoryError> {
        let mut out = Vec::with_capacity(readings.len() * 128);
        for reading in readings {
            if self.count > 0 {
                out.push(b',');
            }
            self.count += 1;
            let written = serde_json::to_writer(&mut out, &Row::from(reading));
            written.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
        }
        Ok(Bytes::from(out))
    }
}

/// `GET /details?hostname=`
pub(crate) async fn details(State(state): Shared, params: Params) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer<'a> {
        hostname: &'a str,
        details: &'a RawValue,
        updated_at: i64,
    }
    let name = params.get("hostname");
    let name = name.ok_or_else(|| ApiError::BadRequest("Missing hostname".to_owned()))?;
    let unknown = || ApiError::Missing("Host not found".to_owned());
    let fleet = state.inventory.fleet();
    let host = fleet.resolve(name).ok_or_else(unknown)?;
    let kept = state
        .inventory
        .kept(&host.instance)
        .await?
        .ok_or_else(unknown)?;
    let details = serde_json::from_str(&kept.json);
    let details = details.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
    Ok(Json(Answer {
        hostname: &host.name,
        details,
        updated_at: kept.updated.div_euclid(1000),
    })
    .into_response())
}

/// `GET /hosts`: every host that has readings or details.
pub(crate) async fn hosts(State(state): Shared) -> Json<Value> {
    let seconds = |at: Option<i64>| at.map(|at| at.div_euclid(1000));
    let row = |host: &Host| {
        json!({
            "hostname": host.name,
            "metric_count": host.readings,
            "last_seen": seconds(host.last_seen),
            "details_updated_at": seconds(host.details_updated),
        })
    };
    let fleet = state.inventory.names();
    let hosts = fleet.hosts().iter();
    let known = hosts.filter(|host| host.readings > 0 || host.details_updated.is_some());
    Json(json!({ "hosts": known.map(row).collect::<Vec<_>>() }))
}

/// `POST /hosts/{hostname}/clean`
pub(crate) async fn clean(State(state): Shared, host: Segment) -> Result<Json<Value>, ApiError> {
    let name = params::segment(host)?;
    let deleted = match state.inventory.fleet().resolve(&name) {
        Some(host) => state.inventory.remove(host, false).await?.readings,
        None => 0,
    };
    Ok(Json(json!({ "status": "ok", "metrics_deleted": deleted })))
}

/// `DELETE /hosts/{hostname}`
pub(crate) async fn remove(State(state): Shared, host: Segment) -> Result<Json<Value>, ApiError> {
    let name = params::segment(host)?;
    let (metrics, details) = match state.inventory.fleet().resolve(&name) {
        Some(host) => {
            let removed = state.inventory.remove(host, true).await?;
            (removed.readings, removed.objects)
        }
        None => (0, 0),
    };
    Ok(Json(
        json!({ "status": "ok", "metrics": metrics, "details": details }),
    ))
}
