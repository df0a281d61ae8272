//! The file of keys that writing clients present: their names, and which contracts need none.
//!
//! ```yaml
//! keys:
//!   - name: forwarders
//!     key: 5a1c…
//! exempt: [monitoring-stack]
//! ```
//!
//! The file is looked at when a key is asked for, and read again when it has changed. One that
//! cannot be used changes nothing: the keys before stay in force.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq as _;

use super::fields::{Place, Problems};
use super::{ConfigError, read_text, yaml};

/// The shortest key; shorter ones are guessed.
const MIN_KEY: usize = 8;

/// The contracts of the older systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// Hosts that push readings.
    MonitoringStack,
    /// Devices that push samples.
    HardwareMonitor,
    /// Services that push what they like.
    ServiceMonitor,
}

impl Contract {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "monitoring-stack" | "a" | "A" => Ok(Self::MonitoringStack),
            "hardware-monitor" | "b" | "B" => Ok(Self::HardwareMonitor),
            "service-monitor" | "c" | "C" => Err(
                "the service monitor's clients can send a key; only monitoring-stack and \
                 hardware-monitor may be exempt"
                    .to_owned(),
            ),
            _ => Err(format!(
                "unknown contract {text:?}; use monitoring-stack or hardware-monitor"
            )),
        }
    }
}

/// The keys in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys {
    keys: Vec<Key>,
    exempt: Vec<Contract>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    name: String,
    key: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ApiKeys {
    /// Reads a file's content.
    ///
    /// # Errors
    /// [`ConfigError`], with file, line and remedy.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut problems = Problems::new(file);
        let read = match yaml::parse(text) {
            Ok(node) => read(&Place::root(&node), &mut problems),
            Err(unreadable) => {
                problems.add(unreadable.line, "", unreadable.reason);
                None
            }
        };
        let problems = problems.into_sorted();
        match read {
            Some(keys) if problems.is_empty() => Ok(keys),
            _ => Err(ConfigError::Invalid(problems)),
        }
    }

    /// Whether there is no key at all: then nobody needs one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a write of this contract needs a key.
    #[must_use]
    pub fn is_needed(&self, contract: Contract) -> bool {
        !self.keys.is_empty() && !self.exempt.contains(&contract)
    }

    /// The name of the key that is presented, if it is one. How long it takes tells nothing of how
    /// near a wrong one came.
    #[must_use]
    pub fn name_of(&self, presented: &str) -> Option<&str> {
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.key.as_bytes().ct_eq(presented.as_bytes())) {
                found = Some(key.name.as_str());
            }
        }
        found
    }
}

fn read(place: &Place<'_>, problems: &mut Problems) -> Option<ApiKeys> {
    let mut fields = place.fields(problems)?;
    let mut keys: Vec<Key> = Vec::new();
    let listed = fields.take("keys");
    let listed = listed
        .and_then(|list| list.list(problems))
        .unwrap_or_default();
    if listed.is_empty() {
        place.problem(
            problems,
            "keys: at least one is needed: `- name:` with its `key:`",
        );
    }
    for item in listed {
        if let Some(key) = read_key(&item, &keys, problems) {
            keys.push(key);
        }
    }
    let exempt = fields.take("exempt").and_then(|list| list.list(problems));
    let exempt = exempt.unwrap_or_default().into_iter();
    let exempt = exempt.filter_map(|item| item.read(problems, Contract::parse));
    let exempt = exempt.collect();
    fields.finish(&[], problems);
    Some(ApiKeys { keys, exempt })
}

fn read_key(place: &Place<'_>, before: &[Key], problems: &mut Problems) -> Option<Key> {
    let mut fields = place.fields(problems)?;
    let name = fields.take("name").and_then(|name| name.text(problems));
    let key = fields.take("key").and_then(|key| {
        key.read(problems, |text| {
            let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
            if text.len() < MIN_KEY || !is_printable {
                return Err(format!(
                    "a key has at least {MIN_KEY} printable ASCII characters and no space"
                ));
            }
            Ok(text.to_owned())
        })
    });
    fields.finish(&[], problems);
    let (Some(name), Some(key)) = (name.filter(|name| !name.is_empty()), key) else {
        place.problem(problems, "a key needs a name and a key");
        return None;
    };
    if before.iter().any(|other| other.name == name) {
        place.problem(problems, format!("there is another key called {name:?}"));
    }
    let name = name.to_owned();
    Some(Key { name, key })
}

/// The keys of a file as it is now, or none at all.
#[derive(Debug, Default)]
pub struct KeyFile {
    path: Option<PathBuf>,
    loaded: Mutex<Loaded>,
}

