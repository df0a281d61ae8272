//! The last targets of packs that have emptied move to packs that fill up.
//!
//! A target does not change its pack: from an hour on its samples belong to another target with the
//! same labels, which joins the open pack of its job. Equal labels are one series for every reader.

use std::sync::atomic::Ordering;

use system_stats_model::append::Row;
use system_stats_model::sample::Millis;

use super::{Inner, Target};
use crate::head::{TargetHead, WINDOW, window_of};
use crate::sync::read;

impl Inner {
    /// Has those move with the next hour that are left of packs that have nearly emptied.
    pub(super) fn repack(&self) {
        let newest = self.newest.load(Ordering::Relaxed);
        if newest < 0 {
            return;
        }
        let (hour, catalog) = (window_of(newest), read(&self.catalog));
        let columns = |target: u32| {
            let head = Self::head_of(catalog.targets.get(&target)?);
            head.is_in_use(hour - WINDOW).then(|| head.len())
        };
        for target in catalog.packs.survivors(columns) {
            if let Some(target) = catalog.targets.get(&target) {
                Self::head_of(target).moves_at.get_or_insert(hour + WINDOW);
            }
        }
    }
}

impl TargetHead {
    /// Whether samples are another target's by now: that of the same labels which whoever asks for
    /// it is given then.
    pub(super) fn has_moved(&self, rows: &[Row]) -> bool {
        let moves_at = self.moves_at;
        moves_at.is_some_and(|from| rows.iter().any(|row| row.timestamp >= from))
    }

    /// Whether it has had anything from `since` on, and does not move already.
    fn is_in_use(&self, since: Millis) -> bool {
        self.moves_at.is_none() && self.newest >= Some(since)
    }
}

impl super::Catalog {
    /// Makes the labels of a target those of none, unless they are another's by now.
    pub(super) fn forget_labels(&mut self, target: &Target) {
        if self.by_labels.get(&target.labels) == Some(&target.id) {
            self.by_labels.remove(&target.labels);
        }
    }
}
