//! Services that report how they are.
//!
//! One that has said nothing for three of its usual intervals is unknown, whatever it said last.
//! The usual interval is learnt from the reports themselves: from the last gaps between two reports
//! of the same kind (its status, or one type of its metrics), one that two thirds of them do not
//! exceed. So neither a report that is sent twice nor a long silence makes it another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};

use super::alerts::locked;
use super::log::{PAGE, json};
use super::{Inventory, InventoryError};

/// The interval of a service that has not shown one yet: what its clients are asked to keep to.
const DEFAULT_INTERVAL: Millis = 60 * 1000;
/// Missed intervals after which nothing is known any more.
const MISSED: Millis = 3;
/// Gaps that are remembered of a service.
const GAPS: usize = 9;
/// The shortest interval.
const LEAST_INTERVAL: Millis = 1000;
/// What follows sooner is said twice, and no gap.
const LEAST_GAP: Millis = 100;
/// Gaps that show an interval; until then it is not taken to be shorter than the default.
const SHOWN: usize = 2;
/// Kinds of reports told apart per service.
const MAX_KINDS: usize = 64;
/// Services known at once.
const MAX_SERVICES: usize = 10_000;

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceStatus {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// Nobody can tell.
    Unknown,
}

impl ServiceStatus {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }

    /// What a word means, if it means something.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Up, Self::Down, Self::Unknown]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// A service as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its number, in the order of first reports.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// How it is: what it said, unless it is silent.
    pub status: ServiceStatus,
    /// What it said last.
    pub reported_status: ServiceStatus,
    /// Since when it is so.
    pub since: Millis,
    /// Where it can be reached, as it said itself.
    pub endpoint: Option<String>,
    /// When it first reported.
    pub created: Millis,
    /// When it last reported anything.
    pub reported: Millis,
    /// How often it usually reports, in milliseconds.
    pub interval: Millis,
}

/// What is kept of a service.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    id: u64,
    status: ServiceStatus,
    since: Millis,
    endpoint: Option<String>,
    created: Millis,
    reported: Millis,
    gaps: VecDeque<Millis>,
}

#[derive(Clone, Debug)]
struct Known {
    kept: Kept,
    /// When it last reported each kind; forgotten by a restart, as the gap would not be its own.
    heard: HashMap<String, Millis>,
    /// Which of all reports was its last: it orders those of one millisecond.
    turn: u64,
}

impl Known {
    fn hear(&mut self, kind: &str, now: Millis) {
        if let Some(before) = self.heard.get_mut(kind) {
            let gap = now - *before;
            *before = now;
            if gap >= LEAST_GAP {
                self.kept.gaps.push_back(gap);
            }
            while self.kept.gaps.len() > GAPS {
                self.kept.gaps.pop_front();
            }
        } else if self.heard.len() < MAX_KINDS {
            self.heard.insert(kind.to_owned(), now);
        }
        self.kept.reported = now;
    }

    fn at(&self, name: &str, now: Millis) -> Service {
        let kept = &self.kept;
        let interval = usual(&kept.gaps);
        let silent = kept
            .reported
            .saturating_add(interval.saturating_mul(MISSED));
        let (status, since) = if now > silent && kept.status != ServiceStatus::Unknown {
            (ServiceStatus::Unknown, silent)
        } else {
            (kept.status, kept.since)
        };
        Service {
            id: kept.id,
            name: name.to_owned(),
            status,
            reported_status: kept.status,
            since,
            endpoint: kept.endpoint.clone(),
            created: kept.created,
            reported: kept.reported,
            interval,
        }
    }

    fn document(&self, name: &str) -> Result<Object, InventoryError> {
        Ok(Object {
            kind: ObjectKind::Service,
            key: name.to_owned(),
            updated: self.kept.reported,
            body: json(&self.kept)?,
        })
    }
}

/// The interval that gaps show.
fn usual(gaps: &VecDeque<Millis>) -> Millis {
    let mut sorted: Vec<Millis> = gaps.iter().copied().collect();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() * 2 / 3).copied();
    let is_shown = sorted.len() >= SHOWN;
    let least = if is_shown {
        LEAST_INTERVAL
    } else {
        DEFAULT_INTERVAL
    };
    usual.unwrap_or_default().max(least)
}

/// The services by name.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: BTreeMap<String, Known>,
    turns: u64,
}

impl Services {
    pub(super) async fn load(storage: &Storage) -> Result<Mutex<Self>, InventoryError> {
        let mut services = Self::default();
        let mut after = String::new();
        loop {
            let page = storage
                .object_page(ObjectKind::Service, &after, PAGE)
                .await
                .map_err(|error| InventoryError::Unavailable(error.to_string()))?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for object in page {
                let Ok(kept) = serde_json::from_slice(&object.body) else {
                    tracing::warn!(service = object.key, "a kept service cannot be read");
                    continue;
                };
                let known = Known {
                    kept,
                    heard: HashMap::new(),
                    turn: 0,
                };
                services.known.insert(object.key, known);
            }
        }
        Ok(Mutex::new(services))
    }

    /// Whether one more service may be known, unless this one is already.
    pub(super) fn admit(&self, name: &str) -> Result<(), InventoryError> {
        if self.known.len() >= MAX_SERVICES && !self.known.contains_key(name) {
            return Err(InventoryError::TooManyServices(MAX_SERVICES));
        }
        Ok(())
    }

