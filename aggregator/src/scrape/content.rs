//! Which format an answer is in.

use system_stats_model::exposition::Format;

use super::error::ScrapeError;
use crate::config::ScrapeProtocol;

/// The format that the media type names; one that names none we know is an error, unless the
/// configuration says what to assume then. Parameters like the version do not matter.
pub(super) fn format(
    content_type: Option<&str>,
    fallback: Option<ScrapeProtocol>,
) -> Result<Format, ScrapeError> {
    let media_type = content_type.unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        return Ok(Format::OpenMetrics);
    }
    if media_type.eq_ignore_ascii_case("text/plain") {
        return Ok(Format::Text);
    }
    match fallback {
        Some(ScrapeProtocol::OpenMetrics1 | ScrapeProtocol::OpenMetrics0) => {
            Ok(Format::OpenMetrics)
        }
        Some(ScrapeProtocol::Text1 | ScrapeProtocol::Text0) => Ok(Format::Text),
        None => Err(ScrapeError::ContentType(refusal(media_type))),
    }
}

/// The header `Accept`: quotients fall with the order, as Prometheus 3 sends them.
pub(super) fn accepted(protocols: &[ScrapeProtocol]) -> String {
    /// The first quotient, in tenths.
    const HIGHEST: usize = 6;
    let media_type = |protocol: &ScrapeProtocol| match protocol {
        ScrapeProtocol::OpenMetrics1 => {
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"
        }
        ScrapeProtocol::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
        ScrapeProtocol::Text1 => "text/plain;version=1.0.0;escaping=allow-utf-8",
        ScrapeProtocol::Text0 => "text/plain;version=0.0.4",
    };
    let types = protocols.iter().map(media_type).chain(["*/*"]);
    let ranked = types.zip((1..=HIGHEST).rev());
    let ranked: Vec<String> = ranked.map(|(kind, q)| format!("{kind};q=0.{q}")).collect();
    ranked.join(",")
}

fn refusal(media_type: &str) -> String {
    const REMEDY: &str = "if it exposes metrics all the same, set fallback_scrape_protocol";
    if media_type.is_empty() {
        return format!("the answer has no Content-Type; {REMEDY}");
    }
    let shown: String = media_type.chars().take(60).collect();
    format!("the answer has the Content-Type {shown:?}, which is no exposition format; {REMEDY}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_ranks() {
        let all = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(accepted(&ScrapeProtocol::ALL), all);
        assert_eq!(
            accepted(&[ScrapeProtocol::Text0, ScrapeProtocol::OpenMetrics0]),
            "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,*/*;q=0.4"
        );
    }

    #[test]
    fn media_types() {
        let text = Some(ScrapeProtocol::Text0);
        let open_metrics = Some(ScrapeProtocol::OpenMetrics1);
        let cases = [
            (Some("text/plain"), None, Some(Format::Text)),
            (
                Some("text/plain; version=0.0.4; charset=utf-8"),
                None,
                Some(Format::Text),
            ),
            (
                Some("Text/Plain;version=1.0.0"),
                open_metrics,
                Some(Format::Text),
            ),
            (
                Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
                text,
                Some(Format::OpenMetrics),
            ),
            (Some("application/json"), None, None),
            (Some("text/html"), text, Some(Format::Text)),
            (Some(""), None, None),
            (None, None, None),
            (None, text, Some(Format::Text)),
            (None, open_metrics, Some(Format::OpenMetrics)),
        ];
        for (content_type, fallback, expected) in cases {
            assert_eq!(
                format(content_type, fallback).ok(),
                expected,
                "{content_type:?}"
            );
        }
    }

    #[test]
    fn refusals_name_the_remedy() {
        assert_eq!(
            format(Some("text/html; charset=x"), None)
                .unwrap_err()
                .to_string(),
            "the answer has the Content-Type \"text/html\", which is no exposition format; if it exposes metrics all the same, set fallback_scrape_protocol"
        );
        assert_eq!(
            format(None, None).unwrap_err().to_string(),
            "the answer has no Content-Type; if it exposes metrics all the same, set fallback_scrape_protocol"
        );
    }
}
