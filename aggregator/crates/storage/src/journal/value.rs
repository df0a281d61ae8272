//! One value against the previous one of its series.
//!
//! A series has a unit, of which its values are multiples: a page of memory, a sector, one, or a
//! decimal fraction, in one of the ways in which exporters compute it. A change is a number of
//! units. It becomes an unsigned number that is never 0; 0 stands for an escape, in which the value
//! brings a finer unit, or its bits because there is none that suits.

use crate::varint::{Malformed, Reader, unzigzag, write_i64, zigzag};

/// How many of each unit are one, the coarsest first; then those of [`Unit::TIMES_THOUSANDTH`] and
/// [`Unit::TWICE_BY_THOUSAND`].
const PER_ONE: [f64; 9] = [1.0 / 4096.0, 1.0 / 512.0, 1.0, 1e2, 1e3, 1e6, 1e9, 1e3, 1e6];

/// Integers beyond this are not all representable.
const LARGEST: i64 = 1 << 53;

/// An escape with the bits: from here on the number of bytes that follow.
const BITS: u8 = 16;

/// What stands for a value of which an escape tells more.
pub(super) const ESCAPE: u64 = 0;

/// The unit of a series, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit(u8);

impl Unit {
    /// That of every series at first.
    pub(super) const ONE: Self = Self(2);
    /// A multiple is multiplied by 0.001, which rounds otherwise than dividing it by 1000.
    const TIMES_THOUSANDTH: Self = Self(7);
    /// A multiple is divided by 1000 and once more.
    const TWICE_BY_THOUSAND: Self = Self(8);

    fn per_one(self) -> f64 {
        PER_ONE[usize::from(self.0)]
    }

    /// How many units a value is, if they give every bit of it back.
    fn count(self, value: f64) -> Option<i64> {
        let count = self.about(value);
        (self.value(count).to_bits() == value.to_bits()).then_some(count)
    }

    /// About how many units a value is, within ±2^53; 0 for what is not a number. The same for
    /// writer and reader whatever the value is.
    fn about(self, value: f64) -> i64 {
        let scaled = if self == Self::ONE {
            value
        } else {
            value * self.per_one()
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut off, and bounded below; NaN becomes 0"
        )]
        let whole = (scaled as i64).clamp(-LARGEST, LARGEST);
        let rest = scaled - whole as f64;
        let nearest = whole + i64::from(rest >= 0.5) - i64::from(rest <= -0.5);
        nearest.clamp(-LARGEST, LARGEST)
    }

    fn value(self, count: i64) -> f64 {
        let count = count as f64;
        match self {
            Self::ONE => count,
            Self::TIMES_THOUSANDTH => count * 0.001,
            Self::TWICE_BY_THOUSAND => count / 1e3 / 1e3,
            _ => count / self.per_one(),
        }
    }

    /// The coarsest unit that suits a value and is not coarser than this one. One that has been
    /// nothing but 0 may get a coarser one.
    fn suiting(self, previous: f64, value: f64) -> Option<(Self, i64)> {
        let is_new = self == Self::ONE && previous.to_bits() == 0;
        let first = if is_new { 0 } else { self.0 };
        let units = (first..).zip(&PER_ONE[usize::from(first)..]);
        units.map(|(index, _)| Self(index)).find_map(|unit| {
            let count = unit.count(value)?;
            Some((unit, count))
        })
    }
}

/// The number for a value that differs from the previous one of its series; what belongs to an
/// [`ESCAPE`] is appended to `escapes`.
pub(super) fn write(unit: &mut Unit, previous: f64, value: f64, escapes: &mut Vec<u8>) -> u64 {
    if let Some((suiting, count)) = unit.suiting(previous, value) {
        let difference = count - suiting.about(previous);
        if suiting == *unit && difference != 0 {
            return zigzag(difference);
        }
        *unit = suiting;
        escapes.push(suiting.0);
        write_i64(escapes, difference);
        return ESCAPE;
    }
    // Neighbours differ in their low bytes.
    let difference = value.to_bits() ^ previous.to_bits();
    let bytes = difference.to_le_bytes();
    let length = bytes.len() - difference.leading_zeros() as usize / 8;
    #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
    escapes.push(BITS + length as u8);
    escapes.extend_from_slice(&bytes[..length]);
    ESCAPE
}

