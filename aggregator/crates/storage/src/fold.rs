//! Folding: what a pack's targets have of an hour in memory becomes groups of columns.
//!
//! Pure work on memory, in slices, so that whoever drives it can write one slice while others have
//! their turn. Each group is decoded again and compared bit for bit with what it was made of
//! before it is handed out. Where the window has blocks already, only the groups are made anew
//! that get something or lose something to a deletion.

mod base;
mod merge;
mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use system_stats_model::sample::Millis;

use crate::block::{GROUP, Group, GroupWriter, Layout, encode_clocks, group_of};
use crate::column::{Coding, Parts};
use crate::head::Tally;
use crate::past::Deletion;
use crate::store::BlockRow;
use crate::varint::Malformed;

use merge::Stored;

pub(crate) use base::Base;
pub(crate) use source::Source;

/// A window could not be folded. What it has stays in memory and in the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error("group {0} does not decode to what it was made of, not even uncompressed")]
    Mismatch(u32),
    #[error("samples cannot be read: {0}")]
    Malformed(#[from] Malformed),
    #[error("nothing can be compressed: {0}")]
    Memory(#[from] std::io::Error),
}

/// What a fold did.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// What came into blocks, per series.
    pub(crate) added: Vec<(u32, Tally)>,
    /// Series of which samples were in a block already.
    pub(crate) again: Vec<u32>,
    /// How many samples had another value there.
    pub(crate) refused: u64,
    /// Groups that had to be written uncompressed.
    pub(crate) raw: u64,
    /// Samples that came into blocks, staleness markers counted.
    pub(crate) samples: u64,
}

/// A window while it is being folded.
pub(crate) struct Fold {
    start: Millis,
    layout: Arc<Layout>,
    sources: Vec<Source>,
    /// Series and place in `sources`, ascending.
    owners: Vec<(u32, u32)>,
    base: Option<Base>,
    deletions: Vec<Arc<Deletion>>,
    clocks: Vec<Arc<[u32]>>,
    /// The clock of each source.
    clock_of: Vec<usize>,
    groups: VecDeque<u32>,
    folded: Folded,
}

