//! Which samples are taken.

use system_stats_model::append::Order;
use system_stats_model::sample::Millis;

use super::LATEST;

/// What a batch may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) order: Order,
    /// How much older than its series' newest sample a sample may be, in milliseconds.
    pub(crate) window: Millis,
    /// Nothing before this is taken: retention has passed it.
    pub(crate) floor: Millis,
}

/// What to do with a sample, as far as its time alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Newer than everything of its series.
    Append,
    /// As new as the newest of its series: the value decides.
    Again,
    /// Older than the newest of its series, but not too old.
    Late,
    /// Too old, or beyond the times that can be stored.
    Outside,
}

impl Policy {
    /// `latest` is the time of the series' newest sample.
    pub(super) fn judge(&self, timestamp: Millis, latest: Option<Millis>) -> Verdict {
        if !(self.floor.max(0)..=LATEST).contains(&timestamp) {
            return Verdict::Outside;
        }
        match latest {
            None => Verdict::Append,
            Some(latest) if timestamp > latest => Verdict::Append,
            Some(latest) if timestamp == latest => Verdict::Again,
            Some(_) if self.order == Order::Strict => Verdict::Outside,
            Some(_) if self.order == Order::Unlimited => Verdict::Late,
            Some(latest) if timestamp < latest.saturating_sub(self.window) => Verdict::Outside,
            Some(_) => Verdict::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_against_the_newest_sample() {
        let any = |window, floor| Policy {
            order: Order::Any,
            window,
            floor,
        };
        let strict = Policy {
            order: Order::Strict,
            ..any(1000, 0)
        };
        let unlimited = Policy {
            order: Order::Unlimited,
            ..any(1000, 3)
        };
        let cases = [
            (unlimited, 3, Some(LATEST), Verdict::Late),
            (unlimited, 2, None, Verdict::Outside),
            (any(1000, 0), 5000, None, Verdict::Append),
            (any(1000, 0), 5000, Some(4999), Verdict::Append),
            (any(1000, 0), 5000, Some(5000), Verdict::Again),
            (any(1000, 0), 5000, Some(6000), Verdict::Late),
            (any(1000, 0), 5000, Some(6001), Verdict::Outside),
            (any(Millis::MAX, 0), 0, Some(Millis::MAX), Verdict::Late),
            (any(1000, 0), -1, None, Verdict::Outside),
            (any(1000, 0), LATEST, None, Verdict::Append),
            (any(1000, 0), LATEST + 1, None, Verdict::Outside),
            (any(1000, 5001), 5000, None, Verdict::Outside),
            (any(1000, 5000), 5000, None, Verdict::Append),
            (strict, 5000, Some(5000), Verdict::Again),
            (strict, 5000, Some(5001), Verdict::Outside),
            (strict, 5000, Some(4999), Verdict::Append),
        ];
        for (policy, timestamp, latest, expected) in cases {
            let verdict = policy.judge(timestamp, latest);
            assert_eq!(verdict, expected, "{policy:?} {timestamp} after {latest:?}");
        }
    }
}
