//! Writing and reading numbers of a few bits, lowest bit first.

use crate::varint::Malformed;

pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u128,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            pending: 0,
            filled: 0,
        }
    }

    /// Writes the low `width` bits (0 to 64) of `value`, whose other bits are 0.
    pub(crate) fn write(&mut self, value: u64, width: u32) {
        self.pending |= u128::from(value) << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.push();
            self.filled -= 8;
        }
    }

    /// Fills the last byte up.
    pub(crate) fn finish(mut self) {
        if self.filled > 0 {
            self.push();
        }
    }

    fn push(&mut self) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low byte is what goes out"
        )]
        self.out.push(self.pending as u8);
        self.pending >>= 8;
    }
}

pub(crate) struct BitReader<'a> {
    rest: &'a [u8],
    pending: u128,
    filled: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            pending: 0,
            filled: 0,
        }
    }

    /// Reads `width` bits, 0 to 64.
    pub(crate) fn read(&mut self, width: u32) -> Result<u64, Malformed> {
        while self.filled < width {
            if let Some((word, rest)) = self.rest.split_first_chunk::<8>()
                && self.filled < 64
            {
                self.pending |= u128::from(u64::from_le_bytes(*word)) << self.filled;
                self.filled += 64;
                self.rest = rest;
                continue;
            }
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed("cut short"))?;
            self.pending |= u128::from(byte) << self.filled;
            self.filled += 8;
            self.rest = rest;
        }
        let mask = (1u128 << width) - 1;
        #[expect(clippy::cast_possible_truncation, reason = "masked to at most 64 bits")]
        let value = (self.pending & mask) as u64;
        self.pending >>= width;
        self.filled -= width;
        Ok(value)
    }
}

/// How many bits `value` needs.
pub(crate) fn width(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back(numbers in prop::collection::vec((any::<u64>(), 0u32..=64), 0..50)) {
            let cut = |(value, width): (u64, u32)| match width {
                64 => value,
                _ => value & ((1 << width) - 1),
            };
            let mut out = Vec::new();
            let mut writer = BitWriter::new(&mut out);
            for &number in &numbers {
                writer.write(cut(number), number.1);
            }
            writer.finish();
            let mut reader = BitReader::new(&out);
            for &number in &numbers {
                prop_assert_eq!(reader.read(number.1), Ok(cut(number)));
            }
            prop_assert!(reader.read(8).is_err());
        }
    }
}
