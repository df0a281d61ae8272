//! Samples that others bring: remote write and imports.
//!
//! A request is read as a whole, then stored target by target, and acknowledged when all of it is
//! committed. What cannot be stored is refused sample by sample; the rest is stored.
//!
//! * `remote` - remote write; `protobuf` reads its messages
//! * `text` - imports
//! * `load` - what either wants stored
//! * `metrics` - what is counted

mod load;
mod metrics;
mod protobuf;
mod remote;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use system_stats_model::append::{AppendError, Appender, Batch, Order, Row, Ticket, Urgency};
use system_stats_model::exposition::ExpositionError;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_storage::{CommitError, Storage};
use tokio::sync::Semaphore;

use self::load::{Load, target_of};
pub use self::metrics::WriteMetrics;
#[cfg(test)]
pub(crate) use self::remote::sample_bodies;
pub use self::text::Import;
use crate::clock::Clock;
use crate::metadata::Metadata;

/// Requests that are read and stored at the same time; further ones wait with their bodies unread.
const AT_ONCE: usize = 4;
/// Samples from further ahead than this are refused: 10 minutes.
const MAX_AHEAD: Millis = 600_000;
/// Rows of one batch at most, so that nobody who reads a target waits long.
const BATCH_ROWS: usize = 8192;

/// A request was not stored, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The body cannot be read; nothing of it is stored.
    #[error("{0}")]
    Malformed(String),
    /// Some samples will never be stored; the others are.
    #[error("{0}")]
    Refused(String),
    /// The store cannot take it now. Some of it may be there already; sent again, it is not there
    /// twice.
    #[error("{0}")]
    Unavailable(String),
}

