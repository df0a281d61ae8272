//! The section `global`.

use std::time::Duration;

use system_stats_model::labels::Labels;

use super::fields::{Fields, Place, Problems, count};
use super::units::{format_duration, parse_bytes, parse_duration};
use super::{Global, Limits, ScrapeProtocol, scrape};

const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Keys that Prometheus has and we do not.
const UNSUPPORTED: [&str; 6] = [
    "extra_scrape_metrics",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "query_log_file",
    "runtime",
    "scrape_failure_log_file",
];

impl Default for Global {
    fn default() -> Self {
        Self {
            scrape_interval: DEFAULT_INTERVAL,
            scrape_timeout: DEFAULT_TIMEOUT,
            evaluation_interval: DEFAULT_INTERVAL,
            rule_query_offset: Duration::ZERO,
            external_labels: Labels::empty(),
            limits: Limits::default(),
            scrape_protocols: ScrapeProtocol::ALL.to_vec(),
        }
    }
}

pub(super) fn read(place: &Place<'_>, problems: &mut Problems) -> Option<Global> {
    let mut fields = place.fields(problems)?;
    let (_, interval) = duration(&mut fields, "scrape_interval", problems);
    let (timeout_place, timeout) = duration(&mut fields, "scrape_timeout", problems);
    let (_, evaluation_interval) = duration(&mut fields, "evaluation_interval", problems);
    let (_, rule_query_offset) = duration(&mut fields, "rule_query_offset", problems);
    let scrape_interval = interval.unwrap_or(DEFAULT_INTERVAL);
    if let (Some(place), Some(timeout)) = (&timeout_place, timeout)
        && timeout > scrape_interval
    {
        place.problem(problems, too_long(timeout, scrape_interval));
    }
    let external_labels = match fields.take("external_labels") {
        Some(place) => external_labels(&place, problems),
        None => Labels::empty(),
    };
    let limits = limits(&mut fields, Limits::default(), problems);
    let protocols = scrape::protocols(&mut fields, problems);
    scrape::without_histograms(&mut fields, problems);
    fields.finish(&UNSUPPORTED, problems);
    Some(Global {
        scrape_interval,
        scrape_timeout: timeout.unwrap_or(DEFAULT_TIMEOUT).min(scrape_interval),
        evaluation_interval: evaluation_interval.unwrap_or(DEFAULT_INTERVAL),
        rule_query_offset: rule_query_offset.unwrap_or_default(),
        external_labels,
        limits,
        scrape_protocols: protocols.unwrap_or_else(|| ScrapeProtocol::ALL.to_vec()),
    })
}

/// A duration that is written and not 0; Prometheus takes 0 for "not written".
pub(super) fn duration<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    problems: &mut Problems,
) -> (Option<Place<'n>>, Option<Duration>) {
    let place = fields.take(key);
    let value = place
        .as_ref()
        .and_then(|place| place.read(problems, parse_duration))
        .filter(|duration| !duration.is_zero());
    (place, value)
}

pub(super) fn too_long(timeout: Duration, interval: Duration) -> String {
    format!(
        "a timeout of {} is longer than the scrape_interval of {}; write at most {1}",
        format_duration(timeout),
        format_duration(interval)
    )
}

pub(super) fn limits(fields: &mut Fields<'_>, defaults: Limits, problems: &mut Problems) -> Limits {
    type Read = fn(&str) -> Result<u64, String>;
    let mut limit = |key, read: Read, default| {
        // An explicit 0 means the default too: that is what Prometheus makes of it.
        match fields.read(key, 0, problems, read) {
            0 => default,
            value => value,
        }
    };
    Limits {
        keep_dropped_targets: limit("keep_dropped_targets", count, defaults.keep_dropped_targets),
        target_limit: limit("target_limit", count, defaults.target_limit),
        sample_limit: limit("sample_limit", count, defaults.sample_limit),
        body_size_limit: limit("body_size_limit", parse_bytes, defaults.body_size_limit),
        label_limit: limit("label_limit", count, defaults.label_limit),
        label_name_length_limit: limit(
            "label_name_length_limit",
            count,
            defaults.label_name_length_limit,
        ),
        label_value_length_limit: limit(
            "label_value_length_limit",
            count,
            defaults.label_value_length_limit,
        ),
    }
}

/// A map of labels.
pub(super) fn labels(place: &Place<'_>, problems: &mut Problems) -> Labels {
    labels_where(place, problems, |value| Ok(value.to_owned()))
}

fn labels_where(
    place: &Place<'_>,
    problems: &mut Problems,
    read: impl Fn(&str) -> Result<String, String>,
) -> Labels {
    let mut pairs = Vec::new();
    for (name, place) in place.entries(problems).unwrap_or_default() {
        if name.is_empty() {
            place.problem(problems, "a label needs a name");
        } else if let Some(value) = place.read(problems, &read) {
            pairs.push((name, value));
        }
    }
    Labels::from_pairs(pairs)
}

fn external_labels(place: &Place<'_>, problems: &mut Problems) -> Labels {
    labels_where(place, problems, |value| {
        if value.contains('$') {
            return Err(
                "environment variables are not supported; write the value itself".to_owned(),
            );
        }
        Ok(value.to_owned())
    })
}
