//! Alerts as rows: those that fire, are pending, or that somebody has seen to.

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::view::{Level, Seen, ahead, encoded, short};
use super::asked::{Asked, label_filter};
use super::board::{Active, Source, Subject};
use crate::alerting::{Silence, fingerprint};

/// Rows of one table; what is beyond is found by the filter.
pub(super) const SHOWN: usize = 200;
/// The labels that have columns of their own.
const APART: [&str; 3] = ["alertname", "instance", "severity"];

/// The rows of a table.
#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// Rows that match and are not shown.
    omitted: usize,
}

/// An alert.
#[derive(Serialize)]
pub(super) struct Row {
    severity: Level,
    title: String,
    summary: Option<String>,
    description: Option<String>,
    runbook: Option<String>,
    labels: Vec<Label>,
    subject: Option<About>,
    value: Option<String>,
    since: Seen,
    /// What else is to be said of its state.
    notes: Vec<String>,
    form: Form,
    acknowledged: Option<Acknowledged>,
    silenced: Vec<Silenced>,
}

#[derive(Serialize)]
pub(super) struct Label {
    name: String,
    value: String,
    /// The filter that picks it.
    filter: String,
}

/// Whom it is about.
#[derive(Serialize)]
struct About {
    text: String,
    /// The host's page as a segment of a path.
    path: Option<String>,
}

/// What somebody can do about it.
#[derive(Serialize)]
struct Form {
    /// The number of the report that can be acknowledged.
    report: Option<u64>,
    /// By which its labels are called, if it can be silenced.
    fingerprint: Option<String>,
    /// Whether that can be acknowledged, too.
    acknowledges: bool,
}

/// The silence that is about it.
#[derive(Serialize)]
struct Silenced {
    is_acknowledgement: bool,
    by: String,
    comment: String,
    /// When it began, and when it ends.
    at: Seen,
    ends: String,
}

#[derive(Serialize)]
struct Acknowledged {
    by: String,
    at: Seen,
}

impl Rows {
    /// The rows of one or several lists that the filter picks.
    pub(super) fn of<'a>(
        lists: impl IntoIterator<Item = &'a Active>,
        asked: &Asked,
        now: Millis,
    ) -> Self {
        let picked = lists.into_iter().filter(|active| is_picked(active, asked));
        let picked: Vec<&Active> = picked.collect();
        let shown = picked.iter().take(SHOWN);
        Self {
            rows: shown.map(|active| Row::new(active, now)).collect(),
            omitted: picked.len().saturating_sub(SHOWN),
        }
    }
}

fn is_picked(active: &Active, asked: &Asked) -> bool {
    let mut texts = vec![active.title.as_str(), active.severity.as_str()];
    let mut more = vec![("severity", active.severity.as_str())];
    if let Some(Subject { instance, host }) = &active.subject {
        more.push(("instance", instance));
        texts.push(instance);
        if let Some(host) = host {
            more.push(("host", host));
            texts.push(host);
        }
    }
    match &active.source {
        Source::Rule(alert, _) => {
            texts.extend(alert.annotations.iter().map(|(_, text)| text.as_str()));
        }
        Source::Report(_, alert) => texts.push(&alert.message),
        Source::Device => {}
    }
    asked.picks(&texts, &active.labels, &more)
}

impl Row {
    fn new(active: &Active, now: Millis) -> Self {
        let said = active.of_rule();
        let annotation = |name| {
            said.and_then(|alert| alert.annotation(name))
                .map(str::to_owned)
        };
        let about = |subject: &Subject| About {
            text: subject.host.as_ref().unwrap_or(&subject.instance).clone(),
            path: subject.host.as_deref().map(encoded),
        };
        let labels = active
            .labels
            .iter()
            .filter(|(name, _)| !APART.contains(name));
        let severity = active.labels.get("severity");
        Self {
            severity: Level::of(active.severity, severity),
            title: active.title.clone(),
            summary: annotation("summary").or_else(|| message(active)),
            description: annotation("description"),
            runbook: annotation("runbook_url").filter(|url| is_link(url)),
            labels: labels
                .map(|(name, value)| Label::new(name, value))
                .collect(),
            subject: active.subject.as_ref().map(about),
            value: said.map(|alert| short(alert.value)),
            since: Seen::new(active.since, now),
            notes: notes(active, now),
            form: Form::of(active),
            silenced: (active.silenced_by.iter())
                .map(|silence| Silenced::new(silence, now))
                .collect(),
            acknowledged: active.acknowledged().map(|seen| Acknowledged {
                by: seen.by.clone(),
                at: Seen::new(seen.at, now),
            }),
        }
    }
}

impl Label {
    pub(super) fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            filter: label_filter(name, value),
        }
    }
}

/// What a report says beyond its title.
fn message(active: &Active) -> Option<String> {
    match &active.source {
        Source::Report(_, alert) if alert.message != alert.title => Some(alert.message.clone()),
        _ => None,
    }
}

fn notes(active: &Active, now: Millis) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(by) = &active.suppressed_by {
        notes.push(format!("suppressed by {by}"));
    }
    match &active.source {
        Source::Rule(alert, fires_at) => {
            notes.extend(fires_at.map(|at| format!("fires {}", ahead(at, now))));
            let held = alert.keep_firing_since.map(|since| Seen::new(since, now));
            notes.extend(held.map(|seen| format!("kept firing; its cause ended {}", seen.ago())));
        }
        Source::Device => notes.push("said by the device".to_owned()),
        Source::Report(..) => notes.push("reported".to_owned()),
    }
    notes
}

impl Form {
    fn of(active: &Active) -> Self {
        let is_free = active.silenced_by.is_empty();
        let fingerprint = || fingerprint(&active.labels);
        Self {
            report: match &active.source {
                Source::Report(id, alert) if alert.acknowledged.is_none() => Some(*id),
                _ => None,
            },
            fingerprint: (is_free && !active.labels.is_empty()).then(fingerprint),
            acknowledges: is_free && !active.labels.is_empty(),
        }
    }
}

impl Silenced {
    fn new(silence: &Silence, now: Millis) -> Self {
        let is_acknowledgement = silence.acknowledges.is_some();
        Self {
            is_acknowledgement,
            by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            at: Seen::new(silence.starts_at, now),
            ends: if is_acknowledgement {
                "until it ends".to_owned()
            } else {
                format!("ends {}", ahead(silence.ends_at, now))
            },
        }
    }
}

/// Whether a browser may be led there: whoever writes rules may write anything.
fn is_link(url: &str) -> bool {
    let is_own = url.starts_with('/') && !url.starts_with("//");
    is_own || url.starts_with("https://") || url.starts_with("http://")
}
