//! Samples and names out.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, Sample, TimeRange};
use system_stats_model::source::{Fetch, Selector};

use super::recall::{Departed, Recalled};
use super::{Catalog, Inner, ReadError, Storage};
use crate::head::{Tally, window_of};
use crate::index::Entry;
use crate::past::Deletion;
use crate::snapshot::{Builder, Needs, Part, Picked, Snapshot, TierNeeds};
use crate::store::{StoreError, Tier};
use crate::sync::read;

/// So many series are looked at under one lock.
const AT_ONCE: usize = 1024;

/// What is known of a series without reading its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesStats {
    /// How many samples there are, staleness markers not counted.
    pub samples: u64,
    /// The time of the oldest that is no staleness marker; that of `latest` if there is none.
    pub first: Millis,
    /// The time of the newest that is no staleness marker; that of `latest` if there is none.
    pub last: Millis,
    /// The newest sample, a staleness marker included.
    pub latest: Option<Sample>,
}

impl SeriesStats {
    /// None of a series that has nothing.
    pub(super) fn of(tally: &Tally) -> Option<Self> {
        let latest = tally.latest()?;
        let (first, last) = match tally.samples {
            0 => (latest.timestamp, latest.timestamp),
            _ => (tally.first, tally.last),
        };
        Some(Self {
            samples: u64::from(tally.samples),
            first,
            last,
            latest: Some(latest),
        })
    }

    fn merge(&mut self, other: &Self) {
        let (none, others) = (self.samples == 0, other.samples > 0);
        if others {
            self.first = if none {
                other.first
            } else {
                self.first.min(other.first)
            };
            self.last = if none {
                other.last
            } else {
                self.last.max(other.last)
            };
        }
        self.samples += other.samples;
        let time = |sample: &Option<Sample>| sample.map(|sample| sample.timestamp);
        if time(&other.latest) > time(&self.latest) {
            self.latest = other.latest;
        }
    }
}

impl Storage {
    /// Everything that any of the selectors picks, as of now. What is appended afterwards does not
    /// show.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn snapshot(&self, selectors: &[Selector]) -> Result<Snapshot, ReadError> {
        let fetch = |selector: &Selector| Fetch {
            selector: selector.clone(),
            resolution: None,
        };
        let fetches: Vec<Fetch> = selectors.iter().map(fetch).collect();
        self.fetch(&fetches).await
    }

    /// Everything that is to be fetched, as of now. Days that are in a tier of rollups are read
    /// from there where buckets of its resolution will do, and only buckets are left of days whose
    /// samples are beyond the retention.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn fetch(&self, fetches: &[Fetch]) -> Result<Snapshot, ReadError> {
        // Memory first: what leaves it in between is in the blocks by then.
        let heads = match self.inner.heads(fetches, None) {
            Some(heads) => heads,
            None => self.inner.heads_and_left(fetches).await?,
        };
        let Heads {
            builder,
            needs,
            tiers,
            deletions,
        } = heads;
        let blocks = self.inner.blocks(needs, &deletions).await?;
        let tiers = self.inner.tier_windows(tiers, &deletions).await?;
        Ok(builder.build(blocks, tiers))
    }

    /// When the first hour begins, from the one that holds `at` on, of which there are samples, of
    /// whatever series; they may be deleted.
    #[must_use]
    pub fn next_hour(&self, at: Millis) -> Option<Millis> {
        let from = window_of(at.max(0));
        // Memory first: what leaves it in between is in the blocks by then.
        let heads = self.inner.targets().into_iter();
        let next = heads.filter_map(|target| Inner::head_of(&target).next(from));
        let next = next.min();
        let past = self.inner.past.next(Tier::Raw, from);
        next.into_iter().chain(past).min()
    }

    /// Calls `visit` for every series that has a sample and satisfies all matchers, in no
    /// particular order, each label set once: those in memory, and those of `departed`. Nothing is
    /// decoded. Stops when `visit` breaks.
    pub fn series(
        &self,
        matchers: &[Matcher],
        departed: &Departed,
        visit: &mut dyn FnMut(&Labels, SeriesStats) -> ControlFlow<()>,
    ) {
        let is_meant = |one: &&(Recalled, SeriesStats)| {
            let labels = &one.0.labels;
            matchers
                .iter()
                .all(|matcher| matcher.matches_labels(labels))
        };
        let mut left: HashMap<&Labels, Vec<(u32, SeriesStats)>> = HashMap::new();
        for (one, stats) in departed.series.iter().filter(is_meant) {
            let twins = left.entry(&one.labels).or_default();
            twins.push((one.part.id, *stats));
        }
        let ids = read(&self.inner.catalog).index.select(matchers);
        for some in ids.chunks(AT_ONCE) {
            // No lock is held while `visit` runs.
            for (labels, mut stats) in read(&self.inner.catalog).stats(some) {
                if let Some(twins) = left.remove(&labels) {
                    // Those that came back are in memory.
                    let gone = twins
                        .iter()
                        .filter(|(id, _)| ids.binary_search(id).is_err());
                    gone.for_each(|(_, other)| stats.merge(other));
                }
                if visit(&labels, stats).is_break() {
                    return;
                }
            }
        }
        for (labels, twins) in left {
            let stats = twins
                .into_iter()
                .map(|(_, stats)| stats)
                .reduce(|mut all, one| {
                    all.merge(&one);
                    all
                });
            if stats.is_some_and(|stats| visit(labels, stats).is_break()) {
                return;
            }
        }
    }
}

