//! What a column is to hold: what a block has of it, less what is deleted, with what is new.

use std::sync::Arc;

use system_stats_model::sample::Millis;

use super::{Fold, FoldError, Folded};
use crate::block::Group;
use crate::column::{Cell, decode_cells};
use crate::head::Tally;
use crate::varint::Malformed;

/// A column before it is written.
#[derive(Debug, Default)]
pub(super) struct Content {
    id: u32,
    /// The clock to write it on.
    pub(super) clock: usize,
    /// Times since the window's start, and values.
    samples: Vec<(u32, f64)>,
    /// The same on a clock, encoded elsewhere before.
    pub(super) stored: Option<(usize, Vec<u8>)>,
    added: Tally,
    added_samples: u64,
    is_again: bool,
    refused: u64,
}

impl Content {
    /// Its cells on a clock that has all of its moments.
    pub(super) fn cells(&self, clock: &[u32]) -> Vec<Cell> {
        let mut from = 0;
        let mut place = |time: u32| {
            let at = match clock.get(from) {
                Some(&next) if next == time => from,
                _ => clock.binary_search(&time).ok()?,
            };
            from = at + 1;
            u32::try_from(at).ok()
        };
        let cells = self.samples.iter();
        cells
            .filter_map(|&(time, value)| Some((place(time)?, value)))
            .collect()
    }

    pub(super) fn is(&self, times: &[u32], values: &[f64]) -> bool {
        let same = |((time, value), have): ((&u32, &f64), &(u32, f64))| {
            *time == have.0 && value.to_bits() == have.1.to_bits()
        };
        times.len() == self.samples.len()
            && values.len() == self.samples.len()
            && times.iter().zip(values).zip(&self.samples).all(same)
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
            let source = &self.sources[owner];
            content.clock = self.clock_of[owner];
            if self.clocks[content.clock] == *source.clock() {
                let cells = source.cells(id).map(<[u8]>::to_vec);
                content.stored = cells.map(|cells| (content.clock, cells));
            }
            for sample in source.samples(id, self.start)? {
                content.add(self.start, sample);
            }
            return Ok(content);
        };
        content.clock = clock;
        let mut kept = self.base_samples(clock, cells)?;
        let before = kept.len();
        kept.retain(|&(time, _)| {
            let timestamp = self.start + Millis::from(time);
            !self.deletions.iter().any(|one| one.hides(id, timestamp))
        });
        let Some(owner) = owner else {
            if kept.len() == before {
                content.stored = Some((clock, cells.to_vec()));
            }
            content.samples = kept;
            return Ok(content);
        };
        content.clock = self.clock_of[owner];
        let new = self.sources[owner].samples(id, self.start)?;
        content.merge(self.start, &kept, &new);
        Ok(content)
    }

    fn base_samples(&self, clock: usize, cells: &[u8]) -> Result<Vec<(u32, f64)>, Malformed> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        read_cells(clock, cells, &self.clocks, &mut times, &mut values)?;
        Ok(times.into_iter().zip(values).collect())
    }
}

impl Content {
    /// Both ascending; of one moment what is there already stays.
    fn merge(&mut self, start: Millis, kept: &[(u32, f64)], new: &[(u32, f64)]) {
        let mut new = new.iter().copied().peekable();
        for &(time, value) in kept {
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
    cells: &[u8],
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
