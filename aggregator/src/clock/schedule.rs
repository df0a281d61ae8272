//! When something recurring is due: at fixed points of absolute time, spread over the interval.

use std::time::Duration;

use system_stats_model::sample::Millis;

/// A sample may carry the scheduled time when the scrape began within so many milliseconds of it.
const MAX_TOLERANCE: Millis = 2;

/// The ticks of one target or rule group: every time that is `offset` beyond a multiple of `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval: Millis,
    offset: Millis,
}

impl Schedule {
    /// `hash` tells those apart that share an interval, `seed` servers: two servers that scrape
    /// the same targets do it at different moments.
    pub(crate) fn new(interval: Duration, hash: u64, seed: u64) -> Self {
        let interval = Millis::try_from(interval.as_millis())
            .unwrap_or(Millis::MAX)
            .max(1);
        let offset = (hash ^ seed) % interval.unsigned_abs();
        Self {
            interval,
            offset: Millis::try_from(offset).unwrap_or_default(),
        }
    }

    /// The first tick after `now`.
    pub(crate) fn next_after(self, now: Millis) -> Millis {
        let since = now.saturating_sub(self.offset).rem_euclid(self.interval);
        now.saturating_add(self.interval - since)
    }

    /// The tick that follows `last`, of those that are still to come at `now`: what was missed is
    /// not made up for. A clock that was set back starts over.
    pub(crate) fn next(self, last: Option<Millis>, now: Millis) -> Millis {
        let last = last.filter(|last| *last <= now.saturating_add(self.interval));
        self.next_after(last.map_or(now, |last| now.max(last)))
    }

    /// The time that samples of a scrape carry which was due at `scheduled` and began at `now`.
    pub(crate) fn sample_time(self, scheduled: Millis, now: Millis) -> Millis {
        let tolerance = MAX_TOLERANCE.min(self.interval / 100);
        if now.abs_diff(scheduled) <= tolerance.unsigned_abs() {
            scheduled
        } else {
            now
        }
    }

    /// Ticks between `from` and `until`, exclusive: those that a slow run missed.
    pub(crate) fn missed(self, from: Millis, until: Millis) -> u64 {
        let between = until.saturating_sub(from).max(0) / self.interval;
        u64::try_from(between - 1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn every(seconds: u64, hash: u64) -> Schedule {
        Schedule::new(Duration::from_secs(seconds), hash, 0)
    }

    #[test]
    fn ticks_are_pinned_to_absolute_time() {
        let schedule = every(10, 3_000);
        assert_eq!(schedule.next_after(0), 3_000);
        assert_eq!(schedule.next_after(2_999), 3_000);
        assert_eq!(schedule.next_after(3_000), 13_000);
        assert_eq!(schedule.next_after(1_000_000_001_000), 1_000_000_003_000);
    }

    #[test]
    fn servers_with_different_seeds_scrape_at_different_moments() {
        let at = |seed| Schedule::new(Duration::from_secs(10), 77, seed).next_after(0);
        assert_ne!(at(1), at(2));
        assert_eq!(at(1), at(1));
    }

    #[test]
    fn late_ticks_are_dropped_and_no_tick_comes_twice() {
        let schedule = every(10, 3_000);
        assert_eq!(schedule.next(None, 0), 3_000);
        // Woken a millisecond early.
        assert_eq!(schedule.next(Some(3_000), 2_999), 13_000);
        assert_eq!(schedule.next(Some(3_000), 3_500), 13_000);
        // The scrape took three intervals.
        assert_eq!(schedule.next(Some(3_000), 33_500), 43_000);
        assert_eq!(schedule.missed(3_000, 43_000), 3);
        assert_eq!(schedule.missed(3_000, 13_000), 0);
        // The clock was set back by a day.
        assert_eq!(schedule.next(Some(86_403_000), 1_000), 3_000);
        assert_eq!(schedule.missed(86_403_000, 3_000), 0);
    }

    #[test]
    fn samples_carry_the_scheduled_time_when_it_is_near() {
        let schedule = every(10, 0);
        let cases = [
            (10_000, 10_000),
            (10_002, 10_000),
            (9_998, 10_000),
            (10_003, 10_003),
        ];
        for (now, expected) in cases {
            assert_eq!(schedule.sample_time(10_000, now), expected);
        }
        // One hundredth of 100 ms.
        let fast = Schedule::new(Duration::from_millis(100), 0, 0);
        assert_eq!(fast.sample_time(100, 101), 100);
        assert_eq!(fast.sample_time(100, 102), 102);
    }

    proptest! {
        #[test]
        fn the_next_tick_is_within_an_interval(
            interval in 1u64..100_000_000, hash in any::<u64>(), seed in any::<u64>(),
            now in 0i64..4_000_000_000_000,
        ) {
            let schedule = Schedule::new(Duration::from_millis(interval), hash, seed);
            let next = schedule.next_after(now);
            prop_assert!(next > now && next - now <= i64::try_from(interval).unwrap());
            prop_assert_eq!(schedule.next_after(next - 1), next);
            prop_assert_eq!((next - schedule.offset) % schedule.interval, 0);
        }
    }
}
