//! Reading history, from the newest line on.

use std::fmt;
use std::str::FromStr;

use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_storage::EventPlace;

use super::event::{Event, What};
use super::{Alerting, AlertingError};

/// Lines read at a time.
const PAGE: usize = 200;
/// Lines that one request goes through, whether they are wanted or not.
const SCANNED: usize = 20_000;

/// A place in history: that of a line, as text `milliseconds-number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(EventPlace);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.at, self.0.id)
    }
}

impl FromStr for Cursor {
    type Err = AlertingError;

    fn from_str(text: &str) -> Result<Self, AlertingError> {
        let parts = text.rsplit_once('-');
        let place = parts.and_then(|(at, id)| {
            let (at, id) = (at.parse().ok()?, id.parse().ok()?);
            Some(EventPlace { at, id })
        });
        let reason = || AlertingError::Invalid(format!("{text:?} is not the id of a line"));
        place.map(Self).ok_or_else(reason)
    }
}

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// From when.
    pub range: TimeRange,
    /// Only older ones than this.
    pub before: Option<Cursor>,
    /// Sets of matchers, one of which the labels have to satisfy; any labels if there are none.
    pub matchers: Vec<Vec<Matcher>>,
    /// The kinds; any if there are none.
    pub kinds: Vec<What>,
    /// How many.
    pub limit: usize,
}

/// Lines, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// Each with its place.
    pub lines: Vec<(Cursor, Event)>,
    /// From where to go on; none when there are no more. There may be one without any lines: as
    /// many as are gone through at once were not wanted.
    pub next: Option<Cursor>,
}

impl Alerting {
    /// The newest durable lines that are wanted.
    ///
    /// # Errors
    /// [`AlertingError`] when the store cannot be read.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, AlertingError> {
        let mut lines = Vec::new();
        let mut before = query.before.map(|cursor| cursor.0);
        let mut scanned = 0;
        while scanned < SCANNED {
            let page = self.storage.events(query.range, before, PAGE).await;
            let page = page.map_err(|error| AlertingError::Unavailable(error.to_string()))?;
            let is_last = page.len() < PAGE;
            scanned += page.len();
            for (place, stored) in page {
                if lines.len() >= query.limit {
                    let next = before.map(Cursor);
                    return Ok(HistoryPage { lines, next });
                }
                before = Some(place);
                match serde_json::from_slice::<Event>(&stored.body) {
                    Ok(event) if query.takes(&event) => lines.push((Cursor(place), event)),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(id = place.id, %error, "a line of history cannot be read");
                    }
                }
            }
            if is_last {
                return Ok(HistoryPage { lines, next: None });
            }
        }
        let next = before.map(Cursor);
        Ok(HistoryPage { lines, next })
    }
}

impl HistoryQuery {
    fn takes(&self, event: &Event) -> bool {
        let is_kind = self.kinds.is_empty() || self.kinds.contains(&event.what());
        if !is_kind || self.matchers.is_empty() {
            return is_kind;
        }
        let labels = event.labels();
        let matches =
            |set: &Vec<Matcher>| set.iter().all(|matcher| matcher.matches_labels(&labels));
        self.matchers.iter().any(matches)
    }
}
