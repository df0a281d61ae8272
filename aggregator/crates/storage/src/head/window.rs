//! A window: what one target has in one hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use super::WINDOW;
use super::open::OpenRows;
use super::row::Row;
use super::tile::{self, DecodeError, Tile};

/// So many rows are kept before they become a tile.
const OPEN_ROWS: usize = 16;

/// So many tiles of about the same size become one.
const TILES_OF_A_SIZE: usize = 4;

/// So many late samples at least before everything is merged. Beyond it a quarter of what is
/// encoded, so that each sample is encoded a bounded number of times, whatever order they come in.
const LATE_SAMPLES: usize = 256;

/// One target's samples of one window. Cloning copies pointers.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    start: Millis,
    /// Encoded rows, ascending, none overlapping another in time.
    tiles: Vec<Arc<Tile>>,
    /// Rows after the last tile, ascending.
    open: OpenRows,
    /// Rows that came when their time was encoded already; no sample of them is in a tile.
    late: BTreeMap<Millis, Arc<Row>>,
    late_samples: usize,
}

impl Window {
    pub(crate) fn new(start: Millis) -> Self {
        Self {
            start,
            tiles: Vec::new(),
            open: OpenRows::default(),
            late: BTreeMap::new(),
            late_samples: 0,
        }
    }

