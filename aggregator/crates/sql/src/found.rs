//! Puts the rows of a read together: headers and blocks come in any order.

use bytes::Bytes;
use system_stats_storage::store::{BlockRow, Found, Wanted, WindowHead, WindowRow};

/// What has come so far of what is wanted.
pub(crate) struct Finding<'a> {
    wanted: &'a [Wanted],
    rows: Vec<Option<WindowRow>>,
    blocks: Vec<Vec<BlockRow>>,
}

impl<'a> Finding<'a> {
    pub(crate) fn new(wanted: &'a [Wanted]) -> Self {
        Self {
            wanted,
            rows: vec![None; wanted.len()],
            blocks: vec![Vec::new(); wanted.len()],
        }
    }

    /// The header of the window that was asked for as number `at`: version, layout, newest commit.
    pub(crate) fn header(&mut self, at: i64, [ver, layout, fold_seq]: [i64; 3], clocks: Bytes) {
        let Some((wanted, row)) = usize::try_from(at)
            .ok()
            .and_then(|at| Some((self.wanted.get(at)?, self.rows.get_mut(at)?)))
        else {
            return;
        };
        let head = WindowHead {
            key: wanted.key,
            ver: ver.cast_unsigned(),
            layout: layout.cast_unsigned(),
            fold_seq: fold_seq.cast_unsigned(),
        };
        *row = Some(WindowRow { head, clocks });
    }

    pub(crate) fn block(&mut self, at: i64, group: i64, blob: Bytes) {
        let blocks = usize::try_from(at).ok();
        let blocks = blocks.and_then(|at| self.blocks.get_mut(at));
        if let (Some(blocks), Ok(group)) = (blocks, u32::try_from(group)) {
            blocks.push(BlockRow { group, blob });
        }
    }

    /// Everything, in the order in which it was asked for.
    pub(crate) fn finish(self) -> Vec<Found> {
        let both = self.rows.into_iter().zip(self.blocks);
        let found = both.filter_map(|(row, mut blocks)| {
            blocks.sort_by_key(|block| block.group);
            row.map(|row| Found { row, blocks })
        });
        found.collect()
    }
}
