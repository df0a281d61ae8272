//! From the labels of a target to the URL of an Alertmanager.

use reqwest::Url;
use system_stats_model::labels::{Labels, LabelsBuilder};
use system_stats_model::relabel::relabel;

use crate::config::{AlertmanagerConfig, Scheme};
use crate::discovery::ADDRESS;

const SCHEME: &str = "__scheme__";
const ALERTS_PATH: &str = "__alerts_path__";
const API_PATH: &str = "api/v2/alerts";

/// What becomes of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// It is told, at this URL.
    Active(Url),
    /// Relabelling refused it; where it would have been.
    Dropped(String),
}

/// Where a target is told.
///
/// # Errors
/// Why it cannot be.
pub(super) fn endpoint(config: &AlertmanagerConfig, target: &Labels) -> Result<Endpoint, String> {
    let mut labels = LabelsBuilder::from(target);
    labels.set(SCHEME, config.scheme.as_str());
    let prefix = config.path_prefix.trim_end_matches('/');
    labels.set(ALERTS_PATH, &format!("{prefix}/{API_PATH}"));
    let before = labels.build();
    match relabel(&config.relabel_configs, &before) {
        Some(labels) => url(&labels).map(Endpoint::Active),
        None => Ok(Endpoint::Dropped(shown(&before))),
    }
}

fn shown(labels: &Labels) -> String {
    let value = |name| labels.get(name).unwrap_or_default();
    let (scheme, address, path) = (value(SCHEME), value(ADDRESS), value(ALERTS_PATH));
    format!("{scheme}://{address}{path}")
}

fn url(labels: &Labels) -> Result<Url, String> {
    let value = |name| labels.get(name).unwrap_or_default();
    let (scheme, address) = (value(SCHEME), value(ADDRESS));
    if Scheme::from_name(scheme).is_none() {
        return Err(format!("unknown scheme {scheme:?}; use http or https"));
    }
    if address.is_empty() || address.contains(['/', '@', '?', '#', '\\']) {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let mut url = Url::parse(&format!("{scheme}://{address}"))
        .map_err(|error| format!("{address:?} is not an address: {error}"))?;
    url.set_path(value(ALERTS_PATH));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn shown_endpoint(entry: &str, target: &[(&str, &str)]) -> String {
        let text = format!("alerting: {{alertmanagers: [{{{entry}}}]}}");
        let config = config::parse(&text, "prometheus.yml").unwrap();
        let labels = Labels::from_pairs(target.iter().copied());
        match endpoint(&config.alerting.alertmanagers[0], &labels) {
            Ok(Endpoint::Active(url)) => url.to_string(),
            Ok(Endpoint::Dropped(url)) => format!("dropped {url}"),
            Err(reason) => reason,
        }
    }

    /// An entry of the configuration, the labels of a target, and what becomes of it.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    #[test]
    fn urls() {
        let a = [(ADDRESS, "a:9093")];
        let cases: [Case<'_>; 9] = [
            ("", &a, "http://a:9093/api/v2/alerts"),
            (
                "scheme: https, path_prefix: am//x/",
                &a,
                "https://a:9093/am/x/api/v2/alerts",
            ),
            (
                "relabel_configs: [{action: drop, source_labels: [__address__], regex: a.*}]",
                &a,
                "dropped http://a:9093/api/v2/alerts",
            ),
            (
                "relabel_configs: [{target_label: __scheme__, replacement: https}, {target_label: __alerts_path__, replacement: /p q}]",
                &a,
                "https://a:9093/p%20q",
            ),
            (
                "relabel_configs: [{source_labels: [host], target_label: __address__, replacement: '$1:1'}]",
                &[("host", "b")],
                "http://b:1/api/v2/alerts",
            ),
            ("", &[], "\"\" is not a valid hostname"),
            (
                "",
                &[(ADDRESS, "http://a")],
                "\"http://a\" is not a valid hostname",
            ),
            (
                "",
                &[(ADDRESS, "me:secret@a")],
                "\"me:secret@a\" is not a valid hostname",
            ),
            (
                "relabel_configs: [{target_label: __scheme__, replacement: ftp}]",
                &a,
                "unknown scheme \"ftp\"; use http or https",
            ),
        ];
        for (entry, target, expected) in cases {
            assert_eq!(shown_endpoint(entry, target), expected, "{entry}");
        }
    }
}
