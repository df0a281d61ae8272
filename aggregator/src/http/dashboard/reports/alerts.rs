//! Alerts: what is wrong now, what somebody has seen to, what was.

use std::sync::Arc;

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::view::{Firing, Seen};
use super::{Asked, SHOWN};
use crate::inventory::Inventory;
use crate::inventory::alerts::{Alert, Transition};
use crate::inventory::devices::ActiveAlert;

/// Alerts that began or ended that the history goes through.
const PAST: usize = 10_000;

/// Alerts on top of the overview.
const WORST: usize = 5;

#[derive(Serialize)]
pub(super) struct Table {
    /// How many there are of each, filtered or not.
    firing: usize,
    acknowledged: usize,
    rows: Vec<Row>,
    /// Rows that match and are not shown.
    omitted: usize,
}

#[derive(Clone, Serialize)]
struct Row {
    #[serde(skip)]
    at: Millis,
    #[serde(skip)]
    badness: u8,
    severity: &'static str,
    title: String,
    /// What is wrong in more words, where somebody said so.
    message: Option<String>,
    /// The device, host or service that it is about.
    subject: Option<String>,
    since: Seen,
    recovered: bool,
    /// By which it can be acknowledged.
    id: Option<u64>,
    acknowledged: Option<Acknowledged>,
}

#[derive(Clone, Serialize)]
struct Acknowledged {
    by: String,
    at: Seen,
}

impl Table {
    pub(super) fn read(inventory: &Inventory, asked: &Asked, now: Millis) -> Self {
        let firing = firing(inventory, now);
        let is_seen = |alert: &Alert| alert.acknowledged.is_some();
        let seen = inventory.reported_alerts(is_seen);
        let reported = |(id, alert): &(u64, Arc<Alert>)| Row::reported(*id, alert, now);
        let counts = (firing.len(), seen.len());
        let mut rows = match asked.view.as_str() {
            "acknowledged" => seen.iter().map(reported).collect(),
            "history" => {
                let transitions = inventory.transitions(PAST);
                let began = transitions.iter();
                let began = began.map(|(_, transition)| Row::transition(transition, now));
                let all = inventory.reported_alerts(|_| true);
                let mut past: Vec<Row> = began.chain(all.iter().map(reported)).collect();
                past.sort_by_key(|row| -row.at);
                past
            }
            _ => firing,
        };
        rows.retain(|row| row.is_picked(asked));
        let omitted = rows.len().saturating_sub(SHOWN);
        rows.truncate(SHOWN);
        Self {
            firing: counts.0,
            acknowledged: counts.1,
            rows,
            omitted,
        }
    }
}

/// The worst of the alerts that fire and that nobody has seen to, and how many there are.
pub(in super::super) fn worst(inventory: &Inventory, now: Millis) -> (Vec<Firing>, usize) {
    let mut firing = firing(inventory, now);
    let count = firing.len();
    firing.truncate(WORST);
    let line = |row: Row| Firing {
        severity: row.severity,
        title: row.title,
        subject: row.subject,
        since: row.since,
    };
    (firing.into_iter().map(line).collect(), count)
}

/// The alerts that fire and that nobody has seen to, the worst first.
fn firing(inventory: &Inventory, now: Millis) -> Vec<Row> {
    let open = inventory.reported_alerts(|alert| alert.acknowledged.is_none());
    let open = open
        .iter()
        .map(|(id, alert)| Row::reported(*id, alert, now));
    let active = inventory.active_alerts();
    let active = active.iter().map(|alert| Row::active(alert, now));
    let mut firing: Vec<Row> = active.chain(open).collect();
    firing.sort_by_key(|row| (u8::MAX - row.badness, -row.at));
    firing
}

impl Row {
    fn active(alert: &ActiveAlert, now: Millis) -> Self {
        Self {
            at: alert.since,
            badness: alert.severity.level(),
            severity: alert.severity.as_str(),
            title: alert.alert.clone(),
            message: None,
            subject: Some(alert.device.clone()),
            since: Seen::new(alert.since, now),
            recovered: false,
            id: None,
            acknowledged: None,
        }
    }

    fn transition(transition: &Transition, now: Millis) -> Self {
        Self {
            at: transition.at,
            badness: transition.severity.level(),
            severity: transition.severity.as_str(),
            title: transition.alert.clone(),
            message: None,
            subject: Some(transition.device.clone()),
            since: Seen::new(transition.at, now),
            recovered: transition.recovered,
            id: None,
            acknowledged: None,
        }
    }

    fn reported(id: u64, alert: &Alert, now: Millis) -> Self {
        let message = Some(&alert.message).filter(|message| **message != alert.title);
        let acknowledged = alert.acknowledged.as_ref().map(|seen| Acknowledged {
            by: seen.by.clone(),
            at: Seen::new(seen.at, now),
        });
        Self {
            at: alert.at,
            badness: alert.severity.level(),
            severity: alert.severity.as_str(),
            title: alert.title.clone(),
            message: message.cloned(),
            subject: alert.service.clone(),
            since: Seen::new(alert.at, now),
            recovered: false,
            id: acknowledged.is_none().then_some(id),
            acknowledged,
        }
    }

    fn is_picked(&self, asked: &Asked) -> bool {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (message, subject) = (text(&self.message), text(&self.subject));
        asked.picks(&[&self.title, &message, &subject, self.severity])
    }
}
