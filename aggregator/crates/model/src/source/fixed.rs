//! A source over samples that are simply there.

use std::collections::BTreeMap;

use super::{SampleBuffer, Selector, SeriesSet, SeriesSource, SourceError};
use crate::labels::Labels;
use crate::sample::{Millis, TimeRange};

/// Samples in plain memory, for evaluating expressions over a few of them.
#[derive(Clone, Debug, Default)]
pub struct FixedSource(BTreeMap<Labels, SampleBuffer>);

impl FixedSource {
    /// Adds a sample; one that is there at this moment already is replaced.
    pub fn insert(&mut self, labels: &Labels, timestamp: Millis, value: f64) {
        let have = match self.0.get_mut(labels) {
            Some(have) => have,
            None => self.0.entry(labels.clone()).or_default(),
        };
        let at = have.timestamps.partition_point(|&other| other < timestamp);
        if have.timestamps.get(at) == Some(&timestamp) {
            have.values[at] = value;
        } else {
            have.timestamps.insert(at, timestamp);
            have.values.insert(at, value);
        }
    }
}

impl<'a> FromIterator<(&'a Labels, Millis, f64)> for FixedSource {
    fn from_iter<I: IntoIterator<Item = (&'a Labels, Millis, f64)>>(samples: I) -> Self {
        let mut source = Self::default();
        for (labels, timestamp, value) in samples {
            source.insert(labels, timestamp, value);
        }
        source
    }
}

impl SeriesSource for FixedSource {
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError> {
        let is_match = |labels: &Labels| selector.matchers.iter().all(|m| m.matches_labels(labels));
        let picked = self.0.iter().filter(|(labels, _)| is_match(labels));
        let (labels, samples) = picked.map(|(labels, of)| (labels.clone(), of)).unzip();
        Ok(Box::new(Picked { labels, samples }))
    }
}

struct Picked<'a> {
    labels: Vec<Labels>,
    samples: Vec<&'a SampleBuffer>,
}

impl SeriesSet for Picked<'_> {
    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn read(
        &self,
        at: usize,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        into.clear();
        if let Some(have) = self.samples.get(at) {
            let first = have.timestamps.partition_point(|&one| one < range.start);
            let end = have.timestamps.partition_point(|&one| one <= range.end);
            if first < end {
                (into.timestamps).extend_from_slice(&have.timestamps[first..end]);
                into.values.extend_from_slice(&have.values[first..end]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::matcher::{MatchOp, Matcher};
    use crate::sample::STALE;

    #[test]
    fn picks_by_matcher_and_range_in_the_order_of_labels() {
        let labels = |name: &str| Labels::from_pairs([("__name__", name), ("job", "a")]);
        let (b, c) = (labels("b"), labels("c"));
        let source: FixedSource = [(&c, 5, 1.0), (&b, 7, STALE), (&b, 5, 2.0), (&b, 5, 3.0)]
            .into_iter()
            .collect();
        let read = |end| {
            let matcher = Matcher::new("job", MatchOp::Equal, "a").unwrap();
            let range = TimeRange { start: 5, end };
            let selector = Selector {
                matchers: vec![matcher],
                range,
            };
            let mut found = Vec::new();
            let mut visit = |labels: &Labels, samples: super::super::Samples<'_>| {
                let bits = samples.values.iter().map(|value| value.to_bits());
                let name = labels.metric_name().to_owned();
                found.push((name, samples.timestamps.to_vec(), bits.collect::<Vec<_>>()));
                ControlFlow::Continue(())
            };
            source.for_each(&selector, &mut visit).unwrap();
            found
        };
        let (two, three) = (1_f64.to_bits(), 3_f64.to_bits());
        let whole = ("b".to_owned(), vec![5, 7], vec![three, STALE.to_bits()]);
        assert_eq!(read(7), [whole, ("c".to_owned(), vec![5], vec![two])]);
        assert_eq!(read(6).len(), 2);
        assert_eq!(read(4), []);
    }
}
