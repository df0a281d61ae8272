//! Names and samples in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use system_stats_model::append::{
    AppendError, Batch, Outcome, SeriesId, TargetId, Ticket, Urgency,
};
use system_stats_model::labels::{Labels, LabelsBuilder};

use super::{Catalog, Inner, Target};
use crate::head::{Appended, Policy};
use crate::queue::Pending;
use crate::store::{SeriesRow, TargetRow};
use crate::sync::{read, write};

/// Metadata: the ids to give out next.
pub(super) const NEXT_TARGET: &str = "next_target";
pub(super) const NEXT_SERIES: &str = "next_series";

impl Inner {
    pub(super) fn target(&self, labels: &Labels) -> Result<TargetId, AppendError> {
        self.is_open()?;
        if let Some(&id) = read(&self.catalog).by_labels.get(labels) {
            return Ok(TargetId(u64::from(id)));
        }
        let mut catalog = write(&self.catalog);
        if let Some(&id) = catalog.by_labels.get(labels) {
            return Ok(TargetId(u64::from(id)));
        }
        let id = catalog.next_target;
        // Four thousand million targets: none of them can be told from another any more.
        catalog.next_target = id.checked_add(1).ok_or(AppendError::Closed)?;
        let pack = catalog.packs.join(id, labels);
        catalog.add_target(Target::new(id, pack, labels.clone(), false));
        Ok(TargetId(u64::from(id)))
    }

    pub(super) fn series(
        &self,
        target: TargetId,
        labels: &Labels,
    ) -> Result<SeriesId, AppendError> {
        self.is_open()?;
        let unknown = AppendError::UnknownTarget(target);
        let id = u32::try_from(target.0).map_err(|_| unknown.clone())?;
        if let Some(series) = read(&self.catalog).index.find(id, labels) {
            return Ok(SeriesId(u64::from(series)));
        }
        let mut catalog = write(&self.catalog);
        if let Some(series) = catalog.index.find(id, labels) {
            return Ok(SeriesId(u64::from(series)));
        }
        let owner = Arc::clone(catalog.targets.get(&id).ok_or(unknown)?);
        if let Some(series) = catalog.come_back(&owner, labels, &self.queue) {
            return Ok(SeriesId(u64::from(series)));
        }
        let mut head = Self::head_of(&owner);
        let limit = self.options.series_per_target;
        let series = catalog.next_series;
        match series.checked_add(1) {
            Some(next) if head.len() < limit => catalog.next_series = next,
            _ => {
                let target = owner.labels.clone();
                return Err(AppendError::TooManySeries { target, limit });
            }
        }
        catalog.index.insert(series, id, labels);
        catalog.packs.grow(owner.pack, 1);
        head.add(series, Some(labels.clone()));
        Ok(SeriesId(u64::from(series)))
    }

    pub(super) fn append(
        &self,
        batch: &Batch,
        urgency: Urgency,
    ) -> Result<(Ticket, Outcome), AppendError> {
        let _gate = read(&self.gate);
        self.queue.admit()?;
        let unknown = AppendError::UnknownTarget(batch.target);
        let id = u32::try_from(batch.target.0).map_err(|_| unknown.clone())?;
        let target = read(&self.catalog).targets.get(&id).map(Arc::clone);
        let target = target.ok_or_else(|| unknown.clone())?;
        // Held until the record is queued: the journal has a target's batches in the order in
        // which they became visible.
        let mut head = Self::head_of(&target);
        if head.forgotten {
            return Err(unknown);
        }
        if head.has_moved(&batch.rows) {
            drop(head);
            write(&self.catalog).forget_labels(&target);
            return Err(unknown);
        }
        let policy = Policy {
            order: batch.order,
            window: i64::try_from(self.options.out_of_order_window.as_millis()).unwrap_or(i64::MAX),
            floor: self.floor(),
        };
        let appended = head
            .append(&batch.rows, policy)
            .map_err(AppendError::UnknownSeries)?;
        let Some(newest) = appended.rows.last().map(|row| row.timestamp) else {
            return Ok((self.queue.latest(urgency), appended.outcome));
        };
        let names = Names::of(&target, &appended, !head.saved);
        head.saved = true;
        self.newest.fetch_max(newest, Ordering::Relaxed);
        let ticket = self.queue.add(urgency, |pending, segment| {
            names.add_to(pending);
            head.chain
                .write(segment, id, &appended.rows, &mut pending.records);
        });
        head.note(&appended.rows, ticket.0);
        Ok((ticket, appended.outcome))
    }

