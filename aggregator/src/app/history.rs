//! Brings what rules say about alerts to those who remember it.

use std::sync::Arc;
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_storage::Storage;

use super::store::horizon;
use crate::alerting::{AlertChange, Alerting, Fate, Phase};
use crate::clock::Clock;
use crate::housekeeping::{Housekeeping, HousekeepingError};
use crate::inventory::Inventory;
use crate::inventory::devices::ActiveAlert;
use crate::rules::{AlertSink, AlertState, GroupView, RuleHealth, RuleManager, Transition};

/// How often silences and alerts that ended unseen are looked for.
const PERIOD: Duration = Duration::from_secs(5);
/// How often history beyond its retention is looked for.
const RETENTION_PERIOD: Duration = Duration::from_mins(10);

/// Everything that alerts do goes into their history.
pub(super) struct Remembered(pub(super) Arc<Alerting>);

impl AlertSink for Remembered {
    fn changed(&self, (file, group): (&str, &str), transitions: &[Transition]) {
        let change = |Transition { at, from, alert }: &Transition| AlertChange {
            at: *at,
            file: file.to_owned(),
            group: group.to_owned(),
            from: phase(*from),
            to: phase(alert.state),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            value: alert.value,
            active_at: alert.active_at,
            fired_at: alert.fired_at,
            is_noticed: false,
        };
        self.0.changed(transitions.iter().map(change).collect());
    }
}

fn phase(state: AlertState) -> Phase {
    match state {
        AlertState::Inactive => Phase::Inactive,
        AlertState::Pending => Phase::Pending,
        AlertState::Firing => Phase::Firing,
    }
}

/// Schedules what is to be done for silences and history, whose lines older than `retention` go;
/// zero is for ever.
pub(super) async fn keep_regularly(
    housekeeping: &Housekeeping,
    (alerting, rules, inventory): (&Arc<Alerting>, &Arc<RuleManager>, &Arc<Inventory>),
    (storage, clock): (&Arc<Storage>, &Clock),
    retention: Duration,
) -> Result<(), HousekeepingError> {
    let (alerting, rules, now) = (Arc::clone(alerting), Arc::clone(rules), clock.clone());
    let inventory = Arc::clone(inventory);
    let keep = move || {
        let (alerting, rules, now) = (Arc::clone(&alerting), Arc::clone(&rules), now.clone());
        let inventory = Arc::clone(&inventory);
        async move {
            // Thousands of alerts take a while to compare.
            let kept = tokio::task::spawn_blocking(move || {
                end_unseen(&alerting, &rules.groups(), now.now());
                let told = inventory.active_alerts();
                let told: Vec<Labels> = told.iter().map(ActiveAlert::labels).collect();
                alerting.end_acknowledged(&told);
                alerting.tick();
            });
            if let Err(error) = kept.await {
                tracing::error!(%error, "silences and history were not looked after");
            }
        }
    };
    housekeeping.every("alert-history", PERIOD, keep).await?;
    if retention.is_zero() {
        return Ok(());
    }
    let (storage, clock) = (Arc::clone(storage), clock.clone());
    let expire = move || {
        let (storage, clock) = (Arc::clone(&storage), clock.clone());
        async move {
            expire_history(&storage, clock.now(), retention).await;
        }
    };
    housekeeping
        .every("alert-history-retention", RETENTION_PERIOD, expire)
        .await
}

/// Removes the lines of history that are older than `retention`.
async fn expire_history(storage: &Storage, now: Millis, retention: Duration) {
    let Some(horizon) = horizon(storage.newest(), now, retention) else {
        return;
    };
    match storage.expire_events(horizon).await {
        Ok(events) => tracing::debug!(events, "removed alert history beyond its retention"),
        Err(error) => tracing::warn!(%error, "cannot remove old alert history"),
    }
}

/// Ends what history has as pending or firing and no rule has any more.
fn end_unseen(alerting: &Alerting, groups: &[GroupView], now: Millis) {
    alerting.reconcile(|last, confirmed| fate(groups, last, confirmed, now));
}

