//! Deletion: a record of the journal, and the head forgets at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::append::{AppendError, Ticket, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;

use super::{Catalog, Inner, Storage};
use crate::journal::write_deletion;
use crate::sync::{read, write};

/// What a deletion has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The series that lost samples, and how many each; staleness markers are not counted.
    pub series: Vec<(Labels, u64)>,
}

impl Storage {
    /// Removes the samples of all series that satisfy `matchers` inside `range`. They are gone for
    /// readers when this returns, and for good when the ticket is committed. Samples that are
    /// appended later stay.
    ///
    /// Takes as long as decoding and encoding what it touches, and appends wait for it: for more
    /// than a few hosts call it off the runtime's threads.
    ///
    /// # Errors
    /// [`AppendError::Closed`], [`AppendError::Overloaded`].
    pub fn delete(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<(Ticket, Deleted), AppendError> {
        let inner = &self.inner;
        let _gate = write(&inner.gate);
        inner.queue.admit()?;
        let (touched, removed) = read(&inner.catalog).remove(matchers, range);
        if !touched {
            return Ok((inner.queue.latest(Urgency::Waiting), Deleted::default()));
        }
        let ticket = inner.queue.add(Urgency::Waiting, |pending, _| {
            pending.deletes = true;
            write_deletion(&mut pending.records, matchers, range);
        });
        let catalog = read(&inner.catalog);
        let series = removed.iter();
        let series = series.filter_map(|&(id, samples)| Some((catalog.index.labels(id)?, samples)));
        Ok((
            ticket,
            Deleted {
                series: series.collect(),
            },
        ))
    }
}

impl Catalog {
    /// Removes samples from memory; whether there were any, staleness markers included, and how
    /// many of which series.
    pub(super) fn remove(&self, matchers: &[Matcher], range: TimeRange) -> (bool, Vec<(u32, u64)>) {
        let mut removed = Vec::new();
        for (target, ids) in self.by_target(&self.index.select(matchers)) {
            if let Some(target) = self.targets.get(&target) {
                removed.extend(Inner::head_of(target).remove(&ids, range));
            }
        }
        let touched = !removed.is_empty();
        removed.retain(|&(_, samples)| samples > 0);
        removed.sort_unstable();
        (touched, removed)
    }

    /// Series by target, both ascending.
    pub(super) fn by_target(&self, ids: &[u32]) -> BTreeMap<u32, Vec<u32>> {
        let mut by_target: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &id in ids {
            if let Some(target) = self.index.target(id) {
                by_target.entry(target).or_default().push(id);
            }
        }
        by_target
    }

    /// All targets.
    pub(super) fn targets(&self) -> Vec<Arc<super::Target>> {
        self.targets.values().cloned().collect()
    }
}