type Signature = (u64, u64, i64, i64);

#[derive(Debug, Default)]
struct Loaded {
    keys: Arc<ApiKeys>,
    seen: Option<Signature>,
}

impl KeyFile {
    /// Reads the file, if there is to be one.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read or used.
    pub fn open(path: Option<PathBuf>) -> Result<Self, ConfigError> {
        let loaded = match &path {
            None => Loaded::default(),
            Some(path) => {
                let seen = signature(path);
                let keys = Arc::new(load(path)?);
                Loaded { keys, seen }
            }
        };
        Ok(Self {
            path,
            loaded: Mutex::new(loaded),
        })
    }

    /// The keys in force. A change of the file counts from the next call on.
    pub fn current(&self) -> Arc<ApiKeys> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.path else {
            return Arc::clone(&loaded.keys);
        };
        let seen = signature(path);
        if seen != loaded.seen {
            loaded.seen = seen;
            match load(path) {
                Ok(keys) => {
                    tracing::info!(keys = keys.keys.len(), "the file of keys was read again");
                    loaded.keys = Arc::new(keys);
                }
                Err(error) => {
                    tracing::error!(%error, "the file of keys cannot be used; the old keys stay");
                }
            }
        }
        Arc::clone(&loaded.keys)
    }
}

/// What changes when a file is written or another takes its place.
fn signature(path: &Path) -> Option<Signature> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.len(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ))
}

fn load(path: &Path) -> Result<ApiKeys, ConfigError> {
    ApiKeys::parse(&read_text(path)?, &path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "keys:\n- name: a\n  key: aaaaaaaa\n- name: b\n  key: bbbbbbbb\n";

    #[test]
    fn keys_are_told_apart_and_contracts_exempt() {
        let keys = ApiKeys::parse(&format!("{TWO}exempt: [monitoring-stack, B]\n"), "k").unwrap();
        assert_eq!(keys.name_of("aaaaaaaa"), Some("a"));
        assert_eq!(keys.name_of("bbbbbbbb"), Some("b"));
        for wrong in ["", "a", "aaaaaaaab", "bbbbbbba"] {
            assert_eq!(keys.name_of(wrong), None, "{wrong}");
        }
        assert!(!keys.is_needed(Contract::MonitoringStack));
        assert!(!keys.is_needed(Contract::HardwareMonitor));
        assert!(keys.is_needed(Contract::ServiceMonitor));
        assert!(!ApiKeys::default().is_needed(Contract::ServiceMonitor));
        assert!(
            !format!("{keys:?}").contains("aaaaaaaa"),
            "keys are not logged"
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let cases = [
            ("", "k:1: keys: at least one"),
            ("keys: []\nexempt: []\n", "k:1: keys: at least one"),
            (
                "keys:\n- name: a\n  key: short\n",
                "k:3: keys[0].key: a key has at least 8",
            ),
            (
                "keys:\n- key: aaaaaaaa\n",
                "k:2: keys[0]: a key needs a name",
            ),
            (
                &format!("{TWO}exempt: [c]\n"),
                "k:6: exempt[0]: the service monitor",
            ),
            (
                &format!("{TWO}exempt: [x]\n"),
                "k:6: exempt[0]: unknown contract",
            ),
            (
                &format!("{TWO}- name: a\n  key: cccccccc\n"),
                "k:6: keys[2]: there is another key",
            ),
            (
                &format!("{TWO}excempt: [a]\n"),
                "k:6: excempt: unknown key; did you mean exempt?",
            ),
        ];
        for (text, expected) in cases {
            let error = ApiKeys::parse(text, "k").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_changed_file_counts_at_once_and_a_bad_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yml");
        fs::write(&path, TWO).unwrap();
        let file = KeyFile::open(Some(path.clone())).unwrap();
        let knows = |key: &str| file.current().name_of(key).is_some();
        assert!(knows("aaaaaaaa"));
        fs::write(&path, "keys:\n- name: c\n  key: cccccccc\n").unwrap();
        assert!(!knows("aaaaaaaa") && knows("cccccccc"));
        fs::write(&path, "keys:\n- name: d\n").unwrap();
        assert!(knows("cccccccc"), "the keys before stay");
        fs::remove_file(&path).unwrap();
        assert!(knows("cccccccc"), "without a file too");
        fs::write(&path, TWO).unwrap();
        assert!(knows("bbbbbbbb"));
        assert!(KeyFile::open(Some(folder.path().join("none"))).is_err());
        assert_eq!(*KeyFile::open(None).unwrap().current(), ApiKeys::default());
    }
}