/// The value for a number; `escapes` is read if it is an [`ESCAPE`].
pub(super) fn read(
    unit: &mut Unit,
    previous: f64,
    number: u64,
    escapes: &mut Reader<'_>,
) -> Result<f64, Malformed> {
    let mut difference = unzigzag(number);
    if number == ESCAPE {
        let kind = escapes.u8()?;
        if let Some(length) = kind.checked_sub(BITS) {
            let mut bytes = [0; 8];
            let place = bytes.get_mut(..usize::from(length));
            let place = place.ok_or(Malformed("a value of too many bytes"))?;
            place.copy_from_slice(escapes.take(usize::from(length))?);
            return Ok(f64::from_bits(
                previous.to_bits() ^ u64::from_le_bytes(bytes),
            ));
        }
        if usize::from(kind) >= PER_ONE.len() {
            return Err(Malformed("an unknown unit"));
        }
        *unit = Unit(kind);
        difference = escapes.i64()?;
    }
    Ok(unit.value(unit.about(previous).wrapping_add(difference)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes values one after the other, reads them back and returns how many bytes each took.
    fn sizes(values: &[f64]) -> Vec<usize> {
        let (mut previous, mut ours, mut theirs) = (0.0f64, Unit::ONE, Unit::ONE);
        let mut sizes = Vec::new();
        for &value in values {
            let mut escapes = Vec::new();
            let number = write(&mut ours, previous, value, &mut escapes);
            let mut reader = Reader::new(&escapes);
            let back = read(&mut theirs, previous, number, &mut reader).unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{value} after {previous}");
            assert!(reader.is_empty() && ours == theirs);
            let bits = (u64::BITS - number.leading_zeros()).max(1);
            sizes.push(bits.div_ceil(7) as usize + escapes.len());
            previous = value;
        }
        sizes
    }

    #[test]
    fn small_steps_are_small() {
        let cases: [(&[f64], &[usize]); 12] = [
            (&[1_000_001.0, 1_000_016.0, 1_000_015.0], &[3, 1, 1]),
            (&[18.4, 18.6, 18.59], &[4, 1, 1]),
            (&[0.001_234_567, 0.001_234_599, 0.001_1], &[6, 1, 3]),
            (&[1_795_195_546.0, 1_795_195_547.0], &[5, 1]),
            (&[8_192_000.0, 8_196_096.0, 8_196_608.0], &[4, 1, 3]),
            (&[1.0, f64::NAN, 1.0, 1.0], &[1, 10, 1, 3]),
            (&[f64::INFINITY, 1.0], &[10, 8]),
            (&[1.0, -0.0, 0.0], &[1, 10, 3]),
            (&[5.0, std::f64::consts::PI, 3.0], &[1, 9, 3]),
            (&[0.1 + 0.2, 0.3], &[10, 3]),
            (&[9.0 * 0.001, 9001.0 * 0.001, 9003.0 * 0.001], &[3, 3, 1]),
            (&[1_234_560.0 / 1e3 / 1e3, 1_234_565.0 / 1e3 / 1e3], &[6, 1]),
        ];
        for (values, expected) in cases {
            assert_eq!(sizes(values), expected, "{values:?}");
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i64>().prop_map(|value| value as f64),
            (any::<i32>(), 0..10i32).prop_map(|(v, e)| f64::from(v) / 10f64.powi(e)),
            any::<i32>().prop_map(|value| f64::from(value) * 0.001),
            any::<i32>().prop_map(|value| f64::from(value) / 1e3 / 1e3),
            any::<i32>().prop_map(|value| f64::from(value) * 512.0),
            Just(-0.0),
            Just(0.0),
        ]
    }

    proptest! {
        #[test]
        fn every_value_comes_back(values in prop::collection::vec(value(), 1..40)) {
            sizes(&values);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..12),
            kind in 0u8..30,
            number: u64,
            previous: u64,
        ) {
            let mut escapes = vec![kind];
            escapes.extend(bytes);
            for number in [number, ESCAPE] {
                let mut reader = Reader::new(&escapes);
                let mut unit = Unit::ONE;
                let _ = read(&mut unit, f64::from_bits(previous), number, &mut reader);
            }
        }
    }
}
