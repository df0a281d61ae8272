//! What some samples of a series add up to.

use system_stats_model::sample::{Millis, Sample, is_stale};

/// `latest_at` of a series that has nothing.
const NEVER: Millis = Millis::MIN;

/// How many samples, from when to when, and the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// Staleness markers not counted, like in `first` and `last`.
    pub(crate) samples: u32,
    /// `Millis::MAX` if there is none.
    pub(crate) first: Millis,
    /// `Millis::MIN` if there is none.
    pub(crate) last: Millis,
    latest_at: Millis,
    latest: f64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            samples: 0,
            first: Millis::MAX,
            last: Millis::MIN,
            latest_at: NEVER,
            latest: 0.0,
        }
    }
}

impl Tally {
    pub(crate) fn new(samples: u32, first: Millis, last: Millis, latest: Sample) -> Self {
        Self {
            samples,
            first,
            last,
            latest_at: latest.timestamp,
            latest: latest.value,
        }
    }

    /// Of a series' samples: times since `start`, ascending, and as many values.
    pub(crate) fn of(start: Millis, times: &[u32], values: &[f64]) -> Self {
        let at = |time: &u32| start + Millis::from(*time);
        let mut tally = Self::default();
        if let (Some(first), Some(last), Some(&value)) =
            (times.first(), times.last(), values.last())
            && !values.iter().any(|value| is_stale(*value))
        {
            let samples = u32::try_from(times.len()).unwrap_or(u32::MAX);
            let timestamp = at(last);
            let latest = Sample { timestamp, value };
            return Self::new(samples, at(first), timestamp, latest);
        }
        for (time, &value) in times.iter().zip(values) {
            tally.count(at(time), value);
        }
        tally
    }

    /// The newest sample, a staleness marker included.
    pub(crate) fn latest(&self) -> Option<Sample> {
        (self.latest_at != NEVER).then_some(Sample {
            timestamp: self.latest_at,
            value: self.latest,
        })
    }

    pub(crate) fn latest_at(&self) -> Option<Millis> {
        self.latest().map(|latest| latest.timestamp)
    }

    /// The same with another newest value.
    pub(super) fn with_value(self, latest: f64) -> Self {
        Self { latest, ..self }
    }

    /// What two of them share that differ in the newest value alone.
    pub(super) fn key(&self) -> (u32, Millis, Millis, Millis) {
        (self.samples, self.first, self.last, self.latest_at)
    }

    pub(crate) fn count(&mut self, timestamp: Millis, value: f64) {
        if !is_stale(value) {
            self.samples = self.samples.saturating_add(1);
            self.first = self.first.min(timestamp);
            self.last = self.last.max(timestamp);
        }
        if timestamp > self.latest_at {
            self.latest_at = timestamp;
            self.latest = value;
        }
    }

    /// Adds other samples. Of two newest of one time that of `self` stays.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        if other.latest_at > self.latest_at {
            (self.latest_at, self.latest) = (other.latest_at, other.latest);
        }
    }
}

/// Tallies are equal when the bits of their newest values are.
impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        let of = |tally: &Self| (tally.samples, tally.first, tally.last, tally.latest());
        of(self) == of(other)
    }
}
