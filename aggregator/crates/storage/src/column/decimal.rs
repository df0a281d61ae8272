//! Columns of decimals: integers after multiplication by a power of ten.

use super::integers;
use crate::varint::{Malformed, Reader, write_len};

/// Integers beyond this are not all representable, so a value there could come back as another.
const LARGEST: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// The integer that `value` becomes when scaled, if that integer gives every bit of it back.
pub(crate) fn to_integer(value: f64, exponent: usize) -> Option<i64> {
    let scaled = (value * POWERS[exponent]).round();
    // Also false for NaN.
    if !(-LARGEST..=LARGEST).contains(&scaled) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number within ±2^53"
    )]
    let integer = scaled as i64;
    let back = from_integer(integer, exponent);
    (back.to_bits() == value.to_bits()).then_some(integer)
}

/// The value that a scaled integer stands for.
pub(crate) fn from_integer(integer: i64, exponent: usize) -> f64 {
    integer as f64 / POWERS[exponent]
}

/// Appends the column; false when too many values are no decimals (`out` is then spoilt).
pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
    let Some(exponent) = exponent(values) else {
        return false;
    };
    let mut exceptions = Vec::new();
    let mut integers: Vec<i64> = Vec::with_capacity(values.len());
    for (at, &value) in values.iter().enumerate() {
        let integer = to_integer(value, exponent).unwrap_or_else(|| {
            exceptions.push(at);
            // Something that costs nothing: on the line through the two before.
            match integers[..] {
                [.., a, b] => b.wrapping_add(b.wrapping_sub(a)),
                [a] => a,
                [] => 0,
            }
        });
        integers.push(integer);
    }
    if exceptions.len() > allowed(values.len()) {
        return false;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 10")]
    out.push(exponent as u8);
    write_len(out, exceptions.len());
    for at in exceptions {
        write_len(out, at);
        out.extend_from_slice(&values[at].to_bits().to_le_bytes());
    }
    integers::encode(&integers, out);
    true
}

pub(super) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let exponent = usize::from(reader.u8()?);
    if exponent >= POWERS.len() {
        return Err(Malformed("an exponent above 10"));
    }
    let exceptions = reader.count()?;
    let mut listed = reader.clone();
    for _ in 0..exceptions {
        reader.u64()?;
        reader.bits()?;
    }
    let start = out.len();
    integers::decode(reader, count, &mut |integers| {
        let values = integers.iter();
        if exponent == 0 {
            out.extend(values.map(|integer| *integer as f64));
        } else {
            out.extend(values.map(|integer| from_integer(*integer, exponent)));
        }
    })?;
    for _ in 0..exceptions {
        let at = usize::try_from(listed.u64()?).map_err(|_| Malformed("a position too large"))?;
        let value = f64::from_bits(listed.bits()?);
        let place = out[start..].get_mut(at);
        *place.ok_or(Malformed("a position past the end"))? = value;
    }
    Ok(())
}

/// The smallest exponent that suits the values, up to a few.
fn exponent(values: &[f64]) -> Option<usize> {
    let mut exponent = 0;
    let mut misfits = 0;
    for &value in values {
        match (exponent..POWERS.len()).find(|&e| to_integer(value, e).is_some()) {
            Some(fits) => exponent = fits,
            None => misfits += 1,
        }
        if misfits > allowed(values.len()) {
            return None;
        }
    }
    Some(exponent)
}

/// How many exceptions (nine bytes and more each) are worth it.
fn allowed(count: usize) -> usize {
    count.div_ceil(4)
}
