//! The chain of a target's records in a segment: what each is coded against.
//!
//! Writer and reader keep the same state, so it is one type. A record is its number in the chain,
//! then rows: how the list of series is given, the time since the previous row, the list, a bitmap
//! of the values that changed, a number for each of these in planes of bytes, and what belongs to
//! those that are escapes.

use std::sync::Arc;

use super::planes::{self, Planes};
use super::value::{self, Unit};
use super::{Records, SAMPLES};
use crate::head::Row;
use crate::varint::{Malformed, Reader, write_i64, write_len, write_u64};

/// How a row says which series it has.
const SAME: u8 = 0;
const LISTED: u8 = 1;
const BITMAP: u8 = 2;

/// The state of a chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// The segment it is in.
    pub(super) segment: u64,
    /// The number of the next record; 0 begins the chain.
    pub(super) position: u64,
    timestamp: i64,
    /// Every series seen, ascending; their previous values and units.
    known: Arc<[u32]>,
    previous: Vec<f64>,
    units: Vec<Unit>,
    /// The series of the previous row.
    layout: Option<Arc<[u32]>>,
}

/// Where the series of a row are among those that are known.
enum Places {
    /// They are all of them.
    All,
    These(Vec<usize>),
}

impl Places {
    fn at(&self, at: usize) -> usize {
        match self {
            Self::All => at,
            Self::These(places) => places.get(at).copied().unwrap_or_default(),
        }
    }
}

/// What writing a record needs beside the chain, kept for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    numbers: Vec<u64>,
    escapes: Vec<u8>,
}

impl Chain {
    pub(super) fn begin(&mut self, segment: u64) {
        *self = Self {
            segment,
            ..Self::default()
        };
    }

    /// Memory, without the shared list of series.
    pub(crate) fn bytes(&self) -> usize {
        self.previous.capacity() * size_of::<f64>() + self.units.capacity() * size_of::<Unit>()
    }

    /// Adds a record of `rows` of the target `target` to what is to be written into `segment`.
    pub(crate) fn write(
        &mut self,
        segment: u64,
        target: u32,
        rows: &[Arc<Row>],
        records: &mut Records,
    ) {
        if self.segment != segment {
            self.begin(segment);
        }
        records.write(SAMPLES, |content, scratch| {
            write_u64(content, u64::from(target));
            write_u64(content, self.position);
            for row in rows {
                self.write_row(row, content, scratch);
            }
        });
        self.position += 1;
    }

    fn write_row(&mut self, row: &Row, out: &mut Vec<u8>, scratch: &mut Scratch) {
        let Scratch { numbers, escapes } = scratch;
        let places = self.write_layout(row, out);
        let changed = out.len();
        out.resize(changed + row.ids.len().div_ceil(8), 0);
        numbers.clear();
        escapes.clear();
        for (byte, values) in row.values.chunks(8).enumerate() {
            let place = |bit: usize| places.at(byte * 8 + bit);
            let mut mask = 0u8;
            let mut compare = |bit: usize, value: &f64, previous: f64| {
                mask |= u8::from(previous.to_bits() != value.to_bits()) << bit;
            };
            let values_at = values.iter().enumerate();
            if let Places::All = places {
                let previous = &self.previous[byte * 8..];
                values_at
                    .zip(previous)
                    .for_each(|((bit, value), previous)| compare(bit, value, *previous));
            } else {
                values_at.for_each(|(bit, value)| compare(bit, value, self.previous[place(bit)]));
            }
            out[changed + byte] = mask;
            while mask != 0 {
                let bit = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let (place, value) = (place(bit), values[bit]);
                let unit = &mut self.units[place];
                numbers.push(value::write(unit, self.previous[place], value, escapes));
                self.previous[place] = value;
            }
        }
        planes::write(numbers, out);
        out.extend_from_slice(escapes);
    }

    fn write_layout(&mut self, row: &Row, out: &mut Vec<u8>) -> Places {
        let is_same = |layout: &Arc<[u32]>| Arc::ptr_eq(layout, &row.ids) || *layout == row.ids;
        let is_same = self.layout.as_ref().is_some_and(is_same);
        let places = self.places(&row.ids);
        let bitmap = self.known.len().div_ceil(8);
        let kind = if is_same {
            SAME
        } else if bitmap < row.ids.len() && places.is_some() {
            BITMAP
        } else {
            LISTED
        };
        out.push(kind);
        write_i64(out, row.timestamp.wrapping_sub(self.timestamp));
        self.timestamp = row.timestamp;
        if kind == LISTED {
            write_len(out, row.ids.len());
            let mut next = 0u32;
            for &id in &*row.ids {
                write_u64(out, u64::from(id.wrapping_sub(next)));
                next = id.wrapping_add(1);
            }
        }
        let places = places.unwrap_or_else(|| self.learn(&row.ids));
        if kind == BITMAP {
            let from = out.len();
            out.resize(from + bitmap, 0);
            for at in 0..row.ids.len() {
                let place = places.at(at);
                out[from + place / 8] |= 1 << (place % 8);
            }
        }
        self.layout = Some(Arc::clone(&row.ids));
        places
    }

