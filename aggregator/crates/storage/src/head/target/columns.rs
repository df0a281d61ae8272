//! The series of a target, without their samples.
//!
//! Most series of a target have samples at the same moments. What is known of those is kept once,
//! in a cohort; of each there is only its number, its cohort and its newest value.

use std::collections::HashMap;

use system_stats_model::sample::{Millis, is_stale};

use crate::head::tally::Tally;

/// So many cohorts are looked at for one that suits, and so many at least there are before equal
/// ones become one.
const FEW: usize = 32;

/// What is known of a series but its newest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// Of everything it has, in blocks and here. A sample that came again when its first copy was
    /// in a block already counts twice until the two are merged.
    tally: Tally,
    /// Whether the tables name it already, or the batch being filled does.
    pub(super) saved: bool,
    /// False while the tally says no more than when the newest sample is, of a series that came
    /// back, and what came since.
    pub(super) counted: bool,
}

impl Standing {
    /// Of a series that has nothing.
    pub(super) fn new(saved: bool) -> Self {
        Self {
            tally: Tally::default(),
            saved,
            counted: true,
        }
    }

    /// Of a series that came back: `tally` says when its newest sample is, and no more.
    pub(super) fn of_returned(tally: Tally) -> Self {
        Self {
            tally,
            saved: true,
            counted: false,
        }
    }

    /// The time of the newest sample, a staleness marker included.
    pub(super) fn latest_at(&self) -> Option<Millis> {
        self.tally.latest_at()
    }
}

/// Series that stand alike.
#[derive(Debug)]
struct Cohort {
    standing: Standing,
    /// None in a free place.
    members: u32,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    id: u32,
    cohort: u32,
    /// The newest value.
    latest: f64,
}

/// The samples of a moment that are being counted; each series has one at most.
#[derive(Debug)]
pub(super) struct Moment {
    timestamp: Millis,
    /// From a cohort, of those that have a value or a staleness marker, to which they belong now.
    moves: HashMap<(u32, bool), u32>,
    /// The move of the sample before.
    last: Option<((u32, bool), u32)>,
    /// Whether the moment is after all that the cohort that was left has.
    is_newer: bool,
}

impl Moment {
    pub(super) fn new(timestamp: Millis) -> Self {
        Self {
            timestamp,
            moves: HashMap::new(),
            last: None,
            is_newer: false,
        }
    }
}

