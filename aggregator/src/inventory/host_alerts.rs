//! Alerts that rules raise about hosts, as the hardware monitor's contract tells them: once for
//! each host and text, however many alerts have that text, and once when the last of them ends.
//!
//! What is raised is kept, so that after a restart nothing is raised a second time and what ended
//! meanwhile recovers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use system_stats_model::append::{Ticket, Urgency};
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};

use super::alerts::{Severity, Transition, locked};
use super::log::{PAGE, json};
use super::{Inventory, InventoryError};

/// Alerts that are known to fire at once, of all hosts together; further ones are not told.
const MAX_FIRING: usize = 200_000;

/// An alert of a rule about a host that fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAlert {
    /// Tells it apart from all others.
    pub id: u64,
    /// The host.
    pub instance: String,
    /// What is wrong.
    pub text: String,
    /// The name of its rule.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it fires.
    pub since: Millis,
}

/// What became of an alert of a rule about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAlertChange {
    /// It fires.
    Began(HostAlert),
    /// It does not any more.
    Ended {
        /// Which one it was.
        id: u64,
        /// Since when.
        at: Millis,
    },
}

/// All alerts of rules about hosts that fire at a moment.
#[derive(Clone, Debug, Default)]
pub struct HostAlertsNow {
    /// The alerts.
    pub firing: Vec<HostAlert>,
    /// The names of rules that may have alerts that are not known yet.
    pub undecided: Vec<String>,
}

/// A text that is raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Raised {
    /// The host as it was called when that happened.
    device: String,
    rule: String,
    since: Millis,
    /// How many alerts say so.
    #[serde(skip)]
    alerts: usize,
    /// It is from before the start, and its rule has not been heard of since.
    #[serde(skip)]
    is_unsettled: bool,
}

type Texts = BTreeMap<String, Raised>;

/// What is raised, by `instance` and text.
#[derive(Clone, Debug, Default)]
pub(super) struct HostAlerts {
    raised: BTreeMap<String, Texts>,
    /// Of alerts that fire, what they have raised.
    firing: HashMap<u64, (String, String)>,
}

/// A text of an `instance` that was raised or has recovered.
type Step = (String, Transition);

impl HostAlerts {
    pub(super) async fn load(storage: &Storage) -> Result<Mutex<Self>, InventoryError> {
        let mut alerts = Self::default();
        let mut after = String::new();
        loop {
            let page = storage.object_page(ObjectKind::HostFiring, &after, PAGE);
            let page = page.await;
            let page = page.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for object in page {
                alerts.restore(object);
            }
        }
        Ok(Mutex::new(alerts))
    }

    fn restore(&mut self, object: Object) {
        match serde_json::from_slice::<Texts>(&object.body) {
            Ok(texts) if texts.is_empty() => {}
            Ok(mut texts) => {
                for raised in texts.values_mut() {
                    raised.is_unsettled = true;
                }
                self.raised.insert(object.key, texts);
            }
            Err(error) => {
                tracing::warn!(host = object.key, %error, "kept alerts cannot be read");
            }
        }
    }

    /// Whether this text is raised about this host.
    pub(super) fn has(&self, instance: &str, text: &str) -> bool {
        let texts = self.raised.get(instance);
        texts.is_some_and(|texts| texts.contains_key(text))
    }

    fn apply(&mut self, change: HostAlertChange, names: &Names) -> Option<Step> {
        match change {
            HostAlertChange::Began(alert) => self.begin(alert, names),
            HostAlertChange::Ended { id, at } => self.end(id, at),
        }
    }

    fn begin(&mut self, alert: HostAlert, names: &Names) -> Option<Step> {
        if self.firing.contains_key(&alert.id) {
            return None;
        }
        if self.firing.len() >= MAX_FIRING {
            tracing::warn!(
                host = alert.instance,
                alert = alert.text,
                "not told: too many fire"
            );
            return None;
        }
        let texts = self.raised.entry(alert.instance.clone()).or_default();
        let is_known = texts.contains_key(&alert.text);
        let device = names.get(&alert.instance).unwrap_or(&alert.instance);
        let raised = texts.entry(alert.text.clone()).or_insert_with(|| Raised {
            device: device.clone(),
            rule: alert.rule,
            since: alert.since,
            alerts: 0,
            is_unsettled: false,
        });
        raised.alerts += 1;
        let step = (!is_known).then(|| {
            let device = raised.device.clone();
            let text = alert.text.clone();
            let transition = Transition::raised(alert.since, device, text, alert.severity);
            (alert.instance.clone(), transition)
        });
        self.firing.insert(alert.id, (alert.instance, alert.text));
        step
    }

    fn end(&mut self, id: u64, at: Millis) -> Option<Step> {
        let (instance, text) = self.firing.remove(&id)?;
        let raised = self.raised.get_mut(&instance)?.get_mut(&text)?;
        raised.alerts -= 1;
        // Right after a start other alerts of that text may only not have been found yet.
        if raised.alerts > 0 || raised.is_unsettled {
            return None;
        }
        self.recover(&instance, &text, at)
    }

