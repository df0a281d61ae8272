//! Series that have left memory: which ones a target has, and the names of those used last.
//!
//! A target's series are in portions of some hundreds. Of a portion the numbers stay, a byte or
//! two a series; the names stay compressed up to a number of bytes and are read again from the
//! database when they are asked for.

mod names;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use crate::varint::{Reader, write_u64};

pub(crate) use names::{LeftSeries, Names};

/// How many series a portion has at most.
pub(crate) const PORTION: usize = 512;

/// A portion of fewer is joined with the next.
const SMALL: usize = PORTION / 2;

/// All series that have left memory.
#[derive(Debug, Default)]
pub(crate) struct Left {
    targets: BTreeMap<u32, OfTarget>,
    /// None of them has a sample after this.
    until: Option<Millis>,
    /// What ended before this is gone for good.
    floor: Millis,
    /// Of the names.
    bytes: usize,
    most_bytes: usize,
    /// Counts uses.
    clock: AtomicU64,
    next_portion: u64,
    /// The names that were looked into last.
    open: Option<(Arc<Names>, Vec<LeftSeries>)>,
}

#[derive(Debug)]
struct OfTarget {
    portions: Vec<Portion>,
    /// Whether all of them have every label of the target as it is.
    is_plain: bool,
}

#[derive(Debug)]
struct Portion {
    number: u64,
    /// The series, ascending.
    ids: Ids,
    last: Millis,
    names: Option<Arc<Names>>,
    used: AtomicU64,
}

/// A portion that a query needs.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) target: u32,
    portion: u64,
    /// The series, ascending.
    pub(crate) ids: Vec<u32>,
    /// Their names, where these are in memory, and perhaps others.
    pub(crate) names: Option<Arc<Names>>,
}

impl Left {
    pub(crate) fn new(most_bytes: usize, until: Option<Millis>) -> Self {
        Self {
            until,
            floor: Millis::MIN,
            most_bytes,
            ..Self::default()
        }
    }

    /// How many bytes the names may take.
    pub(crate) fn allowed(&self) -> usize {
        self.most_bytes
    }

