//! The lossless codec of a column: the values of one series, oldest first.
//!
//! Most series are constant, integers, or decimals with a few digits. A column of such numbers is
//! scaled to integers by the smallest power of ten that gives every value back bit for bit
//! (values that no power suits are listed apart), and the integers are packed as offsets from
//! their minimum, as deltas, or as deltas of deltas, whichever is smallest. Everything else is
//! combined with its predecessor by exclusive or (Pelkonen et al., "Gorilla", VLDB 2015).
//!
//! That is for columns that are read by themselves. Those of a group have two parts: a body, which
//! is compressed with those of the others, and bits, which could not be.
//!
//! The scaling with exceptions follows the idea of ALP (Afroozeh et al., SIGMOD 2023).

mod bits;
mod cells;
mod decimal;
mod integers;
mod tokens;
mod xor;

use crate::varint::{Malformed, Reader, write_i64};

use decimal::{Scale, Scaled};

pub(crate) use cells::{
    Cell, Coding, Parts, decode_cells, encode_cells, encode_parts, encode_whole, is_constant,
    is_whole,
};
pub(crate) use integers::{decode as decode_integers, encode as encode_integers};

const CONST_INTEGER: u8 = 0;
const CONST_BITS: u8 = 1;
const DECIMAL: u8 = 2;
const XOR: u8 = 3;
const RAW: u8 = 4;
const TOKENS: u8 = 5;

/// Appends the encoded form of `values` to `out`. How many there are is not stored.
pub(crate) fn encode(values: &[f64], out: &mut Vec<u8>) {
    if values.is_empty() || encode_constant(values, out) {
        return;
    }
    let start = out.len();
    out.push(DECIMAL);
    let packed = decimal::encode(values, out);
    // Six bytes a value is about what XOR takes for noise.
    if packed && out.len() - start <= values.len() * 6 {
        return;
    }
    let mut xored = vec![XOR];
    xor::encode(values, &mut xored);
    if !packed || xored.len() < out.len() - start {
        out.truncate(start);
        out.extend_from_slice(&xored);
    }
}

/// Appends the encoded form of `values` to the two parts of a group.
pub(crate) fn encode_split(values: &[f64], body: &mut Vec<u8>, bits: &mut Vec<u8>) {
    if values.is_empty() || encode_constant(values, body) {
        return;
    }
    body.push(TOKENS);
    let scaled = Scaled::of(values).unwrap_or_else(|| Scaled::bits(values));
    scaled.write_head(values, body);
    tokens::encode(scaled.integers, body, bits);
}

/// Appends the values if all have the same bits.
fn encode_constant(values: &[f64], out: &mut Vec<u8>) -> bool {
    let Some((first, rest)) = values.split_first() else {
        return false;
    };
    if rest.iter().any(|v| v.to_bits() != first.to_bits()) {
        return false;
    }
    if let Some(integer) = Scale::ONE.integer(*first) {
        out.push(CONST_INTEGER);
        write_i64(out, integer);
    } else {
        out.push(CONST_BITS);
        out.extend_from_slice(&first.to_bits().to_le_bytes());
    }
    true
}

/// Appends the values as they are, for columns that [`encode`] would not give back.
pub(crate) fn encode_raw(values: &[f64], out: &mut Vec<u8>) {
    out.push(RAW);
    let bits = values.iter().map(|value| value.to_bits().to_le_bytes());
    out.extend(bits.flatten());
}

