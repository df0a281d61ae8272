//! A tile: several rows of a window, turned into one clock and encoded columns.

mod aligned;
mod listed;

use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use super::row::Row;
use crate::column::{Cell, Parts, decode_cells, encode_cells, is_whole};
use crate::varint::Malformed;

use aligned::Aligned;
use listed::{ListWriter, Listed};

/// A column of a tile cannot be read.
pub(crate) type DecodeError = Malformed;

/// Rows, encoded. Immutable.
#[derive(Debug)]
pub(crate) struct Tile {
    /// The start of the window; the clock counts from it.
    start: Millis,
    /// Milliseconds since `start`, strictly ascending; never empty.
    clock: Arc<[u32]>,
    /// The series, ascending; never empty.
    ids: Arc<[u32]>,
    columns: Listed,
    samples: usize,
}

impl Tile {
    /// Encodes what is in `tiles` and `rows`, all of the window that begins at `start`, without
    /// the samples for which `drop(id, time)` holds. Where two have a sample of a series at the
    /// same time, the earlier in the lists counts. `None` if nothing is left.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub(super) fn merge(
        start: Millis,
        tiles: &[Arc<Self>],
        rows: &[Arc<Row>],
        drop: Option<&dyn Fn(u32, Millis) -> bool>,
    ) -> Result<Option<Self>, DecodeError> {
        let (clock, ids) = outline(start, tiles, rows);
        let mut columns = ListWriter::default();
        let mut kept = Vec::with_capacity(ids.len());
        let mut column = Vec::new();
        let mut cells: Vec<Cell> = Vec::new();
        let mut scratch = Scratch::default();
        let mut samples = 0;
        let aligned = drop.is_none().then(|| Aligned::of(&ids, tiles, rows));
        let mut aligned = aligned.flatten();
        for (at, &id) in ids.iter().enumerate() {
            column.clear();
            if let Some(aligned) = &mut aligned
                && aligned.encode(at, &mut column, &mut scratch.values)?
            {
                columns.push(&column);
                kept.push(id);
                samples += clock.len();
                continue;
            }
            cells.clear();
            gather(id, start, &clock, tiles, rows, &mut cells, &mut scratch)?;
            if let Some(drop) = drop {
                cells.retain(|&(row, _)| !drop(id, start + Millis::from(clock[row as usize])));
            }
            if !cells.is_empty() {
                kept.push(id);
                samples += cells.len();
                encode_cells(&cells, clock.len(), &mut column, &mut scratch.values);
                columns.push(&column);
            }
        }
        if kept.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            start,
            clock: clock.into(),
            ids: if kept.len() == ids.len() {
                ids
            } else {
                kept.into()
            },
            columns: columns.finish(),
            samples,
        }))
    }

    pub(crate) fn range(&self) -> TimeRange {
        TimeRange {
            start: self.start + Millis::from(self.clock.first().copied().unwrap_or_default()),
            end: self.last(),
        }
    }

    pub(crate) fn last(&self) -> Millis {
        self.start + Millis::from(self.clock.last().copied().unwrap_or_default())
    }

    pub(crate) fn rows(&self) -> usize {
        self.clock.len()
    }

    pub(crate) fn samples(&self) -> usize {
        self.samples
    }

    pub(crate) fn ids(&self) -> &Arc<[u32]> {
        &self.ids
    }

    /// Memory, without the shared list of ids.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.clock.len() * 4 + self.columns.bytes()
    }

    /// Appends the samples of a series, oldest first; nothing if it has none here.
    pub(crate) fn read(
        &self,
        id: u32,
        timestamps: &mut Vec<Millis>,
        values: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let Some(column) = self.column(id) else {
            return Ok(());
        };
        let time = |since: &u32| self.start + Millis::from(*since);
        decode_cells(Parts::from(column), self.clock.len(), values, &mut |rows| {
            let rows = rows.start as usize..rows.end as usize;
            timestamps.extend(self.clock[rows].iter().map(time));
        })
    }

    /// Appends the values of a series if it has one in every row; whether it has.
    pub(super) fn read_whole(&self, id: u32, values: &mut Vec<f64>) -> Result<bool, DecodeError> {
        let column = self.column(id).filter(|column| is_whole(column));
        let Some(column) = column else {
            return Ok(false);
        };
        decode_cells(Parts::from(column), self.clock.len(), values, &mut |_| ())?;
        Ok(true)
    }

    /// The value of a series at a moment.
    pub(super) fn at(&self, id: u32, timestamp: Millis) -> Result<Option<f64>, DecodeError> {
        let offset = u32::try_from(timestamp - self.start).ok();
        let Some(row) = offset.and_then(|offset| self.clock.binary_search(&offset).ok()) else {
            return Ok(None);
        };
        let Some(column) = self.column(id) else {
            return Ok(None);
        };
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        decode_cells(
            Parts::from(column),
            self.clock.len(),
            &mut values,
            &mut |some| {
                rows.extend(some);
            },
        )?;
        let found = rows.iter().position(|&at| at as usize == row);
        Ok(found.and_then(|at| values.get(at).copied()))
    }

    fn column(&self, id: u32) -> Option<&[u8]> {
        self.columns.get(self.ids.binary_search(&id).ok()?)
    }
}

