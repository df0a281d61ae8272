//! What history keeps: an alert that changed its state, something done to a silence.

use serde::{Deserialize, Serialize};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_storage::Event as Stored;
use xxhash_rust::xxh3::xxh3_128;

use super::silence::Silence;
use super::texts::{self, label_map, number};

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is not there.
    Inactive,
    /// It is there, but not for long enough yet.
    Pending,
    /// It is.
    Firing,
}

impl Phase {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert of a rule that changed its state. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// When.
    pub at: Millis,
    /// The file of its rule.
    pub file: String,
    /// The group of its rule.
    pub group: String,
    /// What it was before.
    pub from: Phase,
    /// What it is now.
    pub to: Phase,
    /// What identifies it in its group, `alertname` included.
    #[serde(with = "label_map")]
    pub labels: Labels,
    /// What people are told.
    pub annotations: Vec<(String, String)>,
    /// The newest value of its element.
    #[serde(with = "number")]
    pub value: f64,
    /// When its element appeared.
    pub active_at: Millis,
    /// When it began to fire.
    pub fired_at: Option<Millis>,
    /// Whether it ended at some time before: nobody watched it then.
    #[serde(default)]
    pub is_noticed: bool,
}

impl AlertChange {
    /// What tells it from the alerts of all groups.
    pub(super) fn key(&self) -> String {
        let text = [&*self.file, &*self.group, self.labels.encoded()].join("\0");
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }
}

/// What somebody did to a silence, or time did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It is new.
    Created,
    /// Its times or its comment are others.
    Changed,
    /// It has ended.
    Expired,
}

/// A silence that is new, different or over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceChange {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// What became of it.
    pub act: Act,
    /// Who did it; nobody when it ended by itself.
    pub by: String,
    /// The silence as it is since.
    pub silence: Silence,
}

/// A line of history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Event {
    /// Of an alert.
    Alert(AlertChange),
    /// Of a silence, or of an acknowledgement, which is one.
    Silence(SilenceChange),
}

/// The kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An alert is pending.
    Pending,
    /// An alert fires.
    Firing,
    /// An alert that fired does not any more.
    Resolved,
    /// A pending alert is gone.
    Gone,
    /// There is a silence.
    SilenceCreated,
    /// A silence is different.
    SilenceChanged,
    /// A silence is over.
    SilenceExpired,
    /// Somebody has acknowledged an alert.
    Acknowledged,
    /// The acknowledgement is over, mostly because the alert is.
    AcknowledgementExpired,
}

impl What {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Firing,
        Self::Resolved,
        Self::Gone,
        Self::SilenceCreated,
        Self::SilenceChanged,
        Self::SilenceExpired,
        Self::Acknowledged,
        Self::AcknowledgementExpired,
    ];

    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Gone => "gone",
            Self::SilenceCreated => "silence_created",
            Self::SilenceChanged => "silence_changed",
            Self::SilenceExpired => "silence_expired",
            Self::Acknowledged => "acknowledged",
            Self::AcknowledgementExpired => "acknowledgement_expired",
        }
    }
}

impl Event {
    /// Of which kind it is.
    #[must_use]
    pub fn what(&self) -> What {
        match self {
            Self::Alert(change) => match (change.from, change.to) {
                (_, Phase::Pending) => What::Pending,
                (_, Phase::Firing) => What::Firing,
                (Phase::Firing, Phase::Inactive) => What::Resolved,
                (_, Phase::Inactive) => What::Gone,
            },
            Self::Silence(change) => {
                let is_acknowledgement = change.silence.acknowledges.is_some();
                match (change.act, is_acknowledgement) {
                    (Act::Created, false) => What::SilenceCreated,
                    (Act::Created, true) => What::Acknowledged,
                    (Act::Changed, _) => What::SilenceChanged,
                    (Act::Expired, false) => What::SilenceExpired,
                    (Act::Expired, true) => What::AcknowledgementExpired,
                }
            }
        }
    }

    /// The labels of the alert that it is about; of a silence, what its matchers compare with.
    #[must_use]
    pub fn labels(&self) -> Labels {
        match self {
            Self::Alert(change) => change.labels.clone(),
            Self::Silence(change) => change.silence.compared(),
        }
    }

    /// As the store keeps it.
    pub(super) fn stored(&self) -> Option<Stored> {
        let at = match self {
            Self::Alert(change) => change.at,
            Self::Silence(change) => change.at,
        };
        let body = texts::json(self)?;
        Some(Stored { at, body })
    }
}
