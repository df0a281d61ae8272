//! `POST /api/v1/write` and `POST /api/v1/import/prometheus`.

use std::io::Read as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;
use system_stats_model::exposition::Format;

use crate::http::error::ApiError;
use crate::http::limits::{BodyBudget, MAX_WRITE_BODY};
use crate::http::params::Params;
use crate::http::state::Shared;
use crate::write::{Import, WriteError};

/// The largest import after decompression, in bytes.
const MAX_IMPORT: u64 = 64 << 20;
/// Bytes made room for before a body has shown that it is as long as it says.
const FIRST_ROOM: usize = 1 << 20;
const PROTOBUF: &str = "application/x-protobuf";

/// `POST /api/v1/write`: remote write 1.0. Answered when everything is committed.
pub(in crate::http) async fn write(
    State(state): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    check_message(&headers)?;
    let body = read(&state.bodies, &headers, body).await?;
    let place = state.writer.place().await?;
    state.writer.remote(body.bytes, place).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/import/prometheus?extra_label=name=value&timestamp=`: samples as text, perhaps in
/// gzip. Answered when everything is committed.
pub(in crate::http) async fn import(
    State(state): Shared,
    headers: HeaderMap,
    params: Params,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let import = Import {
        format: if text(&headers, &CONTENT_TYPE).starts_with("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Text
        },
        extra: params
            .all("extra_label")
            .map(extra_label)
            .collect::<Result<_, _>>()?,
        timestamp: params
            .number("timestamp")?
            .unwrap_or_else(|| state.clock.now()),
    };
    let encoding = text(&headers, &CONTENT_ENCODING).to_ascii_lowercase();
    let body = read(&state.bodies, &headers, body).await?;
    let place = state.writer.place().await?;
    let bytes = match encoding.as_str() {
        "" | "identity" => body.bytes.clone(),
        "gzip" => {
            let compressed = body.bytes.clone();
            let unzipped = tokio::task::spawn_blocking(move || unzip(&compressed)).await;
            unzipped.map_err(|_| ApiError::Internal)??
        }
        other => {
            return Err(ApiError::Unsupported(format!(
                "{other} encoding (compression) is not accepted by this server; use gzip or none"
            )));
        }
    };
    state.writer.import(bytes, import, place).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim()
}

/// Clients that name neither type nor compression are taken to mean the right ones, as Prometheus
/// does.
fn check_message(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = text(headers, &CONTENT_TYPE);
    let mut parts = kind.split(';').map(str::trim);
    if !kind.is_empty() && parts.next() != Some(PROTOBUF) {
        return Err(ApiError::Unsupported(format!(
            "expected {PROTOBUF} as the first (media) part, got {kind} content-type"
        )));
    }
    let message = parts.find_map(|parameter| parameter.strip_prefix("proto="));
    if let Some(message) = message.filter(|message| *message != "prometheus.WriteRequest") {
        return Err(ApiError::Unsupported(format!(
            "{message} protobuf message is not accepted by this server; accepted \
             [prometheus.WriteRequest]"
        )));
    }
    let encoding = text(headers, &CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return Err(ApiError::Unsupported(format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is \
             acceptable"
        )));
    }
    Ok(())
}

/// A body and the room that it takes of what all bodies may take.
struct Held {
    bytes: Bytes,
    #[expect(dead_code, reason = "held, not read")]
    room: tokio::sync::OwnedSemaphorePermit,
}

async fn read(bodies: &BodyBudget, headers: &HeaderMap, body: Body) -> Result<Held, ApiError> {
    let limit = MAX_WRITE_BODY;
    let length = text(headers, &CONTENT_LENGTH).parse().unwrap_or(limit);
    if length > limit {
        return Err(ApiError::TooLarge { limit });
    }
    let room = bodies.take(length).await?;
    let mut bytes = Vec::with_capacity(length.min(FIRST_ROOM));
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let broken = |_| ApiError::BadRequest("the body cannot be read".to_owned());
        let piece = piece.map_err(broken)?;
        if bytes.len() + piece.len() > length {
            return Err(ApiError::TooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    let bytes = bytes.into();
    Ok(Held { bytes, room })
}

fn unzip(compressed: &[u8]) -> Result<Bytes, ApiError> {
    let mut text = Vec::new();
    let mut bounded = MultiGzDecoder::new(compressed).take(MAX_IMPORT + 1);
    bounded
        .read_to_end(&mut text)
        .map_err(|error| ApiError::BadRequest(format!("gzip: {error}")))?;
    if text.len() as u64 > MAX_IMPORT {
        return Err(ApiError::BadRequest(format!(
            "the text is larger than {MAX_IMPORT} bytes, the most that is taken; send it in parts"
        )));
    }
    Ok(text.into())
}

fn extra_label(text: &str) -> Result<(String, String), ApiError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(ApiError::BadRequest(format!(
            "invalid parameter \"extra_label\": {text:?} is not name=value"
        ))),
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Malformed(reason) | WriteError::Refused(reason) => Self::BadRequest(reason),
            WriteError::Unavailable(reason) => {
                tracing::warn!(%reason, "storage refused a write");
                Self::Unavailable("the store is unavailable, try again later".to_owned())
            }
        }
    }
}
