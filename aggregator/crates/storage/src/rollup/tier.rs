//! A window of a tier as blobs: shapes in place of clocks, groups of columns as samples have them.

use std::collections::HashMap;

use bytes::Bytes;
use system_stats_model::rollup::{Bucket, RESOLUTIONS};
use system_stats_model::sample::{Millis, TimeRange};

use super::codec;
use crate::block::{Group, GroupWriter};
use crate::column::Parts;
use crate::journal::{pack, unpack};
use crate::store::Tier;
use crate::varint::{Malformed, Reader, write_len};

/// The length of a window, in milliseconds: the samples of a day of UTC. A bucket at its border
/// that also has samples of the next day is there twice, each time with what one day has of it.
pub(crate) const DAY: Millis = 86_400_000;

/// The start of the day that `timestamp` lies in.
pub(crate) fn day_of(timestamp: Millis) -> Millis {
    timestamp - timestamp.rem_euclid(DAY)
}

/// The stretch of the samples of a day.
pub(crate) fn range_of_day(day: Millis) -> TimeRange {
    TimeRange {
        start: day,
        end: day + DAY - 1,
    }
}

/// The resolution of a tier, in milliseconds; none for samples.
pub(crate) fn resolution(tier: Tier) -> Option<Millis> {
    match tier {
        Tier::Raw => None,
        Tier::FiveMinutes => Some(RESOLUTIONS[0]),
        Tier::Hour => Some(RESOLUTIONS[1]),
    }
}

/// The tier that has this resolution.
pub(crate) fn tier_of(of: Millis) -> Option<Tier> {
    let has = |tier: &Tier| resolution(*tier) == Some(of);
    Tier::ALL.into_iter().find(has)
}

/// A tier's window while it is made.
pub(crate) struct TierWriter {
    start: Millis,
    resolution: Millis,
    shapes: Vec<Vec<u8>>,
    known: HashMap<Vec<u8>, usize>,
    group: GroupWriter,
    /// Of the column that is being added, the two parts.
    values: (Vec<u8>, Vec<u8>),
}

impl TierWriter {
    /// The window of a day.
    pub(crate) fn new(day: Millis, resolution: Millis) -> Self {
        Self {
            start: day - resolution,
            resolution,
            shapes: Vec::new(),
            known: HashMap::new(),
            group: GroupWriter::default(),
            values: Default::default(),
        }
    }

    /// The resolution, in milliseconds.
    pub(crate) fn resolution(&self) -> Millis {
        self.resolution
    }

    /// Adds the next column of the group; false when it would not be read as it was written.
    pub(crate) fn push(&mut self, buckets: &[Bucket]) -> bool {
        if buckets.is_empty() {
            self.group.skip();
            return true;
        }
        let mut shape = Vec::new();
        codec::encode_shape(buckets, self.start, self.resolution, &mut shape);
        let (body, bits) = &mut self.values;
        body.clear();
        bits.clear();
        codec::encode_values(buckets, body, bits);
        if !self.is_faithful(&shape, buckets) {
            self.group.skip();
            return false;
        }
        let next = self.shapes.len();
        let at = *self.known.entry(shape.clone()).or_insert(next);
        if at == next {
            self.shapes.push(shape);
        }
        self.group.copy(at, parts(&self.values));
        true
    }

    fn is_faithful(&self, shape: &[u8], buckets: &[Bucket]) -> bool {
        let mut reader = Reader::new(shape);
        let back = codec::decode_shape(&mut reader, self.start, self.resolution);
        back.and_then(|mut back| {
            codec::decode_values(parts(&self.values), &mut back)?;
            Ok(back == buckets)
        }) == Ok(true)
    }

    /// The group's blob; empty when nothing is in it.
    ///
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn end_group(&mut self) -> std::io::Result<Vec<u8>> {
        if self.group.is_empty() {
            self.group = GroupWriter::default();
            return Ok(Vec::new());
        }
        self.group.finish()
    }

    /// The blob of the shapes.
    ///
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn finish(self) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        write_len(&mut content, self.shapes.len());
        for shape in &self.shapes {
            write_len(&mut content, shape.len());
            content.extend_from_slice(shape);
        }
        pack(&content)
    }
}