/// An alert has ended when its rule is gone, or when its rule has been evaluated for two intervals
/// since the alert was last seen and does not have it: the first evaluation after a start may come
/// before the first scrape.
fn fate(groups: &[GroupView], last: &AlertChange, confirmed: Millis, now: Millis) -> Fate {
    let is_group = |group: &&GroupView| group.file == last.file && group.name == last.group;
    let Some(group) = groups.iter().find(is_group) else {
        return Fate::Ended(now);
    };
    let name = last.labels.get("alertname").unwrap_or_default();
    let rules =
        || (group.rules.iter()).filter(|view| view.is_alerting() && view.rule.name() == name);
    let has = |labels| rules().any(|view| view.alerts.iter().any(|alert| &alert.labels == labels));
    if has(&last.labels) {
        return Fate::GoesOn;
    }
    let interval = Millis::try_from(group.interval.as_millis()).unwrap_or(Millis::MAX);
    let enough = confirmed.saturating_add(interval.saturating_mul(2));
    let mut ended = now;
    for view in rules() {
        match view.progress.last_evaluation {
            Some(at) if at >= enough && view.progress.health == RuleHealth::Ok => {
                ended = ended.min(at);
            }
            _ => return Fate::GoesOn,
        }
    }
    Fate::Ended(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Rule, RuleKind};
    use crate::rules::{Alert, Progress, RuleView};

    const SINCE: Millis = 1_000_000;
    const NOW: Millis = SINCE + 100_000;

    fn alert() -> Alert {
        Alert {
            state: AlertState::Firing,
            labels: Labels::from_pairs([("alertname", "Hot"), ("room", "attic")]),
            annotations: Vec::new(),
            value: 60.0,
            active_at: SINCE,
            fired_at: Some(SINCE),
            resolved_at: None,
            keep_firing_since: None,
            last_sent_at: None,
            valid_until: None,
        }
    }

    /// A group that is evaluated every ten seconds, with a rule of this name that has these alerts
    /// since an evaluation.
    fn group(rule: &str, alerts: Vec<Alert>, evaluated: (RuleHealth, Option<Millis>)) -> GroupView {
        let kind = RuleKind::Alerting {
            alert: rule.to_owned(),
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            annotations: Vec::new(),
        };
        let rule = RuleView {
            rule: Rule {
                line: 1,
                expr: "temperature > 50".to_owned(),
                labels: Vec::new(),
                kind,
            },
            query: String::new(),
            progress: Progress {
                health: evaluated.0,
                last_evaluation: evaluated.1,
                ..Progress::default()
            },
            alerts,
        };
        GroupView {
            file: "rules.yml".to_owned(),
            name: "rooms".to_owned(),
            interval: Duration::from_secs(10),
            limit: 0,
            rules: vec![rule],
            last_evaluation: evaluated.1,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn when_an_alert_has_ended_unseen() {
        use RuleHealth::{Err, Ok, Unknown};
        let last = AlertChange {
            at: SINCE,
            file: "rules.yml".to_owned(),
            group: "rooms".to_owned(),
            from: Phase::Pending,
            to: Phase::Firing,
            labels: alert().labels,
            annotations: Vec::new(),
            value: 60.0,
            active_at: SINCE,
            fired_at: Some(SINCE),
            is_noticed: false,
        };
        let (late, enough) = (Some(SINCE + 10_000), Some(SINCE + 20_000));
        let cases = [
            ("its group is gone", None, Fate::Ended(NOW)),
            (
                "its rule is gone",
                Some(group("Cold", vec![alert()], (Ok, enough))),
                Fate::Ended(NOW),
            ),
            (
                "it is there",
                Some(group("Hot", vec![alert()], (Ok, enough))),
                Fate::GoesOn,
            ),
            (
                "not evaluated yet",
                Some(group("Hot", vec![], (Unknown, None))),
                Fate::GoesOn,
            ),
            (
                "evaluated once",
                Some(group("Hot", vec![], (Ok, late))),
                Fate::GoesOn,
            ),
            (
                "evaluated in vain",
                Some(group("Hot", vec![], (Err, enough))),
                Fate::GoesOn,
            ),
            (
                "not there",
                Some(group("Hot", vec![], (Ok, enough))),
                Fate::Ended(SINCE + 20_000),
            ),
        ];
        for (what, group, expected) in cases {
            let groups: Vec<GroupView> = group.into_iter().collect();
            assert_eq!(fate(&groups, &last, SINCE, NOW), expected, "{what}");
        }
    }
}
