//! A snapshot: windows shared with the head and blocks fetched from the store, decoded when they
//! are read.

mod blocks;
mod builder;
mod tiers;
mod twins;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::rollup::Bucket;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{SampleBuffer, Selector, SeriesSet, SeriesSource, SourceError};

use crate::block::Layout;
use crate::head::{Window, cut};

pub(crate) use blocks::BlockWindow;
pub(crate) use builder::{Builder, Needs, Picked};
pub(crate) use tiers::{CoarseNeed, CoarseNeeds, TierNeeds, TierWindow};

use tiers::Coarse;

/// What the storage held at a moment: the series of some selectors, in their ranges.
///
/// It answers the selectors that it was made for, and narrower ones.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By target, oldest first.
    windows: HashMap<u32, Vec<Arc<Window>>>,
    /// By pack, oldest first.
    blocks: HashMap<u64, Vec<BlockWindow>>,
    /// What the selectors with these matchers pick.
    picks: HashMap<Vec<Condition>, Pick>,
    coarse: Coarse,
}

/// A matcher as something that can be compared.
type Condition = (String, MatchOp, String);

/// Some series.
#[derive(Clone, Debug, Default)]
struct Pick {
    /// Ascending, each once.
    labels: Vec<Labels>,
    /// As many.
    series: Vec<Series>,
}

/// Where the samples of a label set are.
#[derive(Clone, Debug)]
struct Series {
    /// The series of the label set that came first.
    first: Part,
    /// The others, ascending.
    twins: Vec<Part>,
    /// Whether they may have samples between each other's.
    is_mixed: bool,
}

/// A series of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) id: u32,
    pub(crate) target: u32,
    pub(crate) pack: u64,
}

impl Series {
    fn of(first: Part) -> Self {
        Self {
            first,
            twins: Vec::new(),
            is_mixed: false,
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.first).chain(&self.twins)
    }
}

fn conditions(matchers: &[Matcher]) -> Vec<Condition> {
    let condition = |m: &Matcher| (m.name().to_owned(), m.op(), m.value().to_owned());
    matchers.iter().map(condition).collect()
}

impl SeriesSource for Snapshot {
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError> {
        let pick = match self.picks.get(&conditions(&selector.matchers)) {
            Some(pick) => Cow::Borrowed(pick),
            None => Cow::Owned(self.narrower(&selector.matchers)),
        };
        Ok(Box::new(Set {
            snapshot: self,
            selector: selector.clone(),
            pick,
        }))
    }
}

/// What one selector picks of a snapshot.
struct Set<'a> {
    snapshot: &'a Snapshot,
    selector: Selector,
    pick: Cow<'a, Pick>,
}

impl SeriesSet for Set<'_> {
    fn labels(&self) -> &[Labels] {
        &self.pick.labels
    }

    fn read(
        &self,
        at: usize,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        into.clear();
        match self.named(at) {
            Some((series, labels)) => self.snapshot.read(series, labels, range, into),
            None => Ok(()),
        }
    }

    fn has_buckets(&self, resolution: Millis) -> bool {
        let asked = (conditions(&self.selector.matchers), resolution);
        self.snapshot.coarse.asked.contains(&asked)
    }

    fn expired_before(&self) -> Option<Millis> {
        let parts = self.pick.series.iter().flat_map(Series::parts);
        (self.snapshot.coarse).expired_before(parts, self.selector.range)
    }

    fn read_buckets(
        &self,
        at: usize,
        range: TimeRange,
        resolution: Millis,
        samples: &mut SampleBuffer,
        into: &mut Vec<Bucket>,
    ) -> Result<(), SourceError> {
        into.clear();
        match self.named(at) {
            Some(named) => (self.snapshot).read_buckets(named, range, resolution, samples, into),
            None => Ok(()),
        }
    }
}

impl Set<'_> {
    fn named(&self, at: usize) -> Option<(&Series, &Labels)> {
        self.pick.series.get(at).zip(self.pick.labels.get(at))
    }
}

impl Snapshot {
    /// What matchers pick that are narrower than those that it was made for.
    fn narrower(&self, matchers: &[Matcher]) -> Pick {
        let picked = self.picks.values();
        let named = picked.flat_map(|pick| pick.labels.iter().zip(&pick.series));
        let is_match = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
        let mut named: Vec<_> = named.filter(|(labels, _)| is_match(labels)).collect();
        named.sort_by(|a, b| a.0.cmp(b.0));
        named.dedup_by(|a, b| a.0 == b.0);
        let (labels, series) = named
            .into_iter()
            .map(|(l, s)| (l.clone(), s.clone()))
            .unzip();
        Pick { labels, series }
    }

    fn read(
        &self,
        series: &Series,
        labels: &Labels,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        let SampleBuffer { timestamps, values } = into;
        for part in series.parts() {
            self.read_blocks(*part, range, timestamps, values);
            for window in self.windows.get(&part.target).into_iter().flatten() {
                if !range.overlaps(window.range()) {
                    continue;
                }
                let read = window.read(part.id, range, timestamps, values);
                read.map_err(|reason| SourceError::Corrupt {
                    series: labels.clone(),
                    reason: format!("window {}: {reason}", window.range().start),
                })?;
            }
        }
        // Late samples wait in memory beside the blocks that they belong into.
        if !timestamps.is_sorted_by(|a, b| a < b) {
            interleave(timestamps, values);
        }
        Ok(())
    }

    fn read_blocks(
        &self,
        part: Part,
        range: TimeRange,
        timestamps: &mut Vec<Millis>,
        values: &mut Vec<f64>,
    ) {
        let mut known: Option<(&Arc<Layout>, Option<u32>)> = None;
        for window in self.blocks.get(&part.pack).into_iter().flatten() {
            if !range.overlaps(window.range()) {
                continue;
            }
            let layout = window.layout();
            let column = match known {
                Some((of, column)) if Arc::ptr_eq(of, layout) => column,
                _ => layout.column(part.id),
            };
            known = Some((layout, column));
            if let Some(column) = column {
                let from = timestamps.len();
                window.read(part.id, column, timestamps, values);
                cut(range, from, timestamps, values);
            }
        }
    }
}

/// Brings the samples of several sources into order; of one moment the first stays.
fn interleave(timestamps: &mut Vec<Millis>, values: &mut Vec<f64>) {
    let samples = timestamps.drain(..).zip(values.drain(..));
    let mut samples: Vec<(Millis, f64)> = samples.collect();
    samples.sort_by_key(|sample| sample.0);
    samples.dedup_by_key(|sample| sample.0);
    (*timestamps, *values) = samples.into_iter().unzip();
}
