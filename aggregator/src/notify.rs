//! Telling Alertmanagers about alerts.
//!
//! Every Alertmanager has a queue of its own and gets every alert. A queue that is full loses its
//! oldest alerts; what cannot be delivered is counted, and not tried again: rules repeat what
//! still holds.
//!
//! * `set` - the Alertmanagers of one entry of the configuration, as they come and go
//! * `queue`, `worker` - what waits for one of them, and its delivery
//! * `endpoint` - from labels to URLs; `payload` - the JSON of its API, version 2
//! * `metrics` - what is counted

mod endpoint;
mod metrics;
mod payload;
mod queue;
mod set;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use system_stats_model::labels::{Labels, LabelsBuilder};
use system_stats_model::relabel::{Relabel, relabel};
use system_stats_model::sample::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::metrics::NotifyMetrics;
use self::set::Set;
use crate::client::{Client, ClientError};
use crate::config::{AlertmanagerConfig, Config};
use crate::discovery::{Discovery, Found};

/// What an Alertmanager is told of an alert. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What identifies it.
    pub labels: Labels,
    /// What people are told.
    pub annotations: Vec<(String, String)>,
    /// Since when it fires.
    pub starts_at: Millis,
    /// When it ended, or until when it holds unless it is repeated.
    pub ends_at: Millis,
    /// Where its expression can be looked at.
    pub generator_url: String,
}

/// How Alertmanagers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifyOptions {
    /// How many alerts may wait for one Alertmanager; at least one.
    pub queue_capacity: usize,
    /// Whether what waits is delivered before the program ends.
    pub drains_at_stop: bool,
}

impl Default for NotifyOptions {
    fn default() -> Self {
        Self {
            queue_capacity: 10_000,
            drains_at_stop: true,
        }
    }
}

/// The URLs of Alertmanagers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alertmanagers {
    /// Those that are told.
    pub active: Vec<String>,
    /// Those that relabelling refused.
    pub dropped: Vec<String>,
}

/// What all deliveries share.
struct Shared {
    options: NotifyOptions,
    metrics: NotifyMetrics,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Owns the queues and their deliveries.
pub struct Notifier {
    shared: Arc<Shared>,
    discovery: Arc<Discovery>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    external_labels: Labels,
    alert_relabel_configs: Vec<Relabel>,
    sets: Vec<Arc<Set>>,
}

/// A configuration that can be put into effect.
pub struct Prepared {
    external_labels: Labels,
    alert_relabel_configs: Vec<Relabel>,
    sets: Vec<(AlertmanagerConfig, Client, Option<Found>)>,
}

/// An entry of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("alerting.alertmanagers[{at}]: {source}")]
pub struct PrepareError {
    /// Which, from 0.
    pub at: usize,
    /// Why not.
    pub source: ClientError,
}

impl Notifier {
    /// A notifier without Alertmanagers; `discovery` finds them.
    #[must_use]
    pub fn new(options: NotifyOptions, discovery: Arc<Discovery>) -> Self {
        let metrics = NotifyMetrics::new(options.queue_capacity);
        Self {
            shared: Arc::new(Shared {
                options,
                metrics,
                tasks: TaskTracker::new(),
                shutdown: CancellationToken::new(),
            }),
            discovery,
            state: Mutex::default(),
        }
    }

    /// What is counted about it.
    pub fn metrics(&self) -> &NotifyMetrics {
        &self.shared.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files that a configuration names, and begins to look for new Alertmanagers.
    /// Changes nothing of what is in effect. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`PrepareError`] when an entry cannot be used.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, PrepareError> {
        let before = self.state().sets.clone();
        let entries = config.alerting.alertmanagers.iter();
        let prepare = |entry: &AlertmanagerConfig| -> Result<_, ClientError> {
            let client = Client::new(&entry.client)?;
            let is_new = before.iter().all(|set| set.config != *entry);
            let found = is_new.then(|| self.discovery.start(&entry.discoveries));
            Ok((entry.clone(), client, found.transpose()?))
        };
        let sets = entries
            .enumerate()
            .map(|(at, entry)| prepare(entry).map_err(|source| PrepareError { at, source }));
        Ok(Prepared {
            external_labels: config.global.external_labels.clone(),
            alert_relabel_configs: config.alerting.alert_relabel_configs.clone(),
            sets: sets.collect::<Result<_, _>>()?,
        })
    }

    /// Puts a configuration into effect. Alertmanagers whose entry did not change keep their
    /// queues. Has to be called within a tokio runtime.
    pub fn apply(&self, prepared: Prepared) {
        let mut state = self.state();
        if self.shared.shutdown.is_cancelled() {
            return;
        }
        let mut before = std::mem::take(&mut state.sets);
        for (config, client, found) in prepared.sets {
            let same = before.iter().position(|set| set.config == config);
            match (same, found) {
                (Some(at), _) => {
                    let set = before.swap_remove(at);
                    set.renew(client);
                    state.sets.push(set);
                }
                (None, Some(found)) => {
                    let set = Set::start(&self.shared, config, client, found);
                    state.sets.push(set);
                }
                // An entry that is there twice: everybody in it is told once.
                (None, None) => {}
            }
        }
        for gone in before {
            gone.end();
        }
        state.external_labels = prepared.external_labels;
        state.alert_relabel_configs = prepared.alert_relabel_configs;
    }

    /// Hands alerts to the queues of all Alertmanagers; never waits.
    pub fn send(&self, alerts: Vec<Notification>) {
        let state = self.state();
        let alerts = alerts.into_iter().filter_map(|alert| {
            let labels = with_external(&alert.labels, &state.external_labels);
            let labels = relabel(&state.alert_relabel_configs, &labels)?;
            (!labels.is_empty()).then(|| Arc::new(Notification { labels, ..alert }))
        });
        let alerts: Vec<Arc<Notification>> = alerts.collect();
        for set in &state.sets {
            set.send(&alerts);
        }
    }

    /// Who is told, in the order of the configuration.
    pub fn alertmanagers(&self) -> Alertmanagers {
        let mut all = Alertmanagers::default();
        for set in &self.state().sets {
            set.list(&mut all);
        }
        all
    }

    /// Delivers what waits, if that is wanted and for a few seconds at most, and ends.
    pub async fn stop(&self) {
        {
            let _state = self.state();
            self.shared.shutdown.cancel();
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

/// Adds those labels that an alert does not have itself.
fn with_external(labels: &Labels, external: &Labels) -> Labels {
    let mut builder = LabelsBuilder::from(labels);
    for (name, value) in external {
        if labels.get(name).is_none() {
            builder.set(name, value);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests;
