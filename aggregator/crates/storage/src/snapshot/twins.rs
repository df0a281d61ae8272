//! Buckets of a label set of several series: of several targets, or of one that came back under
//! another number.

use std::collections::BTreeSet;

use system_stats_model::labels::Labels;
use system_stats_model::rollup::{self, Bucket, Interleaved};
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{SampleBuffer, SourceError};

use super::{Part, Series, Snapshot};
use crate::rollup::range_of_day;

impl Snapshot {
    /// Appends the buckets of the series to `into`. Where they may be mixed, samples are put in
    /// order one by one for as long as there are any; other days are put together from the buckets
    /// of each.
    pub(super) fn read_buckets_of_twins(
        &self,
        named @ (series, labels): (&Series, &Labels),
        range: TimeRange,
        length: Millis,
        samples: &mut SampleBuffer,
        into: &mut Vec<Bucket>,
    ) -> Result<(), SourceError> {
        let (mut all, mut some) = (Vec::new(), Vec::new());
        let mut from = range.start;
        for day in self.days_of_buckets(series, length) {
            let stretch = range_of_day(day);
            if !stretch.overlaps(range) {
                continue;
            }
            let end = stretch.start.saturating_sub(1);
            self.bucket_samples(named, TimeRange { start: from, end }, length, samples, into)?;
            all.clear();
            for part in series.parts() {
                let days = self.coarse.windows.get(&(part.pack, length));
                if let Some(window) = days.and_then(|days| days.get(&day)) {
                    window.read(part.id, &mut some);
                } else {
                    some.clear();
                    let alone = Series::of(*part);
                    let range = TimeRange {
                        start: stretch.start.max(range.start),
                        end: stretch.end.min(range.end),
                    };
                    self.bucket_samples((&alone, labels), range, length, samples, &mut some)?;
                }
                some.retain(|bucket| range.contains(bucket.end));
                let interleaved = |Interleaved { end }| SourceError::Interleaved {
                    series: labels.clone(),
                    start: end - length + 1,
                    end,
                };
                rollup::merge(&mut all, &some).map_err(interleaved)?;
            }
            rollup::append(into, &all);
            from = stretch.end + 1;
        }
        let rest = TimeRange {
            start: from,
            end: range.end,
        };
        self.bucket_samples(named, rest, length, samples, into)
    }

    /// The days that are read as buckets, for one of the series at least: where they may be mixed,
    /// those whose samples have gone.
    fn days_of_buckets(&self, series: &Series, length: Millis) -> BTreeSet<Millis> {
        let of_part = |part: &Part| self.coarse.windows.get(&(part.pack, length));
        let days = series.parts().filter_map(of_part);
        let end = if series.is_mixed {
            self.coarse.floor
        } else {
            Millis::MAX
        };
        days.flat_map(|days| days.range(..end))
            .map(|(day, _)| *day)
            .collect()
    }
}
