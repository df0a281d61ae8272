//! Alerts: those that devices and hosts raise and recover, and those that somebody reports and
//! somebody acknowledges.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use system_stats_model::append::{Ticket, Urgency};
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};

use super::log::{Bounds, Log, Record, document};
use super::{Inventory, InventoryError};

/// The annotation of a rule that is an alert's text in the hardware monitor's contract.
pub const LEGACY_NAME: &str = "legacy_name";

/// What is kept of alerts raised and recovered: ten thousand devices with all they can raise.
const TRANSITIONS: Bounds = Bounds {
    records: 150_000,
    bytes: 48 << 20,
};
/// What is kept of reported alerts.
const REPORTS: Bounds = Bounds {
    records: 50_000,
    bytes: 32 << 20,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Worth getting up for.
    Critical,
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// 1, 2 and 3, the least first.
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::Info => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }

    /// The severity of a level from 1 to 3.
    #[must_use]
    pub fn from_level(level: f64) -> Option<Self> {
        let all = [Self::Info, Self::Warning, Self::Critical];
        all.into_iter()
            .find(|severity| f64::from(severity.level()).to_bits() == level.to_bits())
    }

    /// What the label `severity` of a rule says; a word of the rule's own is a warning.
    #[must_use]
    pub fn from_label(label: &str) -> Self {
        match label {
            "critical" => Self::Critical,
            "info" => Self::Info,
            _ => Self::Warning,
        }
    }
}

/// An alert of a device or host that began or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Millis,
    /// Whose it is, by the name that clients use.
    pub device: String,
    /// What is wrong, or was.
    pub alert: String,
    /// How bad it is; of one that ended, a warning.
    pub severity: Severity,
    /// Whether it ended.
    pub recovered: bool,
}

/// What follows the text of an alert that ended.
const RECOVERED: &str = " - recovered";

impl Transition {
    /// An alert began.
    pub(super) fn raised(at: Millis, device: String, text: String, severity: Severity) -> Self {
        Self {
            at,
            device,
            alert: text,
            severity,
            recovered: false,
        }
    }

    /// An alert ended.
    pub(super) fn recovered(at: Millis, device: String, text: &str) -> Self {
        Self {
            at,
            device,
            alert: format!("{text}{RECOVERED}"),
            severity: Severity::Warning,
            recovered: true,
        }
    }

    /// What was wrong.
    pub(super) fn text(&self) -> &str {
        let recovered = self.alert.strip_suffix(RECOVERED);
        recovered.filter(|_| self.recovered).unwrap_or(&self.alert)
    }
}

impl Record for Transition {
    const KIND: ObjectKind = ObjectKind::Transition;
    fn at(&self) -> Millis {
        self.at
    }
}

/// An alert that somebody reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// When.
    pub at: Millis,
    /// What it is called.
    pub title: String,
    /// What it says.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about, if it is about one.
    pub service: Option<String>,
    /// Who has seen to it, and when.
    pub acknowledged: Option<Acknowledged>,
}

impl Record for Alert {
    const KIND: ObjectKind = ObjectKind::Alert;
    fn at(&self) -> Millis {
        self.at
    }
}

/// That somebody has seen to an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When.
    pub at: Millis,
    /// Who.
    pub by: String,
}

/// Both logs. A log's lock is held while its records are handed to the store, so that both have
/// them in the same order.
#[derive(Debug)]
pub(super) struct Alerts {
    pub(super) transitions: Mutex<Log<Transition>>,
    pub(super) reported: Mutex<Log<Alert>>,
}

impl Alerts {
    pub(super) async fn load(storage: &Storage) -> Result<Self, InventoryError> {
        Ok(Self {
            transitions: Mutex::new(Log::load(storage, TRANSITIONS).await?),
            reported: Mutex::new(Log::load(storage, REPORTS).await?),
        })
    }