impl Fold {
    /// Plans a fold. The layout has every series of the sources; the base has the groups that
    /// [`touched`] names.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub(crate) fn new(
        start: Millis,
        layout: Arc<Layout>,
        sources: Vec<Source>,
        base: Option<Base>,
        deletions: Vec<Arc<Deletion>>,
    ) -> Result<Self, FoldError> {
        let mut owners: Vec<(u32, u32)> = Vec::new();
        for (at, source) in (0u32..).zip(&sources) {
            owners.extend(source.ids().iter().map(|&id| (id, at)));
        }
        owners.sort_unstable();
        let is_lost = base.as_ref().is_some_and(|base| base.is_lost);
        let groups = if is_lost {
            all_groups(&layout)
        } else {
            touched(&layout, &sources, &deletions)
        };
        let mut fold = Self {
            start,
            groups: groups.into(),
            layout,
            sources,
            owners,
            base,
            deletions,
            clocks: Vec::new(),
            clock_of: Vec::new(),
            folded: Folded::default(),
        };
        fold.set_clocks()?;
        Ok(fold)
    }

    /// The next groups, until they are of about `bytes` together; none when all are done.
    ///
    /// # Errors
    /// [`FoldError`].
    pub(crate) fn slice(&mut self, bytes: usize) -> Result<Vec<BlockRow>, FoldError> {
        let (mut rows, mut size) = (Vec::new(), 0);
        while size < bytes
            && let Some(group) = self.groups.pop_front()
        {
            let blob = self.group(group)?;
            // A group that has lost everything is still to stand for the one before.
            if !blob.is_empty() || self.base.is_some() {
                size += blob.len();
                let blob = blob.into();
                rows.push(BlockRow { group, blob });
            }
        }
        Ok(rows)
    }

    /// The clocks of all columns, and what was done.
    pub(crate) fn finish(self) -> (Vec<u8>, Folded) {
        (encode_clocks(&self.clocks), self.folded)
    }

    /// Gives each source a clock: one that is there, if one is the same.
    fn set_clocks(&mut self) -> Result<(), FoldError> {
        if let Some(base) = &self.base {
            for at in 0..base.clocks.len() {
                self.clocks.push(Arc::clone(base.clocks.get(at)?));
            }
        }
        let mut known: BTreeMap<Arc<[u32]>, usize> = BTreeMap::new();
        for (at, clock) in self.clocks.iter().enumerate() {
            known.entry(Arc::clone(clock)).or_insert(at);
        }
        for source in &self.sources {
            let clock = match &self.base {
                Some(base) => base.clock_with(source, &self.layout)?,
                None => Arc::clone(source.clock()),
            };
            let next = self.clocks.len();
            let at = *known.entry(Arc::clone(&clock)).or_insert(next);
            if at == next {
                self.clocks.push(clock);
            }
            self.clock_of.push(at);
        }
        Ok(())
    }

    fn owner(&self, id: u32) -> Option<usize> {
        let at = self.owners.binary_search_by_key(&id, |owner| owner.0);
        at.ok().map(|at| self.owners[at].1 as usize)
    }

    fn columns(&self, group: u32) -> impl Iterator<Item = (usize, u32)> {
        let first = group * 64;
        (0..GROUP).map_while(move |at| {
            let column = first + u32::try_from(at).unwrap_or_default();
            Some((at, self.layout.series(column)?))
        })
    }

    /// Makes a group, and makes sure of it.
    fn group(&mut self, group: u32) -> Result<Vec<u8>, FoldError> {
        let mut contents = Vec::with_capacity(GROUP);
        for (at, id) in self.columns(group) {
            contents.push(self.content(group, at, id)?);
        }
        for content in &mut contents {
            content.report(&mut self.folded);
        }
        let blob = self.encode(Coding::Packed, &contents)?;
        if self.is_faithful(&blob, &contents) {
            return Ok(blob);
        }
        tracing::error!(
            start = self.start,
            group,
            "a group of columns did not decode to what it was made of; it is stored uncompressed"
        );
        self.folded.raw += 1;
        let blob = self.encode(Coding::Raw, &contents)?;
        if self.is_faithful(&blob, &contents) {
            Ok(blob)
        } else {
            Err(FoldError::Mismatch(group))
        }
    }

    fn encode(&self, coding: Coding, contents: &[merge::Content]) -> Result<Vec<u8>, FoldError> {
        let mut writer = GroupWriter::default();
        for content in contents {
            match &content.stored {
                Some(Stored { clock, body, bits }) if coding == Coding::Packed => {
                    writer.copy(*clock, Parts { body, bits });
                }
                _ => {
                    let clock = self.clocks.get(content.clock);
                    let clock = clock.map_or(&[][..], |clock| clock);
                    let rows = content.rows(clock);
                    let of = (content.clock, clock.len());
                    writer.push(coding, of, &rows, content.values());
                }
            }
        }
        if writer.is_empty() {
            return Ok(Vec::new());
        }
        Ok(writer.finish()?)
    }

    /// Whether a blob decodes to the contents, bit for bit.
    fn is_faithful(&self, blob: &[u8], contents: &[merge::Content]) -> bool {
        let Ok(group) = Group::decode(blob) else {
            return false;
        };
        let (mut times, mut values) = (Vec::new(), Vec::new());
        contents.iter().enumerate().all(|(at, content)| {
            times.clear();
            values.clear();
            let read = merge::read(&group, at, &self.clocks, &mut times, &mut values);
            read.is_ok() && content.is(&times, &values)
        })
    }
}

fn all_groups(layout: &Layout) -> Vec<u32> {
    let columns = u32::try_from(layout.len()).unwrap_or(u32::MAX);
    let last = columns.checked_sub(1).map(group_of);
    last.map_or_else(Vec::new, |last| (0..=last).collect())
}

/// The groups that a fold has to make.
pub(crate) fn touched(
    layout: &Layout,
    sources: &[Source],
    deletions: &[Arc<Deletion>],
) -> Vec<u32> {
    let added = sources.iter().flat_map(|source| source.ids().iter());
    let removed = deletions.iter().flat_map(|deletion| deletion.ids.iter());
    let columns = added.chain(removed).filter_map(|&id| layout.column(id));
    let groups: BTreeSet<u32> = columns.map(group_of).collect();
    groups.into_iter().collect()
}

#[cfg(test)]
mod tests;
