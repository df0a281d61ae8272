//! `http_headers`: what every request says besides.

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};

use super::Secret;
use crate::config::fields::{Fields, Place, Problems};

/// Headers that the requests themselves, or other keys, decide on.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
    "x-prometheus-scrape-timeout-seconds",
];

pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(String, Vec<Secret>)> {
    let place = fields.take("http_headers");
    let entries = place.and_then(|place| place.entries(problems));
    let entries = entries.unwrap_or_default().into_iter();
    let header = |(name, place): (&str, Place<'_>)| header(name, &place, problems);
    entries.filter_map(header).collect()
}

fn header(name: &str, place: &Place<'_>, problems: &mut Problems) -> Option<(String, Vec<Secret>)> {
    if let Err(message) = free_name(name) {
        place.problem(problems, message);
    }
    let mut fields = place.fields(problems)?;
    let mut values = Vec::new();
    for key in ["values", "secrets"] {
        let texts = texts(&mut fields, key, problems, value);
        values.extend(texts.into_iter().map(Secret::Text));
    }
    let files = texts(&mut fields, "files", problems, |text| Ok(text.to_owned()));
    let files = files.into_iter().map(PathBuf::from);
    values.extend(files.map(Secret::File));
    fields.finish(&[], problems);
    Some((name.to_ascii_lowercase(), values))
}

/// A name that may be set.
fn free_name(name: &str) -> Result<(), String> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("{name:?} is not the name of a header"));
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("this header is not set here; remove it".to_owned());
    }
    Ok(())
}

fn texts(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
    read: fn(&str) -> Result<String, String>,
) -> Vec<String> {
    let places = fields.take(key).and_then(|place| place.list(problems));
    let places = places.unwrap_or_default();
    let texts = places.iter().filter_map(|place| place.read(problems, read));
    texts.collect()
}

/// What may stand in a header; a message does not repeat it.
pub(super) fn value(text: &str) -> Result<String, String> {
    match HeaderValue::from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("this cannot be sent in a header; use visible characters".to_owned()),
    }
}
