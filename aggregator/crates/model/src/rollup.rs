//! Samples summed up over left-open buckets of time, `(end − resolution, end]`.
//!
//! A [`Bucket`] keeps what is needed to answer a family of functions over any run of buckets as if
//! the samples were there: the ends with their times, the counter's falls, the extremes, and the
//! sum together with what rounding took from it. Staleness markers are not samples; only whether
//! the newest entry is one is remembered. Ends of buckets are multiples of the resolution, counted
//! from 1970, so coarse buckets are whole runs of fine ones.

mod run;

use crate::sample::{Millis, STALE, Sample, is_stale};

pub use run::Run;

/// The resolutions that are kept, in milliseconds, finest first.
pub const RESOLUTIONS: [Millis; 2] = [300_000, 3_600_000];

/// The coarsest of the [`RESOLUTIONS`] of which all of these lengths and moments are multiples.
#[must_use]
pub fn resolution_of(multiples: &[Millis]) -> Option<Millis> {
    let mut coarsest = RESOLUTIONS.into_iter().rev();
    coarsest.find(|by| multiples.iter().all(|one| one % by == 0))
}

/// The samples of one series in one bucket, or in a run of adjacent ones.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// The last millisecond that belongs to it.
    pub end: Millis,
    /// How many samples, staleness markers not counted. If 0, only [`ends_stale`](Self::ends_stale)
    /// says anything.
    pub count: u64,
    /// The oldest sample.
    pub first: Sample,
    /// The newest sample.
    pub last: Sample,
    /// What a counter's falls hide: the sum of the values that stood before a lower one.
    pub correction: f64,
    /// The least value; NaN only if all are.
    pub min: f64,
    /// The greatest value; NaN only if all are.
    pub max: f64,
    /// The sum of the values, rounded.
    pub sum: f64,
    /// What rounding took from `sum` (Neumaier, ZAMM 54, 1974).
    pub compensation: f64,
    /// Whether a staleness marker follows the newest sample.
    pub ends_stale: bool,
}

impl Bucket {
    /// A bucket in which nothing is.
    #[must_use]
    pub fn empty(end: Millis) -> Self {
        let nothing = Sample {
            timestamp: end,
            value: STALE,
        };
        Self {
            end,
            count: 0,
            first: nothing,
            last: nothing,
            correction: 0.0,
            min: f64::NAN,
            max: f64::NAN,
            sum: 0.0,
            compensation: 0.0,
            ends_stale: false,
        }
    }

    /// Adds an entry that is newer than all before it.
    pub fn add(&mut self, timestamp: Millis, value: f64) {
        self.ends_stale = is_stale(value);
        if self.ends_stale {
            return;
        }
        let sample = Sample { timestamp, value };
        if self.count == 0 {
            self.first = sample;
            (self.min, self.max) = (value, value);
            self.sum = value;
        } else {
            if value < self.last.value {
                self.correction += self.last.value;
            }
            self.take_extremes(value, value);
            self.add_to_sum(value);
        }
        self.last = sample;
        self.count += 1;
    }

    /// Adds what lies behind: a bucket whose samples are all newer. The result ends where that one
    /// does.
    pub fn join(&mut self, later: &Self) {
        if later.count == 0 {
            self.end = later.end;
            self.ends_stale |= later.ends_stale;
            return;
        }
        if self.count == 0 {
            *self = *later;
            return;
        }
        self.end = later.end;
        self.correction += self.fall_to(later) + later.correction;
        self.last = later.last;
        self.count += later.count;
        self.take_extremes(later.min, later.max);
        self.add_to_sum(later.sum);
        self.compensation += later.compensation;
        self.ends_stale = later.ends_stale;
    }

    /// What this bucket and the same one of another source have together; none if neither ended
    /// before the other began.
    fn with(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(*self);
        }
        let ends_before = |a: &Self, b: &Self| a.last.timestamp < b.first.timestamp;
        let is_any_empty = self.count == 0 || other.count == 0;
        let (mut first, later) = if is_any_empty || ends_before(self, other) {
            (*self, other)
        } else if ends_before(other, self) {
            (*other, self)
        } else {
            return None;
        };
        first.join(later);
        first.settle();
        Some(first)
    }

    /// What the counter lost between this bucket and the next one that has samples.
    #[must_use]
    pub fn fall_to(&self, later: &Self) -> f64 {
        if later.first.value < self.last.value {
            self.last.value
        } else {
            0.0
        }
    }

    /// The sum of the values.
    #[must_use]
    pub fn total(&self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.compensation
        }
    }

    /// Whether the sum is the same in whatever order it is formed, rounding apart. It is not when
    /// a part of it may overflow.
    #[must_use]
    pub fn has_safe_sum(&self) -> bool {
        let greatest = self.min.abs().max(self.max.abs());
        // NaN: all values are, and so is any sum of them.
        greatest.is_nan() || greatest * (self.count as f64) < f64::MAX / 2.0
    }

    /// The rounded sum takes up as much of the compensation as it can. Sums of decimals become
    /// decimals again that way.
    fn settle(&mut self) {
        let rounded = self.sum + self.compensation;
        if rounded.is_finite() {
            self.compensation += self.sum - rounded;
            self.sum = rounded;
        }
    }

    fn take_extremes(&mut self, min: f64, max: f64) {
        if min < self.min || self.min.is_nan() {
            self.min = min;
        }
        if max > self.max || self.max.is_nan() {
            self.max = max;
        }
    }

    fn add_to_sum(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.compensation += (self.sum - sum) + value;
        } else {
            self.compensation += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    fn bits(&self) -> [u64; 11] {
        [
            self.end.cast_unsigned(),
            self.count,
            self.first.timestamp.cast_unsigned(),
            self.first.value.to_bits(),
            self.last.timestamp.cast_unsigned(),
            self.last.value.to_bits(),
            self.correction.to_bits(),
            self.min.to_bits(),
            self.max.to_bits(),
            self.sum.to_bits(),
            self.compensation.to_bits(),
        ]
    }
}

