//! Writing what rules gave, and the ends of what they do not give any more.

use std::collections::HashMap;
use std::mem;

use system_stats_model::append::{AppendError, Appender, Batch, Order, Row, SeriesId, TargetId};
use system_stats_model::append::{Outcome, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, STALE};
use system_stats_promql::value::Element;

/// The series that a rule wrote at its last evaluation, none of them twice, in their order.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(Labels, SeriesId)>);

impl Written {
    /// The label sets, in their order.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Labels> {
        self.0.iter().map(|(labels, _)| labels)
    }

    /// Adds what another rule wrote, to be ended.
    pub(super) fn add(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Whether the same series come again, in the same order.
    fn are(&self, elements: &[Element]) -> bool {
        let mut both = self.0.iter().zip(elements);
        self.0.len() == elements.len() && both.all(|(one, element)| one.0 == element.labels)
    }
}

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
        if elements.is_empty() && written.0.is_empty() {
            return Ok(Outcome::default());
        }
        match self.try_replace(written, elements, at) {
            // It was cleaned away since: ask for it anew.
            Err(AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_)) => {
                written.0.clear();
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
        if written.are(elements) {
            let rows = written.0.iter().zip(elements);
            let rows = rows.map(|(&(_, series), element)| row(series, at, element.value));
            return self.append(target, rows.collect());
        }
        let known = written.0.iter().map(|(labels, series)| (labels, *series));
        let mut gone: HashMap<&Labels, SeriesId> = known.collect();
        let mut now = Vec::with_capacity(elements.len());
        let mut rows = Vec::with_capacity(elements.len() + gone.len());
        for Element { labels, value } in elements {
            let series = match gone.remove(labels) {
                Some(series) => series,
                None => self.appender.series(target, labels)?,
            };
            now.push((labels.clone(), series));
            rows.push(row(series, at, *value));
        }
        rows.extend(gone.into_values().map(|series| row(series, at, STALE)));
        let outcome = self.append(target, rows)?;
        written.0 = now;
        Ok(outcome)
    }

    fn append(&self, target: TargetId, rows: Vec<Row>) -> Result<Outcome, AppendError> {
        let batch = Batch {
            target,
            order: Order::Strict,
            rows,
        };
        let (_, outcome) = self.appender.append(batch, Urgency::Relaxed)?;
        Ok(outcome)
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
