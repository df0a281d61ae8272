//! Series that have left memory, for whoever reads far back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use tokio::sync::OwnedRwLockReadGuard;

use super::append::join;
use super::leave::is_plain;
use super::{Inner, ReadError, SeriesStats, Storage};
use crate::left::{LeftSeries, Names, PORTION, Wanted};
use crate::snapshot::Part;
use crate::store::{SeriesRow, StoreError};
use crate::sync::{read, write};

/// Rows that are read at once, at a start and for portions whose names are not in memory.
const ROWS: usize = 8192;

/// A start waits for so many; those after them are listed meanwhile.
const AT_START: usize = 1 << 16;

/// A series that has left memory.
#[derive(Clone, Debug)]
pub(super) struct Recalled {
    pub(super) part: Part,
    pub(super) labels: Labels,
    pub(super) last: Millis,
}

/// Series that have left memory and may have samples in a range: what a listing has to add to the
/// series in memory. No series leaves memory while it is held, so hold it briefly.
#[derive(Debug)]
pub struct Departed {
    pub(super) series: Vec<(Recalled, SeriesStats)>,
    _stays: Option<OwnedRwLockReadGuard<()>>,
}

impl Departed {
    /// Nothing: for whoever asks for series in memory only.
    #[must_use]
    pub fn none() -> Self {
        Self {
            series: Vec::new(),
            _stays: None,
        }
    }
}

impl Storage {
    /// The series that have left memory, satisfy all matchers of one of `sets` and may have
    /// samples in `range`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn departed(
        &self,
        sets: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Departed, ReadError> {
        let inner = &self.inner;
        if !read(&inner.catalog).back.is_empty() {
            let _alone = inner.folding.lock().await;
            self.deletions_settled().await?;
            inner.count_back().await?;
        }
        let held = Arc::clone(&inner.leaving).read_owned().await;
        let sets: Vec<&[Matcher]> = sets.iter().map(Vec::as_slice).collect();
        let recalled = inner.recall(&sets, range).await?;
        if recalled.is_empty() {
            return Ok(Departed {
                series: Vec::new(),
                _stays: Some(held),
            });
        }
        self.deletions_settled().await?;
        let mut by_pack: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for one in &recalled {
            by_pack.entry(one.part.pack).or_default().push(one.part.id);
        }
        let totals = inner.totals_of(by_pack).await?;
        let known = |one: Recalled| {
            let stats = SeriesStats::of(totals.get(&one.part.id)?)?;
            Some((one, stats))
        };
        Ok(Departed {
            series: recalled.into_iter().filter_map(known).collect(),
            _stays: Some(held),
        })
    }

    async fn deletions_settled(&self) -> Result<(), StoreError> {
        let settled = self.deletions_committed().await;
        settled.map_err(|error| StoreError::Failed(error.to_string()))
    }
}

impl Inner {
    /// Whether everything that has samples in a range is in memory.
    pub(super) fn is_recent(&self, range: TimeRange) -> bool {
        let until = read(&self.catalog).left.until();
        until.is_none_or(|until| range.start > until)
    }

    /// The series that have left memory, satisfy all matchers of a set and may have samples in
    /// `range`, ascending by id. The caller keeps series from leaving.
    pub(super) async fn recall(
        &self,
        sets: &[&[Matcher]],
        range: TimeRange,
    ) -> Result<Vec<Recalled>, ReadError> {
        if self.is_recent(range) {
            return Ok(Vec::new());
        }
        let mut known = self.recall.subscribe();
        if known.wait_for(|known| *known).await.is_err() {
            return Err(StoreError::Failed("the store is closed".to_owned()).into());
        }
        let wanted = {
            let catalog = read(&self.catalog);
            let may_match = |target: &Labels| {
                let satisfies = |one: &Matcher| {
                    target
                        .get(one.name())
                        .is_none_or(|value| one.matches(value))
                };
                sets.iter().any(|set| set.iter().all(satisfies))
            };
            catalog.left.wanted(range.start, |target, is_plain| {
                let target = catalog.targets.get(&target);
                target.is_some_and(|target| !is_plain || may_match(&target.labels))
            })
        };
        let mut recalled = Vec::new();
        let mut bytes = 0;
        for some in wanted.chunks(ROWS / PORTION) {
            for (wanted, names) in self.names(some).await? {
                bytes += self.pick(&wanted, &names, sets, range, &mut recalled);
                tokio::task::yield_now().await;
            }
            if bytes > self.options.snapshot_bytes {
                return Err(ReadError::TooMuch(self.options.snapshot_bytes));
            }
        }
        recalled.sort_unstable_by_key(|one: &Recalled| one.part.id);
        recalled.dedup_by_key(|one| one.part.id);
        Ok(recalled)
    }

