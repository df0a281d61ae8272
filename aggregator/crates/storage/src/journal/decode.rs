//! Reading the journal back.

use std::collections::HashMap;

use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;

use super::chain::Chain;
use super::planes::Planes;
use super::{DELETION, OLD_SAMPLES, SAMPLES, read_deletion};
use crate::head::Row;
use crate::varint::{Malformed, Reader};

/// What a record says.
#[derive(Debug)]
pub(crate) enum Replayed {
    /// Samples of a target.
    Row { target: u32, row: Row },
    /// Samples are gone.
    Deletion {
        matchers: Vec<Matcher>,
        range: TimeRange,
    },
}

/// Reads rows of the journal in order.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    segment: u64,
    chains: HashMap<u32, Chain>,
    planes: Planes,
    /// Of how many parts this is which, if samples of some targets only are read.
    part: Option<(u32, u32)>,
    /// Records left out because what they build on is missing.
    pub(crate) orphans: u64,
}

impl Decoder {
    /// One that reads samples of the targets only whose number, divided by `of`, leaves `part`.
    pub(crate) fn of_part(part: u32, of: u32) -> Self {
        Self {
            part: Some((part, of)),
            ..Self::default()
        }
    }

    /// Calls `visit` with every record of a row, whose frame is off already.
    ///
    /// # Errors
    /// At the first record that is malformed; the rest of the row is left out.
    pub(crate) fn read(
        &mut self,
        segment: u64,
        records: &[u8],
        visit: &mut dyn FnMut(Replayed),
    ) -> Result<(), Malformed> {
        if self.segment != segment {
            self.segment = segment;
            self.chains.clear();
        }
        let mut reader = Reader::new(records);
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let length = reader.count()?;
            let content = reader.take(length)?;
            match kind {
                SAMPLES => self.read_samples(content, visit)?,
                DELETION => {
                    let (matchers, range) = read_deletion(content)?;
                    visit(Replayed::Deletion { matchers, range });
                }
                OLD_SAMPLES => return Err(Malformed("samples as an earlier version wrote them")),
                _ => return Err(Malformed("an unknown kind of record")),
            }
        }
        Ok(())
    }

    fn read_samples(
        &mut self,
        content: &[u8],
        visit: &mut dyn FnMut(Replayed),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(content);
        let target = reader.u32()?;
        if self.part.is_some_and(|(part, of)| target % of != part) {
            return Ok(());
        }
        let position = reader.u64()?;
        let mut chain = match self.chains.remove(&target) {
            _ if position == 0 => Chain::default(),
            Some(chain) if chain.position == position => chain,
            _ => {
                self.orphans += 1;
                return Ok(());
            }
        };
        while !reader.is_empty() {
            let row = chain.read_row(&mut reader, &mut self.planes)?;
            visit(Replayed::Row { target, row });
        }
        chain.position = position.wrapping_add(1);
        self.chains.insert(target, chain);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::journal::{Records, write_deletion};

    fn row(timestamp: i64, cells: &[(u32, f64)]) -> Arc<Row> {
        Arc::new(Row {
            timestamp,
            ids: cells.iter().map(|cell| cell.0).collect(),
            values: cells.iter().map(|cell| cell.1).collect(),
        })
    }

    type Seen = Vec<(u32, i64, Vec<(u32, u64)>)>;

    fn seen(target: u32, row: &Row) -> (u32, i64, Vec<(u32, u64)>) {
        let cells = row.iter().map(|(id, value)| (id, value.to_bits()));
        (target, row.timestamp, cells.collect())
    }

    fn read(decoder: &mut Decoder, segment: u64, records: &Records) -> Seen {
        let mut rows = Seen::new();
        let mut visit = |replayed| {
            if let Replayed::Row { target, row } = replayed {
                rows.push(seen(target, &row));
            }
        };
        decoder.read(segment, records.bytes(), &mut visit).unwrap();
        rows
    }

    #[test]
    fn what_builds_on_a_lost_row_is_left_out_until_the_next_segment() {
        let mut chains = [Chain::default(), Chain::default()];
        let mut write = |segment, target: u32, row: &Arc<Row>| {
            let mut out = Records::default();
            chains[target as usize].write(segment, target, std::slice::from_ref(row), &mut out);
            out
        };
        let rows: Vec<_> = (0..4)
            .map(|at| row(at, &[(1, at as f64), (2, 5.0)]))
            .collect();
        let first = write(1, 0, &rows[0]);
        write(1, 0, &rows[1]);
        let third = write(1, 0, &rows[2]);
        let other = write(1, 1, &rows[2]);
        let fourth = write(2, 0, &rows[3]);
        let mut decoder = Decoder::default();
        assert_eq!(read(&mut decoder, 1, &first), [seen(0, &rows[0])]);
        assert_eq!(read(&mut decoder, 1, &third), []);
        assert_eq!(decoder.orphans, 1);
        assert_eq!(read(&mut decoder, 1, &other), [seen(1, &rows[2])]);
        assert_eq!(read(&mut decoder, 2, &fourth), [seen(0, &rows[3])]);
    }

    #[test]
    fn parts_are_the_whole() {
        let row = row(7, &[(1, 5.0), (2, 6.0)]);
        let mut records = Records::default();
        for target in 0..5 {
            Chain::default().write(1, target, std::slice::from_ref(&row), &mut records);
        }
        let of = |part| {
            let seen = read(&mut Decoder::of_part(part, 2), 1, &records).into_iter();
            seen.map(|seen| seen.0).collect::<Vec<_>>()
        };
        assert_eq!([of(0), of(1)], [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn repeated_rows_take_a_byte_for_eight_series() {
        let cells: Vec<(u32, f64)> = (0..800).map(|id| (id, 1.0)).collect();
        let mut chain = Chain::default();
        let mut out = Records::default();
        chain.write(1, 3, &[row(0, &cells)], &mut out);
        let first = out.len();
        chain.write(1, 3, &[row(15_000, &cells)], &mut out);
        let second = out.len() - first;
        assert!(second < 115, "{second}");
    }

    #[test]
    fn deletions_come_back() {
        let matchers = [Matcher::equal("instance", "a"), {
            Matcher::new("job", system_stats_model::matcher::MatchOp::NotRegex, "b.*").unwrap()
        }];
        let mut out = Records::default();
        write_deletion(&mut out, &matchers, TimeRange { start: -5, end: 7 });
        let mut shown = String::new();
        let mut visit = |replayed| {
            if let Replayed::Deletion { matchers, range } = replayed {
                shown = format!("{} {} {range:?}", matchers[0], matchers[1]);
            }
        };
        Decoder::default().read(1, out.bytes(), &mut visit).unwrap();
        assert_eq!(
            shown,
            r#"instance="a" job!~"b.*" TimeRange { start: -5, end: 7 }"#
        );
    }

    fn cells() -> impl Strategy<Value = Vec<(u32, u64)>> {
        let values = prop_oneof![any::<u64>(), (0u32..9).prop_map(|v| f64::from(v).to_bits())];
        prop::collection::btree_map(0u32..40, values, 1..20)
            .prop_map(|cells| cells.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_batch_comes_back(
            batches in prop::collection::vec(
                (0u32..3, 1u64..4, prop::collection::vec((any::<i64>(), cells()), 1..4)), 1..20)
        ) {
            let mut segment = 1;
            let mut chains: Vec<Chain> = (0..3).map(|_| Chain::default()).collect();
            let mut decoder = Decoder::default();
            for (target, step, rows) in batches {
                segment += step / 3;
                let rows: Vec<_> = rows.iter().map(|(timestamp, cells)| {
                    let cells = cells.iter().map(|&(id, bits)| (id, f64::from_bits(bits)));
                    row(*timestamp, &cells.collect::<Vec<_>>())
                }).collect();
                let mut out = Records::default();
                chains[target as usize].write(segment, target, &rows, &mut out);
                let expected: Seen = rows.iter().map(|row| seen(target, row)).collect();
                prop_assert_eq!(read(&mut decoder, segment, &out), expected);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
        ) {
            let mut decoder = Decoder::default();
            for (at, content) in (0u8..).zip(&rows) {
                // The beginning of a record of a chain, so that the reader gets somewhere.
                let mut record = vec![7, at];
                record.extend_from_slice(content);
                let mut records = Records::default();
                records.write(SAMPLES, |out, _| out.extend_from_slice(&record));
                let _ = decoder.read(1, records.bytes(), &mut |_| ());
                let _ = decoder.read(1, content, &mut |_| ());
            }
        }
    }
}
