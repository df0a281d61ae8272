//! The series that a scrape leaves about itself, whatever came of it.

use std::time::Duration;

use system_stats_model::append::{AppendError, Appender, Row, SeriesId, TargetId};
use system_stats_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::sample::Millis;

use super::reading::{Counts, end};

/// Their names, in the order of [`values`].
const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// The report series of one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report([SeriesId; NAMES.len()]);

impl Report {
    /// Resolves them; they carry the target's labels and no others.
    pub(super) fn new(
        appender: &dyn Appender,
        target: TargetId,
        labels: &Labels,
    ) -> Result<Self, AppendError> {
        let mut labels = LabelsBuilder::from(labels);
        let mut ids = [SeriesId(0); NAMES.len()];
        for (id, name) in ids.iter_mut().zip(NAMES) {
            labels.set(METRIC_NAME, name);
            *id = appender.series(target, &labels.build())?;
        }
        Ok(Self(ids))
    }

    /// What a scrape at `at` leaves.
    pub(super) fn rows(
        &self,
        at: Millis,
        is_up: bool,
        duration: Duration,
        counts: Counts,
    ) -> impl Iterator<Item = Row> {
        let values = values(is_up, duration, counts);
        let row = move |(series, value)| Row {
            series,
            timestamp: at,
            value,
        };
        self.0.into_iter().zip(values).map(row)
    }

    /// What a target that is no more leaves.
    pub(super) fn ends(&self, at: Millis) -> impl Iterator<Item = Row> {
        self.0.into_iter().map(move |series| end(series, at))
    }
}

fn values(is_up: bool, duration: Duration, counts: Counts) -> [f64; NAMES.len()] {
    [
        f64::from(u8::from(is_up)),
        duration.as_secs_f64(),
        counts.scraped as f64,
        counts.kept as f64,
        counts.added as f64,
    ]
}