    fn is_open(&self) -> Result<(), AppendError> {
        match self.queue.admit() {
            Err(AppendError::Closed) => Err(AppendError::Closed),
            _ => Ok(()),
        }
    }
}

impl Catalog {
    pub(super) fn add_target(&mut self, target: Target) {
        self.by_labels.insert(target.labels.clone(), target.id);
        self.targets.insert(target.id, Arc::new(target));
    }
}

struct Names {
    target: Option<TargetRow>,
    series: Vec<SeriesRow>,
}

impl Names {
    /// The rows for what the tables do not name yet.
    fn of(target: &Target, appended: &Appended, is_new: bool) -> Self {
        let series = appended.unsaved.iter().map(|series| {
            let (inherits, labels) = split(&series.labels, &target.labels);
            SeriesRow {
                id: u64::from(series.id),
                target: u64::from(target.id),
                inherits,
                labels,
                first: series.first,
                last: None,
            }
        });
        Self {
            target: is_new.then(|| TargetRow {
                id: u64::from(target.id),
                pack: u64::from(target.pack),
                labels: target.labels.clone(),
            }),
            series: series.collect(),
        }
    }

    fn add_to(self, pending: &mut Pending) {
        // Ids are never given again, not even when the rows have gone.
        let next = |id: u64| i64::try_from(id + 1).unwrap_or(i64::MAX);
        if let Some(target) = self.target {
            pending.raise_meta(NEXT_TARGET, next(target.id));
            pending.add_target(target);
        }
        for series in self.series {
            pending.raise_meta(NEXT_SERIES, next(series.id));
            pending.add_series(series);
        }
    }
}

/// A series' own labels: without those that its target has too. All of them, and false, if it
/// lacks one of the target's.
pub(super) fn split(labels: &Labels, target: &Labels) -> (bool, Labels) {
    if target.iter().any(|(name, _)| labels.get(name).is_none()) {
        return (false, labels.clone());
    }
    let is_own = |(name, value): &(&str, &str)| target.get(name) != Some(value);
    (true, Labels::from_sorted(labels.iter().filter(is_own)))
}

/// The whole label set again.
pub(super) fn join(inherits: bool, own: &Labels, target: &Labels) -> Labels {
    if !inherits {
        return own.clone();
    }
    let mut labels = LabelsBuilder::from(target);
    for (name, value) in own {
        labels.set(name, value);
    }
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    #[test]
    fn labels_are_split_and_joined() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let target = labels(&[("instance", "a"), ("job", "node")]);
        let cases: [(Pairs, bool, Pairs); 3] = [
            (
                &[("__name__", "up"), ("instance", "a"), ("job", "node")],
                true,
                &[("__name__", "up")],
            ),
            (
                &[("__name__", "up"), ("instance", "b"), ("job", "node")],
                true,
                &[("__name__", "up"), ("instance", "b")],
            ),
            (
                &[("__name__", "up"), ("job", "node")],
                false,
                &[("__name__", "up"), ("job", "node")],
            ),
        ];
        for (whole, inherits, own) in cases {
            let split = split(&labels(whole), &target);
            assert_eq!(split, (inherits, labels(own)));
            assert_eq!(join(split.0, &split.1, &target), labels(whole));
        }
    }
}
