//! Samples and names out.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, Sample};
use system_stats_model::source::{Fetch, Selector};

use super::{Catalog, Inner, ReadError, Storage};
use crate::index::Entry;
use crate::past::Deletion;
use crate::snapshot::{Builder, Needs, Part, Picked, Snapshot, TierNeeds};
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
        let Heads {
            builder,
            needs,
            tiers,
            deletions,
        } = self.inner.heads(fetches);
        let blocks = self.inner.blocks(needs, &deletions).await?;
        let tiers = self.inner.tier_windows(tiers, &deletions).await?;
        Ok(builder.build(blocks, tiers))
    }

    /// Calls `visit` for every series that has a sample and satisfies all matchers, in no
    /// particular order, each label set once. Nothing is decoded. Stops when `visit` breaks.
    pub fn series(
        &self,
        matchers: &[Matcher],
        visit: &mut dyn FnMut(&Labels, SeriesStats) -> ControlFlow<()>,
    ) {
        let ids = read(&self.inner.catalog).index.select(matchers);
        for some in ids.chunks(AT_ONCE) {
            // No lock is held while `visit` runs.
            for (labels, stats) in read(&self.inner.catalog).stats(some) {
                if visit(&labels, stats).is_break() {
                    return;
                }
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
    /// What memory has of the selectors, what is needed of blocks, and what is deleted of these,
    /// all as of one moment.
    fn heads(&self, fetches: &[Fetch]) -> Heads {
        let _gate = read(&self.gate);
        let catalog = read(&self.catalog);
        let mut builder = Builder::default();
        for fetch in fetches {
            let ids = catalog.index.select(&fetch.selector.matchers);
            let list = catalog.index.list(&ids);
            let order = catalog.index.order(&list);
            builder.select(fetch, &catalog.picked(&list), &order);
        }
        let packs = builder.packs();
        let (mut needs, coarse) = builder.take_windows(|target, range| {
            let target = catalog.targets.get(&target);
            target
                .map(|target| Self::head_of(target).windows(range))
                .unwrap_or_default()
        });
        let deletions = self.past.deletions();
        let owner = |id: u32| catalog.index.target(id);
        let tiers = self.plan_tiers(&mut builder, coarse, &mut needs, &deletions, &owner);
        self.note_buckets(&mut builder, fetches, &packs, &tiers);
        Heads {
            builder,
            needs,
            tiers,
            deletions,
        }
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
                if let Some(column) = head.column(id)
                    && let Some(latest) = column.tally.latest()
                {
                    let tally = &column.tally;
                    let is_empty = tally.samples == 0;
                    of_id.insert(
                        id,
                        SeriesStats {
                            samples: u64::from(tally.samples),
                            first: if is_empty {
                                latest.timestamp
                            } else {
                                tally.first
                            },
                            last: if is_empty {
                                latest.timestamp
                            } else {
                                tally.last
                            },
                            latest: Some(latest),
                        },
                    );
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
