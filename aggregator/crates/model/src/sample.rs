//! Samples: a value at a millisecond.

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
pub type Millis = i64;

/// The bits of the value that says "this series ends here" (Prometheus' `StaleNaN`).
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that says "this series ends here".
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether `value` is the staleness marker, as opposed to any other NaN.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// One value at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub timestamp: Millis,
    /// Any bit pattern; kept exactly.
    pub value: f64,
}

/// Samples are equal when their bits are: two NaNs of the same payload are the same sample.
impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp && self.value.to_bits() == other.value.to_bits()
    }
}

impl Eq for Sample {}

/// A stretch of time, both ends included, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond that belongs to it.
    pub start: Millis,
    /// The last millisecond that belongs to it.
    pub end: Millis,
}

impl TimeRange {
    /// Everything there is.
    pub const ALL: Self = Self {
        start: Millis::MIN,
        end: Millis::MAX,
    };

    /// Whether `timestamp` lies inside.
    #[must_use]
    pub fn contains(self, timestamp: Millis) -> bool {
        self.start <= timestamp && timestamp <= self.end
    }

    /// Whether the two share at least one millisecond.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}
