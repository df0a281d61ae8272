//! The section `alerting`: who is told about alerts, and what of them.

use std::path::Path;
use std::time::Duration;

use system_stats_model::relabel::Relabel;

use super::client::{self, HttpClient};
use super::discovery::{self, Discoveries};
use super::fields::{Place, Problems};
use super::global::duration;
use super::{Scheme, relabel, scrape};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The section `alerting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    /// Run over the labels of every alert that is sent.
    pub alert_relabel_configs: Vec<Relabel>,
    /// Alertmanagers; each of them gets every alert.
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

/// Alertmanagers that are found and told in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertmanagerConfig {
    /// Where they come from.
    pub discoveries: Discoveries,
    /// How to connect, unless a target says it in `__scheme__`.
    pub scheme: Scheme,
    /// What stands before `/api/v2/alerts`; begins with a slash, `/` for nothing.
    pub path_prefix: String,
    /// How long sending may take.
    pub timeout: Duration,
    /// Run over the labels of the targets.
    pub relabel_configs: Vec<Relabel>,
    /// Run over the labels of alerts for these only.
    pub alert_relabel_configs: Vec<Relabel>,
    /// How to connect.
    pub client: HttpClient,
}

impl AlertmanagerConfig {
    /// Relative paths start at `folder`.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        self.discoveries.in_folder(folder);
        self.client.in_folder(folder);
    }
}

pub(super) fn read(place: &Place<'_>, problems: &mut Problems) -> Option<Alerting> {
    let mut fields = place.fields(problems)?;
    let alert_relabel_configs = relabel::rules(&mut fields, "alert_relabel_configs", problems);
    let places = fields.take("alertmanagers");
    let places = places.and_then(|place| place.list(problems));
    let places = places.unwrap_or_default();
    let alertmanagers = places
        .iter()
        .filter_map(|place| alertmanager(place, problems));
    let alertmanagers = alertmanagers.collect();
    fields.finish(&[], problems);
    Some(Alerting {
        alert_relabel_configs,
        alertmanagers,
    })
}

fn alertmanager(place: &Place<'_>, problems: &mut Problems) -> Option<AlertmanagerConfig> {
    let mut fields = place.fields(problems)?;
    let (_, timeout) = duration(&mut fields, "timeout", problems);
    fields.read("api_version", (), problems, api_version);
    let relabel_configs = relabel::rules(&mut fields, "relabel_configs", problems);
    let config = AlertmanagerConfig {
        discoveries: discovery::read(&mut fields, relabel_configs.is_empty(), problems),
        scheme: fields.read("scheme", Scheme::Http, problems, scrape::scheme),
        path_prefix: fields.read("path_prefix", "/".to_owned(), problems, path_prefix),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        relabel_configs,
        alert_relabel_configs: relabel::rules(&mut fields, "alert_relabel_configs", problems),
        client: client::read(place, &mut fields, problems),
    };
    fields.finish(&["sigv4"], problems);
    Some(config)
}

fn api_version(text: &str) -> Result<(), String> {
    match text {
        "v2" => Ok(()),
        "v1" => Err("v1 is gone since Alertmanager 0.27; write v2, or remove it".to_owned()),
        _ => Err(format!("unknown version {text:?}; write v2, or remove it")),
    }
}

fn path_prefix(text: &str) -> Result<String, String> {
    if text.contains(['?', '#']) {
        return Err(format!("{text:?} holds more than a path"));
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    Ok(format!("/{}", parts.join("/")))
}
