//! JSON and other text that is written while it is sent, compressed for who asks for it.
//!
//! An answer may be many megabytes: it is written piece by piece, each when the client has taken
//! the one before, so that neither memory nor a thread waits for a slow reader.

use std::io::Write as _;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

/// Bytes of a piece before compression; what follows waits for the next.
pub(super) const PIECE: usize = 64 << 10;
/// Bodies below this are not worth compressing.
const WORTH_COMPRESSING: usize = 1 << 10;

/// Something that writes itself piece by piece.
pub(super) trait Pieces: Send + 'static {
    /// Appends some text, about [`PIECE`] bytes; false when that was the last.
    fn write(&mut self, out: &mut String) -> bool;
}

/// A text that is there already.
impl Pieces for String {
    fn write(&mut self, out: &mut String) -> bool {
        out.push_str(self);
        false
    }
}

/// The answer that `pieces` make up, for a client that sent `headers`.
pub(super) fn json(headers: &HeaderMap, pieces: impl Pieces) -> Response {
    let kind = HeaderValue::from_static("application/json");
    answer(headers, kind, pieces)
}

/// The same, of another media type.
pub(super) fn answer(headers: &HeaderMap, kind: HeaderValue, mut pieces: impl Pieces) -> Response {
    let mut first = String::with_capacity(PIECE + PIECE / 8);
    let is_more = pieces.write(&mut first);
    let kind = (CONTENT_TYPE, kind);
    let vary = (VARY, HeaderValue::from_static("accept-encoding"));
    let is_small = !is_more && first.len() < WORTH_COMPRESSING;
    if !is_small && accepts_gzip(headers) {
        let gzip = (CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let body = Compressed {
            first,
            is_more,
            pieces,
            encoder: Some(encoder),
        };
        return ([kind, vary, gzip], Body::from_stream(stream::iter(body))).into_response();
    }
    if !is_more {
        return ([kind, vary], first).into_response();
    }
    let body = Plain {
        first,
        is_more,
        pieces,
    };
    ([kind, vary], Body::from_stream(stream::iter(body))).into_response()
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    let codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut accepted = codings.filter_map(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next()?;
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
        let is_refused = quality.is_some_and(|quality| quality.parse() == Ok(0.0));
        Some(name.eq_ignore_ascii_case("gzip") && !is_refused)
    });
    accepted.any(|gzip| gzip)
}

type Piece = Result<Bytes, std::io::Error>;

struct Plain<P> {
    first: String,
    is_more: bool,
    pieces: P,
}

impl<P: Pieces> Iterator for Plain<P> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.first.is_empty() {
            if !self.is_more {
                return None;
            }
            self.first.reserve(PIECE + PIECE / 8);
            self.is_more = self.pieces.write(&mut self.first);
        }
        Some(Ok(std::mem::take(&mut self.first).into()))
    }
}

struct Compressed<P> {
    first: String,
    is_more: bool,
    pieces: P,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<P: Pieces> Compressed<P> {
    /// Some compressed bytes, nothing at the end.
    fn compress(&mut self) -> std::io::Result<Vec<u8>> {
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(Vec::new());
        };
        loop {
            encoder.write_all(self.first.as_bytes())?;
            self.first.clear();
            if !self.is_more {
                return encoder.finish();
            }
            self.is_more = self.pieces.write(&mut self.first);
            // The encoder gives out what it has when it likes.
            if !encoder.get_ref().is_empty() {
                let ready = std::mem::take(encoder.get_mut());
                self.encoder = Some(encoder);
                return Ok(ready);
            }
        }
    }
}

impl<P: Pieces> Iterator for Compressed<P> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match self.compress() {
            Ok(ready) if ready.is_empty() => None,
            Ok(ready) => Some(Ok(ready.into())),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Writes a text as JSON, quotes included.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        if escape.is_empty() {
            const DIGITS: [char; 16] = [
                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
            ];
            out.push_str("\\u00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Writes `,"name":["…",…]` if there is something to list.
pub(super) fn write_notes(out: &mut String, name: &str, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":[");
    for (at, note) in notes.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(out, note);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    struct Counting(usize);

    impl Pieces for Counting {
        fn write(&mut self, out: &mut String) -> bool {
            out.push_str(&self.0.to_string().repeat(1000));
            self.0 -= 1;
            self.0 > 0
        }
    }

    fn expected(pieces: usize) -> String {
        (1..=pieces)
            .rev()
            .map(|at| at.to_string().repeat(1000))
            .collect()
    }

    async fn body(accept: &str, pieces: usize) -> (Option<HeaderValue>, Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, accept.parse().unwrap());
        let response = json(&headers, Counting(pieces));
        let encoding = response.headers().get(CONTENT_ENCODING).cloned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (encoding, body.to_vec())
    }

    #[tokio::test]
    async fn pieces_make_up_the_body() {
        for pieces in [1, 2, 100] {
            let (encoding, plain) = body("identity", pieces).await;
            assert_eq!((encoding, plain), (None, expected(pieces).into_bytes()));
        }
        for pieces in [2, 100, 500] {
            let (encoding, compressed) = body("br, gzip;q=0.5", pieces).await;
            assert_eq!(encoding.unwrap(), "gzip");
            let mut plain = String::new();
            GzDecoder::new(compressed.as_slice())
                .read_to_string(&mut plain)
                .unwrap();
            assert_eq!(plain, expected(pieces));
        }
        assert_eq!(body("gzip", 1).await.0, None, "too small to be worth it");
        for refused in ["gzip;q=0", "br", "xgzip"] {
            assert_eq!(body(refused, 100).await.0, None, "{refused}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_json(text in "\\PC*|[\\x00-\\x1f\"\\\\a]{0,20}") {
            let mut out = String::new();
            write_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
