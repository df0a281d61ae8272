//! One silence.

use serde::{Deserialize, Serialize};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::Millis;

use super::AlertingError;
use super::texts::{matchers, maybe_label_map};

/// Alerts that nobody wants to hear of for a while. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// Which alerts: those that satisfy all of them.
    #[serde(with = "matchers")]
    pub matchers: Vec<Matcher>,
    /// From when on.
    pub starts_at: Millis,
    /// Until when, not included.
    pub ends_at: Millis,
    /// When it was last changed.
    pub updated_at: Millis,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// The labels of the alert that it acknowledges; it ends when that one does.
    #[serde(default, with = "maybe_label_map")]
    pub acknowledges: Option<Labels>,
    /// Whether history has its end.
    #[serde(default)]
    pub(super) is_end_noted: bool,
}

/// What somebody wants a silence to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Which one it changes; empty for a new one.
    pub id: String,
    /// Which alerts.
    pub matchers: Vec<Matcher>,
    /// From when on, in milliseconds since 1970.
    pub starts_at: Millis,
    /// Until when.
    pub ends_at: Millis,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Whether a silence is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// It is.
    Active,
    /// It will be.
    Pending,
    /// It was.
    Expired,
}

impl SilenceState {
    /// As Alertmanager writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn state(&self, now: Millis) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether it is about an alert with these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers
            .iter()
            .all(|matcher| matcher.matches_labels(labels))
    }

    /// What its matchers compare labels with.
    #[must_use]
    pub fn compared(&self) -> Labels {
        let pair = |matcher: &Matcher| (matcher.name().to_owned(), matcher.value().to_owned());
        Labels::from_pairs(self.matchers.iter().map(pair))
    }

    /// Whether `draft` only changes what may change in place: as Alertmanager's `canUpdate`.
    pub(super) fn can_become(&self, draft: &Draft, now: Millis) -> bool {
        let is_possible = match self.state(now) {
            SilenceState::Active => {
                let second = |at: Millis| at.div_euclid(1000);
                second(draft.starts_at) == second(self.starts_at) && draft.ends_at >= now
            }
            SilenceState::Pending => draft.starts_at >= now,
            SilenceState::Expired => false,
        };
        is_possible && self.matchers == draft.matchers
    }
}

impl Draft {
    /// Checks it as Alertmanager does, in its words.
    pub(super) fn check(&self, now: Millis) -> Result<(), AlertingError> {
        let invalid = |text: &str| Err(AlertingError::Invalid(text.to_owned()));
        if self.starts_at >= self.ends_at {
            return invalid("Failed to create silence: start time must be before end time");
        }
        if self.ends_at < now {
            return invalid("Failed to create silence: end time can't be in the past");
        }
        if self.matchers.is_empty() {
            return invalid("silence invalid: at least one matcher required");
        }
        for (at, matcher) in self.matchers.iter().enumerate() {
            if !is_label_name(matcher.name()) {
                let name = matcher.name();
                return invalid(&format!(
                    "silence invalid: invalid label matcher {at}: invalid label name {name:?}"
                ));
            }
        }
        // What is not to be something is never said to match the empty text.
        let matches_empty = |matcher: &Matcher| {
            matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex) && matcher.matches("")
        };
        if self.matchers.iter().all(matches_empty) {
            return invalid(
                "silence invalid: at least one matcher must not match the empty string",
            );
        }
        Ok(())
    }
}

fn is_label_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}
