//! JSON bodies that are written while they are read.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

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

/// Rows of an array written at a time.
const ROWS: usize = 500;

/// A JSON array of these rows, some at a time.
pub(crate) fn rows<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    row: fn(&T) -> Value,
) -> Response {
    json(Array {
        items,
        row,
        at: At::Start,
    })
}

struct Array<I, T> {
    items: I,
    row: fn(&T) -> Value,
    at: At,
}

#[derive(PartialEq)]
enum At {
    Start,
    Rows,
    End,
}

impl<T: Send + 'static, I: Iterator<Item = T> + Send + 'static> Pieces for Array<I, T> {
    async fn next(&mut self) -> Result<Option<Bytes>, InventoryError> {
        if self.at == At::End {
            return Ok(None);
        }
        let mut out = Vec::new();
        for _ in 0..ROWS {
            let Some(item) = self.items.next() else {
                let end: &[u8] = if self.at == At::Start { b"[]" } else { b"]" };
                out.extend_from_slice(end);
                self.at = At::End;
                break;
            };
            out.push(if self.at == At::Start { b'[' } else { b',' });
            self.at = At::Rows;
            let written = serde_json::to_writer(&mut out, &(self.row)(&item));
            written.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
        }
        Ok(Some(Bytes::from(out)))
    }
}
