//! A group: up to [`GROUP`] columns in one blob.

use std::sync::Arc;

use super::{Clocks, GROUP};
use crate::column::{Cell, Coding, decode_cells, encode_cells_as};
use crate::journal::{pack, unpack};
use crate::varint::{Malformed, Reader, write_len};

/// A group while it is being written.
#[derive(Debug, Default)]
pub(crate) struct GroupWriter {
    lengths: Vec<usize>,
    bodies: Vec<u8>,
    values: Vec<f64>,
}

impl GroupWriter {
    /// Adds a column without a sample.
    pub(crate) fn skip(&mut self) {
        self.lengths.push(0);
    }

    /// Adds a column as it is stored elsewhere: in a tile of the head whose clock is `clock`.
    pub(crate) fn copy(&mut self, clock: usize, column: &[u8]) {
        let from = self.bodies.len();
        write_len(&mut self.bodies, clock);
        self.bodies.extend_from_slice(column);
        self.lengths.push(self.bodies.len() - from);
    }

    /// Adds a column of samples in some rows of clock `clock`, which has so many.
    pub(crate) fn push(&mut self, coding: Coding, clock: usize, rows: usize, cells: &[Cell]) {
        if cells.is_empty() {
            return self.skip();
        }
        let from = self.bodies.len();
        write_len(&mut self.bodies, clock);
        encode_cells_as(coding, cells, rows, &mut self.bodies, &mut self.values);
        self.lengths.push(self.bodies.len() - from);
    }

    /// Whether no column has a sample.
    pub(crate) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The blob. The writer is as new afterwards.
    ///
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn finish(&mut self) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(self.bodies.len() + 2 * self.lengths.len() + 2);
        write_len(&mut content, self.lengths.len());
        for length in self.lengths.drain(..) {
            write_len(&mut content, length);
        }
        content.append(&mut self.bodies);
        pack(&content)
    }
}

/// A group that has been read.
#[derive(Debug)]
pub(crate) struct Group {
    content: Vec<u8>,
    /// Where each column is; an empty place has no sample.
    columns: Vec<(u32, u32)>,
}

impl Group {
    /// Takes what [`GroupWriter`] wrote. Nothing at all is a group without a sample.
    ///
    /// # Errors
    /// On anything else.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, Malformed> {
        if blob.is_empty() {
            return Ok(Self {
                content: Vec::new(),
                columns: Vec::new(),
            });
        }
        let content = unpack(blob)?;
        let mut reader = Reader::new(&content);
        let count = reader.count()?;
        if count > GROUP {
            return Err(Malformed("more columns than a group has"));
        }
        let mut columns = Vec::with_capacity(count);
        let mut length = 0u32;
        for _ in 0..count {
            let body = reader.u32()?;
            let end = length.checked_add(body);
            let end = end.ok_or(Malformed("columns of over four gigabytes"))?;
            columns.push((length, end));
            length = end;
        }
        if length as usize != reader.remaining() {
            return Err(Malformed("columns of another length than announced"));
        }
        let start = u32::try_from(content.len() - reader.remaining());
        let start = start.map_err(|_| Malformed("too large"))?;
        for place in &mut columns {
            place.0 += start;
            place.1 += start;
        }
        Ok(Self { content, columns })
    }

    /// A column: its clock, and its cells as [`decode_cells`] takes them; none without a sample.
    ///
    /// # Errors
    /// When it does not begin with a clock.
    pub(crate) fn column(&self, at: usize) -> Result<Option<(usize, &[u8])>, Malformed> {
        let place = self.columns.get(at);
        let body = place.and_then(|place| self.content.get(place.0 as usize..place.1 as usize));
        let Some(body) = body.filter(|body| !body.is_empty()) else {
            return Ok(None);
        };
        let mut reader = Reader::new(body);
        let clock = reader.u32()? as usize;
        Ok(Some((clock, reader.take(reader.remaining())?)))
    }

    /// Appends a column's values, and calls `times` with the times of some after the other, counted
    /// from the window's start.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(
        &self,
        at: usize,
        clocks: &Clocks,
        values: &mut Vec<f64>,
        times: &mut impl FnMut(&[u32]),
    ) -> Result<(), Malformed> {
        let Some((clock, column)) = self.column(at)? else {
            return Ok(());
        };
        let clock: &Arc<[u32]> = clocks.get(clock)?;
        decode_cells(column, clock.len(), values, &mut |rows| {
            times(&clock[rows.start as usize..rows.end as usize]);
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::encode_clocks;

    fn read(group: &Group, at: usize, clocks: &Clocks) -> Vec<(u32, u64)> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        group
            .read(at, clocks, &mut values, &mut |some| {
                times.extend_from_slice(some);
            })
            .unwrap();
        let bits = values.iter().map(|value| value.to_bits());
        times.into_iter().zip(bits).collect()
    }

    proptest! {
        #[test]
        fn columns_come_back(
            columns in prop::collection::vec(
                (0usize..3, prop::collection::btree_map(0u32..40, any::<u64>(), 0..40)), 0..GROUP)
        ) {
            let clock = |at: u32| (0..40).map(|row| row * 1000 + at).collect::<Arc<[u32]>>();
            let clocks = Clocks::decode(encode_clocks(&[0, 1, 2].map(clock)).into()).unwrap();
            let mut writer = GroupWriter::default();
            for (clock, cells) in &columns {
                let cells: Vec<Cell> =
                    cells.iter().map(|(row, bits)| (*row, f64::from_bits(*bits))).collect();
                writer.push(Coding::Packed, *clock, 40, &cells);
            }
            let group = Group::decode(&writer.finish().unwrap()).unwrap();
            prop_assert!(writer.is_empty());
            for (at, (clock, cells)) in columns.iter().enumerate() {
                let time = |row: u32| row * 1000 + u32::try_from(*clock).unwrap();
                let expected: Vec<_> = cells.iter().map(|(row, bits)| (time(*row), *bits)).collect();
                prop_assert_eq!(read(&group, at, &clocks), expected);
            }
            prop_assert_eq!(read(&group, columns.len(), &clocks), []);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let clocks = Clocks::decode(encode_clocks(&[Arc::from([1, 2, 3])]).into()).unwrap();
            prop_assert!(Group::decode(&[bytes.as_slice(), b"x"].concat()).is_err());
            if let Ok(group) = Group::decode(&pack(&bytes).unwrap()) {
                for at in 0..=GROUP {
                    let _ = group.read(at, &clocks, &mut Vec::new(), &mut |_| ());
                }
            }
        }
    }
}
