//! One value against the previous one of its series.
//!
//! A number in which the two lowest bits say what it is: a difference of integers, a difference of
//! thousandths or of millionths, or nothing, and then the value's eight bytes follow.

use crate::varint::{Malformed, Reader, unzigzag, write_u64, zigzag};

const RAW: u64 = 3;
const SCALES: [f64; 3] = [1.0, 1e3, 1e6];

/// Integers beyond this are not all representable.
const LARGEST: f64 = 9_007_199_254_740_992.0;

pub(super) fn write(out: &mut Vec<u8>, previous: f64, value: f64) {
    for (tag, scale) in (0u64..).zip(SCALES) {
        let integer = scaled(value, scale);
        if (integer as f64 / scale).to_bits() == value.to_bits() {
            let difference = integer - scaled(previous, scale);
            return write_u64(out, zigzag(difference) << 2 | tag);
        }
    }
    write_u64(out, RAW);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

pub(super) fn read(reader: &mut Reader<'_>, previous: f64) -> Result<f64, Malformed> {
    let number = reader.u64()?;
    let tag = number & 3;
    if tag == RAW {
        return reader.bits().map(f64::from_bits);
    }
    let scale = SCALES[usize::from(tag == 1) + 2 * usize::from(tag == 2)];
    let integer = scaled(previous, scale).wrapping_add(unzigzag(number >> 2));
    Ok(integer as f64 / scale)
}

/// The nearest integer within ±2^53; 0 for what is not a number. The same for writer and reader
/// whatever the value is.
fn scaled(value: f64, scale: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped; NaN becomes 0")]
    let integer = (value * scale).round().clamp(-LARGEST, LARGEST) as i64;
    integer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(previous: f64, value: f64) -> usize {
        let mut bytes = Vec::new();
        write(&mut bytes, previous, value);
        let back = read(&mut Reader::new(&bytes), previous).unwrap();
        assert_eq!(back.to_bits(), value.to_bits(), "{value} after {previous}");
        bytes.len()
    }

    #[test]
    fn small_steps_are_small() {
        let cases = [
            (1_000_000.0, 1_000_015.0, 1),
            (0.0, 1.0, 1),
            (18.4, 18.6, 2),
            (0.18, 0.09, 2),
            (0.0, 1_795_195_546.0, 5),
            (1.0, f64::NAN, 9),
            (f64::NAN, 1.0, 1),
            (f64::INFINITY, 1.0, 8),
            (0.0, -0.0, 9),
            (5.0, std::f64::consts::PI, 9),
        ];
        for (previous, value, expected) in cases {
            assert_eq!(size(previous, value), expected, "{value} after {previous}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(previous: u64, value: u64) {
            size(f64::from_bits(previous), f64::from_bits(value));
        }

        #[test]
        fn decimals_come_back(previous: i32, value: i32, digits in 0..8i32) {
            let scale = 10f64.powi(digits);
            size(f64::from(previous) / scale, f64::from(value) / scale);
        }
    }
}
