//! The Alertmanagers of one entry of the configuration, as they come and go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::relabel::relabel;
use tokio_util::sync::CancellationToken;

use super::endpoint::{Endpoint, endpoint};
use super::queue::Queue;
use super::worker::Worker;
use super::{Alertmanagers, Notification, Shared};
use crate::client::Client;
use crate::config::AlertmanagerConfig;
use crate::discovery::Found;

/// The most Alertmanagers of one entry; each has a queue.
const MAX_ALERTMANAGERS: usize = 128;

pub(super) struct Set {
    pub(super) config: AlertmanagerConfig,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    members: Mutex<Members>,
    stop: CancellationToken,
}

/// How the members of a set are reached.
pub(super) struct Connection {
    pub(super) timeout: Duration,
    client: Mutex<Client>,
}

impl Connection {
    /// As it is in effect now.
    pub(super) fn client(&self) -> Client {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone()
    }
}

#[derive(Default)]
struct Members {
    active: Vec<Member>,
    dropped: Vec<String>,
}

struct Member {
    url: String,
    queue: Arc<Queue>,
    stop: CancellationToken,
}

impl Set {
    /// Tells those that are found at once, and follows what is found later.
    pub(super) fn start(
        shared: &Arc<Shared>,
        config: AlertmanagerConfig,
        client: Client,
        mut found: Found,
    ) -> Arc<Self> {
        let set = Arc::new(Self {
            shared: Arc::clone(shared),
            connection: Arc::new(Connection {
                timeout: config.timeout,
                client: Mutex::new(client),
            }),
            config,
            members: Mutex::default(),
            stop: shared.shutdown.child_token(),
        });
        set.follow(&found.targets());
        let follower = Arc::clone(&set);
        shared.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = follower.stop.cancelled() => return,
                    () = found.changed() => follower.follow(&found.targets()),
                }
            }
        });
        set
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another client, for instance one that has read its certificates again.
    pub(super) fn renew(&self, client: Client) {
        let current = &self.connection.client;
        *current.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// Those that are still there keep their queues.
    fn follow(&self, targets: &[Labels]) {
        let mut members = self.members();
        if self.stop.is_cancelled() {
            return;
        }
        let mut before = std::mem::take(&mut *members);
        let mut left_out = 0_usize;
        for target in targets {
            let url = match endpoint(&self.config, target) {
                Ok(Endpoint::Active(url)) => url.to_string(),
                Ok(Endpoint::Dropped(url)) => {
                    members.dropped.push(url);
                    continue;
                }
                Err(reason) => {
                    tracing::error!(%target, reason, "an Alertmanager is left out");
                    continue;
                }
            };
            if members.active.iter().any(|member| member.url == url) {
                continue;
            }
            if members.active.len() == MAX_ALERTMANAGERS {
                left_out += 1;
                continue;
            }
            let same = before.active.iter().position(|member| member.url == url);
            let member = match same {
                Some(at) => before.active.swap_remove(at),
                None => self.join(url),
            };
            members.active.push(member);
        }
        for gone in before.active {
            gone.stop.cancel();
        }
        if left_out > 0 {
            tracing::error!(left_out, most = MAX_ALERTMANAGERS, "too many Alertmanagers");
        }
    }

    fn join(&self, url: String) -> Member {
        let metrics = self.shared.metrics.of(&url);
        let queue = Queue::new(self.shared.options.queue_capacity, metrics);
        let member = Member {
            queue: Arc::new(queue),
            stop: self.stop.child_token(),
            url,
        };
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            connection: Arc::clone(&self.connection),
            url: member.url.clone(),
            queue: Arc::clone(&member.queue),
            stop: member.stop.clone(),
        };
        self.shared.tasks.spawn(worker.run());
        member
    }

    /// Hands alerts to all queues.
    pub(super) fn send(&self, alerts: &[Arc<Notification>]) {
        let rules = &self.config.alert_relabel_configs;
        let own: Vec<Arc<Notification>>;
        let alerts = if rules.is_empty() {
            alerts
        } else {
            let relabelled = alerts.iter().filter_map(|alert| {
                let labels = relabel(rules, &alert.labels)?;
                let alert = Notification::clone(alert);
                (!labels.is_empty()).then(|| Arc::new(Notification { labels, ..alert }))
            });
            own = relabelled.collect();
            &own
        };
        for member in &self.members().active {
            let lost = member.queue.push(alerts);
            if lost > 0 {
                let alertmanager = &member.url;
                tracing::warn!(alertmanager, lost, "the queue is full, the oldest are lost");
            }
        }
    }

    pub(super) fn list(&self, all: &mut Alertmanagers) {
        let members = self.members();
        let active = members.active.iter().map(|member| member.url.clone());
        all.active.extend(active);
        all.dropped.extend(members.dropped.iter().cloned());
    }

    /// The entry is not in the configuration any more.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }
}
