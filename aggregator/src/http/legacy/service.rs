//! Translates what services push: their status, single metrics, pipelines, alerts.

use serde_json::value::RawValue;

use super::super::error::ApiError;
use super::super::limits::MAX_METADATA;
use super::fields::{Fields, expected};
use crate::inventory::SERVICE_JOB;
use crate::inventory::alerts::Severity;
use crate::inventory::ingest::{Arrival, Kept, Measured, Moment};
use crate::inventory::pipelines::PipelineUpdate;
use crate::inventory::service_metrics::sample;
use crate::inventory::services::ServiceStatus;

/// What every metric has.
pub(super) const METRIC: [&str; 3] = ["metric_type", "service", "value"];

/// A service's word on itself.
pub(super) fn status(mut fields: Fields<'_>) -> Result<Arrival, ApiError> {
    fields.require(&["name", "status"])?;
    let host = fields.name("name")?;
    let status = fields.text("status")?.unwrap_or_default();
    let status = ServiceStatus::parse(&status);
    let status = status.ok_or_else(|| expected("status", "up, down or unknown"))?;
    let endpoint = fields.text("endpoint")?;
    let value = match status {
        ServiceStatus::Up => Some(1.0),
        ServiceStatus::Down => Some(0.0),
        ServiceStatus::Unknown => None,
    };
    let up = |value| Measured {
        metric: "service_up",
        labels: vec![("service", host.clone())],
        value,
    };
    Ok(Arrival {
        job: SERVICE_JOB,
        moment: Moment::Receipt,
        samples: value.map(up).into_iter().collect(),
        kept: Kept::Status { status, endpoint },
        host,
    })
}

/// One number of a service.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) service: String,
    pub(super) kind: String,
    pub(super) value: f64,
}

pub(super) fn metric(mut fields: Fields<'_>) -> Result<Metric, ApiError> {
    fields.require(&METRIC)?;
    Ok(Metric {
        service: fields.name("service")?,
        kind: fields.name("metric_type")?,
        value: fields.number("value")?,
    })
}

impl Metric {
    pub(super) fn arrival(&self) -> Arrival {
        Arrival {
            job: SERVICE_JOB,
            host: self.service.clone(),
            moment: Moment::Receipt,
            samples: vec![sample(&self.service, &self.kind, self.value)],
            kept: Kept::Metric(self.kind.clone()),
        }
    }
}

/// A word on a pipeline.
pub(super) fn pipeline(mut fields: Fields<'_>) -> Result<PipelineUpdate, ApiError> {
    fields.require(&["pipeline_type", "status"])?;
    let metadata = fields.take("metadata");
    let is_object =
        |json: &&RawValue| json.get().starts_with('{') && json.get().len() <= MAX_METADATA;
    if metadata.is_some_and(|json| !is_object(&json)) {
        let what = format!("an object of at most {MAX_METADATA} bytes");
        return Err(expected("metadata", &what));
    }
    Ok(PipelineUpdate {
        pipeline_type: fields.name("pipeline_type")?,
        status: fields.name("status")?,
        metadata: metadata.map(ToOwned::to_owned),
        error_message: fields.text("error_message")?,
    })
}

/// What is asked for with alerts.
#[derive(Debug)]
pub(super) enum AlertRequest {
    Report {
        title: String,
        message: String,
        severity: Severity,
        service: Option<String>,
    },
    Acknowledge {
        id: u64,
        user: String,
    },
}

pub(super) fn alert(mut fields: Fields<'_>) -> Result<AlertRequest, ApiError> {
    if fields.peek("alert_id").is_some() {
        fields.require(&["alert_id", "user"])?;
        let id = fields.number("alert_id")?;
        let is_id = id.fract() == 0.0 && (1.0..=9_007_199_254_740_991.0).contains(&id);
        if !is_id {
            return Err(expected("alert_id", "the number of an alert"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, positive and below 2^53"
        )]
        let id = id as u64;
        let user = fields.name("user")?;
        return Ok(AlertRequest::Acknowledge { id, user });
    }
    fields.require(&["title", "message", "severity"])?;
    let title = fields.name("title")?;
    let message = fields.text("message")?;
    let message = message.ok_or_else(|| expected("message", "a text"))?;
    let severity = Severity::from_level(fields.number("severity")?);
    let what = "1 (info), 2 (warning) or 3 (critical)";
    let severity = severity.ok_or_else(|| expected("severity", what))?;
    let service = match fields.peek("service") {
        Some(_) => Some(fields.name("service")?),
        None => None,
    };
    Ok(AlertRequest::Report {
        title,
        message,
        severity,
        service,
    })
}
