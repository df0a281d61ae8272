//! What the blocks of a pack add up to, per series: the counts that an answer gives without
//! reading any block.

use std::collections::BTreeMap;

use system_stats_model::sample::{Millis, Sample};

use crate::head::Tally;
use crate::journal::{pack, unpack};
use crate::varint::{Malformed, Reader, write_i64, write_len, write_u64};

/// By series. A series without any sample in a block is not in it.
pub(crate) type Totals = BTreeMap<u32, Tally>;

/// Whether a series has samples that are no staleness markers.
const LIVES: u64 = 1;

/// The blob.
///
/// # Errors
/// When zstd fails, which it does only when memory is short.
pub(crate) fn encode_totals(totals: &Totals) -> std::io::Result<Vec<u8>> {
    let mut numbers = Vec::with_capacity(totals.len() * 6);
    let mut values = Vec::with_capacity(totals.len() * 8);
    let known = totals.values().filter(|tally| tally.latest().is_some());
    write_len(&mut numbers, known.count());
    let (mut last_id, mut last_at, mut last_first) = (0, 0, 0);
    for (&id, tally) in totals {
        let Some(latest) = tally.latest() else {
            continue;
        };
        write_u64(&mut numbers, u64::from(id - last_id));
        last_id = id;
        write_i64(&mut numbers, latest.timestamp.wrapping_sub(last_at));
        last_at = latest.timestamp;
        let lives = u64::from(tally.samples > 0);
        write_u64(&mut numbers, u64::from(tally.samples) << 1 | lives);
        if lives == LIVES {
            write_i64(&mut numbers, tally.first.wrapping_sub(last_first));
            last_first = tally.first;
            write_i64(&mut numbers, latest.timestamp.wrapping_sub(tally.last));
        }
        values.extend_from_slice(&latest.value.to_bits().to_le_bytes());
    }
    numbers.extend_from_slice(&values);
    pack(&numbers)
}

/// Takes what [`encode_totals`] wrote.
///
/// # Errors
/// On anything else.
pub(crate) fn decode_totals(blob: &[u8]) -> Result<Totals, Malformed> {
    let content = unpack(blob)?;
    let mut reader = Reader::new(&content);
    let count = reader.count()?;
    let mut numbers: Vec<(u32, u32, Millis, Millis, Millis)> = Vec::with_capacity(count);
    let (mut id, mut at, mut first) = (0u32, 0i64, 0i64);
    for _ in 0..count {
        let next = id.checked_add(reader.u32()?);
        id = next.ok_or(Malformed("a series number too large"))?;
        at = at.wrapping_add(reader.i64()?);
        let samples = reader.u64()?;
        let (mut from, mut last) = (Millis::MAX, Millis::MIN);
        if samples & LIVES == LIVES {
            first = first.wrapping_add(reader.i64()?);
            from = first;
            last = at.wrapping_sub(reader.i64()?);
        }
        let samples = u32::try_from(samples >> 1).unwrap_or(u32::MAX);
        numbers.push((id, samples, from, last, at));
    }
    let mut totals = Totals::new();
    for (id, samples, first, last, timestamp) in numbers {
        let value = f64::from_bits(reader.bits()?);
        let latest = Sample { timestamp, value };
        totals.insert(id, Tally::new(samples, first, last, latest));
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use system_stats_model::sample::STALE;

    use super::*;

    proptest! {
        #[test]
        fn totals_come_back(
            series in prop::collection::btree_map(
                any::<u32>(), prop::collection::vec((0i64..1 << 42, any::<u64>()), 1..4), 0..20)
        ) {
            let mut totals = Totals::new();
            for (id, samples) in series {
                let mut tally = Tally::default();
                for (at, bits) in samples {
                    let value = if bits % 4 == 0 { STALE } else { f64::from_bits(bits) };
                    tally.count(at, value);
                }
                totals.insert(id, tally);
            }
            prop_assert_eq!(decode_totals(&encode_totals(&totals).unwrap()), Ok(totals));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode_totals(&bytes);
            let _ = decode_totals(&pack(&bytes).unwrap());
        }
    }
}
