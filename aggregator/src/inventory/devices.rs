//! Devices that push whole samples: the newest sample of each, and which alerts it has raised.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use system_stats_model::append::{Ticket, Urgency};
use system_stats_model::labels::{INSTANCE, Labels};
use system_stats_model::sample::Millis;
use system_stats_storage::{Object, ObjectKind, Storage};

use super::alerts::{Severity, Transition, locked};
use super::hosts::{Fleet, Host};
use super::judge::Verdict;
use super::log::{PAGE, json};
use super::{Inventory, InventoryError};

/// Devices known at once.
const MAX_DEVICES: usize = 100_000;
/// Bytes of samples that are held in memory; further ones are read from the store.
const MAX_BYTES: usize = 128 << 20;

/// An alert that a device has raised and not recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The name of the rule that raised it.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when.
    pub since: Millis,
}

impl ActiveAlert {
    /// What identifies it, as labels of a rule's alert would.
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels::from_pairs([
            ("alertname", self.alert.as_str()),
            (INSTANCE, &self.device),
            ("severity", self.severity.as_str()),
        ])
    }
}

/// An alert that is raised at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveAlert {
    /// The device.
    pub device: String,
    /// What is wrong.
    pub alert: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when.
    pub since: Millis,
}

/// The alerts of a device by their text.
pub(super) type Firing = BTreeMap<String, Raised>;

#[derive(Clone, Debug, Default)]
struct Device {
    /// Its newest sample, unless too much is in memory already.
    body: Option<Bytes>,
    firing: Firing,
    /// The newest time that its series carry, where that is known.
    newest: Option<Millis>,
}

/// The devices by name.
#[derive(Debug, Default)]
pub(super) struct Devices {
    known: BTreeMap<String, Device>,
    bytes: usize,
}

/// A device's newest sample.
#[derive(Clone, Debug)]
pub struct DeviceSample {
    /// The device.
    pub name: String,
    /// A JSON object; `None` where it has to be asked for with [`Inventory::device_sample`].
    pub json: Option<Bytes>,
}

/// What a sample brings.
pub(super) struct Judged {
    pub(super) json: String,
    pub(super) verdict: Verdict,
    pub(super) now: Millis,
    /// The time that its series carry.
    pub(super) at: Millis,
}

impl Devices {
    pub(super) async fn load(storage: &Storage) -> Result<Mutex<Self>, InventoryError> {
        let mut devices = Self::default();
        for kind in [ObjectKind::Device, ObjectKind::Firing] {
            let mut after = String::new();
            loop {
                let page = storage.object_page(kind, &after, PAGE).await;
                let page = page.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.key);
                for object in page {
                    devices.restore(object);
                }
            }
        }
        Ok(Mutex::new(devices))
    }

    fn restore(&mut self, object: Object) {
        if object.kind == ObjectKind::Device {
            self.put_body(&object.key, object.body);
            return;
        }
        match serde_json::from_slice(&object.body) {
            Ok(firing) => self.known.entry(object.key).or_default().firing = firing,
            Err(error) => {
                tracing::warn!(device = object.key, %error, "kept alerts cannot be read");
            }
        }
    }

    fn put_body(&mut self, name: &str, body: Bytes) -> &mut Device {
        if !self.known.contains_key(name) {
            self.known.insert(name.to_owned(), Device::default());
        }
        let device = self.known.entry(name.to_owned()).or_default();
        self.bytes -= device.body.as_ref().map_or(0, Bytes::len);
        device.body = (self.bytes + body.len() <= MAX_BYTES).then_some(body);
        self.bytes += device.body.as_ref().map_or(0, Bytes::len);
        device
    }

    /// Whether a device has raised this and not recovered.
    pub(super) fn has_raised(&self, name: &str, text: &str) -> bool {
        let device = self.known.get(name);
        device.is_some_and(|device| device.firing.contains_key(text))
    }

    fn remove(&mut self, name: &str) -> bool {
        let removed = self.known.remove(name);
        let body = removed.as_ref().and_then(|device| device.body.as_ref());
        self.bytes -= body.map_or(0, Bytes::len);
        removed.is_some()
    }
}

/// What a device has raised after a sample, and what began and ended with it.
fn after(device: &str, before: &Firing, sample: &Judged) -> (Firing, Vec<Transition>) {
    let (verdict, now) = (&sample.verdict, sample.now);
    let mut firing = before.clone();
    let mut transitions = Vec::new();
    for finding in &verdict.findings {
        if !firing.contains_key(&finding.text) {
            let (name, text) = (device.to_owned(), finding.text.clone());
            transitions.push(Transition::raised(now, name, text, finding.severity));
            let raised = Raised {
                rule: finding.rule.clone(),
                severity: finding.severity,
                since: now,
            };
            firing.insert(finding.text.clone(), raised);
        }
    }
    let found = verdict.findings.iter().map(|finding| finding.text.as_str());
    let found: HashSet<&str> = found.collect();
    firing.retain(|text, raised| {
        let is_over = !found.contains(text.as_str()) && !verdict.undecided.contains(&raised.rule);
        if is_over {
            transitions.push(Transition::recovered(now, device.to_owned(), text));
        }
        !is_over
    });
    (firing, transitions)
}

