//! One entry of `scrape_configs`.

use super::fields::{Fields, Place, Problems, boolean};
use super::global::{duration, limits, too_long};
use super::{Global, Scheme, ScrapeConfig, ScrapeProtocol, client, discovery, relabel};

/// Keys that Prometheus has and we do not; other `…_sd_configs` are known by their ending.
const UNSUPPORTED: [&str; 6] = [
    "extra_scrape_metrics",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "scrape_failure_log_file",
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
    let relabel_configs = relabel::rules(&mut fields, "relabel_configs", problems);
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
        client: client::read(place, &mut fields, problems),
        fallback_scrape_protocol: fields.read("fallback_scrape_protocol", None, problems, |text| {
            protocol(text).map(Some)
        }),
        scrape_protocols: protocols(&mut fields, problems)
            .unwrap_or_else(|| global.scrape_protocols.clone()),
        limits: limits(&mut fields, global.limits, problems),
        discoveries: discovery::read(&mut fields, relabel_configs.is_empty(), problems),
        metric_relabel_configs: relabel::rules(&mut fields, "metric_relabel_configs", problems),
        relabel_configs,
    };
    without_histograms(&mut fields, problems);
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

pub(super) fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::from_name(text).ok_or_else(|| format!("unknown scheme {text:?}; use http or https"))
}

fn protocol(text: &str) -> Result<ScrapeProtocol, String> {
    let mut all = ScrapeProtocol::ALL.into_iter();
    all.find(|protocol| protocol.as_str() == text)
        .ok_or_else(|| {
            let names = ScrapeProtocol::ALL.map(ScrapeProtocol::as_str).join(", ");
            let what = match text {
                "PrometheusProto" => "PrometheusProto is not supported".to_owned(),
                _ => format!("unknown protocol {text:?}"),
            };
            format!("{what}; use {names}")
        })
}

/// `scrape_protocols`, if it is written.
pub(super) fn protocols(
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Vec<ScrapeProtocol>> {
    let place = fields.take("scrape_protocols")?;
    let mut protocols = Vec::new();
    let places = place.list(problems)?;
    if places.is_empty() {
        place.problem(problems, "an empty list; name a format, or remove it");
    }
    for place in places {
        match place.read(problems, protocol) {
            Some(twice) if protocols.contains(&twice) => {
                place.problem(problems, "it is named twice; remove one of them");
            }
            Some(protocol) => protocols.push(protocol),
            None => {}
        }
    }
    Some(protocols)
}

/// Histograms in one sample are neither asked for nor made: that may be said.
pub(super) fn without_histograms(fields: &mut Fields<'_>, problems: &mut Problems) {
    let off = |text: &str| match boolean(text) {
        Ok(true) => Err("not supported; write false, or remove it".to_owned()),
        read => read,
    };
    for key in [
        "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb",
        "scrape_classic_histograms",
        "scrape_native_histograms",
    ] {
        fields.read(key, false, problems, off);
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