/// What is known before anything is fetched.
struct Heads {
    builder: Builder,
    needs: Needs,
    tiers: TierNeeds,
    deletions: Arc<Vec<Arc<Deletion>>>,
}

impl Inner {
    /// The same as [`Inner::heads`], with the series that have left memory.
    async fn heads_and_left(&self, fetches: &[Fetch]) -> Result<Heads, ReadError> {
        let _stay = self.leaving.read().await;
        let sets = fetches.iter().map(|fetch| &fetch.selector.matchers[..]);
        let sets: Vec<&[Matcher]> = sets.collect();
        // The same ones for each fetch: equal labels are one series.
        let recalled = self.recall(&sets, whole(fetches)).await?;
        let heads = self.heads(fetches, Some(&recalled));
        heads.ok_or_else(|| StoreError::Failed("the index has changed".to_owned()).into())
    }

    /// What memory has of the selectors, what is needed of blocks, and what is deleted of these,
    /// all as of one moment. None without `left` where something has left memory that is needed.
    fn heads(&self, fetches: &[Fetch], left: Option<&[Recalled]>) -> Option<Heads> {
        let _gate = read(&self.gate);
        let catalog = read(&self.catalog);
        if left.is_none() && catalog.left.until() >= Some(whole(fetches).start) {
            return None;
        }
        let is_gone = |one: &&Recalled| catalog.index.target(one.part.id).is_none();
        let left: Vec<&Recalled> = left.unwrap_or_default().iter().filter(is_gone).collect();
        let mut same: HashMap<&Labels, Vec<u32>> = HashMap::new();
        for one in &left {
            same.entry(&one.labels).or_default().push(one.part.id);
        }
        let mut builder = Builder::default();
        for fetch in fetches {
            let matchers = &fetch.selector.matchers;
            let ids = catalog.index.select(matchers);
            let list = catalog.index.list(&ids);
            let mut picked = catalog.picked(&list);
            if left.is_empty() {
                catalog.note_mixed(&mut picked, &left);
                builder.select(fetch, &picked, &catalog.index.order(&list));
                continue;
            }
            let is_meant =
                |one: &&&Recalled| matchers.iter().all(|m| m.matches_labels(&one.labels));
            picked.extend(left.iter().filter(is_meant).map(|one| Picked {
                twins: catalog.index.twins(&one.labels, one.part.id),
                is_mixed: false,
                labels: one.labels.clone(),
                part: one.part,
            }));
            for one in &mut picked {
                let others = same.get(&one.labels).into_iter().flatten();
                one.twins.extend(others.filter(|id| **id != one.part.id));
            }
            picked.sort_unstable_by_key(|one| one.part.id);
            catalog.note_mixed(&mut picked, &left);
            let mut order: Vec<u32> = (0u32..).zip(&picked).map(|(at, _)| at).collect();
            order.sort_by(|a, b| picked[*a as usize].labels.cmp(&picked[*b as usize].labels));
            builder.select(fetch, &picked, &order);
        }
        let packs = builder.packs();
        let (mut needs, coarse) = builder.take_windows(|target, range| {
            let target = catalog.targets.get(&target);
            target
                .map(|target| Self::head_of(target).windows(range))
                .unwrap_or_default()
        });
        let deletions = self.past.deletions();
        let gone: HashMap<u32, u32> = left
            .iter()
            .map(|one| (one.part.id, one.part.target))
            .collect();
        let owner = |id: u32| catalog.index.target(id).or_else(|| gone.get(&id).copied());
        let tiers = self.plan_tiers(&mut builder, coarse, &mut needs, &deletions, &owner);
        self.note_buckets(&mut builder, fetches, &packs, &tiers);
        Some(Heads {
            builder,
            needs,
            tiers,
            deletions,
        })
    }
}

