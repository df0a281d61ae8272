//! Values as integers: what to divide or multiply these by to have every bit back.

use super::integers;
use crate::varint::{Malformed, Reader, write_len};

/// Integers beyond this are not all representable, so a value there could come back as another.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Below this, adding and taking away [`ROUNDING`] rounds to the nearest integer.
const ROUNDED: f64 = 2_251_799_813_685_248.0;
const ROUNDING: f64 = 6_755_399_441_055_744.0;

const POWERS: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// How integers become values. Up to ten it is the power of ten that they are divided by; exporters
/// that compute seconds in other ways round in other ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale(u8);

impl Scale {
    /// Integers as they are.
    pub(crate) const ONE: Self = Self(0);
    /// Milliseconds times 0.001.
    const THOUSANDTHS: Self = Self(11);
    /// Microseconds divided by a thousand and once more.
    const TWICE: Self = Self(12);
    /// The bits of the value.
    const BITS: Self = Self(13);

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let scale = Self(reader.u8()?);
        if scale.0 > Self::BITS.0 {
            return Err(Malformed("an unknown scale"));
        }
        Ok(scale)
    }

    /// The integer that `value` becomes, if that integer gives every bit of it back.
    pub(crate) fn integer(self, value: f64) -> Option<i64> {
        let scaled = match self {
            Self::ONE => value,
            Self::THOUSANDTHS => value * 1e3,
            Self::TWICE => value * 1e6,
            Self::BITS => return Some(value.to_bits().cast_signed()),
            Self(power) => value * POWERS[usize::from(power)],
        };
        let nearest = if scaled.abs() < ROUNDED {
            (scaled + ROUNDING) - ROUNDING
        } else {
            scaled.round()
        };
        // Also false for NaN.
        if !(-LARGEST..=LARGEST).contains(&nearest) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number within ±2^53"
        )]
        let integer = nearest as i64;
        (self.value(integer).to_bits() == value.to_bits()).then_some(integer)
    }

    /// The value that an integer stands for.
    pub(crate) fn value(self, integer: i64) -> f64 {
        match self {
            Self::ONE => integer as f64,
            Self::THOUSANDTHS => integer as f64 * 0.001,
            Self::TWICE => integer as f64 / 1e3 / 1e3,
            Self::BITS => f64::from_bits(integer.cast_unsigned()),
            Self(power) => integer as f64 / POWERS[usize::from(power)],
        }
    }

    /// Appends the values of integers.
    fn extend(self, out: &mut Vec<f64>, integers: &[i64]) {
        let integers = integers.iter();
        // Once a column instead of once a value.
        match self {
            Self::ONE => out.extend(integers.map(|integer| *integer as f64)),
            Self::THOUSANDTHS | Self::TWICE | Self::BITS => {
                out.extend(integers.map(|integer| self.value(*integer)));
            }
            Self(power) => {
                let power = POWERS[usize::from(power)];
                out.extend(integers.map(|integer| *integer as f64 / power));
            }
        }
    }
}

/// A column as integers, and where these do not give the value back.
pub(super) struct Scaled {
    scale: Scale,
    pub(super) integers: Vec<i64>,
    exceptions: Vec<usize>,
}

