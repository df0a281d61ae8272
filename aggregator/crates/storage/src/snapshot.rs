//! A snapshot: windows shared with the head and blocks fetched from the store, decoded when they
//! are read.

mod blocks;
mod tiers;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::rollup::Bucket;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{
    Fetch, SampleBuffer, Selector, SeriesSet, SeriesSource, SourceError,
};

use crate::block::Layout;
use crate::head::{Window, cut};

pub(crate) use blocks::BlockWindow;
pub(crate) use tiers::{CoarseNeeds, TierNeeds, TierWindow};

use crate::rollup::tier_of;
use tiers::Coarse;

/// What the storage held at a moment: the series of some selectors, in their ranges.
///
/// It answers the selectors that it was made for, and narrower ones.
#[derive(Debug, Default)]
pub struct Snapshot {
    series: Vec<Series>,
    /// By target, oldest first.
    windows: HashMap<u32, Vec<Arc<Window>>>,
    /// By pack, oldest first.
    blocks: HashMap<u64, Vec<BlockWindow>>,
    /// Which of `series` the selectors with these matchers pick.
    picks: HashMap<Vec<Condition>, Vec<usize>>,
    coarse: Coarse,
}

/// A matcher as something that can be compared.
type Condition = (String, MatchOp, String);

#[derive(Debug)]
struct Series {
    labels: Labels,
    /// More than one when several targets have a series with these labels.
    parts: Vec<Part>,
}

/// A series of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) id: u32,
    pub(crate) target: u32,
    pub(crate) pack: u64,
}

fn conditions(matchers: &[Matcher]) -> Vec<Condition> {
    let condition = |m: &Matcher| (m.name().to_owned(), m.op(), m.value().to_owned());
    matchers.iter().map(condition).collect()
}

impl SeriesSource for Snapshot {
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError> {
        let is_match = |labels: &Labels| selector.matchers.iter().all(|m| m.matches_labels(labels));
        let picked = self.picks.get(&conditions(&selector.matchers));
        let mut series: Vec<&Series> = match picked {
            Some(picked) => picked.iter().map(|&at| &self.series[at]).collect(),
            None => (self.series.iter().filter(|series| is_match(&series.labels))).collect(),
        };
        series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Box::new(Picked {
            labels: series.iter().map(|one| one.labels.clone()).collect(),
            series,
            snapshot: self,
            selector: selector.clone(),
        }))
    }
}

/// What one selector picks of a snapshot.
struct Picked<'a> {
    snapshot: &'a Snapshot,
    selector: Selector,
    labels: Vec<Labels>,
    series: Vec<&'a Series>,
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
        match self.series.get(at) {
            Some(series) => self.snapshot.read(series, range, into),
            None => Ok(()),
        }
    }

    fn has_buckets(&self, resolution: Millis) -> bool {
        let asked = (conditions(&self.selector.matchers), resolution);
        self.snapshot.coarse.asked.contains(&asked)
    }

    fn expired_before(&self) -> Option<Millis> {
        let parts = self.series.iter().flat_map(|series| &series.parts);
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
        match self.series.get(at) {
            Some(series) => (self.snapshot).read_buckets(series, range, resolution, samples, into),
            None => Ok(()),
        }
    }
}

