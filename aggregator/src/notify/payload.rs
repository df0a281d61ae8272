//! The JSON of Alertmanager's API v2, `postableAlerts`
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).

use std::sync::Arc;

use serde::{Serialize, Serializer};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::Notification;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    #[serde(serialize_with = "pairs")]
    annotations: &'a [(String, String)],
    ends_at: String,
    starts_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    #[serde(serialize_with = "labels")]
    labels: &'a Labels,
}

fn pairs<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

fn labels<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels)
}

/// RFC 3339; a time that no calendar has is the first moment of 1970.
fn time(at: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_string()
}

/// The body of a delivery.
pub(super) fn payload(alerts: &[Arc<Notification>]) -> Result<Vec<u8>, serde_json::Error> {
    let posted = alerts.iter().map(|alert| Posted {
        annotations: &alert.annotations,
        ends_at: time(alert.ends_at),
        starts_at: time(alert.starts_at),
        generator_url: &alert.generator_url,
        labels: &alert.labels,
    });
    serde_json::to_vec(&posted.collect::<Vec<_>>())
}
