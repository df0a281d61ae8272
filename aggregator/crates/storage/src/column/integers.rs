//! Packed integers: offsets from the minimum of the numbers, of their deltas, or of the deltas of
//! their deltas.

use super::bits::{BitWriter, unpack, width};
use crate::varint::{Malformed, Reader, unzigzag, write_i64};

/// The bits a packed delta may have, above which nothing is gained.
const MOST_BITS: u32 = 64;

/// How often the difference may be taken, and not at all.
const ORDERS: usize = 3;

pub(crate) fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    Packing::of(numbers).write(numbers, out);
}

/// How to pack: the first `order` numbers apart, the rest as offsets from `least`.
#[derive(Default)]
struct Packing {
    order: usize,
    least: i64,
    width: u32,
}

impl Packing {
    /// The narrowest; of those as narrow the one with the fewest differences.
    fn of(numbers: &[i64]) -> Self {
        if numbers.is_empty() {
            return Self::default();
        }
        let mut bounds = [(i64::MAX, i64::MIN); ORDERS];
        let mut state = State::default();
        for (at, &number) in numbers.iter().enumerate() {
            let delta = number.wrapping_sub(state.last);
            let kinds = [number, delta, delta.wrapping_sub(state.delta)];
            for (order, (kind, (least, most))) in kinds.iter().zip(&mut bounds).enumerate() {
                if at >= order {
                    (*least, *most) = ((*least).min(*kind), (*most).max(*kind));
                }
            }
            state.advance(number);
        }
        let packings = bounds.into_iter().enumerate().take(numbers.len());
        let packings = packings.map(|(order, (least, most))| Self {
            order,
            least,
            width: width(most.wrapping_sub(least).cast_unsigned()),
        });
        packings.min_by_key(|one| one.width).unwrap_or_default()
    }

    fn write(&self, numbers: &[i64], out: &mut Vec<u8>) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an order of 0 to 2, a width to 64"
        )]
        let head = [self.order as u8, self.width as u8];
        out.extend_from_slice(&head);
        write_i64(out, self.least);
        let mut state = State::default();
        for &number in &numbers[..self.order] {
            write_i64(out, state.difference(number));
            state.advance(number);
        }
        let mut bits = BitWriter::new(out);
        for &number in &numbers[self.order..] {
            let difference = match self.order {
                0 => number,
                1 => number.wrapping_sub(state.last),
                _ => state.difference(number),
            };
            let offset = difference.wrapping_sub(self.least).cast_unsigned();
            bits.write(offset, self.width);
            state.advance(number);
        }
        bits.finish();
    }
}

/// The last number and the last delta.
#[derive(Default)]
struct State {
    last: i64,
    delta: i64,
}

impl State {
    /// The delta of the delta.
    fn difference(&self, number: i64) -> i64 {
        number.wrapping_sub(self.last).wrapping_sub(self.delta)
    }

    fn advance(&mut self, number: i64) {
        self.delta = number.wrapping_sub(self.last);
        self.last = number;
    }
}

pub(crate) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    push: &mut impl FnMut(&[i64]),
) -> Result<(), Malformed> {
    let order = usize::from(reader.u8()?);
    let width = u32::from(reader.u8()?);
    if order >= ORDERS || width > MOST_BITS || count < order {
        return Err(Malformed("an unknown packing"));
    }
    let least = reader.i64()?;
    let mut state = State::default();
    for _ in 0..order {
        let difference = unzigzag(reader.u64()?);
        let number = state
            .last
            .wrapping_add(state.delta)
            .wrapping_add(difference);
        state.advance(number);
        push(&[number]);
    }
    let packed = reader.take(reader.remaining())?;
    let State {
        mut last,
        mut delta,
    } = state;
    unpack(packed, count - order, width, &mut |numbers| {
        for number in numbers.iter_mut() {
            *number = number.wrapping_add(least);
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
        push(numbers);
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(any::<i64>(), 1..40)) {
            let mut bytes = Vec::new();
            encode(&numbers, &mut bytes);
            let mut back = Vec::new();
            decode(&mut Reader::new(&bytes), numbers.len(), &mut |some| back.extend_from_slice(some)).unwrap();
            prop_assert_eq!(back, numbers);
        }
    }

    #[test]
    fn a_steady_counter_needs_no_bits() {
        let numbers: Vec<i64> = (0..100).map(|i| 5_000_000 + i * 3).collect();
        let mut bytes = Vec::new();
        encode(&numbers, &mut bytes);
        assert!(bytes.len() < 10, "{}", bytes.len());
    }
}