/// Buckets are equal when every bit of them is.
impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits() && self.ends_stale == other.ends_stale
    }
}

impl Eq for Bucket {}

/// The end of the bucket that `timestamp` lies in. `resolution` is in milliseconds and positive.
#[must_use]
pub fn bucket_end(timestamp: Millis, resolution: Millis) -> Millis {
    let over = timestamp.rem_euclid(resolution);
    if over == 0 {
        timestamp
    } else {
        timestamp - over + resolution
    }
}

/// Appends the buckets of a series' samples (ascending, staleness markers among them) to `into`,
/// oldest first, those without any entry left out. `resolution` is in milliseconds and positive.
pub fn buckets(timestamps: &[Millis], values: &[f64], resolution: Millis, into: &mut Vec<Bucket>) {
    let mut open: Option<Bucket> = None;
    for (&timestamp, &value) in timestamps.iter().zip(values) {
        if open.is_none_or(|bucket| timestamp > bucket.end) {
            close(open, into);
            open = Some(Bucket::empty(bucket_end(timestamp, resolution)));
        }
        if let Some(bucket) = &mut open {
            bucket.add(timestamp, value);
        }
    }
    close(open, into);
}

/// Appends the coarser buckets of a series' finer ones; `resolution` is a multiple of theirs.
pub fn coarser(finer: &[Bucket], resolution: Millis, into: &mut Vec<Bucket>) {
    let mut open: Option<Bucket> = None;
    for bucket in finer {
        let end = bucket_end(bucket.end, resolution);
        if open.is_none_or(|open| open.end != end) {
            close(open, into);
            open = Some(Bucket::empty(end));
        }
        if let Some(open) = &mut open {
            open.join(bucket);
            open.end = end;
        }
    }
    close(open, into);
}

/// Appends buckets that follow on those of `into`. Of the bucket at the border each may have a part.
pub fn append(into: &mut Vec<Bucket>, later: &[Bucket]) {
    let mut later = later.iter();
    if let (Some(border), Some(first)) = (into.last_mut(), later.as_slice().first())
        && border.end == first.end
    {
        border.join(first);
        border.settle();
        later.next();
    }
    into.extend(later);
}

/// Two sources of one series both have samples of a bucket, and these cannot be put in order any
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaved {
    /// The end of the bucket.
    pub end: Millis,
}

/// Brings the buckets of another source of a series between those of `into`, both ascending. Of a
/// bucket that both have, one source must have ended before the other began; buckets that are equal
/// are taken for the same samples. Where it shows in no time, a staleness marker is taken for
/// newer than what `into` has, and for older than what the other has.
///
/// # Errors
/// [`Interleaved`]; `into` is as it was then.
pub fn merge(into: &mut Vec<Bucket>, other: &[Bucket]) -> Result<(), Interleaved> {
    let follows = |last: &Bucket| other.first().is_none_or(|first| last.end < first.end);
    if into.last().is_none_or(follows) {
        into.extend(other);
        return Ok(());
    }
    let mut all = Vec::with_capacity(into.len() + other.len());
    let (mut ours, mut theirs) = (into.iter().peekable(), other.iter().peekable());
    while let Some(&our) = ours.peek() {
        while let Some(their) = theirs.next_if(|their| their.end < our.end) {
            all.push(*their);
        }
        let both = match theirs.next_if(|their| their.end == our.end) {
            Some(their) => our.with(their).ok_or(Interleaved { end: our.end })?,
            None => *our,
        };
        all.push(both);
        ours.next();
    }
    all.extend(theirs);
    *into = all;
    Ok(())
}

fn close(bucket: Option<Bucket>, into: &mut Vec<Bucket>) {
    if let Some(mut bucket) = bucket {
        bucket.settle();
        into.push(bucket);
    }
}

#[cfg(test)]
mod tests;
