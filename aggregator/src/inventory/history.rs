//! The last readings of one host.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use system_stats_model::labels::{INSTANCE, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::Departed;

use super::vocabulary::{CPU, MEMORY};
use super::{Inventory, InventoryError};

const HOUR: Millis = 60 * 60 * 1000;
/// By how much a stretch without enough readings grows.
const GROWTH: Millis = 8;

impl Inventory {
    /// The last `count` readings of a host by time: CPU and memory usage, 0 where a reading has
    /// only the other.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn usage(
        &self,
        instance: &str,
        count: usize,
    ) -> Result<BTreeMap<Millis, (f64, f64)>, InventoryError> {
        let Some((first, last)) = self.span(instance) else {
            return Ok(BTreeMap::new());
        };
        let mut length = HOUR;
        loop {
            let start = last.saturating_sub(length).max(first);
            let rows = self
                .usage_between(instance, TimeRange { start, end: last })
                .await?;
            if rows.len() >= count || start <= first {
                let surplus = rows.len().saturating_sub(count);
                return Ok(rows.into_iter().skip(surplus).collect());
            }
            length = length.saturating_mul(GROWTH);
        }
    }

    /// The times of the oldest and the newest reading of a host.
    fn span(&self, instance: &str) -> Option<(Millis, Millis)> {
        let mut span: Option<(Millis, Millis)> = None;
        for metric in [CPU, MEMORY] {
            let matchers = matchers(metric, instance);
            self.storage
                .series(&matchers, &Departed::none(), &mut |_, stats| {
                    let (first, last) = span.unwrap_or((stats.first, stats.last));
                    span = Some((first.min(stats.first), last.max(stats.last)));
                    ControlFlow::Continue(())
                });
        }
        span
    }

    async fn usage_between(
        &self,
        instance: &str,
        range: TimeRange,
    ) -> Result<BTreeMap<Millis, (f64, f64)>, InventoryError> {
        let selectors = [CPU, MEMORY].map(|metric| Selector {
            matchers: matchers(metric, instance),
            range,
        });
        let picked = selectors.to_vec();
        let read = move |source: &dyn SeriesSource| {
            let mut rows: BTreeMap<Millis, (f64, f64)> = BTreeMap::new();
            for (column, selector) in selectors.iter().enumerate() {
                let read = source.for_each(selector, &mut |_, samples| {
                    let pairs = samples.timestamps.iter().zip(samples.values);
                    for (at, value) in pairs.filter(|(_, value)| value.is_finite()) {
                        let row = rows.entry(*at).or_default();
                        *(if column == 0 { &mut row.0 } else { &mut row.1 }) = *value;
                    }
                    ControlFlow::Continue(())
                });
                read.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
            }
            Ok(rows)
        };
        self.decode(picked, read).await
    }
}

fn matchers(metric: &str, instance: &str) -> Vec<Matcher> {
    vec![
        Matcher::equal(METRIC_NAME, metric),
        Matcher::equal(INSTANCE, instance),
    ]
}
