//! The columns of a tile, one behind the other.
//!
//! Most take a few bytes, so a place for each would be a good part of them: each has its length in
//! front of it, and only some have a place.

use crate::varint::{Reader, write_len};

/// One column in so many has a place; the others are found from there.
const STRIDE: usize = 8;

/// Columns that are known by their number.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where every [`STRIDE`]th begins.
    places: Box<[u32]>,
    data: Box<[u8]>,
}

impl Listed {
    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let place = *self.places.get(at / STRIDE)?;
        let rest = self.data.get(place as usize..)?;
        columns(rest).nth(at % STRIDE)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        columns(&self.data)
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.places.len() * 4 + self.data.len()
    }
}

fn columns(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        // A length of one byte, nearly always.
        let (length, column) = match rest.split_first()? {
            (&length, rest) if length < 0x80 => (usize::from(length), rest),
            _ => {
                let mut reader = Reader::new(rest);
                let length = reader.count().ok()?;
                (length, reader.take(reader.remaining()).ok()?)
            }
        };
        let (column, after) = column.split_at_checked(length)?;
        rest = after;
        Some(column)
    })
}

/// Columns while they are written.
#[derive(Debug, Default)]
pub(super) struct ListWriter {
    places: Vec<u32>,
    data: Vec<u8>,
    count: usize,
}

impl ListWriter {
    /// Adds the next column.
    pub(super) fn push(&mut self, column: &[u8]) {
        if self.count.is_multiple_of(STRIDE) {
            // A window of a target is a few hundred megabytes at the very most: 100,000 series a
            // second for an hour at a byte each.
            let place = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
            self.places.push(place);
        }
        self.count += 1;
        write_len(&mut self.data, column.len());
        self.data.extend_from_slice(column);
    }

    pub(super) fn finish(self) -> Listed {
        Listed {
            places: self.places.into(),
            data: self.data.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_come_back(
            columns in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..60)
        ) {
            let mut writer = ListWriter::default();
            for column in &columns {
                writer.push(column);
            }
            let listed = writer.finish();
            prop_assert!(listed.iter().eq(columns.iter()));
            for (at, column) in columns.iter().enumerate() {
                prop_assert_eq!(listed.get(at), Some(&column[..]));
            }
            prop_assert_eq!(listed.get(columns.len()), None);
        }
    }
}