    /// Hands the store further documents and those of `transitions`, all in one commit.
    pub(super) fn record(
        &self,
        storage: &Storage,
        transitions: Vec<Transition>,
        mut objects: Vec<Object>,
        urgency: Urgency,
    ) -> Result<Ticket, InventoryError> {
        if transitions.is_empty() {
            return Ok(storage.put_objects(objects, urgency)?);
        }
        let mut log = locked(&self.transitions);
        let mut rows = Vec::with_capacity(transitions.len());
        for (id, transition) in (log.next()..).zip(transitions) {
            let object = document(id, &transition)?;
            rows.push((id, transition, object.body.len()));
            objects.push(object);
        }
        let ticket = storage.put_objects(objects, urgency)?;
        for (id, transition, bytes) in rows {
            log.insert(id, transition, bytes);
        }
        log.trim(storage, None);
        Ok(ticket)
    }

    pub(super) fn expire(&self, storage: &Storage, horizon: Millis) {
        locked(&self.transitions).trim(storage, Some(horizon));
        locked(&self.reported).trim(storage, Some(horizon));
    }
}

pub(super) fn locked<T>(log: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inventory {
    /// The newest `count` alerts of devices and hosts that began or ended, oldest first, with
    /// their numbers.
    #[must_use]
    pub fn transitions(&self, count: usize) -> Vec<(u64, Arc<Transition>)> {
        let log = locked(&self.alerts.transitions);
        let newest = log.iter().rev().take(count);
        let mut newest: Vec<_> = newest.map(|(id, row)| (id, Arc::clone(row))).collect();
        newest.reverse();
        newest
    }

    /// How many alerts that began or ended are kept.
    #[must_use]
    pub fn transition_count(&self) -> usize {
        locked(&self.alerts.transitions).len()
    }

    /// The reported alerts that `wanted` picks, newest first, with their numbers.
    #[must_use]
    pub fn reported_alerts(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<(u64, Arc<Alert>)> {
        let log = locked(&self.alerts.reported);
        let picked = log.iter().rev().filter(|(_, alert)| wanted(alert));
        picked.map(|(id, alert)| (id, Arc::clone(alert))).collect()
    }

    /// Keeps a reported alert; its number, once it is committed.
    ///
    /// # Errors
    /// [`InventoryError`] when the store does not take it.
    pub async fn report_alert(&self, alert: Alert) -> Result<u64, InventoryError> {
        let (id, ticket) = self.put_alert(alert, Vec::new())?;
        self.durable(ticket).await?;
        Ok(id)
    }

    /// Hands the store a reported alert together with other documents.
    pub(super) fn put_alert(
        &self,
        alert: Alert,
        mut objects: Vec<Object>,
    ) -> Result<(u64, Ticket), InventoryError> {
        let mut log = locked(&self.alerts.reported);
        let id = log.next();
        let object = document(id, &alert)?;
        let bytes = object.body.len();
        objects.push(object);
        let ticket = self.storage.put_objects(objects, Urgency::Waiting)?;
        log.insert(id, alert, bytes);
        log.trim(&self.storage, None);
        Ok((id, ticket))
    }

    /// Notes that `user` has seen to an alert; the first who did stays. False without such an
    /// alert. Returns once it is committed.
    ///
    /// # Errors
    /// [`InventoryError`] when the store does not take it.
    pub async fn acknowledge(&self, id: u64, user: &str) -> Result<bool, InventoryError> {
        let ticket = {
            let mut log = locked(&self.alerts.reported);
            let Some(alert) = log.get(id) else {
                return Ok(false);
            };
            if alert.acknowledged.is_some() {
                return Ok(true);
            }
            let acknowledged = Acknowledged {
                at: self.clock.now(),
                by: user.to_owned(),
            };
            let alert = Alert {
                acknowledged: Some(acknowledged),
                ..alert.clone()
            };
            let object = document(id, &alert)?;
            let bytes = object.body.len();
            let ticket = self.storage.put_object(object, Urgency::Waiting)?;
            log.replace(id, alert, bytes);
            ticket
        };
        self.durable(ticket).await?;
        Ok(true)
    }
}
