//! What a column is to hold: what a block has of it, less what is deleted, with what is new.

use std::sync::Arc;

use system_stats_model::sample::Millis;

use super::{Fold, FoldError, Folded};
use crate::block::Group;
use crate::column::{Parts, decode_cells};
use crate::head::Tally;
use crate::varint::Malformed;

/// Times since the window's start, ascending, and as many values.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) times: Vec<u32>,
    pub(super) values: Vec<f64>,
}

impl Samples {
    fn push(&mut self, (time, value): (u32, f64)) {
        self.times.push(time);
        self.values.push(value);
    }

    fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.times.iter().copied().zip(self.values.iter().copied())
    }
}

/// A column as a block has it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) clock: usize,
    pub(super) body: Vec<u8>,
    pub(super) bits: Vec<u8>,
}

/// A column before it is written.
#[derive(Debug, Default)]
pub(super) struct Content {
    id: u32,
    /// The clock to write it on.
    pub(super) clock: usize,
    samples: Samples,
    /// The same as a block has them already.
    pub(super) stored: Option<Stored>,
    added: Tally,
    added_samples: u64,
    is_again: bool,
    refused: u64,
}

impl Content {
    pub(super) fn values(&self) -> &[f64] {
        &self.samples.values
    }

    /// In which rows of a clock that has all of its moments they are.
    pub(super) fn rows(&self, clock: &[u32]) -> Vec<u32> {
        let times = &self.samples.times;
        if times == clock {
            return (0u32..).take(clock.len()).collect();
        }
        let mut from = 0;
        let mut place = |time: &u32| {
            let at = match clock.get(from) {
                Some(next) if next == time => from,
                _ => clock.binary_search(time).ok()?,
            };
            from = at + 1;
            u32::try_from(at).ok()
        };
        times.iter().filter_map(&mut place).collect()
    }

    pub(super) fn is(&self, times: &[u32], values: &[f64]) -> bool {
        let have = &self.samples.values;
        let mut values = values.iter().zip(have);
        self.samples.times == times
            && values.len() == have.len()
            && values.all(|(value, have)| value.to_bits() == have.to_bits())
    }

    pub(super) fn report(&mut self, folded: &mut Folded) {
        if self.added.latest().is_some() {
            folded.added.push((self.id, self.added));
        }
        if self.is_again {
            folded.again.push(self.id);
        }
        folded.refused += self.refused;
        folded.samples += self.added_samples;
    }

    /// Takes samples of which all are new.
    fn take(&mut self, start: Millis, samples: Samples) {
        self.added = Tally::of(start, &samples.times, &samples.values);
        self.added_samples += samples.times.len() as u64;
        self.samples = samples;
    }

    fn add(&mut self, start: Millis, sample: (u32, f64)) {
        self.added.count(start + Millis::from(sample.0), sample.1);
        self.added_samples += 1;
        self.samples.push(sample);
    }

    /// Notes that a new sample is of a moment that has one already.
    fn repeat(&mut self, new: f64, have: f64) {
        self.is_again = true;
        self.refused += u64::from(new.to_bits() != have.to_bits());
    }
}

impl Fold {
    /// What column `at` of a group is to hold.
    pub(super) fn content(&self, group: u32, at: usize, id: u32) -> Result<Content, FoldError> {
        let base = match &self.base {
            Some(base) => base.column(group, at)?,
            None => None,
        };
        let owner = self.owner(id);
        let mut content = Content {
            id,
            ..Content::default()
        };
        let Some((clock, cells)) = base else {
            let Some(owner) = owner else {
                return Ok(content);
            };
            content.clock = self.clock_of[owner];
            content.take(self.start, self.sources[owner].samples(id, self.start)?);
            return Ok(content);
        };
        content.clock = clock;
        let have = self.base_samples(clock, cells)?;
        let is_kept = |time: u32| {
            let timestamp = self.start + Millis::from(time);
            !self.deletions.iter().any(|one| one.hides(id, timestamp))
        };
        let is_whole = have.times.iter().all(|&time| is_kept(time));
        let kept = if is_whole {
            have
        } else {
            let mut kept = Samples::default();
            let some = have.iter().filter(|sample| is_kept(sample.0));
            some.for_each(|sample| kept.push(sample));
            kept
        };
        let Some(owner) = owner else {
            content.stored = is_whole.then(|| Stored {
                clock,
                body: cells.body.to_vec(),
                bits: cells.bits.to_vec(),
            });
            content.samples = kept;
            return Ok(content);
        };
        content.clock = self.clock_of[owner];
        let new = self.sources[owner].samples(id, self.start)?;
        content.merge(self.start, &kept, &new);
        Ok(content)
    }

    fn base_samples(&self, clock: usize, cells: Parts<'_>) -> Result<Samples, Malformed> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        read_cells(clock, cells, &self.clocks, &mut times, &mut values)?;
        Ok(Samples { times, values })
    }
}

impl Content {
    /// Both ascending; of one moment what is there already stays.
    fn merge(&mut self, start: Millis, kept: &Samples, new: &Samples) {
        let mut new = new.iter().peekable();
        for (time, value) in kept.iter() {
            while let Some(sample) = new.next_if(|sample| sample.0 < time) {
                self.add(start, sample);
            }
            if let Some(twice) = new.next_if(|sample| sample.0 == time) {
                self.repeat(twice.1, value);
            }
            self.samples.push((time, value));
        }
        for sample in new {
            self.add(start, sample);
        }
    }
}

/// Appends the times and values of a group's column.
pub(super) fn read(
    group: &Group,
    at: usize,
    clocks: &[Arc<[u32]>],
    times: &mut Vec<u32>,
    values: &mut Vec<f64>,
) -> Result<(), Malformed> {
    match group.column(at)? {
        Some((clock, cells)) => read_cells(clock, cells, clocks, times, values),
        None => Ok(()),
    }
}

fn read_cells(
    clock: usize,
    cells: Parts<'_>,
    clocks: &[Arc<[u32]>],
    times: &mut Vec<u32>,
    values: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let clock = clocks.get(clock);
    let clock = clock.ok_or(Malformed("a clock that is not there"))?;
    decode_cells(cells, clock.len(), values, &mut |rows| {
        times.extend_from_slice(&clock[rows.start as usize..rows.end as usize]);
    })
}
