//! Kept documents: the newest version of a JSON object per host.

use bytes::Bytes;
use system_stats_model::sample::Millis;

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A whole `/system` document, fetched or pushed as `details`; its key is the host's
    /// `instance`.
    System,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::System];

    /// The number that stands for it in a database.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::System => 1,
        }
    }

    /// The kind that a number in a database stands for.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A document; only its newest version is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is about.
    pub kind: ObjectKind,
    /// Which one of its kind.
    pub key: String,
    /// When it was made, in milliseconds since 1970.
    pub updated: Millis,
    /// JSON text, as it arrived.
    pub body: Bytes,
}
