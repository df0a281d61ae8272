//! What clients have told: alerts that began or ended on devices and hosts, and those that somebody
//! reported; newest first.

use std::sync::Arc;

use serde::Serialize;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::super::view::{Level, Seen};
use super::active::SHOWN;
use super::asked::Asked;
use crate::inventory::Inventory;
use crate::inventory::alerts::{Alert, Severity, Transition};

/// Alerts that began or ended that are gone through.
const PAST: usize = 10_000;

#[derive(Serialize)]
pub(super) struct Told {
    rows: Vec<Row>,
    omitted: usize,
}

#[derive(Serialize)]
struct Row {
    #[serde(skip)]
    at: Millis,
    #[serde(skip)]
    level: Severity,
    severity: Level,
    title: String,
    message: Option<String>,
    subject: Option<String>,
    since: Seen,
    recovered: bool,
    acknowledged: Option<(String, Seen)>,
}

impl Told {
    pub(super) fn of(inventory: &Inventory, asked: &Asked, now: Millis) -> Self {
        let transitions = inventory.transitions(PAST);
        let began = transitions.iter().map(|(_, one)| Row::transition(one, now));
        let reported = inventory.reported_alerts(|_| true);
        let reported = reported.iter().map(|(_, one)| Row::reported(one, now));
        let mut rows: Vec<Row> = began
            .chain(reported)
            .filter(|row| row.is_picked(asked))
            .collect();
        rows.sort_by_key(|row| -row.at);
        let omitted = rows.len().saturating_sub(SHOWN);
        rows.truncate(SHOWN);
        Self { rows, omitted }
    }
}

impl Row {
    fn transition(transition: &Transition, now: Millis) -> Self {
        Self {
            at: transition.at,
            level: transition.severity,
            severity: Level::of(transition.severity, None),
            title: transition.alert.clone(),
            message: None,
            subject: Some(transition.device.clone()),
            since: Seen::new(transition.at, now),
            recovered: transition.recovered,
            acknowledged: None,
        }
    }

    fn reported(alert: &Arc<Alert>, now: Millis) -> Self {
        let seen = alert.acknowledged.as_ref();
        Self {
            at: alert.at,
            level: alert.severity,
            severity: Level::of(alert.severity, None),
            title: alert.title.clone(),
            message: Some(alert.message.clone()).filter(|text| *text != alert.title),
            subject: alert.service.clone(),
            since: Seen::new(alert.at, now),
            recovered: false,
            acknowledged: seen.map(|seen| (seen.by.clone(), Seen::new(seen.at, now))),
        }
    }

    fn is_picked(&self, asked: &Asked) -> bool {
        let (message, subject) = (self.message.as_deref(), self.subject.as_deref());
        let (message, subject) = (message.unwrap_or_default(), subject.unwrap_or_default());
        let severity = self.level.as_str();
        let more = [("instance", subject), ("severity", severity)];
        asked.picks(
            &[&self.title, message, subject, severity],
            &Labels::empty(),
            &more,
        )
    }
}
