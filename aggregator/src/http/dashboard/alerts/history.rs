//! What was: every change of every alert and everything done to silences, newest first.

use serde::Serialize;
use system_stats_model::labels::{INSTANCE, Labels};
use system_stats_model::sample::{Millis, TimeRange};

use super::super::view::{Seen, moment, short};
use super::active::Label;
use super::asked::Asked;
use crate::alerting::{
    AlertChange, Alerting, AlertingError, Cursor, Event, HistoryQuery, SilenceChange, What,
};
use crate::rules::ALERT_NAME;

/// Lines of one page.
const SHOWN: usize = 100;
/// Lines read at a time, and how often: what a filter goes through before one has to ask for more.
const LINES: usize = 200;
const ROUNDS: usize = 10;
/// The labels that have columns of their own.
const APART: [&str; 2] = [ALERT_NAME, INSTANCE];

#[derive(Serialize)]
pub(super) struct Past {
    lines: Vec<Line>,
    /// Where the next page begins, if there may be one.
    next: Option<String>,
}

#[derive(Serialize)]
struct Line {
    at: Seen,
    when: String,
    /// What became of it, and its colour.
    word: &'static str,
    class: &'static str,
    title: String,
    labels: Vec<Label>,
    instance: Option<String>,
    value: Option<String>,
    /// Who did it, and why.
    by: Option<String>,
    comment: Option<String>,
    /// Whether it happened at some time before: nobody watched then.
    is_noticed: bool,
}

impl Past {
    pub(super) async fn read(
        alerting: &Alerting,
        asked: &Asked,
        now: Millis,
    ) -> Result<Self, AlertingError> {
        let before = asked.before.as_deref();
        let mut before: Option<Cursor> = before.and_then(|text| text.parse().ok());
        let mut lines = Vec::new();
        for _ in 0..ROUNDS {
            let query = HistoryQuery {
                range: TimeRange::ALL,
                before,
                matchers: Vec::new(),
                kinds: Vec::new(),
                limit: LINES,
            };
            let page = alerting.history(&query).await?;
            for (place, event) in page.lines {
                before = Some(place);
                if is_picked(&event, asked) {
                    lines.push(Line::new(&event, now));
                }
                if lines.len() >= SHOWN {
                    let next = before.map(|place| place.to_string());
                    return Ok(Self { lines, next });
                }
            }
            let Some(next) = page.next else {
                return Ok(Self { lines, next: None });
            };
            before = Some(next);
        }
        let next = before.map(|place| place.to_string());
        Ok(Self { lines, next })
    }
}

fn is_picked(event: &Event, asked: &Asked) -> bool {
    let word = word(event.what()).0;
    let more = [("state", event.what().as_str())];
    let labels = event.labels();
    match event {
        Event::Alert(_) => asked.picks(&[word], &labels, &more),
        Event::Silence(change) => {
            let silence = &change.silence;
            let texts = [word, &change.by, &silence.created_by, &silence.comment];
            asked.picks(&texts, &labels, &more)
        }
    }
}

/// What became of it, and its colour.
fn word(what: What) -> (&'static str, &'static str) {
    match what {
        What::Pending => ("pending", "warning"),
        What::Firing => ("firing", "critical"),
        What::Resolved => ("resolved", "up"),
        What::Gone => ("gone", "gone"),
        What::SilenceCreated => ("silenced", "running"),
        What::SilenceChanged => ("silence changed", "running"),
        What::SilenceExpired => ("silence ended", "gone"),
        What::Acknowledged => ("acknowledged", "running"),
        What::AcknowledgementExpired => ("acknowledgement ended", "gone"),
    }
}

impl Line {
    fn new(event: &Event, now: Millis) -> Self {
        let (word, class) = word(event.what());
        match event {
            Event::Alert(change) => Self {
                word,
                class,
                ..Self::of_alert(change, now)
            },
            Event::Silence(change) => Self {
                word,
                class,
                ..Self::of_silence(change, now)
            },
        }
    }

    fn about(labels: &Labels, at: Millis, now: Millis) -> Self {
        let chips = labels.iter().filter(|(name, _)| !APART.contains(name));
        Self {
            at: Seen::new(at, now),
            when: moment(at),
            word: "",
            class: "",
            title: labels.get(ALERT_NAME).unwrap_or_default().to_owned(),
            labels: chips.map(|(name, value)| Label::new(name, value)).collect(),
            instance: labels.get(INSTANCE).map(str::to_owned),
            value: None,
            by: None,
            comment: None,
            is_noticed: false,
        }
    }

    fn of_alert(change: &AlertChange, now: Millis) -> Self {
        Self {
            value: Some(short(change.value)),
            is_noticed: change.is_noticed,
            ..Self::about(&change.labels, change.at, now)
        }
    }

    fn of_silence(change: &SilenceChange, now: Millis) -> Self {
        let silence = &change.silence;
        let about = match &silence.acknowledges {
            Some(labels) => Self::about(labels, change.at, now),
            None => Self {
                title: silence
                    .matchers
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" "),
                ..Self::about(&Labels::empty(), change.at, now)
            },
        };
        Self {
            by: Some(change.by.clone()).filter(|by| !by.is_empty()),
            comment: Some(silence.comment.clone()).filter(|comment| !comment.is_empty()),
            ..about
        }
    }
}