    /// What becomes of a service that says how it is; it takes effect with [`Self::put`].
    pub(super) fn status(
        &self,
        name: &str,
        status: ServiceStatus,
        endpoint: Option<String>,
        now: Millis,
    ) -> Result<Change, InventoryError> {
        let mut known = match self.known.get(name) {
            Some(known) => known.clone(),
            None => self.new_service(status, now),
        };
        let before = known.at(name, now).status;
        if before != status {
            known.kept.since = now;
        }
        known.kept.status = status;
        known.kept.endpoint = endpoint.or(known.kept.endpoint);
        known.hear("", now);
        Change::new(name, known)
    }

    /// What becomes of a service, if it is known, that reports a metric.
    pub(super) fn metric(
        &self,
        name: &str,
        metric_type: &str,
        now: Millis,
    ) -> Result<Option<Change>, InventoryError> {
        let Some(known) = self.known.get(name) else {
            return Ok(None);
        };
        let mut known = known.clone();
        // Silent until now: it is again what it said last, from now on.
        if known.at(name, now).status != known.kept.status {
            known.kept.since = now;
        }
        known.hear(metric_type, now);
        Change::new(name, known).map(Some)
    }

    /// Takes over a change whose document the store has been given.
    pub(super) fn put(&mut self, mut change: Change) -> Service {
        self.turns += 1;
        change.known.turn = self.turns;
        let service = change
            .known
            .at(&change.object.key, change.known.kept.reported);
        self.known.insert(change.object.key, change.known);
        service
    }

    fn new_service(&self, status: ServiceStatus, now: Millis) -> Known {
        let ids = self.known.values().map(|known| known.kept.id);
        let kept = Kept {
            id: ids.max().unwrap_or_default() + 1,
            status,
            since: now,
            endpoint: None,
            created: now,
            reported: now,
            gaps: VecDeque::new(),
        };
        Known {
            kept,
            heard: HashMap::new(),
            turn: 0,
        }
    }

    /// Forgets services that have said nothing since `horizon`.
    pub(super) fn expire(&mut self, storage: &Storage, horizon: Millis) {
        let is_old = |known: &Known| known.kept.reported < horizon;
        let old = self.known.iter().filter(|(_, known)| is_old(known));
        for name in old.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if storage.delete_object(ObjectKind::Service, &name).is_ok() {
                self.known.remove(&name);
            }
        }
    }
}

/// A service as it will be, and its document.
pub(super) struct Change {
    known: Known,
    pub(super) object: Object,
}

impl Change {
    fn new(name: &str, known: Known) -> Result<Self, InventoryError> {
        let object = known.document(name)?;
        Ok(Self { known, object })
    }
}

impl Inventory {
    /// All services as they are now, those that reported last first.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        let now = self.clock.now();
        let services = locked(&self.services);
        let mut known: Vec<_> = services.known.iter().collect();
        known.sort_by_key(|(_, known)| std::cmp::Reverse((known.kept.reported, known.turn)));
        let all = known.into_iter();
        all.map(|(name, known)| known.at(name, now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceStatus::{Down, Unknown, Up};

    fn said(services: &mut Services, status: ServiceStatus, now: Millis) -> Service {
        let change = services.status("s", status, None, now).unwrap();
        services.put(change)
    }

    fn at(services: &Services, now: Millis) -> (ServiceStatus, Millis) {
        let service = services.known["s"].at("s", now);
        (service.status, service.since)
    }

    #[test]
    fn three_of_its_usual_intervals_without_a_word_make_it_unknown() {
        let mut services = Services::default();
        said(&mut services, Up, 0);
        assert_eq!(at(&services, 180_000), (Up, 0), "a minute until it shows");
        assert_eq!(at(&services, 180_001), (Unknown, 180_000));
        for now in [1000, 2000, 3000, 4100] {
            said(&mut services, Up, now);
        }
        assert_eq!(at(&services, 7100), (Up, 0));
        assert_eq!(at(&services, 7101), (Unknown, 7100));
        said(&mut services, Up, 9000);
        assert_eq!(at(&services, 9000), (Up, 9000), "since it is back");
        said(&mut services, Down, 9500);
        said(&mut services, Down, 9900);
        assert_eq!(at(&services, 9901), (Down, 9500));
        assert_eq!(services.known["s"].kept.id, 1);
    }

    #[test]
    fn what_is_said_twice_is_no_interval() {
        const MINUTE: Millis = 60_000;
        let mut services = Services::default();
        for now in (0..90).chain([200]) {
            said(&mut services, Up, now);
        }
        assert_eq!(at(&services, 180_200), (Up, 0), "a burst shows nothing");
        for minute in 1..20 {
            said(&mut services, Up, minute * MINUTE);
            said(&mut services, Up, minute * MINUTE + 150);
        }
        let last = 19 * MINUTE + 150;
        assert_eq!(at(&services, last + 179_000), (Up, 0), "two a minute");
        assert_eq!(at(&services, last + 180_000).0, Unknown);
        said(&mut services, Up, 80 * MINUTE);
        let silent = 80 * MINUTE + 180_001;
        assert_eq!(at(&services, silent).0, Unknown, "an hour is no interval");
    }

    #[test]
    fn metrics_are_words_too_but_three_at_once_are_no_interval() {
        let mut services = Services::default();
        said(&mut services, Up, 0);
        for minute in 0..10 {
            for (offset, kind) in [(1, "cpu"), (2, "memory"), (3, "disk")] {
                let now = minute * 60_000 + offset;
                let change = services.metric("s", kind, now).unwrap().unwrap();
                services.put(change);
            }
        }
        let last = 9 * 60_000 + 3;
        assert_eq!(at(&services, last + 180_000), (Up, 0));
        assert_eq!(at(&services, last + 180_001).0, Unknown);
        assert!(services.metric("other", "cpu", 0).unwrap().is_none());
    }
}
