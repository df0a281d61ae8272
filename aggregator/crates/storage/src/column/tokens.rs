//! Integers of a group's column: of each a byte that an entropy coder shortens, and the bits that
//! none would.
//!
//! The byte, a token, is the number itself below sixteen; of a larger one the place of its highest
//! bit and the three bits below that. What is below those follows apart. (After the hybrid integers
//! of JPEG XL, ISO/IEC 18181-1.) The numbers are what remains when the first value is taken away,
//! what all differences have in common divided out, and the difference taken none, one or two
//! times, whichever leaves the least.

use super::bits::{BitWriter, bits_at, width};
use crate::varint::{Malformed, Reader, unzigzag, write_i64, write_u64, zigzag};

/// Numbers that are their own token.
const SMALL: u64 = 16;

/// The highest bit of the first numbers of which the token has three more bits, and of the first of
/// which it has none.
const HIGHEST: (u32, u32) = (4, 29);

/// The first token of a number of which it has no more bits.
const WIDE: usize = 216;

/// Numbers that are handed on at once.
const CHUNK: usize = 64;

/// How often the difference may be taken, and the bit that says that what remains has a sign.
const ORDERS: u8 = 3;
const SIGNED: u8 = 4;

/// Of each token, the number without what follows apart, and how many bits that has.
const TOKENS: [(u64, u32); 256] = tokens();

#[expect(
    clippy::cast_possible_truncation,
    reason = "a place of a bit is below 64"
)]
const fn tokens() -> [(u64, u32); 256] {
    let mut tokens = [(0, 0); 256];
    let mut at = 0;
    while at < tokens.len() {
        let small = at as u64;
        tokens[at] = if small < SMALL {
            (small, 0)
        } else if at < WIDE {
            let below = (small - SMALL) as u32 / 8 + HIGHEST.0 - 3;
            ((8 | ((small - SMALL) % 8)) << below, below)
        } else {
            let highest = (at - WIDE) as u32 + HIGHEST.1;
            // What no number has stands for none.
            match 1u64.checked_shl(highest) {
                Some(number) => (number, highest),
                None => (0, 0),
            }
        };
        at += 1;
    }
    tokens
}

/// The token of a number, what follows apart, and how many bits that has.
#[expect(clippy::cast_possible_truncation, reason = "a token is at most 250")]
fn token(number: u64) -> (u8, u64, u32) {
    if number < SMALL {
        return (number as u8, 0, 0);
    }
    let highest = number.ilog2();
    let (token, below) = if highest < HIGHEST.1 {
        let below = highest - 3;
        let kind = u64::from(highest - HIGHEST.0) * 8;
        (SMALL + kind + (number >> below & 7), below)
    } else {
        (WIDE as u64 + u64::from(highest - HIGHEST.1), highest)
    };
    (token as u8, number & ((1 << below) - 1), below)
}

/// Appends the tokens with what is needed to read them to `out`, and what follows apart to `bits`.
pub(super) fn encode(mut numbers: Vec<i64>, out: &mut Vec<u8>, bits: &mut Vec<u8>) {
    let first = numbers.first().copied().unwrap_or_default();
    for number in &mut numbers {
        *number = number.wrapping_sub(first);
    }
    let step = step(&numbers);
    if step.count_ones() == 1 {
        let shift = step.trailing_zeros();
        for number in &mut numbers {
            *number >>= shift;
        }
    } else {
        for number in &mut numbers {
            *number /= step;
        }
    }
    let form = Form::of(&numbers);
    out.push(form.order | if form.is_signed { SIGNED } else { 0 });
    write_i64(out, first);
    write_u64(out, step.cast_unsigned());
    write_i64(out, form.least);
    out.reserve(numbers.len());
    let mut writer = BitWriter::new(bits);
    let (mut last, mut delta) = (form.before(), 0i64);
    for number in numbers {
        let difference = number.wrapping_sub(last);
        let rest = match form.order {
            0 => number,
            1 => difference,
            _ => difference.wrapping_sub(delta),
        };
        (last, delta) = (number, difference);
        let (token, below, width) = token(form.natural(rest));
        out.push(token);
        if width > 0 {
            writer.write(below, width);
        }
    }
    writer.finish();
}

/// What remains of numbers of which the first is 0.
struct Form {
    /// How often the difference is taken.
    order: u8,
    /// What is taken away from each.
    least: i64,
    is_signed: bool,
}

impl Form {
    /// The one that leaves the fewest bits.
    fn of(numbers: &[i64]) -> Self {
        let least = numbers.iter().copied().min().unwrap_or_default();
        let steps = numbers.windows(2);
        let steps = steps.map(|pair| pair[1].wrapping_sub(pair[0]));
        let least_step = steps.min().unwrap_or_default();
        let forms = [
            Self {
                order: 0,
                least,
                is_signed: false,
            },
            Self {
                order: 1,
                least: least_step.max(0),
                is_signed: least_step < 0,
            },
            Self {
                order: 2,
                least: 0,
                is_signed: true,
            },
        ];
        let mut costs = [0u32; ORDERS as usize];
        let (mut before, mut delta) = (forms[1].before(), 0i64);
        for &number in numbers {
            let difference = number.wrapping_sub(before);
            let rests = [number, difference, difference.wrapping_sub(delta)];
            (before, delta) = (number, difference);
            for ((cost, form), rest) in costs.iter_mut().zip(&forms).zip(rests) {
                let natural = form.natural(rest);
                *cost += width(natural) + u32::from(natural > 0);
            }
        }
        let cheapest = forms.into_iter().zip(costs).min_by_key(|form| form.1);
        cheapest.map_or(
            Self {
                order: 0,
                least,
                is_signed: false,
            },
            |form| form.0,
        )
    }

