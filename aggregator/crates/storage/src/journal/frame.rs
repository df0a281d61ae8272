//! A row of the journal as bytes: version, length, zstd, checksum. What has a part that is not
//! compressed (a group of columns) has another version, and two lengths.

use std::cell::RefCell;
use std::io::Read as _;

use zstd::bulk::{Compressor, Decompressor};

use crate::varint::{Malformed, Reader, write_len};

const VERSION: u8 = 1;
const VERSION_SPLIT: u8 = 2;
const LEVEL: i32 = 1;
const CHECKSUM: usize = 4;

/// The most a row may hold uncompressed. Batches are cut far below it, but a single append may be
/// large.
const LARGEST: usize = 1 << 30;

/// How many times its size something becomes when decompressed, without surprise.
const PLAUSIBLE: usize = 256;

thread_local! {
    /// Room that is used again: making it takes longer than most blobs take to be compressed or
    /// decompressed.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Frames records for the journal.
///
/// # Errors
/// When zstd fails, which it does only when memory is short.
pub(crate) fn pack(records: &[u8]) -> std::io::Result<Vec<u8>> {
    let compressed = compress(records)?;
    let mut blob = Vec::with_capacity(compressed.len() + 16);
    blob.push(VERSION);
    write_len(&mut blob, records.len());
    blob.extend_from_slice(&compressed);
    let checksum = crc32c::crc32c(&blob);
    blob.extend_from_slice(&checksum.to_le_bytes());
    Ok(blob)
}

/// Frames something of which only the first part is worth compressing.
///
/// # Errors
/// When zstd fails, which it does only when memory is short.
pub(crate) fn pack_split(content: &[u8], plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let compressed = compress(content)?;
    let mut blob = Vec::with_capacity(compressed.len() + plain.len() + 16);
    blob.push(VERSION_SPLIT);
    write_len(&mut blob, content.len());
    write_len(&mut blob, compressed.len());
    blob.extend_from_slice(&compressed);
    blob.extend_from_slice(plain);
    let checksum = crc32c::crc32c(&blob);
    blob.extend_from_slice(&checksum.to_le_bytes());
    Ok(blob)
}

/// The two parts of what [`pack_split`] wrote, one behind the other, and the length of the first.
/// What [`pack`] wrote has one part.
///
/// # Errors
/// On anything else.
pub(crate) fn unpack_split(blob: &[u8]) -> Result<(Vec<u8>, Option<usize>), Malformed> {
    if blob.first() != Some(&VERSION_SPLIT) {
        return Ok((unpack(blob)?, None));
    }
    let mut reader = checked(blob)?;
    let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    let compressed = reader.count()?;
    let mut parts = content(reader.take(compressed)?, length)?;
    parts.extend_from_slice(reader.take(reader.remaining())?);
    Ok((parts, Some(length)))
}

/// The records of a row.
///
/// # Errors
/// On anything that [`pack`] did not write.
pub(crate) fn unpack(blob: &[u8]) -> Result<Vec<u8>, Malformed> {
    if blob.first() == Some(&VERSION_SPLIT) {
        return Err(Malformed("it has two parts"));
    }
    let mut reader = checked(blob)?;
    let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    content(reader.take(reader.remaining())?, length)
}

/// What is between the version and the checksum.
fn checked(blob: &[u8]) -> Result<Reader<'_>, Malformed> {
    let (framed, checksum) = blob
        .split_last_chunk::<CHECKSUM>()
        .ok_or(Malformed("cut short"))?;
    let mut reader = Reader::new(framed);
    if ![VERSION, VERSION_SPLIT].contains(&reader.u8()?) {
        return Err(Malformed("a version that this program does not know"));
    }
    if crc32c::crc32c(framed) != u32::from_le_bytes(*checksum) {
        return Err(Malformed("the checksum does not fit"));
    }
    Ok(reader)
}

fn content(compressed: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    if length > LARGEST {
        return Err(Malformed("too large"));
    }
    let content = decompress(compressed, length);
    let content = content.map_err(|_| Malformed("it cannot be decompressed"))?;
    if content.len() != length {
        return Err(Malformed("another length than announced"));
    }
    Ok(content)
}

fn compress(content: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(kept) => kept.compress(content),
        None => kept.insert(Compressor::new(LEVEL)?).compress(content),
    })
}

/// Room is made for `length` bytes at once only where so few can become so many; else it grows with
/// what comes.
fn decompress(compressed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    if length / PLAUSIBLE <= compressed.len() + PLAUSIBLE {
        return DECOMPRESSOR.with_borrow_mut(|kept| match kept {
            Some(kept) => kept.decompress(compressed, length),
            None => kept
                .insert(Decompressor::new()?)
                .decompress(compressed, length),
        });
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
        fn two_parts_come_back(
            content in prop::collection::vec(any::<u8>(), 0..300),
            plain in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let blob = pack_split(&content, &plain).unwrap();
            prop_assert!(unpack(&blob).is_err());
            let both = [content.as_slice(), &plain].concat();
            prop_assert_eq!(unpack_split(&blob), Ok((both, Some(content.len()))));
            prop_assert_eq!(unpack_split(&pack(&content).unwrap()), Ok((content, None)));
        }

        #[test]
        fn what_compresses_well_comes_back(length in 0usize..200_000) {
            let records = vec![7; length];
            prop_assert!(unpack(&pack(&records).unwrap()) == Ok(records));
        }

        #[test]
        fn any_bytes_are_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            version in VERSION..=VERSION_SPLIT,
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            prop_assert!(unpack_split(&bytes).is_err());
            let checksum = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&checksum.to_le_bytes());
            let _ = unpack_split(&bytes);
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
