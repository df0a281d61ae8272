//! JSON bodies that are written while they are read.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::inventory::InventoryError;

/// Where the pieces of a body come from.
pub(crate) trait Pieces: Send + 'static {
    /// The next piece, `None` at the end. A failure breaks the body off, so that no client takes
    /// the half for the whole.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, InventoryError>> + Send;
}

/// A JSON response whose pieces are asked for as fast as the client takes them.
pub(crate) fn json(pieces: impl Pieces) -> Response {
    let body = stream::try_unfold(pieces, async |mut pieces| match pieces.next().await {
        Ok(Some(piece)) => Ok(Some((piece, pieces))),
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::error!(%error, "a response breaks off");
            Err(error)
        }
    });
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], Body::from_stream(body)).into_response()
}
