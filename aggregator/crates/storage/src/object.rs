//! Kept documents: JSON objects by kind and key, the newest version of each; and the events of
//! alerts, which are only ever added.

use bytes::Bytes;
use system_stats_model::sample::Millis;

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A whole `/system` document, fetched or pushed as `details`; its key is the host's
    /// `instance`.
    System,
    /// The newest sample of a pushing device; its key is the device's `instance`.
    Device,
    /// Which alerts a pushing device has raised and not recovered; keyed like [`Self::Device`].
    Firing,
    /// An alert of a device or host that was raised or recovered; its key is its number.
    Transition,
    /// An alert that somebody reported; its key is its number.
    Alert,
    /// A service that reports its status; its key is its name.
    Service,
    /// A report on a pipeline; its key is its number.
    Pipeline,
    /// An alert of a rule that is pending or firing; its key is what identifies it.
    Active,
    /// A silence; its key is its id.
    Silence,
    /// Which alerts rules have raised about a host and not recovered; its key is the host's
    /// `instance`.
    HostFiring,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::System,
        Self::Device,
        Self::Firing,
        Self::Transition,
        Self::Alert,
        Self::Service,
        Self::Pipeline,
        Self::Active,
        Self::Silence,
        Self::HostFiring,
    ];

    /// The number that stands for it in a database.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::System => 1,
            Self::Device => 2,
            Self::Firing => 3,
            Self::Transition => 4,
            Self::Alert => 5,
            Self::Service => 6,
            Self::Pipeline => 7,
            Self::Active => 8,
            Self::Silence => 9,
            Self::HostFiring => 10,
        }
    }

    /// The kind that a number in a database stands for.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Something that happened to an alert; kept until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// JSON text.
    pub body: Bytes,
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
