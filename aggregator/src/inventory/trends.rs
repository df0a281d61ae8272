//! The last day and the last hour of every host in a few numbers: slots of equal length with the
//! mean of what was measured in them.
//!
//! All hosts are read at once. What is remembered is read again only from the slot on that was the
//! newest: a day of a thousand hosts is decoded once.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::{INSTANCE, JOB, METRIC_NAME};
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::Storage;
use tokio::sync::Mutex;

use super::InventoryError;
use super::hosts::PUSH_JOBS;
use super::vocabulary::CPU;

/// For how long trends are not read again.
const FRESH: Millis = 10 * 1000;
/// Slots of half an hour that make a day.
pub const DAY_SLOTS: usize = 48;
const DAY_SLOT: Millis = 30 * 60 * 1000;
/// Slots of two minutes that make an hour.
pub const HOUR_SLOTS: usize = 30;
const HOUR_SLOT: Millis = 2 * 60 * 1000;

/// The trends of all hosts by `instance`.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    read_at: Option<Millis>,
    scraped: Track,
    pushed: Track,
    cpu: Track,
}

impl Fleet {
    /// The share of successful scrapes in each half-hour of the last day, 0 to 1, oldest first; of
    /// a host that pushes, 1 where it pushed. `None` where nothing was heard.
    #[must_use]
    pub fn availability(&self, instance: &str) -> Vec<Option<f64>> {
        let scraped = self.scraped.means(instance, DAY_SLOTS);
        let pushed = self.pushed.means(instance, DAY_SLOTS);
        let better =
            |(scraped, pushed): (Option<f64>, Option<f64>)| pushed.map(|_| 1.0).or(scraped);
        scraped.into_iter().zip(pushed).map(better).collect()
    }

    /// The mean CPU usage in each two minutes of the last hour, 0 to 100, oldest first.
    #[must_use]
    pub fn cpu(&self, instance: &str) -> Vec<Option<f64>> {
        self.cpu.means(instance, HOUR_SLOTS)
    }

    fn renewed(mut self, storage: &View<'_>, now: Millis) -> Result<Self, InventoryError> {
        let up = [Matcher::equal(METRIC_NAME, "up")];
        let cpu = [Matcher::equal(METRIC_NAME, CPU)];
        let pushing = Matcher::new(JOB, MatchOp::Regex, PUSH_JOBS.join("|"));
        let pushing = pushing.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
        let pushed = [cpu[0].clone(), pushing];
        self.scraped
            .renew(storage, &up, (DAY_SLOT, DAY_SLOTS), now)?;
        self.pushed
            .renew(storage, &pushed, (DAY_SLOT, DAY_SLOTS), now)?;
        self.cpu
            .renew(storage, &cpu, (HOUR_SLOT, HOUR_SLOTS), now)?;
        self.read_at = Some(now);
        Ok(self)
    }
}

/// One metric of all hosts in slots.
#[derive(Clone, Debug, Default)]
struct Track {
    /// The number of the newest slot, counted from 1970.
    newest: Option<i64>,
    /// Per `instance` sum and count of each slot, oldest first.
    slots: HashMap<String, Vec<(f64, f64)>>,
}

impl Track {
    fn means(&self, instance: &str, count: usize) -> Vec<Option<f64>> {
        let Some(slots) = self.slots.get(instance) else {
            return vec![None; count];
        };
        let mean = |(sum, count): &(f64, f64)| (*count > 0.0).then(|| sum / count);
        slots.iter().map(mean).collect()
    }

    fn renew(
        &mut self,
        view: &View<'_>,
        matchers: &[Matcher],
        (length, count): (Millis, usize),
        now: Millis,
    ) -> Result<(), InventoryError> {
        let newest = now.div_euclid(length);
        let oldest = newest - i64::try_from(count).unwrap_or(i64::MAX) + 1;
        // The slots that are kept are those before the one that was still being filled.
        let known = self
            .newest
            .filter(|known| (oldest..=newest).contains(known));
        let from = known.unwrap_or(oldest);
        let shift = known.map_or(count, |known| {
            usize::try_from(newest - known).unwrap_or(count)
        });
        let kept = usize::try_from(from - oldest)
            .unwrap_or_default()
            .min(count);
        for slots in self.slots.values_mut() {
            slots.rotate_left(shift.min(count));
            slots[kept..].fill((0.0, 0.0));
        }
        let selector = Selector {
            matchers: matchers.to_vec(),
            range: TimeRange {
                start: from * length,
                end: now,
            },
        };
        view.each(&selector, &mut |instance, timestamp, value| {
            let at = usize::try_from(timestamp.div_euclid(length) - oldest).unwrap_or(usize::MAX);
            if !self.slots.contains_key(instance) {
                self.slots
                    .insert(instance.to_owned(), vec![(0.0, 0.0); count]);
            }
            let slots = self.slots.get_mut(instance);
            if let Some(slot) = slots.and_then(|slots| slots.get_mut(at)) {
                slot.0 += value;
                slot.1 += 1.0;
            }
        })?;
        self.slots
            .retain(|_, slots| slots.iter().any(|slot| slot.1 > 0.0));
        self.newest = Some(newest);
        Ok(())
    }
}

