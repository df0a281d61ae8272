//! What is remembered of alerts, and what people do about them.
//!
//! History is every change of every alert and everything done to silences, added to and never
//! changed, until its own retention takes it. A silence hides alerts in this server's own views; it
//! changes nothing about their series, about Prometheus' API and about what is sent away. An
//! acknowledgement is a silence of one alert that ends with it. Not here: how alerts come to be.
//!
//! * `event` - what history keeps; `history` - reading it
//! * `active` - the alerts that history says are pending or firing, over restarts
//! * `silence`, `silences` - one silence, all of them
//! * `acting` - what people do
//! * `writer` - the way into the store, which nobody waits in

mod acting;
mod active;
mod event;
mod history;
mod metrics;
mod silence;
mod silences;
mod texts;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_storage::{Changes, Object, ObjectKind, Storage};

pub use self::acting::Subject;
use self::active::Active;
pub use self::event::{Act, AlertChange, Event, Phase, SilenceChange, What};
pub use self::history::{Cursor, HistoryPage, HistoryQuery};
pub use self::metrics::AlertingMetrics;
pub use self::silence::{Draft, Silence, SilenceState};
pub use self::silences::Silences;
pub use self::texts::fingerprint;
use self::writer::Writer;
use crate::clock::Clock;

/// How long a silence is kept after its end.
const SILENCE_RETENTION: Millis = 120 * 3_600_000;
/// Documents read at a time when the service is opened.
const PAGE: usize = 1000;
/// Changes that are handed to the store at once.
const CHUNK: usize = 1000;

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertingError {
    /// It cannot be meant; worded as Alertmanager does, where it has words for it.
    #[error("{0}")]
    Invalid(String),
    /// What it is about is not there.
    #[error("{0}")]
    Missing(String),
    /// There is as much as may be.
    #[error("{0}")]
    Full(String),
    /// The store takes or gives nothing at the moment.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Stored data does not decode.
    #[error("stored data cannot be read: {0}")]
    Unreadable(String),
}

/// History, silences and acknowledgements.
pub struct Alerting {
    storage: Arc<Storage>,
    clock: Clock,
    metrics: AlertingMetrics,
    opened: Millis,
    state: Mutex<State>,
}

struct State {
    active: Active,
    silences: Arc<Silences>,
    writer: Writer,
}

/// What the rules say about an alert that history has as pending or firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It still is, or nothing is known yet.
    GoesOn,
    /// It has ended without anybody having said so; noticed at this time.
    Ended(Millis),
}

