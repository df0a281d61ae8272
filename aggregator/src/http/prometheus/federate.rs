//! `/federate`: the newest samples of chosen series, for another Prometheus to scrape.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use system_stats_model::labels::{INSTANCE, Labels, METRIC_NAME};
use system_stats_model::sample::Sample;
use system_stats_promql::value::write_value;

use super::body::{self, PIECE, Pieces};
use super::form::{Form, MATCH};
use crate::http::error::ApiError;
use crate::http::state::Shared;

/// For who reads names in UTF-8, and for all others.
const KINDS: [&str; 2] = [
    "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
];

/// `GET /federate?match[]=`
pub(in crate::http) async fn federate(
    State(state): Shared,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    form.check()?;
    let read = |text| state.query.matchers(text);
    let sets = form.all(MATCH).map(read).collect::<Result<Vec<_>, _>>();
    let sets = sets.map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let mut newest = state.query.newest(sets, state.clock.now()).await?;
    let name = |labels: &Labels| labels.get(METRIC_NAME).map(str::to_owned);
    newest.retain(|(labels, _)| labels.get(METRIC_NAME).is_some());
    newest.sort_by_cached_key(|(labels, _)| name(labels));
    let accepted = headers.get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    let is_utf8 = accepted.any(|value| value.contains("escaping=allow-utf-8"));
    let exposed = Exposed {
        newest,
        external: state.rules.external_labels(),
        is_utf8,
        at: 0,
    };
    let kind = HeaderValue::from_static(KINDS[usize::from(!is_utf8)]);
    Ok(body::answer(&headers, kind, exposed))
}

/// Samples on their way out, those of one metric one after the other.
struct Exposed {
    newest: Vec<(Labels, Sample)>,
    /// What a series has besides, unless it has a label of that name.
    external: Labels,
    is_utf8: bool,
    at: usize,
}

impl Pieces for Exposed {
    fn write(&mut self, out: &mut String) -> bool {
        while let Some((labels, sample)) = self.newest.get(self.at) {
            if out.len() >= PIECE {
                return true;
            }
            let name = labels.get(METRIC_NAME).unwrap_or_default();
            let before = self.at.checked_sub(1).map(|before| &self.newest[before].0);
            if before.and_then(|labels| labels.get(METRIC_NAME)) != Some(name) {
                out.push_str("# TYPE ");
                self.write_name(out, name);
                out.push_str(" untyped\n");
            }
            self.write_series(out, name, labels);
            out.push(' ');
            write_value(out, sample.value);
            // Writing to a string cannot fail.
            let _ = writeln!(out, " {}", sample.timestamp);
            self.at += 1;
        }
        false
    }
}

impl Exposed {
    fn write_series(&self, out: &mut String, name: &str, labels: &Labels) {
        let is_inside = self.is_utf8 && !is_plain(name);
        if !is_inside {
            self.write_name(out, name);
        }
        out.push('{');
        if is_inside {
            self.write_name(out, name);
            out.push(',');
        }
        let own = labels.iter().filter(|(label, _)| *label != METRIC_NAME);
        let external = self.external.iter();
        let external = external.filter(|(label, _)| labels.get(label).is_none());
        let is_instance =
            |label: &str| labels.get(label).is_none() && self.external.get(label).is_none();
        // An empty instance keeps the scraper from adding its own.
        let instance = is_instance(INSTANCE).then_some((INSTANCE, ""));
        for (at, (label, value)) in own.chain(external).chain(instance).enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.write_name(out, label);
            out.push('=');
            write_quoted(out, value);
        }
        out.push('}');
    }

    /// A name as it is, in quotes, or with underscores for what older readers do not know.
    fn write_name(&self, out: &mut String, name: &str) {
        if is_plain(name) {
            out.push_str(name);
        } else if self.is_utf8 {
            write_quoted(out, name);
        } else {
            let plain = |(at, c): (usize, char)| match c {
                'a'..='z' | 'A'..='Z' | '_' | ':' => c,
                '0'..='9' if at > 0 => c,
                _ => '_',
            };
            out.extend(name.char_indices().map(plain));
        }
    }
}

/// Whether every reader knows such names.
fn is_plain(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let is_next = |c: char| is_letter(c) || c.is_ascii_digit();
    name.starts_with(is_letter) && name.chars().all(is_next)
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(is_utf8: bool) -> String {
        let newest = [
            (&[("__name__", "m"), ("a", "\"\\\n")][..], 1.5),
            (
                &[("__name__", "m"), ("instance", "i"), ("region", "us")],
                f64::NAN,
            ),
            (&[("__name__", "o.d:d"), ("1 b", "ü")], f64::INFINITY),
        ];
        let newest = newest.map(|(labels, value)| {
            let labels = Labels::from_pairs(labels.iter().copied());
            let timestamp = 1000;
            (labels, Sample { timestamp, value })
        });
        let mut exposed = Exposed {
            newest: newest.to_vec(),
            external: Labels::from_pairs([("region", "eu")]),
            is_utf8,
            at: 0,
        };
        let mut out = String::new();
        assert!(!exposed.write(&mut out));
        out
    }

    #[test]
    fn samples_as_text() {
        assert_eq!(
            exposed(false),
            "# TYPE m untyped\n\
             m{a=\"\\\"\\\\\\n\",region=\"eu\",instance=\"\"} 1.5 1000\n\
             m{instance=\"i\",region=\"us\"} NaN 1000\n\
             # TYPE o_d:d untyped\n\
             o_d:d{__b=\"ü\",region=\"eu\",instance=\"\"} +Inf 1000\n"
        );
        let utf8 = exposed(true);
        let last = "# TYPE \"o.d:d\" untyped\n\
                    {\"o.d:d\",\"1 b\"=\"ü\",region=\"eu\",instance=\"\"} +Inf 1000\n";
        assert!(utf8.ends_with(last), "{utf8}");
    }
}