    fn recover(&mut self, instance: &str, text: &str, at: Millis) -> Option<Step> {
        let texts = self.raised.get_mut(instance)?;
        let raised = texts.remove(text)?;
        if texts.is_empty() {
            self.raised.remove(instance);
        }
        let transition = Transition::recovered(at, raised.device, text);
        Some((instance.to_owned(), transition))
    }

    /// Makes up for every change that was not told.
    fn compare(&mut self, now: HostAlertsNow, at: Millis, names: &Names) -> Vec<Step> {
        let ids: HashSet<u64> = now.firing.iter().map(|one| one.id).collect();
        let gone = self.firing.keys().filter(|id| !ids.contains(id));
        let gone: Vec<u64> = gone.copied().collect();
        let mut steps = Vec::new();
        for alert in now.firing {
            steps.extend(self.begin(alert, names));
        }
        for id in gone {
            steps.extend(self.end(id, at));
        }
        let mut over = Vec::new();
        for (instance, texts) in &mut self.raised {
            for (text, raised) in texts {
                if raised.is_unsettled && !now.undecided.contains(&raised.rule) {
                    raised.is_unsettled = false;
                    if raised.alerts == 0 {
                        over.push((instance.clone(), text.clone()));
                    }
                }
            }
        }
        steps.extend((over.iter()).filter_map(|(instance, text)| self.recover(instance, text, at)));
        steps
    }
}

/// What clients call hosts, by `instance`.
type Names = HashMap<String, String>;

impl Inventory {
    /// Tells what became of alerts; returns once that is committed.
    ///
    /// # Errors
    /// [`InventoryError`] when the store does not take it; nothing is told then.
    pub async fn host_alerts_changed(
        self: &Arc<Self>,
        changes: Vec<HostAlertChange>,
    ) -> Result<(), InventoryError> {
        let began = changes.iter().filter_map(|change| match change {
            HostAlertChange::Began(alert) => Some(alert.id),
            HostAlertChange::Ended { .. } => None,
        });
        self.tell(began.collect(), move |alerts, names| {
            let steps = changes.into_iter();
            let steps = steps.filter_map(|change| alerts.apply(change, names));
            steps.collect()
        })
        .await
    }

    /// Tells whatever is different from what was told before; returns once that is committed.
    ///
    /// # Errors
    /// [`InventoryError`] when the store does not take it; nothing is told then.
    pub async fn compare_host_alerts(
        self: &Arc<Self>,
        now: HostAlertsNow,
    ) -> Result<(), InventoryError> {
        let at = self.clock.now();
        let began = now.firing.iter().map(|alert| alert.id).collect();
        self.tell(began, move |alerts, names| alerts.compare(now, at, names))
            .await
    }

    /// Makes a change by which these alerts may begin.
    async fn tell(
        self: &Arc<Self>,
        began: Vec<u64>,
        change: impl FnOnce(&mut HostAlerts, &Names) -> Vec<Step> + Send + 'static,
    ) -> Result<(), InventoryError> {
        let inventory = Arc::clone(self);
        let told = tokio::task::spawn_blocking(move || {
            let names = inventory.names_for(&began);
            inventory.put_steps(|alerts| change(alerts, &names))
        });
        let told = told.await;
        match told.map_err(|error| InventoryError::Unavailable(error.to_string()))?? {
            Some(ticket) => self.durable(ticket).await,
            None => Ok(()),
        }
    }

    /// The names of all hosts, if one of these alerts is new.
    fn names_for(&self, began: &[u64]) -> Names {
        let is_known = {
            let alerts = locked(&self.host_alerts);
            began.iter().all(|id| alerts.firing.contains_key(id))
        };
        if is_known {
            return Names::new();
        }
        let fleet = self.names();
        let hosts = fleet.hosts().iter();
        let names = hosts.map(|host| (host.instance.clone(), host.name.clone()));
        names.collect()
    }