/// The stretch that holds all that is asked for.
fn whole(fetches: &[Fetch]) -> TimeRange {
    let ranges = || fetches.iter().map(|fetch| fetch.selector.range);
    TimeRange {
        start: ranges()
            .map(|range| range.start)
            .min()
            .unwrap_or(Millis::MAX),
        end: ranges().map(|range| range.end).max().unwrap_or(Millis::MIN),
    }
}

impl Catalog {
    /// What a reader has to know of some series.
    fn picked(&self, list: &[(u32, Entry<'_>)]) -> Vec<Picked> {
        let mut room = String::new();
        // Neighbours nearly always are of one target.
        let mut neighbour = (u32::MAX, 0);
        let picked = |&(id, entry): &(u32, Entry<'_>)| {
            let (labels, target) = (self.index.labels_of(entry, &mut room), entry.target);
            if neighbour.0 != target {
                let known = self.targets.get(&target);
                neighbour = (target, known.map_or(0, |known| u64::from(known.pack)));
            }
            Picked {
                twins: self.index.twins(&labels, id),
                is_mixed: false,
                labels,
                part: Part {
                    id,
                    target,
                    pack: neighbour.1,
                },
            }
        };
        list.iter().map(picked).collect()
    }

    /// Notes which series may have samples between those of others with the same labels: all but
    /// those whose number is higher only because they came when the others had ended. `left` is
    /// ascending, like `picked`.
    fn note_mixed(&self, picked: &mut [Picked], left: &[&Recalled]) {
        let mut mixed: BTreeMap<u32, bool> = BTreeMap::new();
        for one in picked.iter_mut().filter(|one| !one.twins.is_empty()) {
            let id = one.part.id;
            if !mixed.contains_key(&id) {
                let mut all: Vec<u32> = one.twins.iter().copied().chain([id]).collect();
                all.sort_unstable();
                let mut end = None;
                let is_mixed = all.iter().any(|id| {
                    let span = self.span(*id, left);
                    let overlaps = end.is_some_and(|end| end >= span.start);
                    end = end.max(Some(span.end));
                    overlaps
                });
                mixed.extend(all.into_iter().map(|id| (id, is_mixed)));
            }
            one.is_mixed = mixed.get(&id).copied().unwrap_or(true);
        }
    }

    /// The stretch outside of which a series has no sample; what is beyond the retention does not
    /// count.
    fn span(&self, id: u32, left: &[&Recalled]) -> TimeRange {
        let target = self.index.target(id).and_then(|of| self.targets.get(&of));
        let tally = target.and_then(|target| {
            let head = Inner::head_of(target);
            head.tally(id).filter(|_| head.is_counted(id))
        });
        if let Some(tally) = tally {
            // Nothing: the stretch that ends before it begins.
            return TimeRange {
                start: tally.first.min(tally.latest_at().unwrap_or(Millis::MAX)),
                end: tally.latest_at().unwrap_or(Millis::MIN),
            };
        }
        let at = left.binary_search_by_key(&id, |one| one.part.id);
        TimeRange {
            start: Millis::MIN,
            end: at.map_or(Millis::MAX, |at| left[at].last),
        }
    }

    /// Statistics of those of the series that have a sample.
    fn stats(&self, ids: &[u32]) -> Vec<(Labels, SeriesStats)> {
        let mut of_id: BTreeMap<u32, SeriesStats> = BTreeMap::new();
        let mut found: Vec<(u32, Labels, Vec<u32>)> = Vec::with_capacity(ids.len());
        let mut wanted = Vec::with_capacity(ids.len());
        for &id in ids {
            let Some(labels) = self.index.labels(id) else {
                continue;
            };
            let twins = self.index.twins(&labels, id);
            wanted.push(id);
            wanted.extend(&twins);
            // Of twins the one with the lowest id speaks for all.
            if twins.iter().all(|&twin| id < twin) {
                found.push((id, labels, twins));
            }
        }
        for (target, ids) in self.by_target(&wanted) {
            let Some(target) = self.targets.get(&target) else {
                continue;
            };
            let head = Inner::head_of(target);
            for id in ids {
                if let Some(tally) = head.tally(id)
                    && let Some(stats) = SeriesStats::of(&tally)
                {
                    of_id.insert(id, stats);
                }
            }
        }
        let whole = |(id, labels, twins): (u32, Labels, Vec<u32>)| {
            let mut all = std::iter::once(id)
                .chain(twins)
                .filter_map(|id| of_id.get(&id));
            let mut stats = *all.next()?;
            all.for_each(|other| stats.merge(other));
            Some((labels, stats))
        };
        found.into_iter().filter_map(whole).collect()
    }
}
