//! The tiers: days of blocks become buckets.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use system_stats_model::rollup::{self, Bucket, RESOLUTIONS};
use system_stats_model::sample::{Millis, TimeRange};

use super::fold::FoldFailure;
use super::{Inner, Storage};
use crate::block::{GROUP, Layout, group_of};
use crate::head::LATEST;
use crate::past::Deletion;
use crate::rollup::{DAY, Shapes, TierWriter, day_of, is_hidden, range_of_day, resolution};
use crate::store::{
    BlockRow, FoldCommit, LayoutRow, StoreError, Tier, Turn, Wanted, WindowHead, WindowKey,
    WindowRow,
};

/// Groups whose samples are gone through at once.
const GROUPS_AT_ONCE: u32 = 8;

/// Rows of blocks that one transaction removes.
const EXPIRE_ROWS: usize = 64;

/// The buckets of some series, by id.
type Columns = BTreeMap<u32, Vec<Bucket>>;

/// A day of a pack that is being rolled up.
struct Day {
    pack: u64,
    start: Millis,
    /// Everything up to this commit is in it.
    committed: u64,
    /// Its windows of samples.
    raw: Vec<WindowHead>,
    layout: Arc<Layout>,
    layout_id: u64,
    /// The layout, if the database does not have it.
    row: Option<LayoutRow>,
}

