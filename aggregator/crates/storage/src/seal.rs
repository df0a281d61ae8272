//! The checksum that every blob ends with.

/// Whether a blob of a journal row, a block or anything else that a [`Store`](crate::Store) keeps
/// is as it was written: its last four bytes are the CRC-32C of the rest, little end first. The
/// block of a group that became empty has no bytes at all.
#[must_use]
pub fn is_intact(blob: &[u8]) -> bool {
    match blob.split_last_chunk::<4>() {
        Some((content, checksum)) => crc32c::crc32c(content) == u32::from_le_bytes(*checksum),
        None => blob.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let mut blob = crate::journal::pack(b"some records").unwrap();
        assert!(is_intact(&blob) && is_intact(b""));
        for bit in 0..blob.len() * 8 {
            blob[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_intact(&blob), "bit {bit}");
            blob[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!is_intact(&blob[..3]));
    }
}
