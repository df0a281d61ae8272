//! A deletion, as far as blocks are concerned: some series, a stretch of time, a number.

use system_stats_model::sample::{Millis, TimeRange};

use crate::journal::{pack, unpack};
use crate::varint::{Malformed, Reader, write_i64, write_len, write_u64};

/// Which samples are deleted from every block that is older than it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// The commit that brought it: it concerns windows whose newest commit is older.
    pub(crate) seq: u64,
    pub(crate) range: TimeRange,
    /// Whether what is left was counted when it was deleted. Else it is counted again when no block
    /// has any of it.
    pub(crate) is_counted: bool,
    /// The series, ascending.
    pub(crate) ids: Box<[u32]>,
}

impl Deletion {
    pub(crate) fn is_meant(&self, id: u32) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    pub(crate) fn hides(&self, id: u32, timestamp: Millis) -> bool {
        self.range.contains(timestamp) && self.is_meant(id)
    }

    /// Appends itself to the deletions of its commit.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_i64(out, self.range.start);
        write_i64(out, self.range.end);
        out.push(u8::from(self.is_counted));
        write_len(out, self.ids.len());
        let mut last = 0;
        for &id in &self.ids {
            write_u64(out, u64::from(id - last));
            last = id;
        }
    }

    /// The blob of a commit's deletions.
    ///
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn frame(written: &[u8]) -> std::io::Result<Vec<u8>> {
        pack(written)
    }

    /// The deletions of commit `seq`.
    ///
    /// # Errors
    /// On anything that was not written by this.
    pub(crate) fn read(seq: u64, blob: &[u8]) -> Result<Vec<Self>, Malformed> {
        let content = unpack(blob)?;
        let mut reader = Reader::new(&content);
        let mut all = Vec::new();
        while !reader.is_empty() {
            let range = TimeRange {
                start: reader.i64()?,
                end: reader.i64()?,
            };
            let is_counted = match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed("an unknown kind of deletion")),
            };
            let mut ids = Vec::new();
            let mut last = 0u32;
            for at in 0..reader.count()? {
                let gap = reader.u32()?;
                let id = last.checked_add(gap).filter(|_| at == 0 || gap > 0);
                last = id.ok_or(Malformed("series out of order in a deletion"))?;
                ids.push(last);
            }
            let ids = ids.into();
            all.push(Self {
                seq,
                range,
                is_counted,
                ids,
            });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn deletions_come_back(
            all in prop::collection::vec(
                (any::<i64>(), any::<i64>(), any::<bool>(),
                    prop::collection::btree_set(any::<u32>(), 0..30)), 0..4)
        ) {
            let all: Vec<_> = all.into_iter().map(|(start, end, is_counted, ids)| Deletion {
                seq: 7,
                range: TimeRange { start, end },
                is_counted,
                ids: ids.into_iter().collect(),
            }).collect();
            let mut written = Vec::new();
            for deletion in &all {
                deletion.write(&mut written);
            }
            prop_assert_eq!(Deletion::read(7, &Deletion::frame(&written).unwrap()), Ok(all));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Deletion::read(1, &bytes);
            let _ = Deletion::read(1, &pack(&bytes).unwrap());
        }
    }
}
