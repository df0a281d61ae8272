//! One entry of `scrape_configs`.

use system_stats_model::labels::Labels;

use super::fields::{Place, Problems, boolean};
use super::global::{duration, labels, limits, too_long};
use super::{Global, Scheme, ScrapeConfig, ScrapeProtocol, StaticConfig};

/// Keys that Prometheus has and we do not; the `…_sd_configs` are known by their ending.
const UNSUPPORTED: [&str; 26] = [
    "always_scrape_classic_histograms",
    "authorization",
    "basic_auth",
    "bearer_token",
    "bearer_token_file",
    "convert_classic_histograms_to_nhcb",
    "enable_http2",
    "extra_scrape_metrics",
    "http_headers",
    "keep_dropped_targets",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "metric_relabel_configs",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "no_proxy",
    "oauth2",
    "proxy_connect_header",
    "proxy_from_environment",
    "proxy_url",
    "relabel_configs",
    "scrape_classic_histograms",
    "scrape_failure_log_file",
    "scrape_native_histograms",
    "scrape_protocols",
    "tls_config",
];

pub(super) fn read(
    place: &Place<'_>,
    global: &Global,
    problems: &mut Problems,
) -> Option<ScrapeConfig> {
    let mut fields = place.fields(problems)?;
    let job_name = fields
        .take("job_name")
        .map_or(Some(""), |place| place.text(problems))
        .map(str::to_owned);
    if job_name.as_deref() == Some("") {
        place.problem(
            problems,
            "job_name is missing; give every job a name of its own",
        );
    }
    let (_, interval) = duration(&mut fields, "scrape_interval", problems);
    let scrape_interval = interval.unwrap_or(global.scrape_interval);
    let (timeout_place, timeout) = duration(&mut fields, "scrape_timeout", problems);
    if let (Some(place), Some(timeout)) = (&timeout_place, timeout)
        && timeout > scrape_interval
    {
        place.problem(problems, too_long(timeout, scrape_interval));
    }
    let params = fields.take("params");
    let static_configs = fields.take("static_configs");
    let config = ScrapeConfig {
        job_name: job_name.unwrap_or_default(),
        scrape_interval,
        scrape_timeout: timeout
            .unwrap_or(global.scrape_timeout)
            .min(scrape_interval),
        metrics_path: fields.read("metrics_path", "/metrics".to_owned(), problems, path),
        scheme: fields.read("scheme", Scheme::Http, problems, scheme),
        params: params
            .map(|place| read_params(&place, problems))
            .unwrap_or_default(),
        honor_labels: fields.read("honor_labels", false, problems, boolean),
        honor_timestamps: fields.read("honor_timestamps", true, problems, boolean),
        track_timestamps_staleness: fields.read(
            "track_timestamps_staleness",
            false,
            problems,
            boolean,
        ),
        enable_compression: fields.read("enable_compression", true, problems, boolean),
        follow_redirects: fields.read("follow_redirects", true, problems, boolean),
        fallback_scrape_protocol: fields.read("fallback_scrape_protocol", None, problems, |text| {
            protocol(text).map(Some)
        }),
        limits: limits(&mut fields, global.limits, problems),
        static_configs: static_configs
            .and_then(|place| place.list(problems))
            .unwrap_or_default()
            .iter()
            .filter_map(|place| static_config(place, problems))
            .collect(),
    };
    fields.finish(&UNSUPPORTED, problems);
    Some(config)
}

fn path(text: &str) -> Result<String, String> {
    if text.contains(['?', '#']) {
        return Err(format!(
            "{text:?} holds more than a path; put the query into params"
        ));
    }
    let slash = if text.starts_with('/') { "" } else { "/" };
    Ok(format!("{slash}{text}"))
}

fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::from_name(text).ok_or_else(|| format!("unknown scheme {text:?}; use http or https"))
}

fn protocol(text: &str) -> Result<ScrapeProtocol, String> {
    match text {
        "PrometheusText0.0.4" | "PrometheusText1.0.0" => Ok(ScrapeProtocol::PrometheusText),
        "OpenMetricsText0.0.1" | "OpenMetricsText1.0.0" => Ok(ScrapeProtocol::OpenMetricsText),
        "PrometheusProto" => Err(
            "PrometheusProto is not supported; use PrometheusText0.0.4 or OpenMetricsText1.0.0"
                .to_owned(),
        ),
        _ => Err(format!(
            "unknown protocol {text:?}; use PrometheusText0.0.4, PrometheusText1.0.0, OpenMetricsText0.0.1 or OpenMetricsText1.0.0"
        )),
    }
}

fn read_params(place: &Place<'_>, problems: &mut Problems) -> Vec<(String, Vec<String>)> {
    let mut params = Vec::new();
    for (name, place) in place.entries(problems).unwrap_or_default() {
        let values = place.list(problems).unwrap_or_default();
        let values = values.iter().filter_map(|value| value.text(problems));
        params.push((name.to_owned(), values.map(str::to_owned).collect()));
    }
    params
}

fn static_config(place: &Place<'_>, problems: &mut Problems) -> Option<StaticConfig> {
    let mut fields = place.fields(problems)?;
    let targets = fields
        .take("targets")
        .and_then(|place| place.list(problems));
    let config = StaticConfig {
        targets: targets
            .unwrap_or_default()
            .iter()
            .filter_map(|place| place.read(problems, address))
            .collect(),
        labels: match fields.take("labels") {
            Some(place) => labels(&place, problems),
            None => Labels::empty(),
        },
    };
    fields.finish(&[], problems);
    Some(config)
}

/// `host`, `host:port`, `[v6]:port`: what may stand between `http://` and the path of a URL.
fn address(text: &str) -> Result<String, String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = match path {
            "" => String::new(),
            path => format!(
                " and metrics_path: /{}",
                path.split(['?', '#']).next().unwrap_or(path)
            ),
        };
        let host = host.rsplit('@').next().unwrap_or(host);
        return Err(format!(
            "a target is host:port, not a URL; write {host:?}, and scheme: {scheme}{path} beside static_configs"
        ));
    }
    if let Some((host, path)) = text.split_once('/') {
        return Err(format!(
            "a target is host:port without a path; write {host:?}, and metrics_path: /{path} beside static_configs"
        ));
    }
    if text.is_empty() {
        return Err("an empty target; write host:port".to_owned());
    }
    if text.contains('@') {
        return Err("a target must not hold a user or password; write host:port".to_owned());
    }
    if let Some(bad) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || "?#\\,\"<>^`{}|%".contains(*c))
    {
        return Err(format!(
            "{bad:?} cannot be part of a target in {text:?}; write host:port"
        ));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if host.is_empty() {
        return Err(format!("{text:?} has no host; write host:port"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!(
            "put an IPv6 address in brackets in {text:?}: \"[::1]:9100\""
        ));
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err(format!(
            "no port number in {text:?}; write host:port with a port from 1 to 65535"
        ));
    }
    Ok(text.to_owned())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}
