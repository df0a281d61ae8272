//! What a client wants to read, from its `Accept` header (RFC 9110, section 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use crate::telemetry::metrics::Exposition;

/// The exposition format that the client likes best; `None` when it names none or likes JSON
/// better, as everyone does who is not a Prometheus. A wildcard names nothing; of equals the first
/// counts.
pub(crate) fn exposition(headers: &HeaderMap) -> Option<Exposition> {
    let mut best: Option<(f32, Option<Exposition>)> = None;
    for (kind, quality) in accepted(headers) {
        let (quality, format) = match kind.as_str() {
            "application/openmetrics-text" => (quality, Some(Exposition::OpenMetrics)),
            "text/plain" => (quality, Some(Exposition::Text)),
            "application/json" => (quality, None),
            // Not spoken here: who asks for it reads text as well, and likes anything it names
            // beside it better.
            "application/vnd.google.protobuf" => (0.0, Some(Exposition::Text)),
            _ => continue,
        };
        if best.is_none_or(|(have, _)| quality > have) {
            best = Some((quality, format));
        }
    }
    best.and_then(|(_, format)| format)
}

/// Whether the client asks for a page, as browsers do.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    accepted(headers).any(|(kind, _)| kind == "text/html" || kind == "application/xhtml+xml")
}

/// The media types of `Accept` with their quality, those of quality 0 left out.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (String, f32)> {
    let values = headers.get_all(ACCEPT).into_iter();
    let ranges = values.filter_map(|value| value.to_str().ok());
    ranges
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next()?.to_ascii_lowercase();
            let quality = parts
                .find_map(|parameter| parameter.strip_prefix(['q', 'Q'])?.strip_prefix('='))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            (quality > 0.0).then_some((kind, quality))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, accept.parse().unwrap());
        }
        headers
    }

    #[test]
    fn who_gets_the_exposition() {
        use Exposition::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let cases = [
            ("", None),
            ("*/*", None),
            ("application/json", None),
            ("application/json, text/plain, */*", None),
            ("text/plain, application/json", Some(Text)),
            ("application/json;q=0.5, text/plain", Some(Text)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", None),
            ("text/plain", Some(Text)),
            ("TEXT/PLAIN;version=0.0.4", Some(Text)),
            ("text/plain;q=0", None),
            ("text/plain;q=x", None),
            ("text/plain; Q=0.1, application/json", None),
            (prometheus, Some(OpenMetrics)),
            (
                "text/plain;q=0.9,application/openmetrics-text;q=0.1",
                Some(Text),
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                Some(Text),
            ),
            (
                "application/vnd.google.protobuf,text/plain;q=0.1,application/openmetrics-text;q=0.2",
                Some(OpenMetrics),
            ),
        ];
        for (accept, expected) in cases {
            assert_eq!(exposition(&headers(accept)), expected, "{accept}");
        }
    }

    #[test]
    fn who_gets_a_page() {
        assert!(wants_html(&headers("text/html,*/*;q=0.8")));
        assert!(!wants_html(&headers("*/*")));
        assert!(!wants_html(&headers("")));
    }
}
