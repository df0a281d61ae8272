//! The paths of the service monitor's contract: services, pipelines, alerts, single metrics.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::params::Params;
use super::super::state::{Shared, State as Server};
use super::super::{keys, same_site, stream};
use super::Body;
use super::fields::Fields;
use super::service::{self, AlertRequest, Metric};
use crate::config::api_keys::Contract;
use crate::inventory::alerts::{Alert, Severity};
use crate::inventory::pipelines::PipelineReport;
use crate::inventory::service_metrics::{ServiceMetric, metric_id};
use crate::inventory::services::Service;

const HOUR: f64 = 60.0 * 60.0 * 1000.0;
/// What `hours` is when nobody says it.
const DEFAULT_HOURS: f64 = 24.0;
/// The most that `hours` may be: the years of this era.
const MAX_HOURS: f64 = 24.0 * 366.0 * 10_000.0;

/// `POST /services/`
pub(crate) async fn report_status(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    keys::check(&state, &headers, Contract::ServiceMonitor)?;
    let arrival = service::status(Fields::read(&body.0?)?)?;
    let taken = state.inventory.ingest(arrival).await?;
    let service = taken.service.as_ref().map(service_row);
    Ok(Json(json!({ "status": "updated", "service": service })))
}

/// `GET /services/`
pub(crate) async fn services(State(state): Shared) -> Response {
    let services = state.inventory.services();
    stream::rows(services.into_iter(), service_row)
}

fn service_row(service: &Service) -> Value {
    json!({
        "id": service.id,
        "name": service.name,
        "status": service.status.as_str(),
        "reported_status": service.reported_status.as_str(),
        "since": time(service.since),
        "endpoint": service.endpoint,
        "created_at": time(service.created),
        "updated_at": time(service.reported),
        "timestamp": time(service.reported),
        "interval_seconds": seconds(service.interval),
    })
}

/// What is answered to a metric that was pushed.
pub(super) fn created(metric: &Metric, at: i64) -> Value {
    json!({
        "status": "created",
        "id": metric_id(&metric.service, at),
        "service": metric.service,
        "metric_type": metric.kind,
        "value": metric.value,
        "timestamp": time(at),
    })
}

/// `GET /metrics/?service=&metric_type=&hours=24`
pub(crate) async fn metrics(State(state): Shared, params: Params) -> Result<Response, ApiError> {
    let hours = match params.get("hours").map(str::parse::<f64>) {
        None => DEFAULT_HOURS,
        Some(Ok(hours)) if hours > 0.0 && hours <= MAX_HOURS => hours,
        Some(_) => {
            let message = "hours: expected a number above 0".to_owned();
            return Err(ApiError::BadRequest(message));
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
    let since = state.clock.now() - (hours * HOUR) as i64;
    let (service, of_type) = (params.get("service"), params.get("metric_type"));
    let metrics = state.inventory.service_metrics(service, of_type, since);
    let row = |metric: &ServiceMetric| {
        json!({
            "id": metric.id(),
            "service": metric.service.as_ref(),
            "metric_type": metric.metric_type.as_ref(),
            "value": metric.value,
            "timestamp": time(metric.at),
        })
    };
    let metrics = metrics.await?;
    Ok(stream::rows(metrics.into_iter(), row))
}

/// `POST /pipelines/`
pub(crate) async fn report_pipeline(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    keys::check(&state, &headers, Contract::ServiceMonitor)?;
    let update = service::pipeline(Fields::read(&body.0?)?)?;
    let (id, report) = state.inventory.report_pipeline(update).await?;
    Ok(Json(pipeline_row(id, &report)))
}

/// `GET /pipelines/?type=&status=`
pub(crate) async fn pipelines(State(state): Shared, params: Params) -> Response {
    let (of_type, status) = (params.get("type"), params.get("status"));
    let wanted = |report: &PipelineReport| {
        of_type.is_none_or(|of_type| report.pipeline_type == of_type)
            && status.is_none_or(|status| report.status == status)
    };
    let reports = state.inventory.pipeline_reports(wanted);
    stream::rows(reports.into_iter(), |(id, report)| {
        pipeline_row(*id, report)
    })
}

fn pipeline_row(id: u64, report: &PipelineReport) -> Value {
    json!({
        "id": id,
        "run_id": report.run,
        "pipeline_type": report.pipeline_type,
        "status": report.status,
        "metadata": report.metadata,
        "error_message": report.error_message,
        "progress": report.progress,
        "started_at": report.started.map(time),
        "ended_at": report.is_end().then(|| time(report.at)),
        "duration_seconds": report.elapsed().map(seconds),
        "timestamp": time(report.at),
    })
}

/// `POST /alerts/`: reports an alert, or acknowledges one.
pub(crate) async fn alert(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    keys::check(&state, &headers, Contract::ServiceMonitor)?;
    match service::alert(Fields::read(&body.0?)?)? {
        AlertRequest::Acknowledge { id, user } => acknowledge(&state, &headers, id, &user).await,
        AlertRequest::Report {
            title,
            message,
            severity,
            service,
        } => {
            let alert = Alert {
                at: state.clock.now(),
                title,
                message,
                severity,
                service,
                acknowledged: None,
            };
            let id = state.inventory.report_alert(alert.clone()).await?;
            let mut row = alert_row(id, &alert);
            row["status"] = json!("created");
            Ok(Json(row))
        }
    }
}

async fn acknowledge(
    state: &Server,
    headers: &HeaderMap,
    id: u64,
    user: &str,
) -> Result<Json<Value>, ApiError> {
    if same_site::is_cross_site(headers, &state.external_url) && !keys::is_presented(state, headers)
    {
        return Err(ApiError::CrossSite);
    }
    if !state.inventory.acknowledge(id, user).await? {
        return Err(ApiError::Missing(format!("there is no alert {id}")));
    }
    Ok(Json(json!({ "status": "acknowledged", "id": id })))
}

/// `GET /alerts/?acknowledged=&severity=`
pub(crate) async fn alerts(State(state): Shared, params: Params) -> Result<Response, ApiError> {
    let acknowledged = match params
        .get("acknowledged")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) => {
            let message = "acknowledged: expected true or false".to_owned();
            return Err(ApiError::BadRequest(message));
        }
    };
    let severity = match params.get("severity").map(str::parse::<f64>) {
        None => None,
        Some(level) => {
            let severity = level.ok().and_then(Severity::from_level);
            let message = || ApiError::BadRequest("severity: expected 1, 2 or 3".to_owned());
            Some(severity.ok_or_else(message)?)
        }
    };
    let wanted = |alert: &Alert| {
        acknowledged.is_none_or(|wanted| alert.acknowledged.is_some() == wanted)
            && severity.is_none_or(|severity| alert.severity == severity)
    };
    let alerts = state.inventory.reported_alerts(wanted);
    Ok(stream::rows(alerts.into_iter(), |(id, alert)| {
        alert_row(*id, alert)
    }))
}

fn alert_row(id: u64, alert: &Alert) -> Value {
    let acknowledged = alert.acknowledged.as_ref();
    json!({
        "id": id,
        "title": alert.title,
        "message": alert.message,
        "severity": alert.severity.level(),
        "service": alert.service,
        "acknowledged": acknowledged.is_some(),
        "acknowledged_by": acknowledged.map(|acknowledged| &acknowledged.by),
        "acknowledged_at": acknowledged.map(|acknowledged| time(acknowledged.at)),
        "timestamp": time(alert.at),
    })
}

/// A time as ISO 8601, UTC.
fn time(at: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(at).ok()?;
    Some(format!("{time:.3}"))
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
