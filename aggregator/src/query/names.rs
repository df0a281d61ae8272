//! What names there are, without their samples.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_storage::SeriesStats;

use super::{QueryError, QueryService};

impl QueryService {
    /// The names of the labels of all series that satisfy one of the sets of matchers and have a
    /// sample in the range; without sets, of all series. Ascending, as are the other lists here,
    /// and where `limit` is not 0 the first of them only: one more, if there are more.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn label_names(
        &self,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<String>, QueryError> {
        let found = First::of(limit);
        self.collect(sets, range, found, |names: &mut First<String>, labels| {
            for (name, _) in labels {
                names.add(name, str::to_owned);
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
        limit: usize,
    ) -> Result<Vec<String>, QueryError> {
        let found = First::of(limit);
        let visit = move |values: &mut First<String>, labels: &Labels| {
            if let Some(value) = labels.get(&name) {
                values.add(value, str::to_owned);
            }
        };
        self.collect(sets, range, found, visit).await
    }

    /// The series themselves, as [`label_names`](Self::label_names).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub async fn series(
        &self,
        sets: Vec<Vec<Matcher>>,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, QueryError> {
        let found = First::of(limit);
        self.collect(sets, range, found, |series: &mut First<Labels>, labels| {
            series.add(labels, Labels::clone);
        })
        .await
    }

    /// What `visit` gathers from the label sets, off the asynchronous threads.
    async fn collect<T: Ord + Send + 'static>(
        &self,
        mut sets: Vec<Vec<Matcher>>,
        range: TimeRange,
        mut found: First<T>,
        visit: impl Fn(&mut First<T>, &Labels) + Send + 'static,
    ) -> Result<Vec<T>, QueryError> {
        if sets.is_empty() {
            sets.push(Vec::new());
        }
        let storage = Arc::clone(&self.storage);
        let departed = storage.departed(&sets, range).await;
        let departed = departed.map_err(|error| QueryError::Storage(error.to_string()))?;
        let gathered = tokio::task::spawn_blocking(move || {
            for matchers in &sets {
                storage.series(matchers, &departed, &mut |labels, stats| {
                    if is_in(stats, range) {
                        visit(&mut found, labels);
                    }
                    ControlFlow::Continue(())
                });
            }
            found.items.into_iter().collect()
        });
        let gathered = gathered.await;
        gathered.map_err(|error| QueryError::Storage(error.to_string()))
    }
}

fn is_in(stats: SeriesStats, range: TimeRange) -> bool {
    let latest = stats.latest.map_or(stats.last, |sample| sample.timestamp);
    range.overlaps(TimeRange {
        start: stats.first,
        end: stats.last.max(latest),
    })
}

/// The first of what is added, in order: however much there is, no more than that is kept.
struct First<T> {
    items: BTreeSet<T>,
    most: usize,
}

impl<T: Ord> First<T> {
    /// As many as the limit allows and one more; all if it is 0.
    fn of(limit: usize) -> Self {
        Self {
            items: BTreeSet::new(),
            most: limit
                .checked_sub(1)
                .map_or(usize::MAX, |_| limit.saturating_add(1)),
        }
    }

    fn add<Q: Ord + ?Sized>(&mut self, item: &Q, own: impl Fn(&Q) -> T)
    where
        T: Borrow<Q>,
    {
        let is_full = self.items.len() >= self.most;
        let last = self.items.last().filter(|_| is_full);
        if last.is_some_and(|last| last.borrow() <= item) || self.items.contains(item) {
            return;
        }
        if is_full {
            self.items.pop_last();
        }
        self.items.insert(own(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_one_more() {
        let kept = |limit: usize| {
            let mut first = First::of(limit);
            for name in ["d", "b", "a", "b", "e", "c", "a"] {
                first.add(name, str::to_owned);
            }
            first.items.into_iter().collect::<Vec<String>>().concat()
        };
        assert_eq!(
            [0, 1, 2, 4, 9].map(kept),
            ["abcde", "ab", "abc", "abcde", "abcde"]
        );
    }
}