/// Appends `count` values to `out`, from what [`encode`], [`encode_split`] or [`encode_raw`] wrote.
///
/// # Errors
/// On bytes that it did not write; `out` may have grown by up to `count` values then.
pub(crate) fn decode(
    bytes: &[u8],
    bits: &[u8],
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Malformed> {
    if count == 0 {
        return Ok(());
    }
    let mut reader = Reader::new(bytes);
    match reader.u8()? {
        CONST_INTEGER => {
            let value = Scale::ONE.value(reader.i64()?);
            out.extend(std::iter::repeat_n(value, count));
        }
        CONST_BITS => {
            let value = f64::from_bits(reader.bits()?);
            out.extend(std::iter::repeat_n(value, count));
        }
        DECIMAL => decimal::decode(&mut reader, count, out)?,
        XOR => xor::decode(&mut reader, count, out)?,
        TOKENS => decimal::decode_with(&mut reader, out, |reader, push| {
            tokens::decode(reader, bits, count, push)
        })?,
        RAW => {
            for _ in 0..count {
                out.push(f64::from_bits(reader.bits()?));
            }
        }
        _ => return Err(Malformed("an unknown kind of column")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use system_stats_model::sample::STALE;

    use super::*;

    fn round_trip(values: &[f64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut back = Vec::new();
        decode(&bytes, &[], values.len(), &mut back).unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(values), bits(&back));
        let mut raw = Vec::new();
        encode_raw(values, &mut raw);
        back.clear();
        decode(&raw, &[], values.len(), &mut back).unwrap();
        assert_eq!(bits(values), bits(&back));
        let (mut body, mut rest) = (Vec::new(), Vec::new());
        encode_split(values, &mut body, &mut rest);
        back.clear();
        decode(&body, &rest, values.len(), &mut back).unwrap();
        assert_eq!(bits(values), bits(&back));
        bytes.len()
    }

    #[test]
    fn what_series_look_like_is_small() {
        let constant = [42.0; 240];
        let counter: Vec<f64> = (0..240).map(|i| f64::from(1_000_000 + i * 15)).collect();
        let jumpy: Vec<f64> = (0..240).map(|i| f64::from(i * i % 97)).collect();
        let decimal: Vec<f64> = (0..240).map(|i| f64::from(i * 7 % 1000) / 100.0).collect();
        let mut ending = counter.clone();
        ending.push(STALE);
        let cases: [(&str, &[f64], usize); 5] = [
            ("constant", &constant, 4),
            ("counter", &counter, 20),
            ("small integers", &jumpy, 230),
            ("decimals", &decimal, 310),
            ("a counter that ends", &ending, 40),
        ];
        for (name, values, most) in cases {
            let size = round_trip(values);
            assert!(
                size <= most,
                "{name}: {size} bytes, expected at most {most}"
            );
        }
    }

    #[test]
    fn odd_values_survive() {
        let odd = [
            0.0,
            -0.0,
            f64::NAN,
            STALE,
            f64::from_bits(0x7ff8_dead_beef_0001),
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            f64::from_bits(1),
            1e15,
            9_007_199_254_740_993.0,
            -9_223_372_036_854_775_808.0,
            9_223_372_036_854_775_807.0,
            0.1,
            1e-10,
            123.456_789,
        ];
        round_trip(&odd);
        for value in odd {
            round_trip(&[value]);
            round_trip(&[value, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i32>().prop_map(f64::from),
            (any::<i32>(), 0..6i32).prop_map(|(v, e)| f64::from(v) / 10f64.powi(e)),
            any::<i32>().prop_map(|v| f64::from(v) * 0.001),
            any::<i32>().prop_map(|v| f64::from(v) / 1000.0 / 1000.0),
            Just(STALE),
            Just(-0.0),
            Just(0.0),
        ]
    }

    proptest! {
        #[test]
        fn every_column_comes_back(values in prop::collection::vec(value(), 1..300)) {
            round_trip(&values);
        }

        #[test]
        fn numbers_of_one_kind_come_back(
            start in -1_000_000i64..1_000_000,
            steps in prop::collection::vec(-50i64..50, 1..300),
            digits in 0..8i32,
        ) {
            let mut at = start;
            let values: Vec<f64> = steps.iter().map(|step| {
                at += step;
                at as f64 / 10f64.powi(digits)
            }).collect();
            round_trip(&values);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            bits in prop::collection::vec(any::<u8>(), 0..60),
            kind in 0u8..7,
            count in 0usize..400,
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let mut out = Vec::new();
            let decoded = decode(&bytes, &bits, count, &mut out);
            prop_assert!(out.len() <= count);
            prop_assert!(decoded.is_err() || out.len() == count);
        }
    }
}
