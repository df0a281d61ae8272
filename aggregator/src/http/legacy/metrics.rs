//! `/metrics`, where the contracts meet: a push is told apart by its body, and who asks is
//! answered in the format he names.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::state::{Shared, State as Server};
use super::super::{keys, negotiate, stream};
use super::fields::Fields;
use super::newest::Newest;
use super::{Body, reading, sample, service, services};
use crate::config::api_keys::Contract;

/// `POST /metrics`: answered when what was pushed is committed.
pub(crate) async fn push(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    take(&state, &headers, body, Contract::MonitoringStack).await
}

/// `POST /metrics/`: the same, but who says nothing that tells is a service.
pub(crate) async fn push_of_service(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    take(&state, &headers, body, Contract::ServiceMonitor).await
}

async fn take(
    state: &Server,
    headers: &HeaderMap,
    body: Body,
    default: Contract,
) -> Result<Json<Value>, ApiError> {
    let body = match body.0 {
        Ok(body) => body,
        Err(error) => {
            keys::check(state, headers, default)?;
            return Err(error);
        }
    };
    let fields = Fields::read(&body);
    let contract = fields
        .as_ref()
        .map_or(default, |fields| contract_of(fields, default));
    keys::check(state, headers, contract)?;
    let fields = fields?;
    match contract {
        Contract::MonitoringStack => {
            state.inventory.ingest(reading::translate(fields)?).await?;
            Ok(Json(json!({ "status": "ok" })))
        }
        Contract::HardwareMonitor => {
            let now = state.clock.now();
            state
                .inventory
                .ingest(sample::translate(fields, now)?)
                .await?;
            Ok(Json(json!({ "ok": true })))
        }
        Contract::ServiceMonitor => {
            let metric = service::metric(fields)?;
            let taken = state.inventory.ingest(metric.arrival()).await?;
            Ok(Json(services::created(&metric, taken.at)))
        }
    }
}

/// The contract that a body belongs to; of one that belongs to none, the one that it is nearest to.
fn contract_of(fields: &Fields<'_>, default: Contract) -> Contract {
    let says = |name: &str| fields.peek(name).is_some();
    let count = |names: &[&str]| names.iter().filter(|name| fields.has(name)).count();
    let reading = count(&reading::REQUIRED);
    if says("agent_id") || (says("device") && reading < reading::REQUIRED.len()) {
        return Contract::HardwareMonitor;
    }
    if says("service") && says("metric_type") {
        return Contract::ServiceMonitor;
    }
    // A block of a sample is an object or a list where a reading has a number.
    let is_block =
        |name: &&&str| !matches!(fields.peek(name), Some(json) if !json.starts_with(['{', '[']));
    let blocks = sample::BLOCKS.iter().filter(|name| fields.has(name));
    let blocks = blocks.filter(is_block).count() + count(&["agent_id", "device"]);
    let service = count(&service::METRIC);
    if blocks > reading.max(service) {
        Contract::HardwareMonitor
    } else if service > reading {
        Contract::ServiceMonitor
    } else if reading > 0 {
        Contract::MonitoringStack
    } else {
        default
    }
}

/// `GET /metrics`: the aggregator's own metrics for who names their format, the newest sample of
/// every host for everyone else.
pub(crate) async fn read(State(state): Shared, headers: HeaderMap) -> Result<Response, ApiError> {
    let vary = [(VARY, "accept")];
    let Some(exposition) = negotiate::exposition(&headers) else {
        let newest = Newest::new(state.inventory.clone());
        return Ok((vary, stream::json(newest)).into_response());
    };
    let text = (state.own_metrics)(exposition).map_err(|_| ApiError::Internal)?;
    let kind = [(CONTENT_TYPE, exposition.content_type())];
    Ok((vary, kind, text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_their_contracts() {
        use Contract::{HardwareMonitor, MonitoringStack, ServiceMonitor};
        let cases = [
            (r#"{"agent_id":1}"#, HardwareMonitor),
            (r#"{"device":"a"}"#, HardwareMonitor),
            (r#"{"service":"a","metric_type":"cpu"}"#, ServiceMonitor),
            (
                r#"{"service":"a","metric_type":"cpu","agent_id":"x"}"#,
                HardwareMonitor,
            ),
            (
                r#"{"hostname":"a","cpu":1,"ram":1,"disk":1,"timestamp":1,"device":"x"}"#,
                MonitoringStack,
            ),
            (r#"{"hostname":"a","cpu":1,"service":"x"}"#, MonitoringStack),
            (r#"{"cpu":1}"#, MonitoringStack),
            (
                r#"{"cpu":{"total_percent":1},"memory":{}}"#,
                HardwareMonitor,
            ),
            (r#"{"service":"a","value":1}"#, ServiceMonitor),
            (r#"{"metric_type":"a"}"#, ServiceMonitor),
            (r#"{"agent_id":null}"#, HardwareMonitor),
            (
                r#"{"agent_id":null,"cpu":{"total_percent":1}}"#,
                HardwareMonitor,
            ),
            (
                r#"{"agent_id":null,"hostname":"a","cpu":1,"ram":1,"disk":1,"timestamp":1}"#,
                MonitoringStack,
            ),
            (
                r#"{"agent_id":null,"service":"a","metric_type":"cpu","value":1}"#,
                ServiceMonitor,
            ),
        ];
        for (body, expected) in cases {
            let fields = Fields::read(body.as_bytes()).unwrap();
            assert_eq!(contract_of(&fields, MonitoringStack), expected, "{body}");
        }
        let empty = Fields::read(b"{}").unwrap();
        for default in [MonitoringStack, ServiceMonitor] {
            assert_eq!(contract_of(&empty, default), default);
        }
    }
}