impl Scaled {
    /// The scale with the fewest exceptions; none when all have too many.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut best = Self::decimal(values);
        for scale in [Scale::THOUSANDTHS, Scale::TWICE] {
            let most = match &best {
                Some(best) if best.exceptions.is_empty() => break,
                Some(best) => best.exceptions.len(),
                None => allowed(values.len()) + 1,
            };
            best = Self::with(values, scale, most).or(best);
        }
        best
    }

    /// The bits of the values, which suit every column.
    pub(super) fn bits(values: &[f64]) -> Self {
        let bits = values.iter().map(|value| value.to_bits().cast_signed());
        Self {
            scale: Scale::BITS,
            integers: bits.collect(),
            exceptions: Vec::new(),
        }
    }

    /// With the smallest power of ten that suits the values, up to a few.
    fn decimal(values: &[f64]) -> Option<Self> {
        let powers = 0u8..=10;
        let mut scaled = Self::new(Scale::ONE, values.len());
        let mut at = 0;
        while let Some(&value) = values.get(at) {
            if let Some(integer) = scaled.scale.integer(value) {
                scaled.integers.push(integer);
            } else if let Some(power) = powers
                .clone()
                .skip(usize::from(scaled.scale.0) + 1)
                .find(|&power| Scale(power).integer(value).is_some())
            {
                scaled = Self::new(Scale(power), values.len());
                at = 0;
                continue;
            } else {
                scaled.except(at);
                if scaled.exceptions.len() > allowed(values.len()) {
                    return None;
                }
            }
            at += 1;
        }
        Some(scaled)
    }

    /// With a scale, if there are fewer exceptions than `most`.
    fn with(values: &[f64], scale: Scale, most: usize) -> Option<Self> {
        let mut scaled = Self::new(scale, values.len());
        for (at, &value) in values.iter().enumerate() {
            if scaled.exceptions.len() >= most {
                return None;
            }
            match scale.integer(value) {
                Some(integer) => scaled.integers.push(integer),
                None => scaled.except(at),
            }
        }
        (scaled.exceptions.len() < most).then_some(scaled)
    }

    fn new(scale: Scale, count: usize) -> Self {
        Self {
            scale,
            integers: Vec::with_capacity(count),
            exceptions: Vec::new(),
        }
    }

    /// Puts something that costs nothing in the place of a value that does not suit: what is on the
    /// line through the two before.
    fn except(&mut self, at: usize) {
        self.exceptions.push(at);
        self.integers.push(match self.integers[..] {
            [.., a, b] => b.wrapping_add(b.wrapping_sub(a)),
            [a] => a,
            [] => 0,
        });
    }

    /// Appends all but the integers.
    pub(super) fn write_head(&self, values: &[f64], out: &mut Vec<u8>) {
        out.push(self.scale.0);
        write_len(out, self.exceptions.len());
        for &at in &self.exceptions {
            write_len(out, at);
            out.extend_from_slice(&values[at].to_bits().to_le_bytes());
        }
    }
}

/// Appends the column; false when too many values are no decimals (`out` is then as it was).
pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
    let Some(scaled) = Scaled::of(values) else {
        return false;
    };
    scaled.write_head(values, out);
    integers::encode(&scaled.integers, out);
    true
}

pub(super) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Malformed> {
    decode_with(reader, out, |reader, push| {
        integers::decode(reader, count, &mut |some| push(some))
    })
}

/// Appends the values of a column whose head [`Scaled::write_head`] wrote, and whose integers
/// `integers` hands on.
pub(super) fn decode_with<'a>(
    reader: &mut Reader<'a>,
    out: &mut Vec<f64>,
    integers: impl FnOnce(&mut Reader<'a>, &mut dyn FnMut(&[i64])) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let scale = Scale::read(reader)?;
    let exceptions = reader.count()?;
    let mut listed = reader.clone();
    for _ in 0..exceptions {
        reader.u64()?;
        reader.bits()?;
    }
    let start = out.len();
    integers(reader, &mut |some| scale.extend(out, some))?;
    for _ in 0..exceptions {
        let at = usize::try_from(listed.u64()?).map_err(|_| Malformed("a position too large"))?;
        let value = f64::from_bits(listed.bits()?);
        let place = out[start..].get_mut(at);
        *place.ok_or(Malformed("a position past the end"))? = value;
    }
    Ok(())
}

/// How many exceptions (nine bytes and more each) are worth it.
fn allowed(count: usize) -> usize {
    count.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_integers_however_they_were_computed() {
        type Seconds = fn(u32) -> f64;
        let ways: [(Seconds, Scale); 5] = [
            (|at| f64::from(at) / 100.0, Scale(2)),
            (|at| f64::from(at) / 1e9, Scale(9)),
            (|at| f64::from(at) * 0.001, Scale::THOUSANDTHS),
            (|at| f64::from(at) / 1000.0 / 1000.0, Scale::TWICE),
            (f64::from, Scale::ONE),
        ];
        for (seconds, scale) in ways {
            let values: Vec<f64> = (0..240).map(|at| seconds(7_654_321 + at * 1237)).collect();
            let scaled = Scaled::of(&values).unwrap();
            assert_eq!((scaled.scale, scaled.exceptions), (scale, Vec::new()));
            assert_eq!(scaled.integers[1] - scaled.integers[0], 1237);
        }
    }
}
