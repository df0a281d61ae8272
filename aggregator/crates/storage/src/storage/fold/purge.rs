//! Deleted samples leave the blocks.

use std::sync::Arc;

use super::FoldFailure;
use crate::block::Layout;
use crate::head::LATEST;
use crate::past::{Deletion, range_of};
use crate::rollup::day_of;
use crate::storage::Inner;
use crate::store::{FoldCommit, Forgotten, Tier, Turn, WindowHead};

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
            if !is_done {
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
