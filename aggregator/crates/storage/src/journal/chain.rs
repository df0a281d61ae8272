//! The chain of a target's records in a segment: what each is coded against.
//!
//! Writer and reader keep the same state, so it is one type. A record is its number in the chain,
//! then rows: how the list of series is given, the time since the previous row, the list, a bitmap
//! of the values that changed, and these.

use std::sync::Arc;

use super::{SAMPLES, value, write_record};
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
    /// Every series seen, ascending, and their previous values.
    known: Vec<u32>,
    previous: Vec<f64>,
    /// The series of the previous row.
    layout: Option<Arc<[u32]>>,
}

impl Chain {
    pub(super) fn begin(&mut self, segment: u64) {
        *self = Self {
            segment,
            ..Self::default()
        };
    }

    /// Appends a record of `rows` of the target `target` to what is to be written into `segment`.
    pub(crate) fn write(
        &mut self,
        segment: u64,
        target: u32,
        rows: &[Arc<Row>],
        out: &mut Vec<u8>,
    ) {
        if self.segment != segment {
            self.begin(segment);
        }
        let mut content = Vec::new();
        write_u64(&mut content, u64::from(target));
        write_u64(&mut content, self.position);
        for row in rows {
            self.write_row(row, &mut content);
        }
        self.position += 1;
        write_record(out, SAMPLES, &content);
    }

    fn write_row(&mut self, row: &Row, out: &mut Vec<u8>) {
        let places = self.write_layout(row, out);
        let changed = out.len();
        out.resize(changed + row.ids.len().div_ceil(8), 0);
        for (at, (&value, place)) in row.values.iter().zip(places).enumerate() {
            let previous = &mut self.previous[place];
            if previous.to_bits() != value.to_bits() {
                out[changed + at / 8] |= 1 << (at % 8);
                value::write(out, *previous, value);
                *previous = value;
            }
        }
    }

    fn write_layout(&mut self, row: &Row, out: &mut Vec<u8>) -> Vec<usize> {
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
            for place in &places {
                out[from + place / 8] |= 1 << (place % 8);
            }
        }
        self.layout = Some(Arc::clone(&row.ids));
        places
    }

    /// Reads the next row of a record.
    pub(super) fn read_row(&mut self, reader: &mut Reader<'_>) -> Result<Row, Malformed> {
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
        let mut values = Vec::with_capacity(ids.len());
        for (at, place) in places.into_iter().enumerate() {
            let previous = &mut self.previous[place];
            if changed[at / 8] & (1 << (at % 8)) != 0 {
                *previous = value::read(reader, *previous)?;
            }
            values.push(*previous);
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
    fn places(&self, ids: &[u32]) -> Option<Vec<usize>> {
        if self.known == ids {
            return Some((0..ids.len()).collect());
        }
        let mut places = Vec::with_capacity(ids.len());
        let mut from = 0;
        for id in ids {
            from += match self.known.get(from) {
                Some(next) if next == id => 0,
                _ => self.known[from..].binary_search(id).ok()?,
            };
            places.push(from);
            from += 1;
        }
        Some(places)
    }

    /// Where in `known` the series are; those that are not there yet begin at 0.
    fn learn(&mut self, ids: &[u32]) -> Vec<usize> {
        if let Some(places) = self.places(ids) {
            return places;
        }
        let have = std::mem::take(&mut self.known).into_iter();
        let have = have.zip(std::mem::take(&mut self.previous));
        let mut all: Vec<(u32, f64)> = have.chain(ids.iter().map(|&id| (id, 0.0))).collect();
        // Stable: of a series that was there, the previous value comes first and stays.
        all.sort_by_key(|&(id, _)| id);
        all.dedup_by_key(|&mut (id, _)| id);
        (self.known, self.previous) = all.into_iter().unzip();
        self.places(ids).unwrap_or_default()
    }
}