impl Storage {
    /// Drops what a tier has from before `horizon` (milliseconds since 1970), in whole days.
    ///
    /// # Errors
    /// [`StoreError`]; the rest is done the next time.
    pub async fn expire_rollups(&self, tier: Tier, horizon: Millis) -> Result<(), StoreError> {
        if tier == Tier::Raw {
            return Ok(());
        }
        let inner = &self.inner;
        let _alone = inner.folding.lock().await;
        let before = day_of(horizon.max(0));
        for pack in inner.past.packs(tier) {
            let old = inner.past.between(tier, pack, Millis::MIN, before - 1);
            if old.is_empty() {
                continue;
            }
            let gone = old.iter().map(|head| Turn::Gone(tier, head.key));
            let commit = FoldCommit {
                turns: gone.collect(),
                ..FoldCommit::default()
            };
            {
                let _turning = inner.turning.lock().await;
                inner.turn(&commit).await?;
                for head in &old {
                    inner.past.remove(tier, head.key);
                }
            }
            let layouts = old.iter().map(|head| head.layout).collect();
            inner.forget_layouts(pack, layouts).await?;
        }
        while inner.store.expire(tier, before, EXPIRE_ROWS).await? > 0 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Inner {
    /// Rolls up the days that are over and not what their tiers say. Returns how many; the first
    /// failure, when all others are done. The caller holds `folding`.
    pub(super) async fn roll_up(&self) -> Result<usize, FoldFailure> {
        let mut done = 0;
        if self.options.rollups.is_empty() || !self.rollups_due.swap(false, Ordering::SeqCst) {
            return Ok(done);
        }
        let mut failure = None;
        for pack in self.past.packs(Tier::Raw) {
            for day in self.days(pack, Millis::MAX) {
                if !self.is_over(day) || self.is_rolled_up(pack, day) {
                    continue;
                }
                let rolled = self.roll_up_day(pack, day).await;
                if !matches!(rolled, Ok(true)) {
                    self.rollups_due.store(true, Ordering::SeqCst);
                }
                match rolled {
                    Ok(rolled) => done += usize::from(rolled),
                    Err(error) => failure = failure.or(Some(error)),
                }
                tokio::task::yield_now().await;
            }
        }
        failure.map_or(Ok(done), Err)
    }

    /// Rolls up what is about to lose its samples. The caller holds `folding`.
    pub(super) async fn roll_up_before(&self, pack: u64, floor: Millis) {
        for day in self.days(pack, floor) {
            if self.is_over(day)
                && !self.is_rolled_up(pack, day)
                && let Err(error) = self.roll_up_day(pack, day).await
            {
                tracing::warn!(%error, "samples beyond the retention stay until they are rolled up");
            }
        }
    }

    /// Of the windows of a pack, oldest first, how many may go: those before `floor` that every
    /// tier knows.
    pub(super) fn expendable(&self, heads: &[WindowHead], floor: Millis) -> usize {
        let is_free = |head: &&WindowHead| {
            let WindowKey { window, pack } = head.key;
            window < floor && self.is_rolled_up(pack, day_of(window))
        };
        heads.iter().take_while(is_free).count()
    }

    /// The days in which a pack has windows of samples that begin before `before`.
    fn days(&self, pack: u64, before: Millis) -> BTreeSet<Millis> {
        let heads = self
            .past
            .between(Tier::Raw, pack, Millis::MIN, before.saturating_sub(1));
        heads.iter().map(|head| day_of(head.key.window)).collect()
    }

    fn is_over(&self, day: Millis) -> bool {
        self.newest.load(Ordering::Relaxed) >= day + DAY
    }

    /// Whether every tier has what the blocks of a day say.
    fn is_rolled_up(&self, pack: u64, day: Millis) -> bool {
        let tiers = self.options.rollups.iter();
        tiers.copied().all(|tier| self.tier_knows(tier, pack, day))
    }

    /// Whether a tier has what the blocks of a day say.
    pub(super) fn tier_knows(&self, tier: Tier, pack: u64, day: Millis) -> bool {
        let key = WindowKey { window: day, pack };
        let Some(head) = self.past.head(tier, key) else {
            return false;
        };
        let raw = self.past.between(Tier::Raw, pack, day, day + DAY - 1);
        raw.iter().all(|window| window.fold_seq <= head.fold_seq)
    }

    /// Computes the buckets of a day of a pack; of what is in the tiers already only what still
    /// has samples is computed anew. False when something of the day is not in blocks yet.
    pub(super) async fn roll_up_day(&self, pack: u64, day: Millis) -> Result<bool, FoldFailure> {
        let Some(begun) = self.begin_day(pack, day).await? else {
            return Ok(false);
        };
        let key = WindowKey { window: day, pack };
        let tiers = self.tiers(key);
        let head = |&tier: &Tier| Some((tier, self.past.head(tier, key)?));
        let before: BTreeMap<Tier, WindowHead> = tiers.iter().filter_map(head).collect();
        let mut writers = Vec::new();
        for tier in tiers {
            let ver = before.get(&tier).map_or(0, |head| head.ver);
            self.sweep(tier, key, ver).await?;
            let resolution = resolution(tier).unwrap_or(RESOLUTIONS[0]);
            writers.push((tier, ver + 1, TierWriter::new(day, resolution)));
        }
        let columns = u32::try_from(begun.layout.len()).unwrap_or(u32::MAX);
        let (mut first, groups) = (0, columns.div_ceil(64));
        while first < groups {
            let last = first.saturating_add(GROUPS_AT_ONCE).min(groups);
            let series = Self::series_of(&begun, first..last);
            let fresh = self.fresh(&begun, &series).await?;
            for (tier, ver, writer) in &mut writers {
                let mut all = Columns::new();
                if let Some(head) = before.get(tier) {
                    all = self.kept(*tier, *head, &begun, &series).await?;
                }
                add(&mut all, &fresh, writer.resolution());
                let rows = write_groups(writer, &begun.layout, first..last, &all);
                let mut rows = rows.map_err(|reason| self.failed(key, &reason))?;
                // A group that has lost everything is still to stand for the one before.
                rows.retain(|row| *ver > 1 || !row.blob.is_empty());
                self.store.put_blocks(*tier, key, *ver, &rows).await?;
            }
            first = last;
        }
        self.turn_day(key, &begun, writers).await
    }

    /// The tiers that are to have a window, and those that have it all the same.
    fn tiers(&self, key: WindowKey) -> Vec<Tier> {
        let is_meant = |tier: &Tier| {
            self.options.rollups.contains(tier) || self.past.head(*tier, key).is_some()
        };
        let coarse = Tier::ALL.into_iter().filter(|tier| *tier != Tier::Raw);
        coarse.filter(is_meant).collect()
    }

    /// Whether a pack has days in a tier, in a stretch, whose samples are beyond the retention.
    pub(super) fn has_only_rollups(&self, pack: u64, range: TimeRange) -> bool {
        let from = day_of(range.start.clamp(0, LATEST));
        let until = range.end.min(self.floor() - 1);
        let mut tiers = [Tier::FiveMinutes, Tier::Hour].into_iter();
        tiers.any(|tier| !self.past.between(tier, pack, from, until).is_empty())
    }

    /// Whether a pack has anything in a tier.
    pub(super) fn has_rollups(&self, pack: u64) -> bool {
        self.past.has(Tier::FiveMinutes, pack) || self.past.has(Tier::Hour, pack)
    }

    fn failed(&self, key: WindowKey, reason: &dyn std::fmt::Display) -> FoldFailure {
        self.counters.fold_failures.fetch_add(1, Ordering::Relaxed);
        FoldFailure::Window {
            window: key.window,
            pack: key.pack,
            reason: reason.to_string(),
        }
    }

    async fn begin_day(&self, pack: u64, day: Millis) -> Result<Option<Day>, FoldFailure> {
        let committed = self.committed_seq();
        if self.last_deletion.load(Ordering::SeqCst) > committed {
            return Ok(None);
        }
        let in_memory = |target: &Arc<super::Target>| {
            !Self::head_of(target).windows(range_of_day(day)).is_empty()
        };
        if self.members(pack).iter().any(in_memory) {
            return Ok(None);
        }
        let key = WindowKey { window: day, pack };
        let raw = self.past.between(Tier::Raw, pack, day, day + DAY - 1);
        let mut known = BTreeSet::new();
        let mut base: Option<(u64, Arc<Layout>)> = None;
        // A tier's own layout stays its layout: columns only come behind it.
        let own = self.tiers(key).into_iter();
        let own = own.filter_map(|tier| self.past.head(tier, key));
        for head in own.chain(raw.iter().rev().copied()) {
            if base.as_ref().is_some_and(|(id, _)| *id == head.layout) {
                continue;
            }
            let Some(layout) = self.sound_layout(head).await? else {
                continue;
            };
            let columns = u32::try_from(layout.len()).unwrap_or(u32::MAX);
            known.extend((0..columns).filter_map(|column| layout.series(column)));
            base.get_or_insert((head.layout, layout));
        }
        let Some((layout_id, layout)) = base else {
            return Ok(None);
        };
        let missing = known.iter().filter(|id| layout.column(**id).is_none());
        let missing: Vec<u32> = missing.copied().collect();
        let mut begun = Day {
            pack,
            start: day,
            committed,
            raw,
            layout,
            layout_id,
            row: None,
        };
        if !missing.is_empty() {
            let chosen = self.new_layout(key, begun.layout.extended(missing))?;
            (begun.layout, begun.layout_id, begun.row) = (chosen.layout, chosen.id, chosen.row);
        }
        Ok(Some(begun))
    }

    /// The series of some groups, ascending.
    fn series_of(begun: &Day, groups: std::ops::Range<u32>) -> Vec<u32> {
        let columns = groups.start * 64..groups.end.saturating_mul(64);
        let series = columns.map_while(|column| begun.layout.series(column));
        let mut series: Vec<u32> = series.collect();
        series.sort_unstable();
        series
    }

    /// The finest buckets, from samples.
    async fn fresh(&self, begun: &Day, series: &[u32]) -> Result<Columns, FoldFailure> {
        let mut columns = Columns::new();
        let mut some = Vec::new();
        let mut visit = |id: u32, timestamps: &[Millis], values: &[f64]| {
            some.clear();
            rollup::buckets(timestamps, values, RESOLUTIONS[0], &mut some);
            rollup::append(columns.entry(id).or_default(), &some);
        };
        let scanned = self.scan(&begun.raw, Some(series), &mut visit).await;
        let key = WindowKey {
            window: begun.start,
            pack: begun.pack,
        };
        scanned.map_err(|error| self.failed(key, &error))?;
        Ok(columns)
    }

    /// The buckets of a tier whose samples have gone, without what is deleted.
    async fn kept(
        &self,
        tier: Tier,
        head: WindowHead,
        begun: &Day,
        series: &[u32],
    ) -> Result<Columns, FoldFailure> {
        let from = begun.raw.first().map_or(Millis::MAX, |raw| raw.key.window);
        let mut columns = Columns::new();
        if from == begun.start {
            return Ok(columns);
        }
        let all = self.past.deletions();
        let deletions = all.iter().filter(|one| one.seq > head.fold_seq);
        let deletions: Vec<Arc<Deletion>> = deletions.cloned().collect();
        let length = resolution(tier).unwrap_or(RESOLUTIONS[0]);
        let mut visit = |id: u32, buckets: &[Bucket]| {
            let is_kept =
                |bucket: &&Bucket| bucket.end <= from && !is_hidden(&deletions, id, bucket, length);
            let kept: Vec<Bucket> = buckets.iter().filter(is_kept).copied().collect();
            columns.insert(id, kept);
        };
        self.visit_tier(tier, head, series, &mut visit).await?;
        Ok(columns)
    }

    async fn visit_tier(
        &self,
        tier: Tier,
        head: WindowHead,
        series: &[u32],
        visit: &mut (dyn FnMut(u32, &[Bucket]) + Send),
    ) -> Result<(), FoldFailure> {
        let layout = self.layout(head).await?;
        let columns = series
            .iter()
            .filter_map(|&id| Some((id, layout.column(id)?)));
        let columns: Vec<(u32, u32)> = columns.collect();
        let groups: BTreeSet<u32> = columns
            .iter()
            .map(|(_, column)| group_of(*column))
            .collect();
        let wanted = Wanted {
            key: head.key,
            groups: groups.into_iter().collect(),
        };
        let corrupt = |reason: crate::varint::Malformed| StoreError::Corrupt {
            place: format!("day {} of pack {}", head.key.window, head.key.pack),
            reason: reason.to_string(),
        };
        let length = resolution(tier).unwrap_or(RESOLUTIONS[0]);
        let mut buckets = Vec::new();
        for found in self.store.read_windows(tier, &[wanted]).await? {
            let shapes = Shapes::decode(&found.row.clocks).map_err(corrupt)?;
            for block in &found.blocks {
                let group = crate::block::Group::decode(&block.blob).map_err(corrupt)?;
                for &(id, column) in columns.iter().filter(|one| group_of(one.1) == block.group) {
                    let place = (head.key.window, length);
                    let at = column as usize % GROUP;
                    shapes
                        .read(&group, at, place, &mut buckets)
                        .map_err(corrupt)?;
                    visit(id, &buckets);
                }
            }
        }
        Ok(())
    }

    /// Makes a day valid in all tiers at once. False when something was deleted meanwhile.
    async fn turn_day(
        &self,
        key: WindowKey,
        begun: &Day,
        writers: Vec<(Tier, u64, TierWriter)>,
    ) -> Result<bool, FoldFailure> {
        let mut turns = Vec::new();
        let mut heads = Vec::new();
        for (tier, ver, writer) in writers {
            let head = WindowHead {
                key,
                ver,
                layout: begun.layout_id,
                fold_seq: begun.committed,
            };
            let clocks = writer
                .finish()
                .map_err(|reason| self.failed(key, &reason))?;
            let clocks = clocks.into();
            turns.push(Turn::Valid(tier, WindowRow { head, clocks }));
            heads.push((tier, head));
        }
        {
            let _turning = self.turning.lock().await;
            if self.last_deletion.load(Ordering::SeqCst) > begun.committed {
                return Ok(false);
            }
            let commit = FoldCommit {
                layouts: begun.row.iter().cloned().collect(),
                turns,
                packs: Vec::new(),
                meta: self.layout_meta(),
            };
            self.turn(&commit).await?;
            let layouts = &self.past.layouts;
            layouts.keep(key.pack, begun.layout_id, &begun.layout);
            for &(tier, head) in &heads {
                self.past.set(tier, head);
            }
        }
        for (tier, head) in heads {
            self.sweep(tier, key, head.ver).await?;
        }
        Ok(true)
    }
}

/// Adds the fresh buckets, made as coarse as `length` says, behind those that were kept.
fn add(all: &mut Columns, fresh: &Columns, length: Millis) {
    let mut some = Vec::new();
    for (&id, finest) in fresh {
        some.clear();
        rollup::coarser(finest, length, &mut some);
        let have = all.entry(id).or_default();
        let kept = have.last().map_or(Millis::MIN, |last| last.end);
        // What a bucket at the border had before its first samples went is in the kept one.
        have.extend(some.iter().filter(|bucket| bucket.end > kept));
    }
}

/// The blocks of some groups.
fn write_groups(
    writer: &mut TierWriter,
    layout: &Layout,
    groups: std::ops::Range<u32>,
    columns: &Columns,
) -> Result<Vec<BlockRow>, String> {
    let mut rows = Vec::new();
    for group in groups {
        let of_group = group * 64..group * 64 + 64;
        for id in of_group.map_while(|column| layout.series(column)) {
            let buckets = columns.get(&id).map_or(&[][..], Vec::as_slice);
            if !writer.push(buckets) {
                return Err(format!(
                    "the buckets of series {id} do not come back as they were"
                ));
            }
        }
        let blob = writer.end_group().map_err(|error| error.to_string())?;
        let blob = blob.into();
        rows.push(BlockRow { group, blob });
    }
    Ok(rows)
}
