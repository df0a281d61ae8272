//! The newest samples, as they were taken.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, Sample, TimeRange, is_stale};

use super::{QueryError, QueryService};

impl QueryService {
    /// The newest sample of each series that satisfies one of the sets of matchers, with the time
    /// at which it was taken, by labels. Series that have ended, have nothing within the usual
    /// lookback before `at`, or have something later, are left out.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn newest(
        &self,
        sets: Vec<Vec<Matcher>>,
        at: Millis,
    ) -> Result<Vec<(Labels, Sample)>, QueryError> {
        let lookback = i64::try_from(self.options.lookback.as_millis()).unwrap_or(i64::MAX);
        let range = TimeRange {
            start: at.saturating_sub(lookback),
            end: at,
        };
        let unreadable = |reason: String| QueryError::Storage(reason);
        let storage = Arc::clone(&self.storage);
        let departed = storage.departed(&sets, range).await;
        let departed = departed.map_err(|error| unreadable(error.to_string()))?;
        let gathered = tokio::task::spawn_blocking(move || {
            let mut newest = BTreeMap::new();
            for matchers in &sets {
                storage.series(matchers, &departed, &mut |labels, stats| {
                    let is_now = |sample: &Sample| {
                        let time = sample.timestamp;
                        range.start < time && time <= range.end && !is_stale(sample.value)
                    };
                    if let Some(sample) = stats.latest.filter(is_now) {
                        newest.entry(labels.clone()).or_insert(sample);
                    }
                    ControlFlow::Continue(())
                });
            }
            newest.into_iter().collect()
        });
        gathered
            .await
            .map_err(|error| unreadable(error.to_string()))
    }
}