/// What a renewal reads from.
struct View<'a>(&'a dyn SeriesSource);

impl View<'_> {
    /// Every number (no NaN, no marker) that the selector picks.
    fn each(
        &self,
        selector: &Selector,
        visit: &mut dyn FnMut(&str, Millis, f64),
    ) -> Result<(), InventoryError> {
        let read = self.0.for_each(selector, &mut |labels, samples| {
            let instance = labels.get(INSTANCE).unwrap_or_default();
            for (timestamp, value) in samples.timestamps.iter().zip(samples.values) {
                if !value.is_nan() {
                    visit(instance, *timestamp, *value);
                }
            }
            ControlFlow::Continue(())
        });
        read.map_err(|error| InventoryError::Unreadable(error.to_string()))
    }
}

/// The newest trends; one caller at a time renews them.
#[derive(Debug, Default)]
pub(crate) struct Trends(Mutex<Arc<Fleet>>);

impl Trends {
    pub(crate) async fn get(
        &self,
        storage: &Storage,
        now: Millis,
    ) -> Result<Arc<Fleet>, InventoryError> {
        let mut known = self.0.lock().await;
        let is_fresh = |at: Millis| (0..FRESH).contains(&(now - at));
        if known.read_at.is_some_and(is_fresh) {
            return Ok(Arc::clone(&known));
        }
        let selector = |name: &str, length| Selector {
            matchers: vec![Matcher::equal(METRIC_NAME, name)],
            range: TimeRange {
                start: now - length,
                end: now,
            },
        };
        let day = DAY_SLOT * i64::try_from(DAY_SLOTS).unwrap_or_default();
        let snapshot = storage
            .snapshot(&[selector("up", day), selector(CPU, day)])
            .await
            .map_err(|error| InventoryError::Unavailable(error.to_string()))?;
        let before = Fleet::clone(&known);
        let renewed = tokio::task::spawn_blocking(move || before.renewed(&View(&snapshot), now));
        let renewed = renewed
            .await
            .map_err(|error| InventoryError::Unreadable(error.to_string()))??;
        *known = Arc::new(renewed);
        Ok(Arc::clone(&known))
    }
}

#[cfg(test)]
mod tests {
    use system_stats_model::labels::Labels;
    use system_stats_model::source::FixedSource;

    use super::*;

    /// `up` of one host, one sample a minute, alternating from the tenth half-hour on.
    fn minutes() -> FixedSource {
        let labels = Labels::from_pairs([("__name__", "up"), ("instance", "a")]);
        let minutes = 10 * 30..60 * 30;
        let samples = minutes.map(|minute: i64| (&labels, minute * 60_000, (minute % 2) as f64));
        samples.collect()
    }

    #[test]
    fn slots_move_on_and_are_what_reading_them_anew_gives() {
        let source = minutes();
        let renew = |fleet: Fleet, slot: i64| {
            let now = slot * DAY_SLOT + 60_000;
            fleet.renewed(&View(&source), now).unwrap()
        };
        let first = renew(Fleet::default(), 50);
        let day = first.availability("a");
        assert_eq!(day.len(), DAY_SLOTS);
        assert_eq!(day[..7], [None; 7], "before its first scrape");
        assert_eq!(day[7], Some(0.5));
        for slot in [50, 51, 97, 200] {
            let moved = renew(first.clone(), slot).availability("a");
            assert_eq!(
                moved,
                renew(Fleet::default(), slot).availability("a"),
                "{slot}"
            );
        }
        assert_eq!(first.availability("b"), vec![None; DAY_SLOTS]);
    }
}
