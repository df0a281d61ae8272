//! What a kept `/system` object says that no series does: which filesystem is the host's disk, and
//! when a host that only pushes was started.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use system_stats_model::sample::Millis;

/// How much newer the kept object may be than what is remembered of it. Neither a disk's mount
/// point nor a start time changes from object to object.
const MAX_AGE: Millis = 10 * 60 * 1000;
/// Hosts remembered; with more the memory starts anew.
const MAX_HOSTS: usize = 10_000;

/// What is remembered of one host's object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// `disk.mount`
    pub mount: Option<String>,
    /// `uptime`, as the second since 1970 in which the host was started.
    pub boot_time: Option<f64>,
}

impl Fact {
    /// Reads a kept object that was true at `updated`; what is missing or strange is not there.
    #[must_use]
    pub fn read(json: &[u8], updated: Millis) -> Self {
        let object: Value = serde_json::from_slice(json).unwrap_or_default();
        let mount = object.pointer("/disk/mount").and_then(Value::as_str);
        let uptime = object.pointer("/uptime/seconds").and_then(Value::as_f64);
        Self {
            mount: mount.map(str::to_owned),
            boot_time: uptime.map(|seconds| updated as f64 / 1000.0 - seconds),
        }
    }
}

/// The facts of the fleet, each with the time of the object it was read from.
#[derive(Debug, Default)]
pub(crate) struct Facts(Mutex<HashMap<String, (Millis, Fact)>>);

impl Facts {
    /// What is remembered of `instance`, if it is recent beside an object of `updated`.
    pub(crate) fn get(&self, instance: &str, updated: Millis) -> Option<Fact> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, fact) = known.get(instance)?;
        (updated.abs_diff(*seen) < MAX_AGE.unsigned_abs()).then(|| fact.clone())
    }

    pub(crate) fn put(&self, instance: &str, updated: Millis, fact: Fact) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_HOSTS && !known.contains_key(instance) {
            known.clear();
        }
        known.insert(instance.to_owned(), (updated, fact));
    }

    pub(crate) fn forget(&self, instance: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_objects_of_every_quality() {
        let whole = br#"{"disk":{"mount":"/data"},"uptime":{"seconds":60}}"#;
        let cases: [(&[u8], Option<&str>, Option<f64>); 4] = [
            (whole, Some("/data"), Some(40.0)),
            (br#"{"disk":{"mount":null},"uptime":[1]}"#, None, None),
            (b"{}", None, None),
            (b"\xff", None, None),
        ];
        for (json, mount, boot_time) in cases {
            let fact = Fact::read(json, 100_000);
            assert_eq!((fact.mount.as_deref(), fact.boot_time), (mount, boot_time));
        }
    }

    #[test]
    fn a_fact_is_read_again_when_the_object_moved_on() {
        let facts = Facts::default();
        facts.put("a", 1_000, Fact::default());
        assert_eq!(facts.get("a", 1_000 + MAX_AGE - 1), Some(Fact::default()));
        assert_eq!(facts.get("a", 1_000 + MAX_AGE), None);
        facts.forget("a");
        assert_eq!(facts.get("a", 1_000), None);
    }
}
