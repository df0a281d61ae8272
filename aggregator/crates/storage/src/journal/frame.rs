//! A row of the journal as bytes: version, length, zstd, checksum.

use std::io::Read as _;

use crate::varint::{Malformed, Reader, write_len};

const VERSION: u8 = 1;
const LEVEL: i32 = 1;
const CHECKSUM: usize = 4;

/// The most a row may hold uncompressed. Batches are cut far below it, but a single append may be
/// large.
const LARGEST: usize = 1 << 30;

/// How many times its size something becomes when decompressed, without surprise.
const PLAUSIBLE: usize = 256;

/// Frames records for the journal.
///
/// # Errors
/// When zstd fails, which it does only when memory is short.
pub(crate) fn pack(records: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut blob = vec![VERSION];
    write_len(&mut blob, records.len());
    blob.extend_from_slice(&zstd::bulk::compress(records, LEVEL)?);
    let checksum = crc32c::crc32c(&blob);
    blob.extend_from_slice(&checksum.to_le_bytes());
    Ok(blob)
}

/// The records of a row.
///
/// # Errors
/// On anything that [`pack`] did not write.
pub(crate) fn unpack(blob: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (framed, checksum) = blob
        .split_last_chunk::<CHECKSUM>()
        .ok_or(Malformed("cut short"))?;
    let mut reader = Reader::new(framed);
    if reader.u8()? != VERSION {
        return Err(Malformed("a version that this program does not know"));
    }
    if crc32c::crc32c(framed) != u32::from_le_bytes(*checksum) {
        return Err(Malformed("the checksum does not fit"));
    }
    let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(Malformed("too large"));
    }
    let compressed = reader.take(reader.remaining())?;
    let records = decompress(compressed, length);
    let records = records.map_err(|_| Malformed("it cannot be decompressed"))?;
    if records.len() != length {
        return Err(Malformed("another length than announced"));
    }
    Ok(records)
}

/// Room is made for `length` bytes at once only where so few can become so many; else it grows with
/// what comes.
fn decompress(compressed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    if length / PLAUSIBLE <= compressed.len() + PLAUSIBLE {
        return zstd::bulk::decompress(compressed, length);
    }
    let mut records = Vec::new();
    let reader = zstd::stream::read::Decoder::new(compressed)?;
    reader.take(length as u64 + 1).read_to_end(&mut records)?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_back(records in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(unpack(&pack(&records).unwrap()), Ok(records));
        }

        #[test]
        fn what_compresses_well_comes_back(length in 0usize..200_000) {
            let records = vec![7; length];
            prop_assert!(unpack(&pack(&records).unwrap()) == Ok(records));
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            prop_assert!(unpack(&bytes).is_err());
            let checksum = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&checksum.to_le_bytes());
            let _ = unpack(&bytes);
        }

        #[test]
        fn a_flipped_bit_is_noticed(
            records in prop::collection::vec(any::<u8>(), 1..100),
            at: prop::sample::Index,
            bit in 0..8u8,
        ) {
            let mut blob = pack(&records).unwrap();
            let at = at.index(blob.len());
            blob[at] ^= 1 << bit;
            prop_assert!(unpack(&blob).is_err());
        }
    }
}
