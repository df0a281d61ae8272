//! Many numbers, their bytes turned into planes.
//!
//! A number is seven bits a byte, lowest first, the eighth saying that more follow. First come the
//! first bytes of all numbers, then the second bytes of those that have one, and so on: bytes of a
//! kind lie together, which compresses better, and no length has to be written.

use crate::varint::{Malformed, Reader};

/// The bits of the last byte that a number can have.
const LAST: u32 = 63;

/// Appends `numbers`, which are used up.
pub(super) fn write(numbers: &mut Vec<u64>, out: &mut Vec<u8>) {
    while !numbers.is_empty() {
        out.extend(numbers.iter().map(|&number| {
            #[expect(clippy::cast_possible_truncation, reason = "the low seven bits")]
            let low = number as u8 & 0x7f;
            low | u8::from(number > 0x7f) << 7
        }));
        numbers.retain_mut(|number| {
            *number >>= 7;
            *number > 0
        });
    }
}

/// Reads numbers back, and keeps its room for the next.
#[derive(Debug, Default)]
pub(super) struct Planes {
    numbers: Vec<u64>,
    /// Which numbers go on.
    longer: Vec<usize>,
}

impl Planes {
    /// Reads `count` numbers.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        count: usize,
    ) -> Result<&[u64], Malformed> {
        let first = reader.take(count)?;
        self.numbers.clear();
        self.numbers
            .extend(first.iter().map(|byte| u64::from(byte & 0x7f)));
        self.longer.clear();
        let longer = first.iter().enumerate().filter(|(_, byte)| **byte > 0x7f);
        self.longer.extend(longer.map(|(at, _)| at));
        let mut shift = 0;
        while !self.longer.is_empty() {
            shift += 7;
            let mut plane = reader.take(self.longer.len())?.iter();
            if shift > LAST || shift == LAST && plane.as_slice().iter().any(|byte| *byte > 1) {
                return Err(Malformed("a number longer than 64 bits"));
            }
            let numbers = &mut self.numbers;
            self.longer.retain(|&at| {
                let byte = plane.next().copied().unwrap_or_default();
                numbers[at] |= u64::from(byte & 0x7f) << shift;
                byte > 0x7f
            });
        }
        Ok(&self.numbers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift)
    }

    proptest! {
        #[test]
        fn numbers_come_back(rows in prop::collection::vec(prop::collection::vec(number(), 0..50), 1..4)) {
            let mut out = Vec::new();
            for row in &rows {
                write(&mut row.clone(), &mut out);
            }
            let mut reader = Reader::new(&out);
            let mut planes = Planes::default();
            for row in &rows {
                prop_assert_eq!(planes.read(&mut reader, row.len()), Ok(&row[..]));
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            count in 0usize..30,
        ) {
            let mut planes = Planes::default();
            if let Ok(numbers) = planes.read(&mut Reader::new(&bytes), count) {
                prop_assert_eq!(numbers.len(), count);
            }
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        let mut longest = vec![0xff; 9];
        longest.push(1);
        let mut planes = Planes::default();
        let read = planes.read(&mut Reader::new(&longest), 1);
        assert_eq!(read, Ok(&[u64::MAX][..]));
        longest[9] = 2;
        assert!(planes.read(&mut Reader::new(&longest), 1).is_err());
        assert!(planes.read(&mut Reader::new(&[0xff; 12]), 1).is_err());
    }
}