/// The series of a target, ascending by number.
#[derive(Debug, Default)]
pub(super) struct Columns {
    all: Vec<Column>,
    cohorts: Vec<Cohort>,
    free: Vec<u32>,
    /// How many cohorts there were when equal ones last became one.
    after_merge: usize,
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Column>()
            + self.cohorts.capacity() * size_of::<Cohort>()
            + self.free.capacity() * size_of::<u32>()
    }

    /// Where a series is; `guess` is where the caller expects it.
    pub(super) fn position(&self, id: u32, guess: usize) -> Option<usize> {
        let is_there = self.all.get(guess).is_some_and(|column| column.id == id);
        if is_there {
            return Some(guess);
        }
        self.all.binary_search_by_key(&id, |column| column.id).ok()
    }

    pub(super) fn id(&self, at: usize) -> u32 {
        self.all[at].id
    }

    pub(super) fn latest(&self, at: usize) -> f64 {
        self.all[at].latest
    }

    pub(super) fn standing(&self, at: usize) -> &Standing {
        &self.cohorts[self.all[at].cohort as usize].standing
    }

    /// Series of the same cohort stand alike.
    pub(super) fn cohort(&self, at: usize) -> u32 {
        self.all[at].cohort
    }

    pub(super) fn tally(&self, at: usize) -> Tally {
        let tally = self.standing(at).tally;
        tally.with_value(self.all[at].latest)
    }

    /// Numbers, standings and newest values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Standing, Tally)> {
        (0..self.all.len()).map(|at| (self.id(at), self.standing(at), self.tally(at)))
    }

    /// Adds a series that is not there. Its number is above all others, nearly always.
    pub(super) fn insert(&mut self, id: u32, standing: Standing) {
        let at = match self.all.last() {
            Some(last) if last.id >= id => self.all.partition_point(|column| column.id < id),
            _ => self.all.len(),
        };
        let (standing, latest) = split(standing);
        let cohort = self.find(standing);
        self.cohorts[cohort as usize].members += 1;
        self.all.insert(at, Column { id, cohort, latest });
    }

    /// Sets what a series adds up to; it is counted then if `counted`.
    pub(super) fn set(&mut self, at: usize, tally: Tally, counted: bool) {
        let saved = self.standing(at).saved;
        let (standing, latest) = split(Standing {
            tally,
            saved,
            counted,
        });
        let to = self.find(standing);
        self.all[at].latest = latest;
        self.change(at, to);
    }

    /// Counts a sample of a moment. The tables name the series from now on.
    pub(super) fn count(&mut self, at: usize, value: f64, moment: &mut Moment) {
        let from = self.all[at].cohort;
        let key = (from, is_stale(value));
        let known = match moment.last {
            Some((last, to)) if last == key => Some(to),
            _ => moment.moves.get(&key).copied(),
        };
        let to = known.unwrap_or_else(|| {
            let mut standing = self.cohorts[from as usize].standing;
            standing.tally.count(moment.timestamp, value);
            standing.saved = true;
            let to = self.create(split(standing).0);
            moment.moves.insert(key, to);
            to
        });
        moment.last = Some((key, to));
        let latest_at = self.cohorts[from as usize].standing.latest_at();
        moment.is_newer = Some(moment.timestamp) > latest_at;
        if moment.is_newer {
            self.all[at].latest = value;
        }
        self.change(at, to);
    }

    /// Counts samples of a moment, ascending by series, all of which are here.
    pub(super) fn count_row(&mut self, ids: &[u32], values: &[f64], moment: &mut Moment) {
        let (mut next, mut alike) = (0, 0);
        for (&id, &value) in ids.iter().zip(values) {
            let Some(at) = self.position(id, next) else {
                continue;
            };
            next = at + 1;
            let column = &mut self.all[at];
            match moment.last {
                Some((key, to)) if moment.is_newer && key == (column.cohort, is_stale(value)) => {
                    column.latest = value;
                    column.cohort = to;
                    alike += 1;
                }
                _ => {
                    self.change_members(moment, alike);
                    alike = 0;
                    self.count(at, value, moment);
                }
            }
        }
        self.change_members(moment, alike);
    }

    /// Counts members that made the last move.
    fn change_members(&mut self, moment: &Moment, count: u32) {
        let Some(((from, _), to)) = moment.last.filter(|_| count > 0) else {
            return;
        };
        self.cohorts[to as usize].members += count;
        let left = &mut self.cohorts[from as usize].members;
        *left -= count;
        if *left == 0 {
            self.free.push(from);
        }
    }

    /// Keeps the series for which `keep(number, standing)` holds.
    pub(super) fn retain(&mut self, keep: impl Fn(u32, &Standing) -> bool) {
        let (all, cohorts) = (&mut self.all, &mut self.cohorts);
        let mut emptied = Vec::new();
        all.retain(|column| {
            let cohort = &mut cohorts[column.cohort as usize];
            let stays = keep(column.id, &cohort.standing);
            if !stays {
                cohort.members -= 1;
                if cohort.members == 0 {
                    emptied.push(column.cohort);
                }
            }
            stays
        });
        self.free.extend(emptied);
        self.shrink();
    }

    pub(super) fn shrink(&mut self) {
        self.all.shrink_to_fit();
    }

    fn change(&mut self, at: usize, to: u32) {
        let from = std::mem::replace(&mut self.all[at].cohort, to);
        self.cohorts[to as usize].members += 1;
        let left = &mut self.cohorts[from as usize].members;
        *left -= 1;
        if *left == 0 {
            self.free.push(from);
        }
    }

    /// A cohort of this standing.
    fn find(&mut self, standing: Standing) -> u32 {
        let is_meant = |cohort: &Cohort| cohort.members > 0 && cohort.standing == standing;
        if let Some(at) = self.cohorts.iter().take(FEW).position(is_meant) {
            return number(at);
        }
        if self.cohorts.len() - self.free.len() >= (2 * self.after_merge).max(FEW) {
            self.merge_equal();
        }
        self.create(standing)
    }

    /// A new cohort, which somebody joins at once.
    fn create(&mut self, standing: Standing) -> u32 {
        let members = 0;
        let cohort = Cohort { standing, members };
        if let Some(free) = self.free.pop() {
            self.cohorts[free as usize] = cohort;
            return free;
        }
        self.cohorts.push(cohort);
        number(self.cohorts.len() - 1)
    }

    /// Makes one of cohorts that stand alike.
    fn merge_equal(&mut self) {
        let mut known: HashMap<_, u32> = HashMap::new();
        let mut merged: Vec<Cohort> = Vec::new();
        for column in &mut self.all {
            let standing = self.cohorts[column.cohort as usize].standing;
            let key = (standing.tally.key(), standing.saved, standing.counted);
            let to = *known.entry(key).or_insert_with(|| {
                merged.push(Cohort {
                    standing,
                    members: 0,
                });
                number(merged.len() - 1)
            });
            merged[to as usize].members += 1;
            column.cohort = to;
        }
        self.after_merge = merged.len();
        self.cohorts = merged;
        self.free = Vec::new();
    }
}

