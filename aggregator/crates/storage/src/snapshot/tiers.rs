//! Rollups of a snapshot: fetched as they are stored, decoded when they are read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use system_stats_model::labels::Labels;
use system_stats_model::rollup::{self, Bucket};
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{SampleBuffer, SourceError};

use super::{Condition, Part, Series, Snapshot};
use crate::block::{GROUP, Group, Layout, group_of};
use crate::past::Deletion;
use crate::rollup::{Shapes, is_hidden, range_of_day, resolution};
use crate::storage::Counters;
use crate::store::{Found, Tier, WindowHead};
use crate::varint::Malformed;

/// What a snapshot may read as buckets.
#[derive(Debug, Default)]
pub(super) struct Coarse {
    /// By pack and resolution: the days that are read from a tier.
    pub(super) windows: BTreeMap<(u64, Millis), BTreeMap<Millis, TierWindow>>,
    /// What was asked for as buckets, by matchers and resolution.
    pub(super) asked: HashSet<(Vec<Condition>, Millis)>,
    /// Of each pack, the stretch that has no samples any more, only buckets.
    pub(super) expired: BTreeMap<u64, TimeRange>,
    /// Days that begin before this are read from a tier wherever it has them.
    pub(super) floor: Millis,
}

/// The days of a pack that a tier is to be read for: with the header, and the series.
pub(crate) type TierNeeds = BTreeMap<(Tier, u64), BTreeMap<Millis, (WindowHead, BTreeSet<u32>)>>;

/// By what is wanted and stretch (its ends): series.
pub(crate) type CoarseNeeds = BTreeMap<CoarseNeed, BTreeMap<(Millis, Millis), Vec<u32>>>;

/// What series are wanted of which buckets will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoarseNeed {
    pub(crate) tier: Tier,
    pub(crate) pack: u64,
    /// Whether each is one of several with the same labels that may have samples at the same time.
    pub(crate) is_mixed: bool,
}

/// A day of a tier, as far as it was fetched.
#[derive(Debug)]
pub(crate) struct TierWindow {
    tier: Tier,
    head: WindowHead,
    layout: Arc<Layout>,
    shapes_blob: Bytes,
    shapes: OnceLock<Option<Shapes>>,
    /// Ascending.
    groups: Vec<(u32, Bytes, OnceLock<Option<Group>>)>,
    /// Those that the window does not know of.
    deletions: Vec<Arc<Deletion>>,
    counters: Arc<Counters>,
}

impl TierWindow {
    /// `layout` is the one that the window had when it was asked for, or one that only has more
    /// columns behind it.
    pub(crate) fn new(
        tier: Tier,
        found: Found,
        layout: Arc<Layout>,
        deletions: &[Arc<Deletion>],
        counters: &Arc<Counters>,
    ) -> Self {
        let head = found.row.head;
        let concerns = |deletion: &&Arc<Deletion>| {
            deletion.seq > head.fold_seq && deletion.range.overlaps(range_of_day(head.key.window))
        };
        let blocks = found.blocks.into_iter();
        Self {
            tier,
            head,
            layout,
            shapes_blob: found.row.clocks,
            shapes: OnceLock::new(),
            groups: blocks
                .map(|block| (block.group, block.blob, OnceLock::new()))
                .collect(),
            deletions: deletions.iter().filter(concerns).cloned().collect(),
            counters: Arc::clone(counters),
        }
    }

    /// What it takes in memory before anything is decoded.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(|group| group.1.len());
        self.shapes_blob.len() + groups.sum::<usize>()
    }

    /// Replaces the content of `into` by the buckets of a series. What is damaged is left out: it
    /// is named in the log and counted.
    pub(super) fn read(&self, id: u32, into: &mut Vec<Bucket>) {
        into.clear();
        let Some(column) = self.layout.column(id) else {
            return;
        };
        let number = group_of(column);
        let Ok(at) = self.groups.binary_search_by_key(&number, |group| group.0) else {
            return;
        };
        let (_, blob, group) = &self.groups[at];
        let shapes = self
            .shapes
            .get_or_init(|| self.sound("the shapes", Shapes::decode(&self.shapes_blob)));
        let group = group.get_or_init(|| self.sound("a group", Group::decode(blob)));
        let (Some(shapes), Some(group)) = (shapes, group) else {
            return;
        };
        let length = resolution(self.tier).unwrap_or(Millis::MAX);
        let place = (self.head.key.window, length);
        if self
            .sound(
                "a column",
                shapes.read(group, column as usize % GROUP, place, into),
            )
            .is_none()
        {
            into.clear();
        }
        into.retain(|bucket| !is_hidden(&self.deletions, id, bucket, length));
    }

    fn sound<T>(&self, what: &str, read: Result<T, Malformed>) -> Option<T> {
        let report = |reason: Malformed| {
            self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
            let key = self.head.key;
            tracing::warn!(day = key.window, pack = key.pack, tier = ?self.tier, what, %reason,
                "a stored rollup is damaged; answers are without what is in it");
        };
        read.map_err(report).ok()
    }
}

impl Coarse {
    /// Adds the days that were fetched.
    pub(super) fn add(&mut self, windows: Vec<TierWindow>) {
        for window in windows {
            let key = window.head.key;
            let length = resolution(window.tier).unwrap_or(Millis::MAX);
            let days = self.windows.entry((key.pack, length)).or_default();
            days.insert(key.window, window);
        }
    }

    /// Before when a stretch of some series has no samples any more.
    pub(super) fn expired_before<'a>(
        &self,
        series: impl IntoIterator<Item = &'a Part>,
        range: TimeRange,
    ) -> Option<Millis> {
        let gone = series
            .into_iter()
            .filter_map(|part| self.expired.get(&part.pack));
        let gone = gone.filter(|gone| gone.overlaps(range));
        gone.map(|gone| gone.end + 1).max()
    }
}

impl Snapshot {
    /// Replaces the content of `into` by the buckets of a series.
    pub(super) fn read_buckets(
        &self,
        named @ (series, _): (&Series, &Labels),
        range: TimeRange,
        length: Millis,
        samples: &mut SampleBuffer,
        into: &mut Vec<Bucket>,
    ) -> Result<(), SourceError> {
        into.clear();
        if !series.twins.is_empty() {
            return self.read_buckets_of_twins(named, range, length, samples, into);
        }
        let mut some = Vec::new();
        let part = series.first;
        let days = self.coarse.windows.get(&(part.pack, length));
        let mut from = range.start;
        for (&day, window) in days.into_iter().flatten() {
            let stretch = range_of_day(day);
            if !stretch.overlaps(range) {
                continue;
            }
            let end = stretch.start.saturating_sub(1);
            self.bucket_samples(named, TimeRange { start: from, end }, length, samples, into)?;
            window.read(part.id, &mut some);
            some.retain(|bucket| range.contains(bucket.end));
            rollup::append(into, &some);
            from = stretch.end + 1;
        }
        let rest = TimeRange {
            start: from,
            end: range.end,
        };
        self.bucket_samples(named, rest, length, samples, into)
    }

    /// Appends the buckets of samples.
    pub(super) fn bucket_samples(
        &self,
        (series, labels): (&Series, &Labels),
        range: TimeRange,
        length: Millis,
        samples: &mut SampleBuffer,
        into: &mut Vec<Bucket>,
    ) -> Result<(), SourceError> {
        if range.start > range.end {
            return Ok(());
        }
        samples.clear();
        self.read(series, labels, range, samples)?;
        let mut some = Vec::new();
        rollup::buckets(&samples.timestamps, &samples.values, length, &mut some);
        rollup::append(into, &some);
        Ok(())
    }
}