/// Kept between columns so that they do not allocate.
#[derive(Default)]
struct Scratch {
    timestamps: Vec<Millis>,
    values: Vec<f64>,
}

/// Every moment, since `start`, and every series; both ascending.
pub(super) fn outline(
    start: Millis,
    tiles: &[Arc<Tile>],
    rows: &[Arc<Row>],
) -> (Vec<u32>, Arc<[u32]>) {
    (clock(start, tiles, rows), ids(tiles, rows))
}

fn clock(start: Millis, tiles: &[Arc<Tile>], rows: &[Arc<Row>]) -> Vec<u32> {
    let since = |timestamp: Millis| u32::try_from(timestamp - start).unwrap_or(u32::MAX);
    let mut clock: Vec<u32> = tiles.iter().flat_map(|t| t.clock.iter().copied()).collect();
    clock.extend(rows.iter().map(|row| since(row.timestamp)));
    clock.sort_unstable();
    clock.dedup();
    clock
}

/// The union of the series, the list of a source itself where all have the same.
fn ids(tiles: &[Arc<Tile>], rows: &[Arc<Row>]) -> Arc<[u32]> {
    let mut lists: Vec<&Arc<[u32]>> = Vec::new();
    for ids in tiles
        .iter()
        .map(|t| &t.ids)
        .chain(rows.iter().map(|r| &r.ids))
    {
        if !lists
            .iter()
            .rev()
            .take(4)
            .any(|have| Arc::ptr_eq(have, ids))
        {
            lists.push(ids);
        }
    }
    if let Some((first, rest)) = lists.split_first()
        && rest.iter().all(|ids| ids == first)
    {
        return Arc::clone(first);
    }
    let mut union: Vec<u32> = lists.iter().flat_map(|ids| ids.iter().copied()).collect();
    union.sort_unstable();
    union.dedup();
    union.into()
}

/// Collects the samples of a series from all sources, ascending by row.
fn gather(
    id: u32,
    start: Millis,
    clock: &[u32],
    tiles: &[Arc<Tile>],
    rows: &[Arc<Row>],
    cells: &mut Vec<Cell>,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let mut place = |timestamp: Millis, value: f64, from: &mut usize| {
        let offset = u32::try_from(timestamp - start).unwrap_or(u32::MAX);
        // Sources are ascending, so the place is at or soon after the last one.
        let at = match clock.get(*from) {
            Some(&next) if next == offset => Some(*from),
            _ => clock.binary_search(&offset).ok(),
        };
        if let Some(at) = at {
            *from = at + 1;
            cells.push((u32::try_from(at).unwrap_or(u32::MAX), value));
        }
    };
    let mut from = 0;
    for tile in tiles {
        scratch.timestamps.clear();
        scratch.values.clear();
        tile.read(id, &mut scratch.timestamps, &mut scratch.values)?;
        for (&timestamp, &value) in scratch.timestamps.iter().zip(&scratch.values) {
            place(timestamp, value, &mut from);
        }
    }
    let mut guess: Option<(&Arc<[u32]>, Option<usize>)> = None;
    for row in rows {
        let at = match guess {
            Some((ids, at)) if Arc::ptr_eq(ids, &row.ids) => at,
            _ => row.ids.binary_search(&id).ok(),
        };
        guess = Some((&row.ids, at));
        if let Some(&value) = at.and_then(|at| row.values.get(at)) {
            place(row.timestamp, value, &mut from);
        }
    }
    if !cells.is_sorted_by(|a, b| a.0 < b.0) {
        cells.sort_by_key(|&(row, _)| row);
        cells.dedup_by_key(|&mut (row, _)| row);
    }
    Ok(())
}
