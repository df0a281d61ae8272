//! The clocks of a window.
//!
//! Not compressed as a whole: the digits of jitter are noise, and a query needs one clock of many.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::column::{decode_integers, encode_integers};
use crate::varint::{Malformed, Reader, write_len};

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;

/// The most rows a clock can have: one for every millisecond of an hour.
const MOST_ROWS: usize = 3_600_000;

/// Writes clocks: milliseconds since the start of the window, each strictly ascending.
pub(crate) fn encode_clocks(clocks: &[Arc<[u32]>]) -> Vec<u8> {
    let mut bodies: Vec<u8> = Vec::new();
    let mut out = vec![VERSION];
    write_len(&mut out, clocks.len());
    for clock in clocks {
        let from = bodies.len();
        let numbers: Vec<i64> = clock.iter().copied().map(i64::from).collect();
        if !numbers.is_empty() {
            encode_integers(&numbers, &mut bodies);
        }
        write_len(&mut out, clock.len());
        write_len(&mut out, bodies.len() - from);
    }
    out.extend_from_slice(&bodies);
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The clocks of a window, decoded one by one as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    blob: Bytes,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    rows: usize,
    from: usize,
    to: usize,
    clock: OnceLock<Result<Arc<[u32]>, Malformed>>,
}

impl Clocks {
    /// Takes what [`encode_clocks`] wrote.
    ///
    /// # Errors
    /// On anything else.
    pub(crate) fn decode(blob: Bytes) -> Result<Self, Malformed> {
        let (framed, checksum) = blob
            .split_last_chunk::<CHECKSUM>()
            .ok_or(Malformed("cut short"))?;
        if crc32c::crc32c(framed) != u32::from_le_bytes(*checksum) {
            return Err(Malformed("the checksum does not fit"));
        }
        let mut reader = Reader::new(framed);
        if reader.u8()? != VERSION {
            return Err(Malformed("a version that this program does not know"));
        }
        let mut places = Vec::new();
        let mut length = 0usize;
        for _ in 0..reader.count()? {
            let rows = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
            let from = length;
            let body = reader.count()?;
            length = length.saturating_add(body);
            if rows > MOST_ROWS {
                return Err(Malformed("a clock that is too long"));
            }
            places.push(Place {
                rows,
                from,
                to: length,
                clock: OnceLock::new(),
            });
        }
        let bodies = framed.len() - reader.remaining();
        if length != reader.remaining() {
            return Err(Malformed("clocks of another length than announced"));
        }
        for place in &mut places {
            place.from += bodies;
            place.to += bodies;
        }
        Ok(Self { blob, places })
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// What it takes in memory when all of them are decoded.
    pub(crate) fn bytes(&self) -> usize {
        let rows: usize = self.places.iter().map(|place| place.rows).sum();
        size_of::<Self>() + self.blob.len() + self.places.len() * size_of::<Place>() + rows * 4
    }

    /// A clock.
    ///
    /// # Errors
    /// When there is none of that number, or it is not one.
    pub(crate) fn get(&self, at: usize) -> Result<&Arc<[u32]>, Malformed> {
        let place = self.places.get(at);
        let place = place.ok_or(Malformed("a clock that is not there"))?;
        let clock = place.clock.get_or_init(|| {
            let body = self.blob.get(place.from..place.to);
            decode(body.unwrap_or_default(), place.rows)
        });
        clock.as_ref().map_err(|error| *error)
    }
}

fn decode(body: &[u8], rows: usize) -> Result<Arc<[u32]>, Malformed> {
    if rows == 0 {
        return Ok(Arc::from([]));
    }
    // A row may take no bits at all, but then it differs from the one before by what all do.
    let mut clock: Vec<u32> = Vec::with_capacity(rows.min(body.len().saturating_mul(8)));
    let mut ascends = true;
    decode_integers(&mut Reader::new(body), rows, &mut |numbers| {
        for number in numbers {
            let number = u32::try_from(*number).ok();
            ascends &= number > clock.last().copied() || (clock.is_empty() && number.is_some());
            // Nothing more is kept of what is no clock.
            if let Some(number) = number.filter(|_| ascends) {
                clock.push(number);
            }
        }
    })?;
    if !ascends {
        return Err(Malformed("a clock that does not ascend"));
    }
    Ok(clock.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock() -> impl Strategy<Value = Arc<[u32]>> {
        prop::collection::btree_set(0u32..3_600_000, 0..50)
            .prop_map(|clock| clock.into_iter().collect())
    }

    #[test]
    fn jitter_costs_a_byte_or_so_a_row() {
        let clock: Arc<[u32]> = (0..240u32).map(|at| at * 15_000 + at * 7919 % 20).collect();
        let size = encode_clocks(&[clock]).len();
        assert!(size < 240, "{size}");
    }

    #[test]
    fn a_clock_of_nothing_but_promises_is_refused() {
        // Rows that take no bits: each is the one before plus what fits no window.
        let mut body = Vec::new();
        encode_integers(&[0, i64::MAX / 2, i64::MAX / 2 + i64::MAX / 2], &mut body);
        assert!(decode(&body, 50_000_000).is_err());
    }

    proptest! {
        #[test]
        fn clocks_come_back(clocks in prop::collection::vec(clock(), 0..5)) {
            let decoded = Clocks::decode(encode_clocks(&clocks).into()).unwrap();
            prop_assert_eq!(decoded.len(), clocks.len());
            for (at, clock) in clocks.iter().enumerate() {
                prop_assert_eq!(decoded.get(at), Ok(clock));
            }
            prop_assert!(decoded.get(clocks.len()).is_err());
        }

        #[test]
        fn a_flipped_bit_is_noticed(clock in clock(), at: prop::sample::Index, bit in 0..8u8) {
            let mut blob = encode_clocks(&[clock]);
            let at = at.index(blob.len());
            blob[at] ^= 1 << bit;
            prop_assert!(Clocks::decode(blob.into()).is_err());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut blob = vec![VERSION];
            blob.extend_from_slice(&bytes);
            let checksum = crc32c::crc32c(&blob);
            blob.extend_from_slice(&checksum.to_le_bytes());
            if let Ok(clocks) = Clocks::decode(blob.into()) {
                for at in 0..clocks.len() {
                    let rows = clocks.places[at].rows;
                    // Long ones would only cost time.
                    if rows < 1_000_000 {
                        prop_assert!(clocks.get(at).is_err() || clocks.get(at).unwrap().len() == rows);
                    }
                }
            }
        }
    }
}
