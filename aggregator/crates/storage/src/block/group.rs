//! A group: up to [`GROUP`] columns in one blob.

use std::ops::Range;
use std::sync::Arc;

use super::{Clocks, GROUP};
use crate::column::{Coding, Parts, decode_cells, encode_parts};
use crate::journal::{pack_split, unpack_split};
use crate::varint::{Malformed, Reader, write_len};

/// A group while it is being written.
#[derive(Debug, Default)]
pub(crate) struct GroupWriter {
    /// Of each column's two parts.
    lengths: Vec<(usize, usize)>,
    bodies: Vec<u8>,
    bits: Vec<u8>,
}

impl GroupWriter {
    /// Adds a column without a sample.
    pub(crate) fn skip(&mut self) {
        self.lengths.push((0, 0));
    }

    /// Adds a column as it is stored elsewhere, where its clock is `clock`.
    pub(crate) fn copy(&mut self, clock: usize, column: Parts<'_>) {
        let from = (self.bodies.len(), self.bits.len());
        write_len(&mut self.bodies, clock);
        self.bodies.extend_from_slice(column.body);
        self.bits.extend_from_slice(column.bits);
        self.end(from);
    }

    /// Adds a column: as many values as rows, ascending, of clock `clock`, which has `all` rows.
    pub(crate) fn push(
        &mut self,
        coding: Coding,
        (clock, all): (usize, usize),
        rows: &[u32],
        values: &[f64],
    ) {
        if rows.is_empty() {
            return self.skip();
        }
        let from = (self.bodies.len(), self.bits.len());
        write_len(&mut self.bodies, clock);
        let (bodies, bits) = (&mut self.bodies, &mut self.bits);
        encode_parts(coding, (rows, all), values, bodies, bits);
        self.end(from);
    }

    fn end(&mut self, from: (usize, usize)) {
        let lengths = (self.bodies.len() - from.0, self.bits.len() - from.1);
        self.lengths.push(lengths);
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
        let mut content = Vec::with_capacity(self.bodies.len() + 4 * self.lengths.len() + 2);
        write_len(&mut content, self.lengths.len());
        for (body, _) in &self.lengths {
            write_len(&mut content, *body);
        }
        for (_, bits) in self.lengths.drain(..) {
            write_len(&mut content, bits);
        }
        content.append(&mut self.bodies);
        let blob = pack_split(&content, &self.bits);
        self.bits.clear();
        blob
    }
}

/// A group that has been read.
#[derive(Debug)]
pub(crate) struct Group {
    content: Vec<u8>,
    columns: Vec<Column>,
}

/// Where the two parts of a column are; without a body it has no sample.
#[derive(Debug, Default)]
struct Column {
    body: Range<usize>,
    bits: Range<usize>,
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
        let (content, split) = unpack_split(blob)?;
        // Before columns had two parts there was nothing behind the bodies.
        let end = split.unwrap_or(content.len());
        let mut reader = Reader::new(&content[..end]);
        let count = reader.count()?;
        if count > GROUP {
            return Err(Malformed("more columns than a group has"));
        }
        let mut columns: Vec<Column> = Vec::new();
        columns.resize_with(count, Column::default);
        let mut at = 0usize;
        for column in &mut columns {
            column.body = at..at.saturating_add(reader.u32()? as usize);
            at = column.body.end;
        }
        let bodies = at;
        at = end;
        for column in &mut columns {
            let length = if split.is_some() { reader.u32()? } else { 0 };
            column.bits = at..at.saturating_add(length as usize);
            at = column.bits.end;
        }
        if bodies != reader.remaining() || at != content.len() {
            return Err(Malformed("columns of another length than announced"));
        }
        let start = end - bodies;
        for column in &mut columns {
            column.body = column.body.start + start..column.body.end + start;
        }
        Ok(Self { content, columns })
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.content.len() + self.columns.len() * size_of::<Column>()
    }

    /// A column: its clock, and its cells as [`decode_cells`] takes them; none without a sample.
    ///
    /// # Errors
    /// When it does not begin with a clock.
    pub(crate) fn column(&self, at: usize) -> Result<Option<(usize, Parts<'_>)>, Malformed> {
        let Some(column) = self.columns.get(at) else {
            return Ok(None);
        };
        let part = |part: &Range<usize>| self.content.get(part.clone()).unwrap_or_default();
        let (body, bits) = (part(&column.body), part(&column.bits));
        if body.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(body);
        let clock = reader.u32()? as usize;
        let body = reader.take(reader.remaining())?;
        Ok(Some((clock, Parts { body, bits })))
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
    use crate::journal::pack;

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
                let cells = cells.iter().map(|(row, bits)| (*row, f64::from_bits(*bits)));
                let (rows, values): (Vec<u32>, Vec<f64>) = cells.unzip();
                writer.push(Coding::Packed, (*clock, 40), &rows, &values);
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
            for blob in [pack(&bytes), pack_split(&bytes, &bytes)] {
                if let Ok(group) = Group::decode(&blob.unwrap()) {
                    for at in 0..=GROUP {
                        let _ = group.read(at, &clocks, &mut Vec::new(), &mut |_| ());
                    }
                }
            }
        }
    }
}
