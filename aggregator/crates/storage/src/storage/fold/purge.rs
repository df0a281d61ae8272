//! Deleted samples leave the blocks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use system_stats_model::sample::Millis;

use super::FoldFailure;
use crate::block::Layout;
use crate::head::{LATEST, Tally};
use crate::past::{Deletion, range_of};
use crate::rollup::day_of;
use crate::storage::Inner;
use crate::store::{FoldCommit, Forgotten, Tier, Turn, WindowHead};
use crate::sync::read;

impl Inner {
    /// Folds the windows anew that deletions concern, and forgets the deletions that concern none.
    pub(super) async fn purge(&self) -> Result<(), FoldFailure> {
        let deletions = self.past.deletions();
        let mut done = Vec::new();
        'deletions: for deletion in deletions.iter() {
            if deletion.seq > self.committed_seq() {
                break;
            }
            let mut is_done = true;
            for pack in self.past.packs(Tier::Raw) {
                for head in self.past.overlapping(pack, deletion.range) {
                    if head.fold_seq >= deletion.seq {
                        continue;
                    }
                    if !self.concerns(&deletion.ids, head).await? {
                        continue;
                    }
                    self.rid(head).await?;
                    let now = self.past.head(Tier::Raw, head.key);
                    is_done &= now.is_none_or(|now| now.fold_seq >= deletion.seq);
                    tokio::task::yield_now().await;
                }
            }
            is_done &= self.rid_tiers(deletion).await?;
            if !is_done || !deletion.is_counted && !self.count_again(&deletion.ids).await? {
                continue 'deletions;
            }
            done.push(deletion.seq);
        }
        // Several of one commit go together.
        let waits = |seq: &u64| {
            let of_commit = deletions.iter().filter(|one| one.seq == *seq);
            done.iter().filter(|one| *one == seq).count() < of_commit.count()
        };
        let mut forgotten: Vec<u64> = done.iter().copied().filter(|seq| !waits(seq)).collect();
        forgotten.dedup();
        if forgotten.is_empty() {
            return Ok(());
        }
        self.store
            .forget(&Forgotten {
                deletions: forgotten.clone(),
                ..Forgotten::default()
            })
            .await?;
        self.past.forget(&forgotten);
        Ok(())
    }

    /// Takes what is deleted out of the tiers; whether it is out of all of them.
    async fn rid_tiers(&self, deletion: &Deletion) -> Result<bool, FoldFailure> {
        let mut is_done = true;
        let from = day_of(deletion.range.start.clamp(0, LATEST));
        for tier in [Tier::FiveMinutes, Tier::Hour] {
            for pack in self.past.packs(tier) {
                for head in self.past.between(tier, pack, from, deletion.range.end) {
                    if head.fold_seq >= deletion.seq || !self.concerns(&deletion.ids, head).await? {
                        continue;
                    }
                    self.roll_up_day(pack, head.key.window).await?;
                    let now = self.past.head(tier, head.key);
                    is_done &= now.is_none_or(|now| now.fold_seq >= deletion.seq);
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(is_done)
    }

    /// Finds out what blocks add up to for series of which that is not known. False when something
    /// was deleted meanwhile.
    async fn count_again(&self, ids: &[u32]) -> Result<bool, FoldFailure> {
        let newest = self.last_deletion.load(Ordering::SeqCst);
        let mut by_pack: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (target, mut ids) in read(&self.catalog).by_target(ids) {
            let target = read(&self.catalog).targets.get(&target).cloned();
            if let Some(target) = target {
                by_pack
                    .entry(u64::from(target.pack))
                    .or_default()
                    .append(&mut ids);
            }
        }
        for (pack, mut ids) in by_pack {
            ids.sort_unstable();
            let heads = self.past.between(Tier::Raw, pack, Millis::MIN, Millis::MAX);
            let mut left: BTreeMap<u32, Tally> = BTreeMap::new();
            let mut visit = |id: u32, timestamps: &[Millis], values: &[f64]| {
                for (&timestamp, &value) in timestamps.iter().zip(values) {
                    left.entry(id).or_default().count(timestamp, value);
                }
            };
            let scanned = self.scan(&heads, Some(&ids), &mut visit).await;
            scanned.map_err(|error| FoldFailure::Window {
                window: heads.first().map_or(0, |head| head.key.window),
                pack,
                reason: error.to_string(),
            })?;
            let _turning = self.turning.lock().await;
            let last = self.last_deletion.load(Ordering::SeqCst);
            if last != newest || last > self.committed_seq() {
                return Ok(false);
            }
            let mut totals = self.totals(pack).await?;
            totals.retain(|id, _| ids.binary_search(id).is_err());
            totals.extend(left);
            let commit = FoldCommit {
                packs: vec![Self::pack_row(pack, &totals)?],
                ..FoldCommit::default()
            };
            self.turn(&commit).await?;
            self.recount(ids.into_iter(), &totals);
        }
        Ok(true)
    }

    async fn concerns(&self, ids: &[u32], head: WindowHead) -> Result<bool, FoldFailure> {
        let layout = self.sound_layout(head).await?;
        let is_there = |layout: Arc<Layout>| ids.iter().any(|&id| layout.column(id).is_some());
        Ok(layout.is_some_and(is_there))
    }

    /// Folds a window anew; one of a pack that has no target any more just goes.
    async fn rid(&self, head: WindowHead) -> Result<(), FoldFailure> {
        if self.has_members(head.key.pack) {
            self.fold_window(head.key).await?;
            return Ok(());
        }
        let _turning = self.turning.lock().await;
        let gone = FoldCommit {
            turns: vec![Turn::Gone(Tier::Raw, head.key)],
            ..FoldCommit::default()
        };
        self.turn(&gone).await?;
        self.past.remove(Tier::Raw, head.key);
        self.sweep(Tier::Raw, head.key, 0).await?;
        tracing::debug!(range = ?range_of(head.key), pack = head.key.pack, "an hour is gone");
        Ok(())
    }
}