/// The shapes of a window.
#[derive(Debug)]
pub(crate) struct Shapes {
    content: Bytes,
    /// From, up to but not including.
    places: Vec<(usize, usize)>,
}

impl Shapes {
    /// Takes what [`TierWriter::finish`] wrote.
    ///
    /// # Errors
    /// On anything else.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, Malformed> {
        let content = unpack(blob)?;
        let mut reader = Reader::new(&content);
        let count = reader.count()?;
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            let length = reader.count()?;
            let from = content.len() - reader.remaining();
            reader.take(length)?;
            places.push((from, from + length));
        }
        Ok(Self {
            content: content.into(),
            places,
        })
    }

    /// Replaces the content of `into` by the buckets of column `at` of a group of the window of
    /// `day`.
    ///
    /// # Errors
    /// On bytes that no [`TierWriter`] wrote; `into` is empty then.
    pub(crate) fn read(
        &self,
        group: &Group,
        at: usize,
        (day, resolution): (Millis, Millis),
        into: &mut Vec<Bucket>,
    ) -> Result<(), Malformed> {
        into.clear();
        let Some((shape, values)) = group.column(at)? else {
            return Ok(());
        };
        let place = self.places.get(shape);
        let &(from, to) = place.ok_or(Malformed("a shape that is not there"))?;
        let mut reader = Reader::new(&self.content[from..to]);
        let mut buckets = codec::decode_shape(&mut reader, day - resolution, resolution)?;
        codec::decode_values(values, &mut buckets)?;
        *into = buckets;
        Ok(())
    }
}

fn parts((body, bits): &(Vec<u8>, Vec<u8>)) -> Parts<'_> {
    Parts { body, bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use system_stats_model::rollup::buckets;

    use super::*;

    const MINUTE: Millis = 60_000;

    fn column(every: Millis, values: &[f64]) -> Vec<Bucket> {
        let times: Vec<Millis> = (0..)
            .take(values.len())
            .map(|at| DAY + at * every)
            .collect();
        let mut into = Vec::new();
        buckets(&times, values, RESOLUTIONS[0], &mut into);
        into
    }

    #[test]
    fn columns_that_were_sampled_together_share_a_shape() {
        let columns = [
            column(MINUTE, &[1.0; 200]),
            column(MINUTE, &[0.5; 200]),
            Vec::new(),
            column(2 * MINUTE, &[3.0, 2.0, 1.0]),
        ];
        let mut writer = TierWriter::new(DAY, RESOLUTIONS[0]);
        assert!(columns.iter().all(|column| writer.push(column)));
        let group = Group::decode(&writer.end_group().unwrap()).unwrap();
        assert_eq!(writer.shapes.len(), 2);
        let shapes = Shapes::decode(&writer.finish().unwrap()).unwrap();
        let mut into = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let read = shapes.read(&group, at, (DAY, RESOLUTIONS[0]), &mut into);
            assert_eq!((read, &into), (Ok(()), column));
        }
    }

    #[test]
    fn a_group_of_nothing_is_nothing() {
        let mut writer = TierWriter::new(DAY, RESOLUTIONS[0]);
        assert!(writer.push(&[]));
        assert_eq!(writer.end_group().unwrap(), []);
        assert!(writer.push(&column(MINUTE, &[1.0])));
        let group = Group::decode(&writer.end_group().unwrap()).unwrap();
        assert_eq!(group.column(1), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            shapes in prop::collection::vec(any::<u8>(), 0..60),
            column in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut writer = GroupWriter::default();
            writer.copy(0, Parts::from(&*column));
            let group = Group::decode(&writer.finish().unwrap()).unwrap();
            if let Ok(shapes) = Shapes::decode(&pack(&shapes).unwrap()) {
                let mut into = Vec::new();
                let _ = shapes.read(&group, 0, (DAY, RESOLUTIONS[0]), &mut into);
            }
            let _ = Shapes::decode(&shapes);
        }
    }
}