    pub(crate) fn range(&self) -> TimeRange {
        TimeRange {
            start: self.start,
            end: self.start + WINDOW - 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tiles.is_empty() && self.open.is_empty() && self.late.is_empty()
    }

    /// Adds a row of samples that are not there yet.
    pub(crate) fn insert(&mut self, row: Arc<Row>) {
        if self
            .tiles
            .last()
            .is_some_and(|tile| row.timestamp <= tile.last())
        {
            self.late_samples += row.ids.len();
            match self.late.get_mut(&row.timestamp) {
                Some(have) => Arc::make_mut(have).merge(&row),
                None => drop(self.late.insert(row.timestamp, row)),
            }
            let encoded: usize = self.tiles.iter().map(|tile| tile.samples()).sum();
            if self.late_samples >= LATE_SAMPLES.max(encoded / 4) {
                self.absorb();
            }
            return;
        }
        self.open.insert(row);
        if self.open.len() > OPEN_ROWS {
            self.seal();
        }
    }

    /// What some windows that begin at `start` hold, as one tile; of one moment of a series the
    /// sample of the first window counts. None if they hold nothing.
    ///
    /// # Errors
    /// When memory is broken.
    pub(crate) fn whole(
        start: Millis,
        windows: &[Arc<Self>],
    ) -> Result<Option<Arc<Tile>>, DecodeError> {
        if let [one] = windows
            && let [tile] = &one.tiles[..]
            && one.is_whole()
        {
            return Ok(Some(Arc::clone(tile)));
        }
        let (tiles, rows) = parts(windows);
        Ok(Tile::merge(start, &tiles, &rows, None)?.map(Arc::new))
    }

    /// The moments of windows that begin at `start`, since then, and their series; both ascending.
    pub(crate) fn outline(start: Millis, windows: &[Arc<Self>]) -> (Vec<u32>, Arc<[u32]>) {
        let (tiles, rows) = parts(windows);
        tile::outline(start, &tiles, &rows)
    }

    /// The same with its open rows as a tile, which is quicker to read series by series.
    pub(crate) fn sealed(self: &Arc<Self>) -> Arc<Self> {
        if self.open.is_empty() {
            return Arc::clone(self);
        }
        match Tile::merge(self.start, &[], &self.open.rows(), None) {
            Ok(tile) => {
                let mut sealed = Self::clone(self);
                sealed.open = OpenRows::default();
                sealed.tiles.extend(tile.map(Arc::new));
                Arc::new(sealed)
            }
            Err(reason) => {
                report(&reason);
                Arc::clone(self)
            }
        }
    }

    /// Whether it is one tile.
    pub(crate) fn is_whole(&self) -> bool {
        self.open.is_empty() && self.late.is_empty() && self.tiles.len() <= 1
    }

    /// The same as one tile, which takes less memory.
    ///
    /// # Errors
    /// When memory is broken.
    pub(crate) fn tightened(self: &Arc<Self>) -> Result<Self, DecodeError> {
        let tile = Self::whole(self.start, std::slice::from_ref(self))?;
        Ok(Self {
            tiles: tile.into_iter().collect(),
            ..Self::new(self.start)
        })
    }

    /// The value of a series at a moment.
    pub(crate) fn at(&self, id: u32, timestamp: Millis) -> Result<Option<f64>, DecodeError> {
        if let Some(value) = self.open.at(id, timestamp) {
            return Ok(Some(value));
        }
        if let Some(value) = self.late.get(&timestamp).and_then(|row| row.get(id)) {
            return Ok(Some(value));
        }
        let at = self.tiles.partition_point(|tile| tile.last() < timestamp);
        self.tiles
            .get(at)
            .map_or(Ok(None), |tile| tile.at(id, timestamp))
    }

    /// Appends the samples of a series that lie in `range`, oldest first.
    pub(crate) fn read(
        &self,
        id: u32,
        range: TimeRange,
        timestamps: &mut Vec<Millis>,
        values: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let start = timestamps.len();
        for tile in &self.tiles {
            if range.overlaps(tile.range()) {
                tile.read(id, timestamps, values)?;
            }
        }
        self.weave_late(id, start, timestamps, values);
        self.open.read(id, timestamps, values);
        cut(range, start, timestamps, values);
        Ok(())
    }

    /// Appends the values of a series if it has one at every moment; false if not, with some of them
    /// perhaps.
    pub(crate) fn read_whole(&self, id: u32, values: &mut Vec<f64>) -> Result<bool, DecodeError> {
        if !self.late.is_empty() || !self.open.is_empty() {
            return Ok(false);
        }
        for tile in &self.tiles {
            if !tile.read_whole(id, values)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes samples: of the series for which `of` holds, inside `range`.
    pub(crate) fn remove(&mut self, of: &dyn Fn(u32) -> bool, range: TimeRange) {
        let drop = |id: u32, timestamp: Millis| range.contains(timestamp) && of(id);
        let start = self.start;
        let without = |tile: Arc<Tile>| {
            if !range.overlaps(tile.range()) || !tile.ids().iter().any(|&id| of(id)) {
                return Some(tile);
            }
            let (whole, ids) = (tile.range(), tile.ids());
            let is_whole = range.contains(whole.start) && range.contains(whole.end);
            if is_whole && ids.iter().all(|&id| of(id)) {
                return None;
            }
            match Tile::merge(start, std::slice::from_ref(&tile), &[], Some(&drop)) {
                Ok(rest) => rest.map(Arc::new),
                Err(reason) => {
                    report(&reason);
                    Some(tile)
                }
            }
        };
        self.tiles = std::mem::take(&mut self.tiles)
            .into_iter()
            .filter_map(without)
            .collect();
        let keep = |row: Arc<Row>| {
            if range.contains(row.timestamp) && row.ids.iter().any(|&id| of(id)) {
                row.without(of).map(Arc::new)
            } else {
                Some(row)
            }
        };
        let open = self.open.rows().into_iter().filter_map(keep);
        let mut open: Vec<_> = open.collect();
        let late = std::mem::take(&mut self.late)
            .into_values()
            .filter_map(keep);
        self.late = late.map(|row| (row.timestamp, row)).collect();
        // With its tile gone a late row is late no more: it has its place before the open ones.
        let after = self.tiles.last().map_or(start, |tile| tile.last() + 1);
        let no_longer_late = self.late.split_off(&after).into_values();
        open.splice(..0, no_longer_late);
        self.open = OpenRows::of(open);
        self.late_samples = self.late.values().map(|row| row.ids.len()).sum();
    }

    /// How many samples there are, staleness markers included.
    pub(crate) fn samples(&self) -> usize {
        let late = self.late.values().map(|row| &row.ids);
        let rows = self.open.ids().chain(late);
        self.tiles.iter().map(|tile| tile.samples()).sum::<usize>()
            + rows.map(|ids| ids.len()).sum::<usize>()
    }

    /// Memory, the lists of ids counted once per run of sharers.
    pub(crate) fn bytes(&self) -> usize {
        let mut bytes = size_of::<Self>();
        let mut last: Option<&Arc<[u32]>> = None;
        let listed = |ids: &Arc<[u32]>, shared: bool| if shared { 0 } else { ids.len() * 4 };
        for tile in &self.tiles {
            bytes += tile.bytes();
            bytes += listed(
                tile.ids(),
                last.is_some_and(|last| Arc::ptr_eq(last, tile.ids())),
            );
            last = Some(tile.ids());
        }
        bytes += self.open.bytes();
        for row in self.late.values() {
            bytes += size_of::<Row>() + row.values.len() * 8;
        }
        for ids in self
            .open
            .ids()
            .chain(self.late.values().map(|row| &row.ids))
        {
            bytes += listed(ids, last.is_some_and(|last| Arc::ptr_eq(last, ids)));
            last = Some(ids);
        }
        bytes
    }

    /// Every series that has a sample here, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let rows = self
            .open
            .ids()
            .chain(self.late.values().map(|row| &row.ids));
        let mut lists: Vec<&Arc<[u32]>> = self.tiles.iter().map(|t| t.ids()).chain(rows).collect();
        lists.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut ids: Vec<u32> = lists.iter().flat_map(|ids| ids.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Turns the open rows into a tile, and tiles of a size into one.
    fn seal(&mut self) {
        // The newest row stays: the next batch may belong to the same moment.
        let Some((rows, newest)) = self.open.split_last() else {
            return;
        };
        let from = self.run_of_rows();
        match Tile::merge(self.start, &self.tiles[from..], &rows, None) {
            Ok(sealed) => {
                self.open = OpenRows::of([newest]);
                self.tiles.truncate(from);
                self.tiles.extend(sealed.map(Arc::new));
            }
            Err(reason) => report(&reason),
        }
        while let Some(from) = self.run_of_a_size() {
            match Tile::merge(self.start, &self.tiles[from..], &[], None) {
                Ok(merged) => {
                    self.tiles.truncate(from);
                    self.tiles.extend(merged.map(Arc::new));
                }
                Err(reason) => return report(&reason),
            }
        }
    }

    /// Where the tiles begin that would become one with that of the open rows, and so do so at
    /// once.
    fn run_of_rows(&self) -> usize {
        let from = self.tiles.len().checked_sub(TILES_OF_A_SIZE - 1);
        let is_run = |from: &usize| self.tiles[*from..].iter().all(|tile| size(tile) == 0);
        from.filter(is_run).unwrap_or(self.tiles.len())
    }

    /// Where the tiles begin that are to become one, if the last few are of a size.
    fn run_of_a_size(&self) -> Option<usize> {
        let from = self.tiles.len().checked_sub(TILES_OF_A_SIZE)?;
        let last = size(self.tiles.last()?);
        let run = &self.tiles[from..];
        run.iter().all(|tile| size(tile) <= last).then_some(from)
    }

    /// Merges the late rows into the tiles.
    fn absorb(&mut self) {
        let late: Vec<_> = self.late.values().cloned().collect();
        match Tile::merge(self.start, &self.tiles, &late, None) {
            Ok(merged) => {
                self.late.clear();
                self.late_samples = 0;
                self.tiles = merged.map(Arc::new).into_iter().collect();
            }
            Err(reason) => report(&reason),
        }
    }

    fn weave_late(
        &self,
        id: u32,
        start: usize,
        timestamps: &mut Vec<Millis>,
        values: &mut Vec<f64>,
    ) {
        let late = self.late.values();
        let late = late.filter_map(|row| Some((row.timestamp, row.get(id)?)));
        let mut late = late.peekable();
        if late.peek().is_none() {
            return;
        }
        let encoded = timestamps.split_off(start).into_iter();
        for (timestamp, value) in encoded.zip(values.split_off(start)) {
            while let Some((timestamp, value)) = late.next_if(|(late, _)| *late < timestamp) {
                timestamps.push(timestamp);
                values.push(value);
            }
            timestamps.push(timestamp);
            values.push(value);
        }
        for (timestamp, value) in late {
            timestamps.push(timestamp);
            values.push(value);
        }
    }
}

/// How often tiles have become one to make this.
fn size(tile: &Arc<Tile>) -> u32 {
    (tile.rows() / OPEN_ROWS).max(1).ilog(TILES_OF_A_SIZE)
}

/// The tiles and the rows of some windows.
fn parts(windows: &[Arc<Window>]) -> (Vec<Arc<Tile>>, Vec<Arc<Row>>) {
    let (mut tiles, mut rows) = (Vec::new(), Vec::new());
    for window in windows {
        tiles.extend_from_slice(&window.tiles);
        rows.extend(window.late.values().cloned());
        rows.extend(window.open.rows());
    }
    (tiles, rows)
}

/// What is in memory was written by this process: if it cannot be read, memory is broken. The data
/// stays as it is.
fn report(reason: &DecodeError) {
    tracing::error!(%reason, "samples in memory cannot be read");
}

/// Removes what lies outside `range` from the samples from `start` on.
pub(crate) fn cut(
    range: TimeRange,
    start: usize,
    timestamps: &mut Vec<Millis>,
    values: &mut Vec<f64>,
) {
    let end = start + timestamps[start..].partition_point(|&ts| ts <= range.end);
    timestamps.truncate(end);
    values.truncate(end);
    let begin = start + timestamps[start..].partition_point(|&ts| ts < range.start);
    timestamps.drain(start..begin);
    values.drain(start..begin);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u32, timestamp: Millis) -> Arc<Row> {
        Arc::new(Row {
            timestamp,
            ids: Arc::from([id]),
            values: Box::from([1.0]),
        })
    }

    #[test]
    fn a_late_row_whose_tile_is_removed_is_read_in_its_place() {
        let (gone, stays) = (1, 2);
        let mut window = Window::new(0);
        for at in 0..=OPEN_ROWS {
            window.insert(row(gone, 1000 * Millis::try_from(at).unwrap()));
        }
        window.insert(row(stays, 5500));
        assert!(!window.tiles.is_empty() && !window.late.is_empty());
        window.remove(&|id| id == gone, window.range());
        window.insert(row(stays, 5000));
        window.insert(row(stays, 6000));
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        window
            .read(stays, window.range(), &mut timestamps, &mut values)
            .unwrap();
        assert_eq!(timestamps, [5000, 5500, 6000]);
        assert_eq!(window.at(stays, 5500).unwrap(), Some(1.0));
    }
}
