use std::io::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter bodies are not worth compressing.
const WORTHWHILE: usize = 1024;
const NOSNIFF: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// A body of that type, compressed if the client wants it so.
pub(super) fn respond(request: &HeaderMap, content_type: &'static str, body: String) -> Response {
    let head = [
        (header::CONTENT_TYPE, content_type),
        (header::VARY, "Accept, Accept-Encoding"),
        NOSNIFF,
    ];
    if body.len() >= WORTHWHILE
        && accepts_gzip(request)
        && let Ok(compressed) = gzip(&body)
    {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return (head, encoding, compressed).into_response();
    }
    (head, body).into_response()
}

/// An error as JSON, which all clients of `/system` understand.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "error": message });
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}

fn gzip(body: &str) -> std::io::Result<Vec<u8>> {
    // The fastest level halves the cost and leaves the text a tenth of its size all the same.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6), Compression::fast());
    encoder.write_all(body.as_bytes())?;
    encoder.finish()
}

/// Whether gzip is named, or meant by `*`, with a quality above zero (RFC 9110, 12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut any = false;
    for value in request.get_all(header::ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',').take(32) {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => return quality > 0.0,
                "*" => any = quality > 0.0,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_is_for_those_who_ask() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip; q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, header.parse().unwrap());
            assert_eq!(accepts_gzip(&headers), expected, "{header}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let text = "node_load1 0.5\n".repeat(100);
        let mut back = String::new();
        GzDecoder::new(gzip(&text).unwrap().as_slice())
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text);
    }
}