    /// Reads the next row of a record.
    pub(super) fn read_row(
        &mut self,
        reader: &mut Reader<'_>,
        room: &mut Planes,
    ) -> Result<Row, Malformed> {
        let kind = reader.u8()?;
        self.timestamp = self.timestamp.wrapping_add(reader.i64()?);
        let ids = match kind {
            SAME => self
                .layout
                .clone()
                .ok_or(Malformed("no series to repeat"))?,
            LISTED => Self::read_list(reader)?,
            BITMAP => self.read_bitmap(reader)?,
            _ => return Err(Malformed("an unknown kind of row")),
        };
        let places = self.learn(&ids);
        let changed = reader.take(ids.len().div_ceil(8))?;
        // What a mask has beyond the last series says nothing.
        let masks = changed.iter().enumerate().map(|(byte, mask)| {
            let range = byte * 8..ids.len().min(byte * 8 + 8);
            (mask & u8::MAX >> (8 - range.len()), range)
        });
        let count = masks.clone().map(|(mask, _)| mask.count_ones() as usize);
        let mut numbers = room.read(reader, count.sum())?.iter();
        let mut values = Vec::with_capacity(ids.len());
        for (mut mask, range) in masks {
            while mask != 0 {
                let place = places.at(range.start + mask.trailing_zeros() as usize);
                mask &= mask - 1;
                let number = numbers.next().copied().unwrap_or_default();
                let previous = &mut self.previous[place];
                *previous = value::read(&mut self.units[place], *previous, number, reader)?;
            }
            values.extend(range.map(|at| self.previous[places.at(at)]));
        }
        self.layout = Some(Arc::clone(&ids));
        Ok(Row {
            timestamp: self.timestamp,
            ids,
            values: values.into(),
        })
    }

    fn read_list(reader: &mut Reader<'_>) -> Result<Arc<[u32]>, Malformed> {
        let mut ids = Vec::with_capacity(reader.clone().count()?);
        let mut next = 0u32;
        for at in 0..reader.count()? {
            let gap = reader.u32()?;
            let id = next.checked_add(gap).filter(|id| at == 0 || *id >= next);
            let id = id.ok_or(Malformed("series out of order"))?;
            ids.push(id);
            next = id
                .checked_add(1)
                .ok_or(Malformed("a series number too large"))?;
        }
        Ok(ids.into())
    }

    fn read_bitmap(&self, reader: &mut Reader<'_>) -> Result<Arc<[u32]>, Malformed> {
        let bitmap = reader.take(self.known.len().div_ceil(8))?;
        let is_set = |at: usize| bitmap[at / 8] & (1 << (at % 8)) != 0;
        let known = self.known.iter().enumerate();
        Ok(known
            .filter(|(at, _)| is_set(*at))
            .map(|(_, id)| *id)
            .collect())
    }

    /// Where in `known` the series are, if all are.
    fn places(&self, ids: &Arc<[u32]>) -> Option<Places> {
        if Arc::ptr_eq(&self.known, ids) || self.known == *ids {
            return Some(Places::All);
        }
        let mut places = Vec::with_capacity(ids.len());
        let mut from = 0;
        for id in &**ids {
            from += match self.known.get(from) {
                Some(next) if next == id => 0,
                _ => self.known[from..].binary_search(id).ok()?,
            };
            places.push(from);
            from += 1;
        }
        Some(Places::These(places))
    }

    /// Where in `known` the series are; those that are not there yet begin at 0.
    fn learn(&mut self, ids: &Arc<[u32]>) -> Places {
        if let Some(places) = self.places(ids) {
            return places;
        }
        let merged: Arc<[u32]> = if self.known.is_empty() {
            Arc::clone(ids)
        } else {
            let mut merged = [&*self.known, &**ids].concat();
            merged.sort_unstable();
            merged.dedup();
            merged.into()
        };
        let mut before = self.known.iter().zip(&self.previous).zip(&self.units);
        let mut next = before.next();
        let states = merged.iter().map(|id| match next {
            Some(((known, &previous), &unit)) if known == id => {
                next = before.next();
                (previous, unit)
            }
            _ => (0.0, Unit::ONE),
        });
        let (previous, units) = states.unzip();
        self.known = merged;
        (self.previous, self.units) = (previous, units);
        // All are known now.
        self.places(ids).unwrap_or(Places::All)
    }
}
