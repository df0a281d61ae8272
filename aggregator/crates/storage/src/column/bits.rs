//! Writing and reading numbers of a few bits, lowest bit first.

use crate::varint::Malformed;

pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    /// Bits in `pending`, fewer than 64.
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
        self.pending |= value << self.filled;
        let filled = self.filled + width;
        if filled < u64::BITS {
            self.filled = filled;
            return;
        }
        self.out.extend_from_slice(&self.pending.to_le_bytes());
        // Nothing is left of what began a word and filled it.
        let rest = value.checked_shr(u64::BITS - self.filled);
        self.pending = rest.unwrap_or_default();
        self.filled = filled - u64::BITS;
    }

    /// Fills the last byte up.
    pub(crate) fn finish(self) {
        let bytes = self.pending.to_le_bytes();
        let used = self.filled.div_ceil(8) as usize;
        self.out.extend_from_slice(&bytes[..used]);
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

/// Numbers that [`unpack`] hands on at once.
const CHUNK: usize = 64;

/// The widest number that eight bytes hold wherever in the first of them it begins.
const WIDEST: u32 = 57;

/// Reads `count` numbers of `width` bits (0 to 64) that lie one after the other, and hands them on
/// in their order, a few at a time.
pub(crate) fn unpack(
    bytes: &[u8],
    count: usize,
    width: u32,
    each: &mut impl FnMut(&mut [i64]),
) -> Result<(), Malformed> {
    let needed = count.checked_mul(width as usize);
    let there = bytes.len().saturating_mul(8);
    if needed.is_none_or(|needed| needed > there) {
        return Err(Malformed("cut short"));
    }
    let mut chunk = [0i64; CHUNK];
    let mut done = 0;
    if width == 0 {
        while done < count {
            let some = CHUNK.min(count - done);
            // What was handed on may have been changed.
            chunk.fill(0);
            each(&mut chunk[..some]);
            done += some;
        }
        return Ok(());
    }
    let mask = u64::MAX >> (u64::BITS - width);
    let mut at = 0;
    while width <= WIDEST && done + CHUNK <= count {
        // As many bytes as the chunk has words, and what a load of the last may reach beyond.
        let Some(packed) = bytes.get(at..at + width as usize * 8 + 8) else {
            break;
        };
        let mut bit = 0;
        for number in &mut chunk {
            let word = packed[bit / 8..].first_chunk().copied().unwrap_or_default();
            *number = (u64::from_le_bytes(word) >> (bit % 8) & mask).cast_signed();
            bit += width as usize;
        }
        each(&mut chunk);
        done += CHUNK;
        at += width as usize * 8;
    }
    let mut rest = BitReader::new(&bytes[at..]);
    while done < count {
        let some = CHUNK.min(count - done);
        for number in &mut chunk[..some] {
            *number = rest.read(width)?.cast_signed();
        }
        each(&mut chunk[..some]);
        done += some;
    }
    Ok(())
}

/// The `width` bits (1 to 64) that begin at bit `at`; what lies beyond the end is 0.
pub(crate) fn bits_at(bytes: &[u8], at: usize, width: u32) -> u64 {
    let word = |at: usize| {
        let rest = bytes.get(at / 8..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        u64::from_le_bytes(word) >> (at % 8)
    };
    let bits = if width <= WIDEST {
        word(at)
    } else {
        word(at) & u64::from(u32::MAX) | word(at + 32) << 32
    };
    bits & u64::MAX >> (u64::BITS - width)
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
            let mut at = 0;
            for &number in numbers.iter().filter(|number| number.1 > 0) {
                prop_assert_eq!(bits_at(&out, at, number.1), cut(number));
                at += number.1 as usize;
            }
        }

        #[test]
        fn numbers_of_one_width_come_back(
            numbers in prop::collection::vec(any::<u64>(), 0..300),
            width in 0u32..=64,
        ) {
            let cut = |value: &u64| value.checked_shr(64 - width).unwrap_or(0);
            let numbers: Vec<u64> = numbers.iter().map(cut).collect();
            let mut out = Vec::new();
            let mut writer = BitWriter::new(&mut out);
            for number in &numbers {
                writer.write(*number, width);
            }
            writer.finish();
            let mut back: Vec<u64> = Vec::new();
            let mut each = |some: &mut [i64]| {
                back.extend(some.iter().map(|number| number.cast_unsigned()));
                // What is done with them does not show in those that follow.
                some.fill(-1);
            };
            prop_assert_eq!(unpack(&out, numbers.len(), width, &mut each), Ok(()));
            prop_assert_eq!(&back, &numbers);
            let more = numbers.len() + 8;
            prop_assert!(width == 0 || unpack(&out, more, width, &mut |_| ()).is_err());
        }
    }
}