    /// Lets the names take another number of bytes from now on.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.most_bytes = bytes;
        self.evict();
    }

    /// The newest sample of any of them is not after this; none if there are none.
    pub(crate) fn until(&self) -> Option<Millis> {
        self.until
    }

    /// Adds series of a target, ascending by id, at most [`PORTION`]. `is_plain` says whether they
    /// have every label of the target as it is.
    ///
    /// # Errors
    /// When memory is short.
    pub(crate) fn add(
        &mut self,
        target: u32,
        mut series: Vec<LeftSeries>,
        is_plain: bool,
    ) -> std::io::Result<()> {
        let Some(newest) = series.iter().map(|one| one.last).max() else {
            return Ok(());
        };
        let mut of_target = self.targets.remove(&target).unwrap_or(OfTarget {
            portions: Vec::new(),
            is_plain: true,
        });
        let small = of_target.portions.pop_if(|portion| {
            portion.ids.count < SMALL && portion.ids.count + series.len() <= PORTION
        });
        let before = small.as_ref().and_then(Portion::series);
        let joined = before.is_some();
        series.extend(before.into_iter().flatten());
        series.sort_unstable_by_key(|one| one.id);
        let portion = Portion::new(self.next_portion, &series, self.tick());
        if let Some(small) = small {
            if joined && portion.is_ok() {
                self.bytes -= small.bytes();
            } else {
                of_target.portions.push(small);
            }
        }
        self.next_portion += 1;
        let failure = match portion {
            Ok(portion) => {
                self.bytes += portion.bytes();
                of_target.portions.push(portion);
                None
            }
            Err(error) => Some(error),
        };
        of_target.is_plain &= is_plain;
        if !of_target.portions.is_empty() {
            self.targets.insert(target, of_target);
        }
        self.until = self.until.max(Some(newest));
        self.evict();
        failure.map_or(Ok(()), Err)
    }

    /// The series of a target with these labels, as far as names are in memory.
    pub(crate) fn find(
        &mut self,
        target: u32,
        inherits: bool,
        labels: &Labels,
    ) -> Option<LeftSeries> {
        let of_target = self.targets.get(&target)?;
        let is_meant = |one: &&LeftSeries| one.inherits == inherits && one.labels == *labels;
        for portion in of_target.portions.iter().rev() {
            let Some(names) = &portion.names else {
                continue;
            };
            if !names.may_have(inherits, labels) {
                continue;
            }
            let is_open = |open: &(Arc<Names>, _)| Arc::ptr_eq(&open.0, names);
            if !self.open.as_ref().is_some_and(is_open) {
                self.open = Some((Arc::clone(names), names.decode().ok()?));
            }
            let series = self.open.as_ref().map(|(_, series)| series.iter());
            let found = series.into_iter().flatten().find(is_meant);
            if let Some(found) = found.filter(|one| one.last >= self.floor)
                && portion.ids.iter().any(|id| id == found.id)
            {
                return Some(found.clone());
            }
        }
        None
    }

    /// Forgets a series of a target: it is in memory again.
    pub(crate) fn take(&mut self, target: u32, id: u32) {
        let Some(of_target) = self.targets.get_mut(&target) else {
            return;
        };
        for portion in &mut of_target.portions {
            portion.ids.retain(|other| other != id);
        }
        let is_empty = |portion: &mut Portion| portion.ids.count == 0;
        let empty = of_target.portions.extract_if(.., is_empty);
        self.bytes -= empty.map(|portion| portion.bytes()).sum::<usize>();
        if of_target.portions.is_empty() {
            self.targets.remove(&target);
        }
    }

    /// Whether a target has any.
    pub(crate) fn has(&self, target: u32) -> bool {
        self.targets.contains_key(&target)
    }

    /// The portions that may have something from `from` on, of the targets for which `is_meant` holds;
    /// that is told whether all series have the target's labels as they are.
    pub(crate) fn wanted(&self, from: Millis, is_meant: impl Fn(u32, bool) -> bool) -> Vec<Wanted> {
        let used = self.tick();
        let mut wanted = Vec::new();
        for (&target, of_target) in &self.targets {
            let is_late = |portion: &&Portion| portion.last >= from.max(self.floor);
            let mut portions = of_target.portions.iter().filter(is_late).peekable();
            if portions.peek().is_none() || !is_meant(target, of_target.is_plain) {
                continue;
            }
            wanted.extend(portions.map(|portion| {
                portion.used.store(used, Ordering::Relaxed);
                Wanted {
                    target,
                    portion: portion.number,
                    ids: portion.ids.iter().collect(),
                    names: portion.names.clone(),
                }
            }));
        }
        wanted
    }

    /// Keeps the names of a portion that were read again.
    pub(crate) fn keep(&mut self, wanted: &Wanted, names: &Arc<Names>) {
        let portions = self.targets.get_mut(&wanted.target);
        let mut portions = portions.into_iter().flat_map(|of| &mut of.portions);
        if let Some(portion) = portions.find(|one| one.number == wanted.portion)
            && portion.names.is_none()
        {
            portion.names = Some(Arc::clone(names));
            self.bytes += names.bytes();
            self.evict();
        }
    }

    /// Forgets what ended before `floor`.
    pub(crate) fn expire(&mut self, floor: Millis) {
        self.floor = self.floor.max(floor);
        for of_target in self.targets.values_mut() {
            let old = of_target
                .portions
                .extract_if(.., |portion| portion.last < floor);
            self.bytes -= old.map(|portion| portion.bytes()).sum::<usize>();
        }
        self.targets
            .retain(|_, of_target| !of_target.portions.is_empty());
        self.open = None;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let portions = self.targets.values().flat_map(|of| &of.portions);
        portions.map(|portion| portion.ids.count).sum()
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets the names go that have not been used for longest, an eighth at once.
    fn evict(&mut self) {
        if self.bytes <= self.most_bytes {
            return;
        }
        let portions = self.targets.values_mut().flat_map(|of| &mut of.portions);
        let mut named: Vec<&mut Portion> = portions.filter(|one| one.names.is_some()).collect();
        named.sort_by_key(|portion| portion.used.load(Ordering::Relaxed));
        for portion in named {
            if self.bytes <= self.most_bytes / 8 * 7 {
                break;
            }
            self.bytes -= portion.bytes();
            portion.names = None;
        }
        self.open = None;
    }
}

impl Portion {
    fn new(number: u64, series: &[LeftSeries], used: u64) -> std::io::Result<Self> {
        Ok(Self {
            number,
            ids: Ids::new(series.iter().map(|one| one.id)),
            last: series
                .iter()
                .map(|one| one.last)
                .max()
                .unwrap_or(Millis::MIN),
            names: Some(Arc::new(Names::encode(series)?)),
            used: AtomicU64::new(used),
        })
    }

    /// Its series, where the names are in memory.
    fn series(&self) -> Option<Vec<LeftSeries>> {
        let mut series = self.names.as_ref()?.decode().ok()?;
        let ids: Vec<u32> = self.ids.iter().collect();
        series.retain(|one| ids.binary_search(&one.id).is_ok());
        Some(series)
    }

    /// What its names take in memory.
    fn bytes(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.bytes())
    }
}

/// Ascending numbers, most of them one above the one before: the lengths of gaps and runs.
#[derive(Clone, Debug, Default)]
struct Ids {
    bytes: Box<[u8]>,
    count: usize,
}

impl Ids {
    fn new(ids: impl Iterator<Item = u32>) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut count = 0;
        for id in ids {
            count += 1;
            match runs.last_mut() {
                Some((start, length)) if *start + *length == id => *length += 1,
                _ => runs.push((id, 1)),
            }
        }
        let mut bytes = Vec::with_capacity(runs.len() * 3);
        let mut end = 0;
        for (start, length) in runs {
            write_u64(&mut bytes, u64::from(start - end));
            write_u64(&mut bytes, u64::from(length));
            end = start + length;
        }
        let bytes = bytes.into();
        Self { bytes, count }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let mut reader = Reader::new(&self.bytes);
        let mut end = 0;
        let runs = std::iter::from_fn(move || {
            let start = end + reader.u32().ok()?;
            end = start + reader.u32().ok()?;
            Some(start..end)
        });
        runs.flatten()
    }

    fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        if !self.iter().all(&keep) {
            *self = Self::new(self.iter().filter(|id| keep(*id)));
        }
    }
}