impl Snapshot {
    fn read(
        &self,
        series: &Series,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        let SampleBuffer { timestamps, values } = into;
        for part in &series.parts {
            self.read_blocks(*part, range, timestamps, values);
            for window in self.windows.get(&part.target).into_iter().flatten() {
                if !range.overlaps(window.range()) {
                    continue;
                }
                let read = window.read(part.id, range, timestamps, values);
                read.map_err(|reason| SourceError::Corrupt {
                    series: series.labels.clone(),
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

/// Collects what a snapshot needs.
#[derive(Debug)]
pub(crate) struct Builder {
    snapshot: Snapshot,
    by_id: HashMap<u32, usize>,
    /// The stretch that is needed of each target.
    ranges: BTreeMap<u32, TimeRange>,
    /// The series that are needed of each pack, and the stretches of these.
    needs: Needs,
    /// The series of which buckets will do.
    coarse_needs: CoarseNeeds,
}

/// By pack and stretch (its ends): series.
pub(crate) type Needs = BTreeMap<u64, BTreeMap<(Millis, Millis), Vec<u32>>>;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            snapshot: Snapshot::default(),
            by_id: HashMap::new(),
            ranges: BTreeMap::new(),
            needs: Needs::new(),
            coarse_needs: CoarseNeeds::new(),
        }
    }

    /// Adds what a selector picks: series, ascending by id, with labels and the other series with
    /// the same labels (which are picked as well).
    pub(crate) fn select(
        &mut self,
        fetch: &Fetch,
        series: impl Iterator<Item = (Part, Labels, Vec<u32>)>,
    ) {
        let selector = &fetch.selector;
        let tier = fetch.resolution.and_then(tier_of);
        let mut picked = Vec::new();
        let stretch = (selector.range.start, selector.range.end);
        for (part, labels, twins) in series {
            let Part { id, target, pack } = part;
            let needs = match tier {
                Some(tier) if twins.is_empty() => {
                    self.coarse_needs.entry((tier, pack)).or_default()
                }
                _ => self.needs.entry(pack).or_default(),
            };
            needs.entry(stretch).or_default().push(id);
            let range = self.ranges.entry(target).or_insert(selector.range);
            range.start = range.start.min(selector.range.start);
            range.end = range.end.max(selector.range.end);
            let first = twins.iter().copied().filter(|twin| *twin < id).min();
            let at = first.and_then(|first| self.by_id.get(&first).copied());
            let known = self.by_id.get(&id).copied();
            let at = match (known, at) {
                (Some(known), _) => known,
                // Its twin came before it, in this selection or another.
                (None, Some(at)) => {
                    self.snapshot.series[at].parts.push(part);
                    at
                }
                (None, None) => {
                    let parts = vec![part];
                    self.snapshot.series.push(Series { labels, parts });
                    self.snapshot.series.len() - 1
                }
            };
            self.by_id.insert(id, at);
            if first.is_none() {
                picked.push(at);
            }
        }
        self.snapshot
            .picks
            .insert(conditions(&selector.matchers), picked);
    }

    /// Notes that what a fetch asks for is read as buckets.
    pub(crate) fn coarsen(&mut self, fetch: &Fetch, resolution: Millis) {
        let asked = (conditions(&fetch.selector.matchers), resolution);
        self.snapshot.coarse.asked.insert(asked);
    }

    /// Notes that of a pack a stretch has buckets and no samples.
    pub(crate) fn expire(&mut self, pack: u64, stretch: TimeRange) {
        self.snapshot.coarse.expired.insert(pack, stretch);
    }

    /// The packs that anything is needed of.
    pub(crate) fn packs(&self) -> Vec<u64> {
        let coarse = self.coarse_needs.keys().map(|(_, pack)| *pack);
        let mut packs: Vec<u64> = self.needs.keys().copied().chain(coarse).collect();
        packs.sort_unstable();
        packs.dedup();
        packs
    }

    /// Whether memory has anything of a stretch of a target.
    pub(crate) fn is_in_memory(&self, target: u32, stretch: TimeRange) -> bool {
        let mut windows = self.snapshot.windows.get(&target).into_iter().flatten();
        windows.any(|window| window.range().overlaps(stretch))
    }

    /// Takes the windows, from a function that has those of a target in a range. Returns what is
    /// needed of blocks, and of what buckets will do.
    pub(crate) fn take_windows(
        &mut self,
        windows: impl Fn(u32, TimeRange) -> Vec<Arc<Window>>,
    ) -> (Needs, CoarseNeeds) {
        for (&target, &range) in &self.ranges {
            self.snapshot.windows.insert(target, windows(target, range));
        }
        let coarse = std::mem::take(&mut self.coarse_needs);
        (std::mem::take(&mut self.needs), coarse)
    }

    /// Takes the blocks, oldest first of each pack.
    pub(crate) fn build(mut self, blocks: Vec<BlockWindow>, tiers: Vec<TierWindow>) -> Snapshot {
        self.snapshot.coarse.add(tiers);
        for window in blocks {
            let pack = window.head().key.pack;
            self.snapshot.blocks.entry(pack).or_default().push(window);
        }
        self.snapshot
    }
}
