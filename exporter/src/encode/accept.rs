use super::Format;

/// Chooses by the quality that the header gives to each type (RFC 9110, section 12.5.1). Text
/// wins a tie, unless both are named and OpenMetrics comes first.
pub(super) fn choose(accept: &str) -> Format {
    let mut openmetrics = None;
    let mut text = None;
    for (position, range) in accept.split(',').take(64).enumerate() {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<(String, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
            .collect();
        let parameter = |wanted: &str| {
            let found = parameters.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.trim_matches('"'))
        };
        let quality = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let version = parameter("version");
        match media.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0" | "0.0.1")) => {
                better(&mut openmetrics, quality, position);
            }
            "text/plain" if matches!(version, None | Some("0.0.4")) => {
                better(&mut text, quality, position);
            }
            "text/*" | "*/*" => better(&mut text, quality, position),
            _ => {}
        }
    }
    let (openmetrics_quality, openmetrics_at) = openmetrics.unwrap_or((0.0, usize::MAX));
    let (text_quality, text_at) = text.unwrap_or((0.0, usize::MAX));
    let ahead = openmetrics_quality > text_quality
        || (openmetrics_quality >= text_quality && openmetrics_at < text_at);
    if openmetrics_quality > 0.0 && ahead {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

fn better(best: &mut Option<(f64, usize)>, quality: f64, position: usize) {
    if best.is_none_or(|(known, _)| quality > known) {
        *best = Some((quality, position));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_get_what_they_prefer() {
        use Format::{OpenMetrics, Text};
        for (accept, format) in [
            ("", Text),
            ("*/*", Text),
            ("application/json", Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;q=0, text/plain;q=0.1", Text),
            (
                "text/plain;q=0.5,application/openmetrics-text;q=0.7",
                OpenMetrics,
            ),
            ("text/plain,application/openmetrics-text", Text),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                 version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.5",
                Text,
            ),
        ] {
            assert_eq!(choose(accept), format, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_understood_somehow(accept in ".*") {
            choose(&accept);
        }
    }
}
