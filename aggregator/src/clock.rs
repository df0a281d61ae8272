//! The one place that asks what time it is, and when something recurring is due.

mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use system_stats_model::sample::Millis;

pub(crate) use self::schedule::Schedule;

/// Tells the time; cheap to clone. Whoever needs the wall clock is given one.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `now` (milliseconds since 1970) until [`Clock::set`].
    #[must_use]
    pub fn manual(now: Millis) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now))))
    }

    /// Moves a manual clock, and every clone of it; the system's clock is not touched.
    pub fn set(&self, now: Millis) {
        if let Source::Manual(time) = &self.0 {
            time.store(now, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970; a clock before that reads 0.
    #[must_use]
    pub fn now(&self) -> Millis {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(time) => time.load(Ordering::SeqCst),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the home of the wall clock")]
fn system_now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
