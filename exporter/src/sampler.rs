//! Rates need two readings. The collecting thread takes one at its start and one a second, so
//! that every answer has a real interval behind it and none waits for one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::kernel::stat::CpuTimes;

/// How often a reading is kept.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// The interval behind a rate is at least this, except in the first second.
const SHORTEST: Duration = Duration::from_millis(950);
/// The first interval, before which nothing is answered.
pub(crate) const FIRST_INTERVAL: Duration = Duration::from_millis(250);
/// As many as it takes to have one that is a whole period old at any time.
const KEPT: usize = 3;

/// Counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) cpu: Option<CpuTimes>,
    /// Bytes read from and written to all whole disks.
    pub(crate) disk: Option<(u64, u64)>,
    /// Each interface with the bytes it received and sent.
    pub(crate) links: Vec<(String, u64, u64)>,
}

/// Bytes a second of one network interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinkRate {
    pub(crate) device: String,
    pub(crate) receive: f64,
    pub(crate) transmit: f64,
}

/// The last few readings.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Reading>);

impl History {
    pub(crate) fn push(&mut self, reading: Reading) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(reading);
    }

    /// The newest reading that is old enough to be compared with one at `now`, else the oldest.
    fn before(&self, now: Instant) -> Option<&Reading> {
        let old_enough = |reading: &&Reading| now.saturating_duration_since(reading.at) >= SHORTEST;
        self.0
            .iter()
            .rev()
            .find(old_enough)
            .or_else(|| self.0.front())
    }

    /// The busy share of all processors, 0-100, up to `now`. Since boot if no reading or no tick
    /// lies between.
    pub(crate) fn cpu_percent(&self, now: &Reading) -> Option<f64> {
        let current = now.cpu?;
        self.before(now.at)
            .and_then(|earlier| current.busy_percent_since(&earlier.cpu?))
            .or_else(|| current.busy_percent_since(&CpuTimes::default()))
    }

    /// Bytes a second read from and written to all disks up to `now`.
    pub(crate) fn disk_rates(&self, now: &Reading) -> Option<(f64, f64)> {
        let (read, written) = now.disk?;
        let earlier = self.before(now.at)?;
        let (earlier_read, earlier_written) = earlier.disk?;
        let seconds = now.at.saturating_duration_since(earlier.at).as_secs_f64();
        Some((
            rate(earlier_read, read, seconds)?,
            rate(earlier_written, written, seconds)?,
        ))
    }

    /// Bytes a second of every interface that was there at both ends of the interval.
    pub(crate) fn link_rates(&self, now: &Reading) -> Vec<LinkRate> {
        let Some(earlier) = self.before(now.at) else {
            return Vec::new();
        };
        let seconds = now.at.saturating_duration_since(earlier.at).as_secs_f64();
        let rate_of = |(device, received, sent): &(String, u64, u64)| {
            let (_, earlier_received, earlier_sent) =
                earlier.links.iter().find(|(name, _, _)| name == device)?;
            Some(LinkRate {
                device: device.clone(),
                receive: rate(*earlier_received, *received, seconds)?,
                transmit: rate(*earlier_sent, *sent, seconds)?,
            })
        };
        now.links.iter().filter_map(rate_of).collect()
    }
}

/// A counter that ran backwards was reset: it counts from zero.
fn rate(earlier: u64, now: u64, seconds: f64) -> Option<f64> {
    let grown = now.checked_sub(earlier).unwrap_or(now);
    (seconds > 0.0).then(|| grown as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start: Instant, millis: u64, busy: u64, idle: u64, bytes: u64) -> Reading {
        Reading {
            at: start + Duration::from_millis(millis),
            cpu: Some(CpuTimes {
                user: busy,
                idle,
                ..CpuTimes::default()
            }),
            disk: Some((bytes, 2 * bytes)),
            links: vec![("eth0".to_owned(), bytes, 3 * bytes)],
        }
    }

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-6, "{left} is not {right}");
    }

    #[test]
    fn the_first_answer_has_the_first_interval_behind_it() {
        let start = Instant::now();
        let mut history = History::default();
        history.push(reading(start, 0, 1_000, 9_000, 0));
        let now = reading(start, 250, 1_010, 9_015, 1_000);
        close(history.cpu_percent(&now).unwrap(), 40.0);
        close(history.disk_rates(&now).unwrap().1, 8_000.0);
        close(history.link_rates(&now)[0].transmit, 12_000.0);
    }

    #[test]
    fn later_ones_reach_back_about_a_second() {
        let start = Instant::now();
        let mut history = History::default();
        for second in 0..5 {
            history.push(reading(
                start,
                second * 1_000,
                second * 100,
                0,
                second * 500,
            ));
        }
        let now = reading(start, 4_100, 400, 50, 2_000);
        // Compared with the reading at three seconds: 100 busy of 150.
        close(history.cpu_percent(&now).unwrap(), 100.0 * 100.0 / 150.0);
        close(history.disk_rates(&now).unwrap().0, 500.0 / 1.1);
    }

    #[test]
    fn without_an_interval_it_is_the_share_since_boot() {
        let start = Instant::now();
        let mut history = History::default();
        let now = reading(start, 0, 30, 70, 1);
        close(history.cpu_percent(&now).unwrap(), 30.0);
        history.push(now.clone());
        close(history.cpu_percent(&now).unwrap(), 30.0);
        assert_eq!(history.disk_rates(&now), None);
    }

    #[test]
    fn a_reset_counter_counts_from_zero() {
        let start = Instant::now();
        let mut history = History::default();
        history.push(reading(start, 0, 0, 1, 1_000));
        let now = reading(start, 1_000, 0, 2, 10);
        close(history.disk_rates(&now).unwrap().0, 10.0);
    }
}