    /// Hands the store what changed, all or nothing.
    fn put_steps(
        &self,
        change: impl FnOnce(&mut HostAlerts) -> Vec<Step>,
    ) -> Result<Option<Ticket>, InventoryError> {
        // A host may be a device as well: what that has raised is not raised again.
        let devices = locked(&self.devices);
        let mut alerts = locked(&self.host_alerts);
        let mut next = alerts.clone();
        let steps = change(&mut next);
        let now = self.clock.now();
        let mut objects: BTreeMap<&str, Object> = BTreeMap::new();
        let (mut transitions, none) = (Vec::new(), Texts::new());
        for (instance, transition) in &steps {
            let texts = next.raised.get(instance).unwrap_or(&none);
            let object = Object {
                kind: ObjectKind::HostFiring,
                key: instance.clone(),
                updated: now,
                body: json(texts)?,
            };
            objects.insert(instance, object);
            if !devices.has_raised(instance, transition.text()) {
                transitions.push(transition.clone());
            }
        }
        if steps.is_empty() {
            *alerts = next;
            return Ok(None);
        }
        let objects: Vec<Object> = objects.into_values().collect();
        let over = objects
            .iter()
            .filter(|object| object.body == Bytes::from_static(b"{}"));
        let over: Vec<String> = over.map(|object| object.key.clone()).collect();
        let urgency = Urgency::Waiting;
        let ticket = (self.alerts).record(&self.storage, transitions, objects, urgency)?;
        *alerts = next;
        for instance in over {
            // An empty document says the same.
            let _ = self
                .storage
                .delete_object(ObjectKind::HostFiring, &instance);
        }
        Ok(Some(ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: u64, text: &str) -> HostAlert {
        HostAlert {
            id,
            instance: "10.0.0.1:9100".to_owned(),
            text: text.to_owned(),
            rule: format!("rule of {text}"),
            severity: Severity::Critical,
            since: 1,
        }
    }

    fn names() -> Names {
        Names::from([("10.0.0.1:9100".to_owned(), "web".to_owned())])
    }

    fn told(steps: impl IntoIterator<Item = Step>) -> Vec<String> {
        let line =
            |(_, one): Step| format!("{} {} {}", one.device, one.severity.as_str(), one.alert);
        steps.into_iter().map(line).collect()
    }

    fn began(alerts: &mut HostAlerts, id: u64, text: &str) -> Vec<String> {
        told(alerts.apply(HostAlertChange::Began(alert(id, text)), &names()))
    }

    fn ended(alerts: &mut HostAlerts, id: u64) -> Vec<String> {
        told(alerts.apply(HostAlertChange::Ended { id, at: 2 }, &names()))
    }

    #[test]
    fn a_text_is_raised_once_and_recovers_once() {
        let mut alerts = HostAlerts::default();
        assert_eq!(
            began(&mut alerts, 1, "Low Disk Space"),
            ["web critical Low Disk Space"]
        );
        assert!(
            began(&mut alerts, 2, "Low Disk Space").is_empty(),
            "a second disk"
        );
        assert!(
            began(&mut alerts, 2, "Low Disk Space").is_empty(),
            "told twice"
        );
        assert_eq!(began(&mut alerts, 3, "Overheat"), ["web critical Overheat"]);
        assert!(ended(&mut alerts, 1).is_empty(), "the other disk is full");
        let last = ["web warning Low Disk Space - recovered"];
        assert_eq!(ended(&mut alerts, 2), last);
        assert!(ended(&mut alerts, 2).is_empty());
        assert_eq!(began(&mut alerts, 2, "Low Disk Space").len(), 1, "anew");
    }

    /// What the next start reads of it.
    fn restarted(before: &HostAlerts) -> HostAlerts {
        let mut after = HostAlerts::default();
        for (instance, texts) in &before.raised {
            after.restore(Object {
                kind: ObjectKind::HostFiring,
                key: instance.clone(),
                updated: 0,
                body: json(texts).unwrap(),
            });
        }
        after
    }

    fn compare(alerts: &mut HostAlerts, firing: &[HostAlert], undecided: &[&str]) -> Vec<String> {
        let now = HostAlertsNow {
            firing: firing.to_vec(),
            undecided: undecided.iter().map(|rule| (*rule).to_owned()).collect(),
        };
        told(alerts.compare(now, 3, &names()))
    }

    #[test]
    fn a_restart_neither_repeats_nor_forgets() {
        let mut alerts = HostAlerts::default();
        for (id, text) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            began(&mut alerts, id, text);
        }
        let mut alerts = restarted(&alerts);
        assert!(compare(&mut alerts, &[], &["rule of a", "rule of b", "rule of c"]).is_empty());
        assert!(began(&mut alerts, 1, "a").is_empty(), "it goes on");
        assert!(ended(&mut alerts, 1).is_empty(), "alert 2 may come yet");
        let (undecided, found) = (["rule of b"], [alert(2, "a")]);
        let over = ["web warning c - recovered"];
        assert_eq!(
            compare(&mut alerts, &found, &undecided),
            over,
            "a goes on, b is open"
        );
        assert_eq!(ended(&mut alerts, 2), ["web warning a - recovered"]);
        assert_eq!(
            compare(&mut alerts, &[], &[]),
            ["web warning b - recovered"]
        );
        assert!(restarted(&alerts).raised.is_empty());
    }

    #[test]
    fn what_was_not_told_is_found() {
        let mut alerts = HostAlerts::default();
        began(&mut alerts, 1, "a");
        let all = compare(&mut alerts, &[alert(2, "b")], &[]);
        assert_eq!(all, ["web critical b", "web warning a - recovered"]);
        assert!(compare(&mut alerts, &[alert(2, "b")], &[]).is_empty());
    }
}