    /// The names of some portions, from memory or from the store.
    async fn names(&self, wanted: &[Wanted]) -> Result<Vec<(Wanted, Arc<Names>)>, ReadError> {
        let unnamed = wanted.iter().filter(|one| one.names.is_none());
        let ids = unnamed.flat_map(|one| &one.ids);
        let ids: Vec<u64> = ids.map(|id| u64::from(*id)).collect();
        let mut rows: HashMap<u32, SeriesRow> = HashMap::with_capacity(ids.len());
        if !ids.is_empty() {
            for row in self.store.series_by_id(&ids).await? {
                if let Ok(id) = u32::try_from(row.id) {
                    rows.insert(id, row);
                }
            }
        }
        let mut all = Vec::with_capacity(wanted.len());
        for one in wanted {
            let names = if let Some(names) = &one.names {
                Arc::clone(names)
            } else {
                let rows = one.ids.iter().filter_map(|id| rows.remove(id));
                let series: Vec<LeftSeries> = rows.filter_map(left).collect();
                let names = Names::encode(&series);
                let names = names.map_err(|error| StoreError::Failed(error.to_string()))?;
                let names = Arc::new(names);
                write(&self.catalog).left.keep(one, &names);
                names
            };
            all.push((one.clone(), names));
        }
        Ok(all)
    }

    /// Adds those of a portion that are meant; how many bytes of labels these have.
    fn pick(
        &self,
        wanted: &Wanted,
        names: &Names,
        sets: &[&[Matcher]],
        range: TimeRange,
        recalled: &mut Vec<Recalled>,
    ) -> usize {
        let target = read(&self.catalog)
            .targets
            .get(&wanted.target)
            .map(Arc::clone);
        let Some(target) = target else { return 0 };
        let series = match names.decode() {
            Ok(series) => series,
            Err(reason) => {
                tracing::error!(%reason, "names in memory cannot be read");
                return 0;
            }
        };
        let mut bytes = 0;
        for one in series {
            if one.last < range.start || wanted.ids.binary_search(&one.id).is_err() {
                continue;
            }
            let value = |name: &str| {
                let own = one.labels.get(name);
                let inherited = || target.labels.get(name).filter(|_| one.inherits);
                own.or_else(inherited).unwrap_or_default()
            };
            let is_meant = |set: &&[Matcher]| set.iter().all(|m| m.matches(value(m.name())));
            if !sets.iter().any(is_meant) {
                continue;
            }
            let labels = join(one.inherits, &one.labels, &target.labels);
            bytes += labels.encoded().len() + size_of::<Recalled>();
            let part = Part {
                id: one.id,
                target: target.id,
                pack: u64::from(target.pack),
            };
            let last = one.last;
            recalled.push(Recalled { part, labels, last });
        }
        bytes
    }

    /// Lists what has left memory; a long list only begins before this returns.
    pub(super) async fn list_left(self: &Arc<Self>) -> Result<(), StoreError> {
        if read(&self.catalog).left.until().is_none() {
            self.recall.send_replace(true);
            return Ok(());
        }
        let mut after = 0;
        let mut listed = 0;
        while listed < AT_START {
            let Some((last, rows)) = self.list_some(after).await? else {
                self.recall.send_replace(true);
                return Ok(());
            };
            after = last;
            listed += rows;
        }
        let inner = Arc::downgrade(self);
        let stopped = self.stop.clone();
        let rest = async move {
            loop {
                let Some(inner) = inner.upgrade() else { return };
                match inner.list_some(after).await {
                    Ok(Some((last, _))) => after = last,
                    Ok(None) => {
                        inner.recall.send_replace(true);
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot list the series of long ago yet");
                        drop(inner);
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        };
        self.tasks
            .spawn(async move { stopped.run_until_cancelled(rest).await });
        Ok(())
    }

    /// Lists some series that have left memory; the last of them, and how many. None at the end.
    async fn list_some(&self, after: u64) -> Result<Option<(u64, usize)>, StoreError> {
        let rows = self.store.left_series(after, ROWS).await?;
        let Some(last) = rows.last().map(|row| row.id) else {
            return Ok(None);
        };
        let count = rows.len();
        let mut by_target: BTreeMap<u32, Vec<LeftSeries>> = BTreeMap::new();
        for row in rows {
            if let Ok(target) = u32::try_from(row.target) {
                by_target.entry(target).or_default().extend(left(row));
            }
        }
        for (target, series) in by_target {
            let mut catalog = write(&self.catalog);
            let Some(labels) = catalog
                .targets
                .get(&target)
                .map(|target| target.labels.clone())
            else {
                continue;
            };
            for some in series.chunks(PORTION) {
                // What came back since is not to be taken for gone.
                let gone = some
                    .iter()
                    .filter(|one| catalog.index.target(one.id).is_none());
                let gone: Vec<LeftSeries> = gone.cloned().collect();
                let is_plain = gone.iter().all(|one| is_plain(one, &labels));
                let added = catalog.left.add(target, gone, is_plain);
                added.map_err(|error| StoreError::Failed(error.to_string()))?;
            }
        }
        Ok(Some((last, count)))
    }
}

fn left(row: SeriesRow) -> Option<LeftSeries> {
    Some(LeftSeries {
        id: u32::try_from(row.id).ok()?,
        inherits: row.inherits,
        labels: row.labels,
        // One that came back meanwhile may have samples of any time.
        last: row.last.unwrap_or(Millis::MAX),
    })
}