/// Takes the newest value out of a standing.
fn split(standing: Standing) -> (Standing, f64) {
    let latest = standing.tally.latest().map_or(0.0, |latest| latest.value);
    let tally = standing.tally.with_value(0.0);
    (Standing { tally, ..standing }, latest)
}

fn number(at: usize) -> u32 {
    // There are no more cohorts than series, and these have numbers of 32 bits.
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use system_stats_model::sample::STALE;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// Samples of these series, late by so much, of a value; markers where it is below 0.
        Count(Vec<u32>, i64, i8),
        Set(u32, i64),
        Remove(u32),
        Insert(u32),
        MergeEqual,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (
                prop::collection::btree_set(0u32..40, 1..40),
                -3i64..3,
                any::<i8>()
            )
                .prop_map(|(ids, late, value)| Step::Count(
                    ids.into_iter().collect(),
                    late,
                    value
                )),
            (0u32..40, 0i64..50).prop_map(|(id, at)| Step::Set(id, at)),
            (0u32..40).prop_map(Step::Remove),
            (0u32..40).prop_map(Step::Insert),
            Just(Step::MergeEqual),
        ]
    }

    proptest! {
        #[test]
        fn each_series_has_its_own_tally(steps in prop::collection::vec(step(), 1..60)) {
            let mut columns = Columns::default();
            let mut model: BTreeMap<u32, (Tally, bool)> = BTreeMap::new();
            for (now, step) in (10i64..).zip(steps) {
                match step {
                    Step::Count(ids, late, value) => {
                        let mut moment = Moment::new(now - late);
                        let of_nth = |nth: i32| {
                            if value < 0 && nth % 3 == 0 { STALE } else { f64::from(value) + f64::from(nth) }
                        };
                        let whole = value % 2 == 0;
                        if whole {
                            let values: Vec<f64> = (0..).take(ids.len()).map(of_nth).collect();
                            columns.count_row(&ids, &values, &mut moment);
                        }
                        for (id, nth) in ids.into_iter().zip(0i32..) {
                            let Some(at) = columns.position(id, 0) else { continue };
                            let value = of_nth(nth);
                            if !whole {
                                columns.count(at, value, &mut moment);
                            }
                            let of = model.get_mut(&id).unwrap();
                            of.0.count(now - late, value);
                            of.1 = true;
                        }
                    }
                    Step::Set(id, at) => {
                        let Some(place) = columns.position(id, 0) else { continue };
                        let mut tally = Tally::default();
                        tally.count(at, at as f64);
                        columns.set(place, tally, true);
                        model.get_mut(&id).unwrap().0 = tally;
                    }
                    Step::Remove(id) => {
                        columns.retain(|other, _| other != id);
                        model.remove(&id);
                    }
                    Step::Insert(id) => {
                        if model.insert(id, (Tally::default(), false)).is_some() {
                            columns.retain(|other, _| other != id);
                        }
                        columns.insert(id, Standing::new(false));
                    }
                    Step::MergeEqual => columns.merge_equal(),
                }
                let have: Vec<_> = columns.iter().map(|(id, of, tally)| (id, (tally, of.saved))).collect();
                let expected: Vec<_> = model.iter().map(|(id, of)| (*id, *of)).collect();
                prop_assert_eq!(have, expected);
                let living = columns.cohorts.len() - columns.free.len();
                let members: u32 = columns.cohorts.iter().map(|cohort| cohort.members).sum();
                prop_assert!(living <= columns.len() && members as usize == columns.len());
            }
        }
    }

    #[test]
    fn series_with_the_same_moments_are_one_cohort() {
        let mut columns = Columns::default();
        (0..1000).for_each(|id| columns.insert(id, Standing::new(true)));
        for timestamp in 0..100 {
            let mut moment = Moment::new(timestamp);
            (0..1000).for_each(|at| columns.count(at, at as f64, &mut moment));
        }
        columns.shrink();
        assert_eq!(columns.cohorts.len(), 2);
        assert!(columns.bytes() < 17 * 1000);
        // What is set apart, series by series, is found again too.
        for (at, timestamp) in (0..1000).zip(1400..) {
            let mut tally = columns.tally(at);
            tally.count(timestamp / 7, 0.0);
            columns.set(at, tally, true);
        }
        columns.merge_equal();
        assert_eq!(columns.cohorts.len(), 143);
    }
}
