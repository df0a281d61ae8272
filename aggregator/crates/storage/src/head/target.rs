//! A target: its series' statistics, its windows, the state of its journal.

mod columns;
mod removal;
mod scrape;
mod slot;

pub(crate) use slot::Slot;

use columns::{Columns, Moment, Standing};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use system_stats_model::append::{Outcome, Row as Incoming, SeriesId};
use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, TimeRange};

use super::policy::{Policy, Verdict};
use super::row::Row;
use super::tally::Tally;
use super::window::Window;
use super::window_of;
use crate::journal::Chain;

/// A series that has got its first sample.
#[derive(Debug)]
pub(crate) struct Unsaved {
    pub(crate) id: u32,
    pub(crate) labels: Labels,
    /// The time of that sample.
    pub(crate) first: Millis,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    pub(crate) outcome: Outcome,
    /// What was new, ascending in time: this goes into the journal.
    pub(crate) rows: Vec<Arc<Row>>,
    /// Series that the journal has not named before.
    pub(crate) unsaved: Vec<Unsaved>,
}

/// The part of a target that its lock guards.
#[derive(Debug, Default)]
pub(crate) struct TargetHead {
    columns: Columns,
    /// By start of the window.
    slots: BTreeMap<Millis, Slot>,
    /// The series of the newest row, to be shared with the next.
    layout: Option<Arc<[u32]>>,
    /// The labels of the series that are not saved, by id.
    fresh: HashMap<u32, Labels>,
    pub(crate) chain: Chain,
    /// Whether the tables name it already, or the batch being filled does.
    pub(crate) saved: bool,
    /// Whether it has been forgotten; nothing may be added.
    pub(crate) forgotten: bool,
    /// From when on its samples belong to another target with the same labels.
    pub(crate) moves_at: Option<Millis>,
    /// The time of the newest row that has been in memory since the start.
    pub(crate) newest: Option<Millis>,
}

impl TargetHead {
    /// Adds a new series: its id is above all before. `unsaved` are the labels, for one that the
    /// tables do not name yet.
    pub(crate) fn add(&mut self, id: u32, unsaved: Option<Labels>) {
        self.columns.insert(id, Standing::new(unsaved.is_none()));
        if let Some(labels) = unsaved {
            self.fresh.insert(id, labels);
        }
    }