impl From<ExpositionError> for WriteError {
    fn from(error: ExpositionError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<AppendError> for WriteError {
    fn from(error: AppendError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<CommitError> for WriteError {
    fn from(error: CommitError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Takes samples that others bring.
pub struct Writer {
    storage: Arc<Storage>,
    metadata: Arc<Metadata>,
    clock: Clock,
    metrics: WriteMetrics,
    places: Arc<Semaphore>,
}

/// A place among the requests that are read at the same time.
pub struct Place(#[expect(dead_code, reason = "held, not read")] tokio::sync::OwnedSemaphorePermit);

/// What became of the samples of a request.
#[derive(Clone, Debug, Default)]
struct Written {
    /// The last batch with a sample in it.
    ticket: Option<Ticket>,
    samples: u64,
    stored: u64,
    out_of_bounds: u64,
    too_old: u64,
    duplicate: u64,
    over_limit: u64,
    /// What the store says about the first target that is full.
    limit: Option<String>,
}

impl Writer {
    /// A writer into `storage`; descriptions of metrics go to `metadata`.
    #[must_use]
    pub fn new(storage: Arc<Storage>, metadata: Arc<Metadata>, clock: Clock) -> Self {
        Self {
            storage,
            metadata,
            clock,
            metrics: WriteMetrics::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// What the writer counts about itself.
    #[must_use]
    pub fn metrics(&self) -> &WriteMetrics {
        &self.metrics
    }

    /// Waits for a place; a body should be read only by who has one.
    ///
    /// # Errors
    /// [`WriteError::Unavailable`] when the program stops.
    pub async fn place(&self) -> Result<Place, WriteError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place
            .map(Place)
            .map_err(|error| WriteError::Unavailable(error.to_string()))
    }

    /// Stores the body of a remote write; returns when it is committed.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn remote(self: &Arc<Self>, body: Bytes, place: Place) -> Result<(), WriteError> {
        self.store(place, move || remote::read(&body)).await
    }

    /// Stores a text; returns when it is committed. A text with a mistake in it is not stored at
    /// all.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn import(
        self: &Arc<Self>,
        body: Bytes,
        import: Import,
        place: Place,
    ) -> Result<(), WriteError> {
        self.store(place, move || text::read(&body, &import)).await
    }

    async fn store(
        self: &Arc<Self>,
        place: Place,
        read: impl FnOnce() -> Result<Load, WriteError> + Send + 'static,
    ) -> Result<(), WriteError> {
        let writer = Arc::clone(self);
        let stored = move || {
            let _place = place;
            writer.load(read()?)
        };
        let stored = tokio::task::spawn_blocking(stored).await;
        let (written, reason) =
            stored.map_err(|error| WriteError::Unavailable(error.to_string()))??;
        // What is refused for good is said only when the rest is safe: a client that repeats the
        // request loses nothing either way.
        if let Some(ticket) = written.ticket {
            self.storage.committed(ticket).await?;
        }
        self.metrics.stored(written.stored);
        match reason {
            Some(reason) => Err(WriteError::Refused(reason)),
            None => Ok(()),
        }
    }

    /// Appends everything; the second part says what is refused for good.
    fn load(&self, mut load: Load) -> Result<(Written, Option<String>), WriteError> {
        let now = self.clock.now();
        self.metrics.read(load.exemplars, load.histograms);
        if !load.descriptions.is_empty() {
            self.metadata.tell(load.descriptions.drain(..), now);
        }
        let written = match self.append(&load, now) {
            // The retention forgot a series between the look-up and the append; what is there
            // already is taken once more without harm.
            Err(AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_)) => {
                self.append(&load, now)
            }
            written => written,
        }?;
        self.metrics.reject("invalid_labels", load.invalid);
        self.metrics.reject("out_of_bounds", written.out_of_bounds);
        self.metrics.reject("out_of_order", written.too_old);
        self.metrics.reject("duplicate", written.duplicate);
        self.metrics.reject("too_many_series", written.over_limit);
        let reason = Self::reason(&load, &written);
        if let Some(reason) = &reason {
            tracing::warn!(reason, "samples of a write were refused");
        }
        Ok((written, reason))
    }

    fn append(&self, load: &Load, now: Millis) -> Result<Written, AppendError> {
        let storage = self.storage.as_ref();
        let mut written = Written {
            samples: load.samples.len() as u64 + load.invalid,
            ..Written::default()
        };
        let mut targets: HashMap<Labels, Vec<Row>> = HashMap::new();
        let mut samples = load.samples.iter();
        for series in &load.series {
            let labels = target_of(&series.labels);
            let target = storage.target(&labels)?;
            let samples = samples.by_ref().take(series.samples);
            let id = match Appender::series(storage, target, &series.labels) {
                Ok(id) => id,
                Err(error @ AppendError::TooManySeries { .. }) => {
                    written.over_limit += samples.count() as u64;
                    written.limit.get_or_insert_with(|| error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let rows = targets.entry(labels).or_default();
            for sample in samples {
                if !(0..=now.saturating_add(MAX_AHEAD)).contains(&sample.timestamp) {
                    written.out_of_bounds += 1;
                    continue;
                }
                rows.push(Row {
                    series: id,
                    timestamp: sample.timestamp,
                    value: sample.value,
                });
            }
        }
        let mut batches = Vec::with_capacity(targets.len());
        for (labels, mut rows) in targets {
            let target = storage.target(&labels)?;
            // Oldest first: what is cut into batches must not be late because of the cut.
            rows.sort_by_key(|row| row.timestamp);
            batches.extend(rows.chunks(BATCH_ROWS).map(|rows| (target, rows.to_vec())));
        }
        let last = batches.len().saturating_sub(1);
        for (at, (target, rows)) in batches.into_iter().enumerate() {
            let batch = Batch {
                target,
                order: Order::Any,
                rows,
            };
            // One commit for all of them: the others wait for the last.
            let urgency = if at == last {
                Urgency::Waiting
            } else {
                Urgency::Relaxed
            };
            let (ticket, outcome) = storage.append(batch, urgency)?;
            written.ticket = Some(ticket);
            written.stored += outcome.stored as u64;
            written.too_old += outcome.out_of_order as u64;
            written.duplicate += outcome.duplicate as u64;
        }
        Ok(written)
    }

    /// Why some samples will never be stored, in Prometheus' words, if there are such.
    fn reason(load: &Load, written: &Written) -> Option<String> {
        let all = written.samples;
        let kinds = [
            (
                written.too_old,
                "too old sample",
                "out of order by more than --storage.out-of-order-time-window, or before what \
                 --storage.retention.time keeps",
            ),
            (
                written.duplicate,
                "duplicate sample for timestamp",
                "at a time at which another value is stored",
            ),
            (
                written.out_of_bounds,
                "out of bounds",
                "before 1970 or more than 10 minutes ahead",
            ),
        ];
        let shown = |(count, what, why): &(u64, &str, &str)| {
            (*count > 0).then(|| format!("{what}: {count} of {all} samples are {why}"))
        };
        let labels = load.first_invalid.clone();
        let mut reasons: Vec<String> = labels.into_iter().collect();
        reasons.extend(written.limit.clone());
        reasons.extend(kinds.iter().filter_map(shown));
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}
