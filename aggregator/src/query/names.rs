//! What names there are, without their samples.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_storage::{SeriesStats, Storage};

use super::{QueryError, QueryService};

impl QueryService {
    /// The names of the labels of all series that satisfy one of the sets of matchers and have a
    /// sample in the range; without sets, of all series. Ascending, as are the other lists here.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn label_names(
        &self,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        self.collect(sets, range, |names: &mut BTreeSet<String>, labels| {
            for (name, _) in labels {
                add(names, name);
            }
        })
        .await
    }

    /// The values of a label, as [`label_names`](Self::label_names).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn label_values(
        &self,
        name: String,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        self.collect(sets, range, move |values: &mut BTreeSet<String>, labels| {
            if let Some(value) = labels.get(&name) {
                add(values, value);
            }
        })
        .await
    }

    /// The series themselves, as [`label_names`](Self::label_names).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn series(
        &self,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
    ) -> Result<Vec<Labels>, QueryError> {
        self.collect(sets, range, |series: &mut BTreeSet<Labels>, labels| {
            series.insert(labels.clone());
        })
        .await
    }

    /// What `visit` gathers from the label sets, off the asynchronous threads.
    async fn collect<T: Ord + Send + 'static>(
        &self,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
        visit: impl Fn(&mut BTreeSet<T>, &Labels) + Send + 'static,
    ) -> Result<Vec<T>, QueryError> {
        let storage = Arc::clone(&self.storage);
        let gathered = tokio::task::spawn_blocking(move || gather(&storage, sets, range, &visit));
        let gathered = gathered.await;
        gathered.map_err(|error| QueryError::Storage(error.to_string()))
    }
}

fn gather<T: Ord>(
    storage: &Storage,
    mut sets: Vec<Vec<Matcher>>,
    range: TimeRange,
    visit: &dyn Fn(&mut BTreeSet<T>, &Labels),
) -> Vec<T> {
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    let mut found = BTreeSet::new();
    for matchers in &sets {
        storage.series(matchers, &mut |labels, stats| {
            if is_in(stats, range) {
                visit(&mut found, labels);
            }
            ControlFlow::Continue(())
        });
    }
    found.into_iter().collect()
}

fn is_in(stats: SeriesStats, range: TimeRange) -> bool {
    let latest = stats.latest.map_or(stats.last, |sample| sample.timestamp);
    range.overlaps(TimeRange {
        start: stats.first,
        end: stats.last.max(latest),
    })
}

fn add(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}
