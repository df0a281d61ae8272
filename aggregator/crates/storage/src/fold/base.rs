//! What a window has in blocks already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Source;
use crate::block::{Clocks, GROUP, Group, Layout, group_of};
use crate::column::Parts;
use crate::varint::Malformed;

/// The clocks of a window, and those of its groups that a fold touches.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) clocks: Clocks,
    pub(crate) groups: BTreeMap<u32, Group>,
    /// Whether nothing of the window can be read any more: all groups are made anew.
    pub(crate) is_lost: bool,
}

impl Base {
    /// A column's clock and cells.
    pub(super) fn column(
        &self,
        group: u32,
        at: usize,
    ) -> Result<Option<(usize, Parts<'_>)>, Malformed> {
        match self.groups.get(&group) {
            Some(group) => group.column(at),
            None => Ok(None),
        }
    }

    /// Every moment of a source, and of the columns that it adds to.
    pub(super) fn clock_with(
        &self,
        source: &Source,
        layout: &Layout,
    ) -> Result<Arc<[u32]>, Malformed> {
        let mut used = BTreeSet::new();
        for &id in source.ids() {
            if let Some(column) = layout.column(id)
                && let Some((clock, _)) = self.column(group_of(column), column as usize % GROUP)?
            {
                used.insert(clock);
            }
        }
        let mut all: Vec<u32> = source.clock().to_vec();
        for clock in used {
            all.extend_from_slice(self.clocks.get(clock)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all.into())
    }
}