impl Inventory {
    /// Whether one more device may be known, unless this one is already.
    pub(super) fn admit_device(&self, name: &str) -> Result<(), InventoryError> {
        let devices = locked(&self.devices);
        if devices.known.len() >= MAX_DEVICES && !devices.known.contains_key(name) {
            return Err(InventoryError::TooManyDevices(MAX_DEVICES));
        }
        Ok(())
    }

    /// Keeps a device's sample with what was found in it.
    pub(super) fn put_sample(
        &self,
        name: &str,
        sample: Judged,
        urgency: Urgency,
    ) -> Result<Ticket, InventoryError> {
        let mut devices = locked(&self.devices);
        let none = Firing::new();
        let before = devices
            .known
            .get(name)
            .map_or(&none, |device| &device.firing);
        let (firing, mut transitions) = after(name, before, &sample);
        let body = Bytes::from(sample.json);
        let object = |kind, body| Object {
            kind,
            key: name.to_owned(),
            updated: sample.now,
            body,
        };
        let mut objects = vec![object(ObjectKind::Device, body.clone())];
        if !transitions.is_empty() {
            objects.push(object(ObjectKind::Firing, json(&firing)?));
            // The device may be a host that rules watch too: each text is told once.
            let others = locked(&self.host_alerts);
            transitions.retain(|transition| !others.has(name, transition.text()));
        }
        let alerts = &self.alerts;
        let ticket = alerts.record(&self.storage, transitions, objects, urgency)?;
        let device = devices.put_body(name, body);
        device.firing = firing;
        device.newest = device.newest.max(Some(sample.at));
        Ok(ticket)
    }

    /// The newest time that a device's series carry; `None` when that is not known here.
    pub(super) fn newest_of_device(&self, name: &str) -> Option<Millis> {
        locked(&self.devices).known.get(name)?.newest
    }

    /// Forgets a device, if it is known.
    pub(super) fn remove_device(&self, name: &str) -> Result<Option<Ticket>, InventoryError> {
        let mut devices = locked(&self.devices);
        if !devices.remove(name) {
            return Ok(None);
        }
        self.storage.delete_object(ObjectKind::Firing, name)?;
        let (ticket, _) = self.storage.delete_object(ObjectKind::Device, name)?;
        Ok(Some(ticket))
    }

    /// Forgets devices that have said nothing since `horizon`.
    pub(super) fn expire_devices(&self, horizon: Millis) {
        for (name, updated) in self.storage.objects(ObjectKind::Device) {
            if updated < horizon && self.remove_device(&name).is_err() {
                // The store takes nothing at the moment; the next time will do.
                return;
            }
        }
    }

    /// The newest samples of all devices, by name.
    #[must_use]
    pub fn device_samples(&self) -> Vec<DeviceSample> {
        let devices = locked(&self.devices);
        let sample = |(name, device): (&String, &Device)| DeviceSample {
            name: name.clone(),
            json: device.body.clone(),
        };
        devices.known.iter().map(sample).collect()
    }

    /// How many devices and other hosts with readings there are.
    #[must_use]
    pub fn reporting(&self) -> usize {
        let others = self.other_hosts();
        let devices = locked(&self.devices);
        let is_other =
            |host: &&Host| host.readings > 0 && !devices.known.contains_key(host.instance.as_str());
        others.hosts().iter().filter(is_other).count() + devices.known.len()
    }

    /// The hosts that do not push as devices do.
    #[must_use]
    pub fn other_hosts(&self) -> Fleet {
        Fleet::scan_others(&self.storage, self.clock.now())
    }

    /// Whether this is the name of a device.
    #[must_use]
    pub fn is_device(&self, name: &str) -> bool {
        locked(&self.devices).known.contains_key(name)
    }

    /// The newest sample of a device, a JSON object; none of what is no device.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn device_sample(&self, name: &str) -> Result<Option<Bytes>, InventoryError> {
        match locked(&self.devices).known.get(name) {
            None => return Ok(None),
            Some(device) if device.body.is_some() => return Ok(device.body.clone()),
            Some(_) => {}
        }
        let object = self.storage.object(ObjectKind::Device, name).await;
        let object = object.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
        Ok(object.map(|object| object.body))
    }

    /// The alerts that devices have raised and not recovered, by device and text.
    #[must_use]
    pub fn active_alerts(&self) -> Vec<ActiveAlert> {
        let devices = locked(&self.devices);
        let mut active = Vec::new();
        for (name, device) in &devices.known {
            active.extend(device.firing.iter().map(|(text, raised)| ActiveAlert {
                device: name.clone(),
                alert: text.clone(),
                severity: raised.severity,
                since: raised.since,
            }));
        }
        active
    }
}
