//! What is known about a target, for those who ask.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::ingest::Scraped;
use super::worker::Shared;

/// Whether a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has not been scraped yet.
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// As Prometheus' API writes it: `unknown`, `up`, `down`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What is known about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// The job's name in the configuration.
    pub pool: String,
    /// The labels of its series.
    pub labels: Labels,
    /// What it was known by before relabelling.
    pub discovered: Labels,
    /// Where it is scraped; user, password and what looks like a secret are left out.
    pub url: String,
    /// Time between two scrapes.
    pub interval: Duration,
    /// How long a scrape may take.
    pub timeout: Duration,
    /// Whether it answers.
    pub health: Health,
    /// Why the last scrape failed; empty when it did not.
    pub last_error: String,
    /// The time that the last scrape's samples carry.
    pub last_scrape: Option<Millis>,
    /// How long the last scrape took.
    pub last_duration: Duration,
    /// Samples that the last scrape found.
    pub samples: u64,
}

/// The targets of a job that relabelling dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedTargets {
    /// What they were known by, as far as it is kept.
    pub discovered: Vec<Labels>,
    /// How many there are.
    pub count: u64,
}

/// The part of a [`TargetStatus`] that changes.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) health: Health,
    pub(super) error: String,
    pub(super) scrape: Option<Millis>,
    pub(super) duration: Duration,
    pub(super) samples: u64,
}

/// The last scrape of a target, shared with those who ask.
#[derive(Debug)]
pub(super) struct State(Mutex<Last>);

impl Default for State {
    fn default() -> Self {
        Self(Mutex::new(Last {
            health: Health::Unknown,
            error: String::new(),
            scrape: None,
            duration: Duration::ZERO,
            samples: 0,
        }))
    }
}

impl State {
    pub(super) fn last(&self) -> Last {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes a scrape; a target that goes down or comes back is worth a line in the log.
    pub(super) fn note(&self, shared: &Shared, at: Millis, scraped: &Scraped) {
        let (pool, labels) = (&shared.job.job_name, &shared.target.labels);
        let health = if scraped.error.is_none() {
            Health::Up
        } else {
            Health::Down
        };
        let error = scraped
            .error
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let before = self.last().health;
        if before != health {
            if health == Health::Down {
                tracing::warn!(pool, target_labels = %labels, error, "target is down");
            } else {
                tracing::info!(pool, target_labels = %labels, "target is up");
            }
        }
        tracing::debug!(
            pool,
            target_labels = %labels,
            health = health.as_str(),
            samples = scraped.counts.scraped,
            duration_seconds = scraped.duration.as_secs_f64(),
            error,
            "scraped"
        );
        shared.metrics.scrapes.inc();
        if let Some(error) = &scraped.error {
            shared.metrics.failed(error.reason());
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last {
            health,
            error,
            scrape: Some(at),
            duration: scraped.duration,
            samples: scraped.counts.scraped,
        };
    }
}