    /// What comes before the first number, so that nothing remains of this one.
    fn before(&self) -> i64 {
        match self.order {
            1 => self.least.wrapping_neg(),
            _ => 0,
        }
    }

    fn natural(&self, rest: i64) -> u64 {
        if self.is_signed {
            zigzag(rest)
        } else {
            rest.wrapping_sub(self.least).cast_unsigned()
        }
    }
}

/// What all numbers are multiples of; 1 for nothing but zeros.
fn step(numbers: &[i64]) -> i64 {
    let mut step = 0u64;
    for number in numbers {
        let mut rest = number.unsigned_abs();
        if step.is_power_of_two() {
            step = 1 << step.trailing_zeros().min(rest.trailing_zeros());
        } else {
            while rest != 0 {
                (step, rest) = (rest, step % rest);
            }
        }
        if step == 1 {
            break;
        }
    }
    i64::try_from(step).unwrap_or(1).max(1)
}

/// Hands on `count` numbers, a few at a time.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    bits: &[u8],
    count: usize,
    push: &mut dyn FnMut(&[i64]),
) -> Result<(), Malformed> {
    let kind = reader.u8()?;
    let (order, is_signed) = (kind & !SIGNED, kind & SIGNED != 0);
    if order >= ORDERS {
        return Err(Malformed("an unknown order of differences"));
    }
    let first = reader.i64()?;
    let step = reader.u64()?.cast_signed();
    let form = Form {
        order,
        least: reader.i64()?,
        is_signed,
    };
    let tokens = reader.take(count)?;
    let (mut at, mut last, mut delta) = (0, form.before(), 0i64);
    let mut chunk = [0i64; CHUNK];
    for tokens in tokens.chunks(CHUNK) {
        let numbers = &mut chunk[..tokens.len()];
        for (number, &token) in numbers.iter_mut().zip(tokens) {
            let (mut natural, width) = TOKENS[usize::from(token)];
            if width > 0 {
                natural |= bits_at(bits, at, width);
                at += width as usize;
            }
            *number = natural.cast_signed();
        }
        if is_signed {
            for number in numbers.iter_mut() {
                *number = unzigzag(number.cast_unsigned());
            }
        } else {
            for number in numbers.iter_mut() {
                *number = number.wrapping_add(form.least);
            }
        }
        if order == 2 {
            for number in numbers.iter_mut() {
                delta = delta.wrapping_add(*number);
                *number = delta;
            }
        }
        if order >= 1 {
            for number in numbers.iter_mut() {
                last = last.wrapping_add(*number);
                *number = last;
            }
        }
        for number in numbers.iter_mut() {
            *number = number.wrapping_mul(step).wrapping_add(first);
        }
        push(numbers);
    }
    if at > bits.len().saturating_mul(8) {
        return Err(Malformed("cut short"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[i64]) -> (usize, usize) {
        let (mut out, mut bits) = (Vec::new(), Vec::new());
        encode(numbers.to_vec(), &mut out, &mut bits);
        let mut back = Vec::new();
        let mut reader = Reader::new(&out);
        decode(&mut reader, &bits, numbers.len(), &mut |some| {
            back.extend_from_slice(some);
        })
        .unwrap();
        assert_eq!(back, numbers);
        assert!(reader.is_empty());
        (out.len(), bits.len())
    }

    #[test]
    fn every_token_is_of_the_numbers_that_it_gives() {
        let mut next = 0u64;
        for (&(number, width), at) in TOKENS.iter().zip(0u8..).take(251) {
            assert_eq!(number, next, "without a gap");
            let last = number + ((1 << width) - 1);
            for number in [number, last] {
                assert_eq!((token(number).0, token(number).2), (at, width), "{number}");
            }
            next = last.wrapping_add(1);
        }
        assert_eq!(next, 0, "up to the largest number");
    }

    #[test]
    fn what_all_have_in_common_takes_no_bits() {
        let pages: Vec<i64> = (0..100).map(|at| 5_000_000 + at * at % 7 * 4096).collect();
        let tens: Vec<i64> = (0..100).map(|at| 77 + at * at % 7 * 1000).collect();
        let steady: Vec<i64> = (0..100).map(|at| 5_000_000 + at * 333_333).collect();
        for numbers in [pages, tens] {
            assert_eq!(round_trip(&numbers).1, 0);
        }
        assert!(round_trip(&steady).1 <= 3, "once the step");
    }

    #[test]
    fn the_ends_of_the_range_come_back() {
        round_trip(&[]);
        round_trip(&[i64::MIN]);
        round_trip(&[i64::MIN, i64::MAX, 0, -1, i64::MIN, 1, i64::MAX]);
        round_trip(&[0, i64::MIN, 0]);
    }

    proptest! {
        #[test]
        fn numbers_come_back(
            numbers in prop::collection::vec(any::<i64>(), 1..200),
            shift in 0u32..64,
            step in 1i64..10_000,
        ) {
            let numbers: Vec<i64> = numbers.iter().map(|n| (n >> shift).wrapping_mul(step)).collect();
            round_trip(&numbers);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            bits in prop::collection::vec(any::<u8>(), 0..60),
            count in 0usize..80,
        ) {
            let mut decoded = 0;
            let done = decode(&mut Reader::new(&bytes), &bits, count, &mut |some| decoded += some.len());
            prop_assert!(decoded <= count && (done.is_err() || decoded == count));
        }
    }
}
