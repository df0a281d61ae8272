//! Where targets come from: lists in the file itself, files, HTTP servers, DNS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use system_stats_model::labels::Labels;

use super::client::{self, HttpClient};
use super::fields::{Fields, Place, Problems};
use super::global::{duration, labels};

const FILE_REFRESH: Duration = Duration::from_mins(5);
const DNS_REFRESH: Duration = Duration::from_secs(30);
const HTTP_REFRESH: Duration = Duration::from_mins(1);

/// Where targets come from, each kind in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discoveries {
    /// Targets in the file itself.
    pub lists: Vec<StaticConfig>,
    /// Targets in other files.
    pub files: Vec<FileDiscovery>,
    /// Targets that HTTP servers name.
    pub http: Vec<HttpDiscovery>,
    /// Targets that DNS names.
    pub dns: Vec<DnsDiscovery>,
}

/// Targets that share labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticConfig {
    /// Addresses, `host:port` or `host`.
    pub targets: Vec<String>,
    /// Labels of each of them. `job`, `instance` and the likes of `__metrics_path__` may be among
    /// them, and win over what the job says.
    pub labels: Labels,
}

/// One entry of `file_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiscovery {
    /// Patterns; a wildcard only in the last part.
    pub files: Vec<PathBuf>,
    /// How often they are read although nothing seems to have changed.
    pub refresh_interval: Duration,
}

/// One entry of `http_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpDiscovery {
    /// What is asked.
    pub url: Url,
    /// How often.
    pub refresh_interval: Duration,
    /// How to connect.
    pub client: HttpClient,
}

/// One entry of `dns_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsDiscovery {
    /// What is asked for.
    pub names: Vec<String>,
    /// Which records.
    pub kind: RecordKind,
    /// The port of what a record without one names.
    pub port: u16,
    /// How often it is asked.
    pub refresh_interval: Duration,
}

/// A kind of DNS records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Services with their ports.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
}

impl Discoveries {
    /// Relative paths start at `folder`.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        for file in self.files.iter_mut().flat_map(|entry| &mut entry.files) {
            *file = folder.join(&*file);
        }
        for entry in &mut self.http {
            entry.client.in_folder(folder);
        }
    }
}

/// Reads all `…_configs` of targets. Addresses in the file are looked at only where `is_final`:
/// relabelling may make addresses out of anything.
pub(super) fn read(
    fields: &mut Fields<'_>,
    is_final: bool,
    problems: &mut Problems,
) -> Discoveries {
    Discoveries {
        lists: entries(fields, "static_configs", problems, |place, problems| {
            list(place, is_final, problems)
        }),
        files: entries(fields, "file_sd_configs", problems, file),
        http: entries(fields, "http_sd_configs", problems, http),
        dns: entries(fields, "dns_sd_configs", problems, dns),
    }
}

fn entries<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
    read: impl Fn(&Place<'_>, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let places = fields.take(key).and_then(|place| place.list(problems));
    let places = places.unwrap_or_default();
    let entries = places.iter().filter_map(|place| read(place, problems));
    entries.collect()
}

pub(super) fn list(
    place: &Place<'_>,
    is_final: bool,
    problems: &mut Problems,
) -> Option<StaticConfig> {
    let mut fields = place.fields(problems)?;
    let targets = fields
        .take("targets")
        .and_then(|place| place.list(problems));
    let read = if is_final { address } else { any_text };
    let config = StaticConfig {
        targets: targets
            .unwrap_or_default()
            .iter()
            .filter_map(|place| place.read(problems, read))
            .collect(),
        labels: match fields.take("labels") {
            Some(place) => labels(&place, problems),
            None => Labels::empty(),
        },
    };
    fields.finish(&[], problems);
    Some(config)
}

fn file(place: &Place<'_>, problems: &mut Problems) -> Option<FileDiscovery> {
    let mut fields = place.fields(problems)?;
    let files = fields.take("files").and_then(|place| place.list(problems));
    let files = files.unwrap_or_default();
    if files.is_empty() {
        place.problem(problems, "files is missing; name at least one");
    }
    let (_, interval) = duration(&mut fields, "refresh_interval", problems);
    let files = files.iter();
    let files = files.filter_map(|place| place.read(problems, file_pattern));
    let config = FileDiscovery {
        files: files.collect(),
        refresh_interval: interval.unwrap_or(FILE_REFRESH),
    };
    fields.finish(&[], problems);
    Some(config)
}

fn file_pattern(text: &str) -> Result<PathBuf, String> {
    let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !matches!(extension, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML") {
        return Err(format!(
            "{text:?} does not end in .json, .yml or .yaml; the end tells the format"
        ));
    }
    let folder = text.rsplit_once('/').map_or("", |(folder, _)| folder);
    if folder.contains('*') || text.matches('*').count() > 1 {
        return Err(format!(
            "one wildcard in the last part of {text:?} is all there may be"
        ));
    }
    glob::Pattern::new(text).map_err(|error| format!("{text:?} is not a pattern: {error}"))?;
    Ok(PathBuf::from(text))
}

fn http(place: &Place<'_>, problems: &mut Problems) -> Option<HttpDiscovery> {
    let mut fields = place.fields(problems)?;
    let url = if let Some(url) = fields.take("url") {
        url.read(problems, http_url)
    } else {
        place.problem(problems, "url is missing; write whom to ask");
        None
    };
    let (_, interval) = duration(&mut fields, "refresh_interval", problems);
    let client = client::read(place, &mut fields, problems);
    fields.finish(&[], problems);
    Some(HttpDiscovery {
        url: url?,
        refresh_interval: interval.unwrap_or(HTTP_REFRESH),
        client,
    })
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?} begins with neither http:// nor https://"));
    }
    Ok(url)
}

fn dns(place: &Place<'_>, problems: &mut Problems) -> Option<DnsDiscovery> {
    let mut fields = place.fields(problems)?;
    let names = fields.take("names").and_then(|place| place.list(problems));
    let names = names.unwrap_or_default();
    if names.is_empty() {
        place.problem(problems, "names is missing; write at least one");
    }
    let kind = fields.read("type", RecordKind::Srv, problems, record_kind);
    let port = fields.read("port", 0, problems, port);
    if kind != RecordKind::Srv && port == 0 {
        place.problem(problems, "port is missing; only SRV records have their own");
    }
    let (_, interval) = duration(&mut fields, "refresh_interval", problems);
    let config = DnsDiscovery {
        names: (names.iter().filter_map(|place| place.text(problems)))
            .map(str::to_owned)
            .collect(),
        kind,
        port,
        refresh_interval: interval.unwrap_or(DNS_REFRESH),
    };
    fields.finish(&[], problems);
    Some(config)
}

fn record_kind(text: &str) -> Result<RecordKind, String> {
    match text.to_ascii_uppercase().as_str() {
        "SRV" => Ok(RecordKind::Srv),
        "A" => Ok(RecordKind::A),
        "AAAA" => Ok(RecordKind::Aaaa),
        "MX" => Ok(RecordKind::Mx),
        "NS" => Ok(RecordKind::Ns),
        _ => Err(format!("unknown type {text:?}; use SRV, A, AAAA, MX or NS")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no port; write a number from 1 to 65535"))
}

#[expect(clippy::unnecessary_wraps, reason = "in the place of `address`")]
fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
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
