//! Columns of floating-point noise: each value combined with the one before by exclusive or, only the bits between
//! the leading and trailing zeros written.

use super::bits::{BitReader, BitWriter};
use crate::varint::{Malformed, Reader};

/// Bits for the number of leading zeros, and for the number of significant bits less one.
const FIELD: u32 = 6;

pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) {
    let mut bits = BitWriter::new(out);
    let mut last = 0u64;
    let mut window = (0u32, 0u32);
    for value in values {
        let xor = value.to_bits() ^ last;
        last = value.to_bits();
        if xor == 0 {
            bits.write(0, 1);
            continue;
        }
        let (leading, trailing) = (xor.leading_zeros(), xor.trailing_zeros());
        let fits = leading >= window.0 && trailing >= window.1;
        let length = u64::BITS - window.0 - window.1;
        let own = u64::BITS - leading - trailing;
        if fits && length < own + 2 * FIELD {
            bits.write(0b01, 2);
            bits.write(xor >> window.1, length);
        } else {
            window = (leading, trailing);
            bits.write(0b11, 2);
            bits.write(u64::from(leading), FIELD);
            bits.write(u64::from(own - 1), FIELD);
            bits.write(xor >> trailing, own);
        }
    }
    bits.finish();
}

pub(super) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let mut bits = BitReader::new(reader.take(reader.remaining())?);
    let mut last = 0u64;
    let mut window = (0u32, 0u32);
    for _ in 0..count {
        if bits.read(1)? == 1 {
            if bits.read(1)? == 1 {
                let leading = small(bits.read(FIELD)?);
                let own = small(bits.read(FIELD)?) + 1;
                let trailing = u64::BITS.checked_sub(leading + own);
                window = (
                    leading,
                    trailing.ok_or(Malformed("a value of over 64 bits"))?,
                );
            }
            let length = u64::BITS - window.0 - window.1;
            last ^= bits.read(length)? << window.1;
        }
        out.push(f64::from_bits(last));
    }
    Ok(())
}

fn small(field: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "a field of six bits")]
    let small = field as u32;
    small
}
