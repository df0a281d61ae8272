//! Writing what rules gave, and the ends of what they do not give any more.

use std::collections::HashMap;
use std::mem;

use system_stats_model::append::{AppendError, Appender, Batch, Order, Row, SeriesId, TargetId};
use system_stats_model::append::{Outcome, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, STALE};
use system_stats_promql::value::Element;

/// The series that a rule wrote at its last evaluation.
pub(super) type Written = HashMap<Labels, SeriesId>;

/// Where a group writes: its own target, so that its series share a clock.
pub(super) struct Output<'a> {
    pub(super) appender: &'a dyn Appender,
    /// The labels of the group's target.
    pub(super) target: &'a Labels,
}

impl Output<'_> {
    /// Stores `elements` at `at`, and the ends of those of `written` that are not among them.
    pub(super) fn replace(
        &self,
        written: &mut Written,
        elements: &[Element],
        at: Millis,
    ) -> Result<Outcome, AppendError> {
        if elements.is_empty() && written.is_empty() {
            return Ok(Outcome::default());
        }
        match self.try_replace(written, elements, at) {
            // It was cleaned away since: ask for it anew.
            Err(AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_)) => {
                written.clear();
                self.try_replace(written, elements, at)
            }
            other => other,
        }
    }

    fn try_replace(
        &self,
        written: &mut Written,
        elements: &[Element],
        at: Millis,
    ) -> Result<Outcome, AppendError> {
        let target = self.appender.target(self.target)?;
        let mut now = Written::with_capacity(elements.len());
        let mut rows = Vec::with_capacity(elements.len() + written.len());
        for element in elements {
            let series = self.series(target, written, &element.labels)?;
            now.insert(element.labels.clone(), series);
            rows.push(row(series, at, element.value));
        }
        let gone = written
            .iter()
            .filter(|(labels, _)| !now.contains_key(*labels));
        rows.extend(gone.map(|(_, &series)| row(series, at, STALE)));
        let batch = Batch {
            target,
            order: Order::Strict,
            rows,
        };
        let (_, outcome) = self.appender.append(batch, Urgency::Relaxed)?;
        *written = now;
        Ok(outcome)
    }

    fn series(
        &self,
        target: TargetId,
        written: &Written,
        labels: &Labels,
    ) -> Result<SeriesId, AppendError> {
        match written.get(labels) {
            Some(&known) => Ok(known),
            None => self.appender.series(target, labels),
        }
    }

    /// Stores the ends of series that no rule writes any more.
    pub(super) fn end(&self, written: &mut Written, at: Millis) -> Result<Outcome, AppendError> {
        let mut gone = mem::take(written);
        self.replace(&mut gone, &[], at)
    }
}

fn row(series: SeriesId, timestamp: Millis, value: f64) -> Row {
    Row {
        series,
        timestamp,
        value,
    }
}
