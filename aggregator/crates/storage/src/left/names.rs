//! The names of some series of a target, compressed.

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use crate::journal::{pack, unpack};
use crate::varint::{Malformed, Reader, write_i64, write_len, write_text, write_u64};

/// A series that has left memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftSeries {
    pub(crate) id: u32,
    /// Whether the labels of its target belong to it too.
    pub(crate) inherits: bool,
    /// Those that are not the target's, or all of them.
    pub(crate) labels: Labels,
    /// The time of its newest sample.
    pub(crate) last: Millis,
}

/// Some series, ascending by id.
#[derive(Debug)]
pub(crate) struct Names {
    /// A hash of the labels of each: whoever is looked for is decoded only if it may be there.
    hashes: Box<[u32]>,
    blob: Box<[u8]>,
}

impl Names {
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn encode(series: &[LeftSeries]) -> std::io::Result<Self> {
        let mut content = Vec::with_capacity(series.len() * 64);
        write_len(&mut content, series.len());
        let (mut id, mut last) = (0, 0);
        for one in series {
            write_i64(&mut content, i64::from(one.id) - id);
            write_u64(&mut content, u64::from(one.inherits));
            write_i64(&mut content, one.last.wrapping_sub(last));
            write_text(&mut content, one.labels.encoded());
            (id, last) = (i64::from(one.id), one.last);
        }
        Ok(Self {
            hashes: series
                .iter()
                .map(|one| hash(one.inherits, &one.labels))
                .collect(),
            blob: pack(&content)?.into(),
        })
    }

    /// # Errors
    /// When memory is broken.
    pub(crate) fn decode(&self) -> Result<Vec<LeftSeries>, Malformed> {
        let content = unpack(&self.blob)?;
        let mut reader = Reader::new(&content);
        let count = reader.count()?;
        let mut series = Vec::with_capacity(count);
        let (mut id, mut last) = (0i64, 0i64);
        for _ in 0..count {
            id = id.wrapping_add(reader.i64()?);
            let inherits = reader.u64()? == 1;
            last = last.wrapping_add(reader.i64()?);
            let labels = Labels::decode(reader.text()?);
            series.push(LeftSeries {
                id: u32::try_from(id).map_err(|_| Malformed("a series number too large"))?,
                inherits,
                labels: labels.map_err(|_| Malformed("no label set"))?,
                last,
            });
        }
        Ok(series)
    }

    /// Whether a series with these labels may be among them.
    pub(super) fn may_have(&self, inherits: bool, labels: &Labels) -> bool {
        self.hashes.contains(&hash(inherits, labels))
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.hashes.len() * 4 + self.blob.len()
    }
}

fn hash(inherits: bool, labels: &Labels) -> u32 {
    crc32c::crc32c_append(u32::from(inherits), labels.encoded().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_come_back(
            series in prop::collection::btree_map(
                any::<u32>(), (any::<bool>(), "[a-c]{1,3}", any::<i64>()), 0..40)
        ) {
            let series = series.into_iter().map(|(id, (inherits, value, last))| LeftSeries {
                id,
                inherits,
                labels: Labels::from_pairs([("__name__", value)]),
                last,
            });
            let series: Vec<LeftSeries> = series.collect();
            let names = Names::encode(&series).unwrap();
            prop_assert!(series.iter().all(|one| names.may_have(one.inherits, &one.labels)));
            prop_assert_eq!(names.decode(), Ok(series));
        }
    }
}
