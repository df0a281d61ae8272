//! Which days of a query come from a tier.

use std::collections::BTreeSet;
use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::Fetch;

use crate::block::group_of;
use crate::past::Deletion;
use crate::rollup::{DAY, day_of, range_of_day, tier_of};
use crate::snapshot::{Builder, CoarseNeed, CoarseNeeds, Needs, TierNeeds, TierWindow};
use crate::storage::{Inner, ReadError};
use crate::store::{Tier, Wanted, WindowHead};

/// Days that are read at once.
const DAYS_AT_ONCE: usize = 16;

/// Series of a pack of which buckets will do.
struct Wish<'a> {
    tier: Tier,
    pack: u64,
    ids: &'a [u32],
}

impl Inner {
    /// Splits what buckets will do for: days that a tier has and knows all about come from there,
    /// everything else is added to what is needed of samples.
    pub(in crate::storage) fn plan_tiers(
        &self,
        builder: &mut Builder,
        coarse: CoarseNeeds,
        needs: &mut Needs,
        deletions: &[Arc<Deletion>],
        owner: &dyn Fn(u32) -> Option<u32>,
    ) -> TierNeeds {
        let mut tiers = TierNeeds::new();
        let floor = self.floor();
        builder.expire_before(floor);
        let days = |kind: &CoarseNeed, (start, end): (Millis, Millis)| {
            // As long as there are samples, those of several series are put in order.
            let last = if kind.is_mixed {
                end.min(floor - 1)
            } else {
                end
            };
            let first = day_of(start.max(0));
            self.past.between(kind.tier, kind.pack, first, last)
        };
        // A day that some series may not be read of is read as samples for all of its pack.
        let mut barred = BTreeSet::new();
        for (kind, stretches) in &coarse {
            let CoarseNeed { tier, pack, .. } = *kind;
            for (ends, ids) in stretches {
                let wish = Wish { tier, pack, ids };
                for head in days(kind, *ends) {
                    if !self.is_usable(builder, &wish, head, deletions, owner) {
                        barred.insert((tier, head.key));
                    }
                }
            }
        }
        for (kind, stretches) in coarse {
            let CoarseNeed { tier, pack, .. } = kind;
            for ((start, end), ids) in stretches {
                let ids: &[u32] = &ids;
                let mut from = start;
                for head in days(&kind, (start, end)) {
                    let day = range_of_day(head.key.window);
                    if barred.contains(&(tier, head.key)) {
                        continue;
                    }
                    need(needs, pack, (from, day.start.saturating_sub(1)), ids);
                    let known = tiers.entry((tier, pack)).or_default();
                    let known = known.entry(day.start).or_insert((head, BTreeSet::new()));
                    known.1.extend(ids);
                    from = from.max(day.end + 1);
                }
                need(needs, pack, (from, end), ids);
            }
        }
        tiers
    }

    /// Whether a tier's day says what the samples say, or is all that is left of them.
    fn is_usable(
        &self,
        builder: &Builder,
        wish: &Wish<'_>,
        head: WindowHead,
        deletions: &[Arc<Deletion>],
        owner: &dyn Fn(u32) -> Option<u32>,
    ) -> bool {
        let day = range_of_day(head.key.window);
        if day.start < self.floor() {
            return true;
        }
        let targets: BTreeSet<u32> = wish.ids.iter().filter_map(|&id| owner(id)).collect();
        let is_new = |one: &&Arc<Deletion>| one.seq > head.fold_seq && one.range.overlaps(day);
        let hides = |one: &Arc<Deletion>| wish.ids.iter().any(|&id| one.is_meant(id));
        self.tier_knows(wish.tier, wish.pack, day.start)
            && !targets
                .iter()
                .any(|&target| builder.is_in_memory(target, day))
            && !deletions.iter().filter(is_new).any(hides)
    }

    /// Tells the snapshot what it reads as buckets, and where there is nothing else.
    pub(in crate::storage) fn note_buckets(
        &self,
        builder: &mut Builder,
        fetches: &[Fetch],
        packs: &[u64],
        tiers: &TierNeeds,
    ) {
        let used = |of: Tier| tiers.keys().any(|(tier, _)| *tier == of);
        for fetch in fetches {
            if let Some(length) = fetch.resolution
                && tier_of(length).is_some_and(used)
            {
                builder.coarsen(fetch, length);
            }
        }
        let floor = self.floor();
        for &pack in packs {
            let ends = [Tier::FiveMinutes, Tier::Hour]
                .into_iter()
                .filter_map(|tier| {
                    let days = self.past.between(tier, pack, Millis::MIN, floor - 1);
                    Some((days.first()?.key.window, days.last()?.key.window + DAY))
                });
            let ends: Vec<(Millis, Millis)> = ends.collect();
            let start = ends.iter().map(|ends| ends.0).min();
            let end = ends.iter().map(|ends| ends.1.min(floor) - 1).max();
            if let (Some(start), Some(end)) = (start, end) {
                builder.expire(pack, TimeRange { start, end });
            }
        }
    }

    /// Fetches days of tiers.
    pub(in crate::storage) async fn tier_windows(
        &self,
        needs: TierNeeds,
        deletions: &[Arc<Deletion>],
    ) -> Result<Vec<TierWindow>, ReadError> {
        let mut windows = Vec::new();
        let mut bytes = 0;
        for ((tier, _), days) in needs {
            let days: Vec<(WindowHead, BTreeSet<u32>)> = days.into_values().collect();
            for some in days.chunks(DAYS_AT_ONCE) {
                let mut wanted = Vec::with_capacity(some.len());
                let mut layouts = Vec::with_capacity(some.len());
                for (head, ids) in some {
                    let Some(layout) = self.sound_layout(*head).await? else {
                        continue;
                    };
                    let columns = ids.iter().filter_map(|&id| layout.column(id));
                    let groups: BTreeSet<u32> = columns.map(group_of).collect();
                    wanted.push(Wanted {
                        key: head.key,
                        groups: groups.into_iter().collect(),
                    });
                    layouts.push((head.key, layout));
                }
                for found in self.store.read_windows(tier, &wanted).await? {
                    let of = layouts.iter().find(|(key, _)| *key == found.row.head.key);
                    let Some((_, layout)) = of else { continue };
                    let layout = Arc::clone(layout);
                    let window = TierWindow::new(tier, found, layout, deletions, &self.counters);
                    bytes += window.bytes();
                    windows.push(window);
                }
                if bytes > self.options.snapshot_bytes {
                    return Err(ReadError::TooMuch(self.options.snapshot_bytes));
                }
            }
        }
        Ok(windows)
    }
}

fn need(needs: &mut Needs, pack: u64, stretch: (Millis, Millis), ids: &[u32]) {
    if stretch.0 <= stretch.1 {
        let stretches = needs.entry(pack).or_default();
        stretches.entry(stretch).or_default().extend_from_slice(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollup::resolution;

    #[test]
    fn tiers_and_resolutions_belong_together() {
        for tier in Tier::ALL {
            assert_eq!(
                resolution(tier).and_then(tier_of),
                Some(tier).filter(|t| *t != Tier::Raw)
            );
        }
    }
}