impl Alerting {
    /// The service of a store: silences and the alerts that were active are read into memory.
    ///
    /// # Errors
    /// [`AlertingError`] when the store cannot be read.
    pub async fn open(storage: Arc<Storage>, clock: Clock) -> Result<Self, AlertingError> {
        let metrics = AlertingMetrics::default();
        let mut active = Active::default();
        let mut silences = Silences::default();
        let now = clock.now();
        each(&storage, ObjectKind::Active, |body| {
            let change = serde_json::from_slice(body)?;
            active.restore(change, now);
            Ok(())
        })
        .await?;
        each(&storage, ObjectKind::Silence, |body| {
            silences.insert(serde_json::from_slice(body)?, body.len());
            Ok(())
        })
        .await?;
        let writer = Writer::new(Arc::clone(&storage), metrics.clone());
        Ok(Self {
            storage,
            clock,
            metrics,
            opened: now,
            state: Mutex::new(State {
                active,
                silences: Arc::new(silences),
                writer,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the service counts about itself.
    pub fn metrics(&self) -> &AlertingMetrics {
        &self.metrics
    }

    /// When it was opened, in milliseconds since 1970.
    #[must_use]
    pub fn opened(&self) -> Millis {
        self.opened
    }

    /// All silences as they are now.
    #[must_use]
    pub fn silences(&self) -> Arc<Silences> {
        Arc::clone(&self.state().silences)
    }

    /// Takes down what alerts did; never waits. What an alert did before a restart is not taken
    /// down again: one that comes back as pending or firing goes on where it was.
    pub fn changed(&self, changes: Vec<AlertChange>) {
        let mut state = self.state();
        let mut batch = Changes::default();
        for change in changes {
            state.take_down(change, &mut batch);
            if batch.events.len() >= CHUNK {
                state.writer.push(std::mem::take(&mut batch));
            }
        }
        state.writer.push(batch);
    }

    /// Ends the alerts that `fate` says have ended. It is told what history has of an alert, and
    /// when that was last confirmed: by a change, or by the start of this service.
    pub fn reconcile(&self, fate: impl Fn(&AlertChange, Millis) -> Fate) {
        let mut state = self.state();
        let mut ended = Vec::new();
        for (last, confirmed) in state.active.iter() {
            if let Fate::Ended(at) = fate(last, confirmed) {
                ended.push(AlertChange {
                    at,
                    from: last.to,
                    to: Phase::Inactive,
                    is_noticed: true,
                    ..last.clone()
                });
            }
        }
        let mut batch = Changes::default();
        for change in ended {
            tracing::info!(labels = %change.labels, "an alert has ended unseen");
            state.take_down(change, &mut batch);
        }
        state.writer.push(batch);
    }

    /// Ends the acknowledgements of alerts that have ended without history being told: `told` are
    /// the labels of those that still fire, as for [`Alerting::acknowledge`].
    pub fn end_acknowledged(&self, told: &[Labels]) {
        let now = self.clock.now();
        let mut state = self.state();
        let ended = state.silences.acknowledgements(now);
        let ended: Vec<Arc<Silence>> = ended
            .filter(|(alert, _)| !state.active.has(alert) && !told.contains(alert))
            .map(|(_, silence)| Arc::clone(silence))
            .collect();
        let mut batch = Changes::default();
        for silence in ended {
            state.end_silence(&silence, now, "", &mut batch);
        }
        state.writer.push(batch);
    }

    /// What is to be done every few seconds: writes what the store did not take before, takes down
    /// the silences that have ended, and forgets those that ended five days ago.
    pub fn tick(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        let mut batch = Changes::default();
        let ended = state.silences.ended_unnoted(now);
        for silence in ended {
            let at = silence.ends_at;
            state.end_silence(&silence, at, "", &mut batch);
        }
        for id in state.silences.old(now.saturating_sub(SILENCE_RETENTION)) {
            Arc::make_mut(&mut state.silences).remove(&id);
            batch.removed.push((ObjectKind::Silence, id));
        }
        state.writer.push(batch);
        self.metrics.silences(state.silences.live(now));
    }

    /// Waits until what the store was given is durable.
    async fn durable(
        &self,
        ticket: system_stats_model::append::Ticket,
    ) -> Result<(), AlertingError> {
        let committed = self.storage.committed(ticket).await;
        committed.map_err(|error| AlertingError::Unavailable(error.to_string()))
    }
}

impl State {
    fn take_down(&mut self, change: AlertChange, batch: &mut Changes) {
        let Some(change) = self.active.note(change) else {
            return;
        };
        let key = (ObjectKind::Active, change.key());
        if change.to == Phase::Inactive {
            batch.removed.push(key);
        } else if let Some(body) = texts::json(&change) {
            batch.objects.push(Object {
                kind: key.0,
                key: key.1,
                updated: change.at,
                body,
            });
        }
        let (at, has_ended) = (change.at, !self.active.has(&change.labels));
        let labels = change.labels.clone();
        batch.events.extend(Event::Alert(change).stored());
        if has_ended {
            for silence in self.silences.acknowledging(&labels, at) {
                self.end_silence(&silence, at, "", batch);
            }
        }
    }

    /// Ends a silence at `at`; by nobody when it ends by itself.
    fn end_silence(&mut self, silence: &Silence, at: Millis, by: &str, batch: &mut Changes) {
        let mut ended = silence.clone();
        // What has ended by itself keeps its end.
        ended.ends_at = at.min(silence.ends_at);
        ended.starts_at = silence.starts_at.min(ended.ends_at);
        ended.updated_at = at;
        ended.is_end_noted = true;
        self.put_silence(ended, Act::Expired, at, by, batch);
    }

    /// Puts a version of a silence in the place of the one there is.
    fn put_silence(
        &mut self,
        silence: Silence,
        act: Act,
        at: Millis,
        by: &str,
        batch: &mut Changes,
    ) {
        let Some(body) = texts::json(&silence) else {
            return;
        };
        let change = SilenceChange {
            at,
            act,
            by: by.to_owned(),
            silence: silence.clone(),
        };
        batch.events.extend(Event::Silence(change).stored());
        let size = body.len();
        batch.objects.push(Object {
            kind: ObjectKind::Silence,
            key: silence.id.clone(),
            updated: at,
            body,
        });
        Arc::make_mut(&mut self.silences).insert(silence, size);
    }
}

/// Gives every document of a kind to `take`; one that it cannot read is left out, and said so.
async fn each(
    storage: &Storage,
    kind: ObjectKind,
    mut take: impl FnMut(&[u8]) -> Result<(), serde_json::Error>,
) -> Result<(), AlertingError> {
    let mut after = String::new();
    loop {
        let page = storage.object_page(kind, &after, PAGE).await;
        let page = page.map_err(|error| AlertingError::Unavailable(error.to_string()))?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.key);
        for object in page {
            if let Err(error) = take(&object.body) {
                tracing::warn!(?kind, key = object.key, %error, "a document cannot be read");
            }
        }
    }
}

#[cfg(test)]
mod tests;
