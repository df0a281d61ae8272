//! Merging what nearly always is to be merged: sources that have the same series and follow each
//! other in time. Nothing has to be looked for then, and what stays the same needs not be encoded.

use std::sync::Arc;

use super::{DecodeError, Tile};
use crate::column::{Parts, decode_cells, encode_whole, is_constant, is_whole};
use crate::head::row::Row;

/// Such sources.
pub(super) struct Aligned<'a> {
    tiles: &'a [Arc<Tile>],
    rows: &'a [Arc<Row>],
    /// The columns of each tile from the next series on, and those of this one.
    next: Vec<Box<dyn Iterator<Item = &'a [u8]> + 'a>>,
    columns: Vec<&'a [u8]>,
    /// By series, the bits in which any of the rows differs from the one before.
    differs: Vec<u64>,
}

impl<'a> Aligned<'a> {
    /// None if the sources are not alike in that way. `ids` are all series.
    pub(super) fn of(
        ids: &Arc<[u32]>,
        tiles: &'a [Arc<Tile>],
        rows: &'a [Arc<Row>],
    ) -> Option<Self> {
        let is_same = |other: &Arc<[u32]>| Arc::ptr_eq(other, ids) || other == ids;
        let lists = tiles.iter().map(|tile| &tile.ids);
        let mut lists = lists.chain(rows.iter().map(|row| &row.ids));
        let spans = tiles.iter().map(|tile| tile.range());
        let mut ranges: Vec<_> = spans.map(|range| (range.start, range.end)).collect();
        ranges.extend(rows.iter().map(|row| (row.timestamp, row.timestamp)));
        let mut pairs = ranges.windows(2);
        if !pairs.all(|pair| pair[0].1 < pair[1].0) || !lists.all(is_same) {
            return None;
        }
        let mut differs = vec![0; ids.len()];
        for pair in rows.windows(2) {
            let values = pair[0].values.iter().zip(&pair[1].values);
            for (differs, (before, after)) in differs.iter_mut().zip(values) {
                *differs |= before.to_bits() ^ after.to_bits();
            }
        }
        let columns =
            |tile: &'a Arc<Tile>| Box::new(tile.columns.iter()) as Box<dyn Iterator<Item = _>>;
        Some(Self {
            tiles,
            rows,
            next: tiles.iter().map(columns).collect(),
            columns: Vec::with_capacity(tiles.len()),
            differs,
        })
    }

    /// Appends the column of the next series, which is at place `at`; false, and nothing, when it
    /// lacks values somewhere. `values` is room that is used again.
    pub(super) fn encode(
        &mut self,
        at: usize,
        out: &mut Vec<u8>,
        values: &mut Vec<f64>,
    ) -> Result<bool, DecodeError> {
        let columns = self.next.iter_mut().map(Iterator::next);
        self.columns.clear();
        self.columns.extend(columns.map(Option::unwrap_or_default));
        let columns = &self.columns[..];
        if !columns.iter().all(|column| is_whole(column)) {
            return Ok(false);
        }
        values.clear();
        if self.differs[at] == 0 {
            values.extend(self.rows.first().map(|row| row.values[at]));
            let from = out.len();
            if !values.is_empty() {
                encode_whole(values, out);
            } else if let Some(first) = columns.first() {
                out.extend_from_slice(first);
            }
            let same = &out[from..];
            if is_constant(same) && columns.iter().all(|column| *column == same) {
                return Ok(true);
            }
            out.truncate(from);
            values.clear();
        }
        for (tile, column) in self.tiles.iter().zip(columns) {
            decode_cells(Parts::from(*column), tile.rows(), values, &mut |_| ())?;
        }
        values.extend(self.rows.iter().map(|row| row.values[at]));
        encode_whole(values, out);
        Ok(true)
    }
}