    /// Adds series that the tables name. Their ids ascend, and are above all before.
    pub(crate) fn add_saved(&mut self, ids: &[u32]) {
        for &id in ids {
            self.add(id, None);
        }
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// What is kept of the series beside their samples, in bytes.
    pub(crate) fn series_bytes(&self) -> usize {
        self.columns.bytes() + self.chain.bytes()
    }

    /// What a series adds up to, in blocks and here.
    pub(crate) fn tally(&self, id: u32) -> Option<Tally> {
        let at = self.columns.position(id, 0)?;
        Some(self.columns.tally(at))
    }

    /// Whether all samples of a series are in its tally.
    pub(crate) fn is_counted(&self, id: u32) -> bool {
        let at = self.columns.position(id, 0);
        at.is_some_and(|at| self.columns.standing(at).counted)
    }

    /// Adds what blocks hold of a series to what is known of it.
    pub(crate) fn add_tally(&mut self, id: u32, tally: &Tally) {
        if let Some(at) = self.columns.position(id, 0) {
            let mut sum = self.columns.tally(at);
            sum.merge(tally);
            let counted = self.columns.standing(at).counted;
            self.columns.set(at, sum, counted);
        }
    }

    /// The windows that overlap `range`, oldest first; those of the same hour may interleave.
    pub(crate) fn windows(&self, range: TimeRange) -> Vec<Arc<Window>> {
        // The first may begin before the range does.
        let from = window_of(range.start.max(0));
        let to = range.end.max(from);
        let slots = self.slots.range(from..=to);
        slots
            .flat_map(|(_, slot)| slot.windows().cloned())
            .collect()
    }

    /// When the first window begins that does not begin before `from`.
    pub(crate) fn next(&self, from: Millis) -> Option<Millis> {
        self.slots.range(from..).next().map(|(start, _)| *start)
    }

    /// Takes a batch: all samples that `policy` allows.
    ///
    /// # Errors
    /// A series that is not this target's; nothing has changed then.
    pub(crate) fn append(
        &mut self,
        incoming: &[Incoming],
        policy: Policy,
    ) -> Result<Appended, SeriesId> {
        if let Some(appended) = self.append_scrape(incoming, policy) {
            return Ok(appended);
        }
        let cells = self.locate(incoming)?;
        let mut appended = Appended::default();
        for group in cells.chunk_by(|a, b| a.timestamp == b.timestamp) {
            self.append_moment(group, policy, &mut appended);
        }
        Ok(appended)
    }

    /// Notes which commit brings the rows of a batch.
    pub(crate) fn note(&mut self, rows: &[Arc<Row>], seq: u64) {
        let mut last = None;
        for row in rows {
            let start = window_of(row.timestamp);
            if last.replace(start) != Some(start)
                && let Some(slot) = self.slots.get_mut(&start)
            {
                slot.note(seq);
            }
        }
    }

    /// Takes what row `seq` of the journal holds, with neither policy nor record.
    pub(crate) fn replay(&mut self, mut row: Row, seq: u64) {
        let mut guess = 0;
        let mut refused = Vec::new();
        let mut moment = Moment::new(row.timestamp);
        for (id, value) in row.iter() {
            match self.columns.position(id, guess) {
                Some(at) if self.has_room(at, row.timestamp) => {
                    self.columns.count(at, value, &mut moment);
                    guess = at + 1;
                }
                _ => refused.push(id),
            }
        }
        if !refused.is_empty() {
            let rest = row.without(&|id| refused.binary_search(&id).is_ok());
            let Some(rest) = rest else { return };
            row = rest;
        }
        row.ids = self.share(&row.ids);
        let row = Arc::new(row);
        self.insert(Arc::clone(&row));
        self.note(&[row], seq);
    }

    /// Whether a series has nothing at that moment. There is something only when the row of the
    /// journal that removed it could not be read.
    fn has_room(&self, column: usize, timestamp: Millis) -> bool {
        Some(timestamp) > self.columns.standing(column).latest_at()
            || matches!(self.at(self.columns.id(column), timestamp), Ok(None))
    }

    /// Finds the columns, and sorts by time and series.
    fn locate(&self, incoming: &[Incoming]) -> Result<Vec<Cell>, SeriesId> {
        let mut guess = 0;
        let mut cells = Vec::with_capacity(incoming.len());
        for row in incoming {
            let id = u32::try_from(row.series.0).ok();
            let column = id.and_then(|id| self.columns.position(id, guess));
            let column = column.ok_or(row.series)?;
            guess = column + 1;
            cells.push(Cell {
                timestamp: row.timestamp,
                column,
                value: row.value,
            });
        }
        if !cells.is_sorted_by_key(Cell::place) {
            cells.sort_by_key(Cell::place);
        }
        Ok(cells)
    }

    fn append_moment(&mut self, cells: &[Cell], policy: Policy, appended: &mut Appended) {
        let Some(&Cell { timestamp, .. }) = cells.first() else {
            return;
        };
        let mut ids = Vec::with_capacity(cells.len());
        let mut values: Vec<f64> = Vec::with_capacity(cells.len());
        let mut moment = Moment::new(timestamp);
        for cell in cells {
            let id = self.columns.id(cell.column);
            let standing = self.columns.standing(cell.column);
            // A late sample that the batch brings twice is not in the window yet.
            let twice = ids.last() == Some(&id);
            let have = match policy.judge(timestamp, standing.latest_at()) {
                Verdict::Append => None,
                Verdict::Again if standing.counted => Some(self.columns.latest(cell.column)),
                Verdict::Late | Verdict::Again if twice => values.last().copied(),
                Verdict::Late | Verdict::Again => match self.at(id, timestamp) {
                    Ok(have) => have,
                    // Unreadable memory; whatever is there stays.
                    Err(_) => Some(f64::NAN),
                },
                Verdict::Outside => {
                    appended.outcome.out_of_order += 1;
                    continue;
                }
            };
            match have {
                None => {
                    ids.push(id);
                    values.push(cell.value);
                    if !standing.saved {
                        self.name(id, timestamp, &mut appended.unsaved);
                    }
                    self.columns.count(cell.column, cell.value, &mut moment);
                    appended.outcome.stored += 1;
                }
                Some(have) if have.to_bits() == cell.value.to_bits() => {
                    appended.outcome.stored += 1;
                }
                Some(_) => appended.outcome.duplicate += 1,
            }
        }
        if ids.is_empty() {
            return;
        }
        let row = Arc::new(Row {
            timestamp,
            ids: self.share(&ids),
            values: values.into(),
        });
        appended.rows.push(Arc::clone(&row));
        self.insert(row);
    }

    /// Notes that a series has its first sample.
    fn name(&mut self, id: u32, first: Millis, unsaved: &mut Vec<Unsaved>) {
        if let Some(labels) = self.fresh.remove(&id) {
            unsaved.push(Unsaved { id, labels, first });
        }
        if self.fresh.is_empty() {
            // A target names its series once, nearly always.
            self.fresh = HashMap::new();
            self.columns.shrink();
        }
    }

    fn at(&self, id: u32, timestamp: Millis) -> Result<Option<f64>, super::DecodeError> {
        let slot = self.slots.get(&window_of(timestamp));
        for window in slot.into_iter().flat_map(Slot::windows) {
            if let Some(value) = window.at(id, timestamp)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn insert(&mut self, row: Arc<Row>) {
        let start = window_of(row.timestamp);
        self.newest = self.newest.max(Some(row.timestamp));
        let slot = self.slots.entry(start);
        slot.or_insert_with(|| Slot::new(start)).insert(row);
    }

    /// The list of ids, the one of the row before if it is the same.
    fn share(&mut self, ids: &[u32]) -> Arc<[u32]> {
        match &self.layout {
            Some(layout) if **layout == *ids => Arc::clone(layout),
            _ => Arc::clone(self.layout.insert(ids.into())),
        }
    }
}

/// A sample that has found its column.
#[derive(Clone, Copy, Debug)]
struct Cell {
    timestamp: Millis,
    column: usize,
    value: f64,
}

impl Cell {
    fn place(&self) -> (Millis, usize) {
        (self.timestamp, self.column)
    }
}
