//! From rules to the hardware monitor's contract: alerts about hosts that carry its text.
//!
//! What changes goes through a queue to a task that commits it. What does not fit into the queue,
//! what the store did not take and what happened between two lives of the program is made up for
//! by comparing all alerts that fire with what was told.

use std::sync::Arc;
use std::time::Duration;

use system_stats_model::labels::INSTANCE;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use crate::inventory::alerts::{LEGACY_NAME, Severity};
use crate::inventory::host_alerts::{HostAlert, HostAlertChange, HostAlertsNow};
use crate::inventory::{Inventory, InventoryError};
use crate::rules::{Alert, AlertSink, AlertState, RuleManager, Transition};

/// Evaluations whose changes wait to be committed; those of further ones are found by comparing.
const WAITING: usize = 1024;
/// How often what fires is compared with what was told.
const COMPARISON: Duration = Duration::from_secs(5);

/// The end of the queue that rules know.
pub(super) struct HostAlertSink(mpsc::Sender<Vec<HostAlertChange>>);

/// The end of the queue that the task reads.
pub(super) type Changes = mpsc::Receiver<Vec<HostAlertChange>>;

impl HostAlertSink {
    pub(super) fn new() -> (Self, Changes) {
        let (send, receive) = mpsc::channel(WAITING);
        (Self(send), receive)
    }
}

impl AlertSink for HostAlertSink {
    fn changed(&self, group: (&str, &str), transitions: &[Transition]) {
        let changes = transitions.iter();
        let changes: Vec<_> = changes.filter_map(|one| change(group, one)).collect();
        if !changes.is_empty() && self.0.try_send(changes).is_err() {
            tracing::warn!("alerts change faster than they are stored; some are told later");
        }
    }
}

fn change(group: (&str, &str), transition: &Transition) -> Option<HostAlertChange> {
    let alert = &transition.alert;
    match (transition.from, alert.state) {
        (_, AlertState::Firing) => host_alert(group, alert).map(HostAlertChange::Began),
        (AlertState::Firing, _) => Some(HostAlertChange::Ended {
            id: id(group, alert),
            at: transition.at,
        }),
        _ => None,
    }
}

fn id((file, group): (&str, &str), alert: &Alert) -> u64 {
    xxh3_64(format!("{file}\0{group}\0{}", alert.labels).as_bytes())
}

/// The alert as that contract knows it; nothing of one without its text or without a host.
fn host_alert(group: (&str, &str), alert: &Alert) -> Option<HostAlert> {
    let mut annotations = alert.annotations.iter();
    let (_, text) = annotations.find(|(name, _)| name == LEGACY_NAME)?;
    let label = |name| alert.labels.get(name).unwrap_or_default();
    let instance = label(INSTANCE);
    (!instance.is_empty() && !text.is_empty()).then(|| HostAlert {
        id: id(group, alert),
        instance: instance.to_owned(),
        text: text.clone(),
        rule: label("alertname").to_owned(),
        severity: Severity::from_label(label("severity")),
        since: alert.fired_at.unwrap_or(alert.active_at),
    })
}

fn now(rules: &RuleManager) -> HostAlertsNow {
    let mut now = HostAlertsNow::default();
    for rule in rules.firing(LEGACY_NAME) {
        let group = (rule.group.0.as_str(), rule.group.1.as_str());
        let alerts = rule.alerts.iter();
        now.firing
            .extend(alerts.filter_map(|alert| host_alert(group, alert)));
        if !rule.is_decided {
            now.undecided.push(rule.name);
        }
    }
    now
}

/// Commits what the queue brings until `stop`, and what is in it then.
pub(super) async fn commit(
    mut changes: Changes,
    inventory: Arc<Inventory>,
    rules: Arc<RuleManager>,
    stop: CancellationToken,
) {
    let mut comparison = tokio::time::interval(COMPARISON);
    comparison.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let told: Result<(), InventoryError> = tokio::select! {
            biased;
            Some(changes) = changes.recv() => inventory.host_alerts_changed(changes).await,
            () = stop.cancelled() => return,
            _ = comparison.tick() => inventory.compare_host_alerts(now(&rules)).await,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "alerts of hosts are told later");
        }
    }
}
