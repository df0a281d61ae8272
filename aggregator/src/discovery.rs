//! Finding targets: lists of the configuration, files that are watched, HTTP servers, DNS.
//!
//! Whoever needs targets describes where they come from and is given a [`Found`], which always
//! holds the newest complete list. A source that fails keeps the list that it gave last.
//!
//! * `file`, `http`, `dns` - the sources
//! * `metrics` - what is counted

mod dns;
mod file;
mod http;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use system_stats_model::labels::{Labels, LabelsBuilder};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::dns::Names;
use self::file::Files;
use self::http::Server;
pub use self::metrics::DiscoveryMetrics;
use crate::client::ClientError;
use crate::config::{Discoveries, StaticConfig};

/// The label with the address of a target.
pub const ADDRESS: &str = "__address__";

/// The targets of one source; none before it was looked at.
type Targets = Option<Arc<[Labels]>>;

/// Owns the loops of all sources.
#[derive(Default)]
pub struct Discovery {
    metrics: DiscoveryMetrics,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// The targets of some sources, as they are now. The sources are looked at as long as it lives.
pub struct Found {
    sources: watch::Receiver<Vec<Targets>>,
    _looking: DropGuard,
}

impl Found {
    /// All targets: their labels before relabelling, `__address__` among them. Marks them as seen.
    pub fn targets(&mut self) -> Vec<Labels> {
        let sources = self.sources.borrow_and_update();
        let targets = sources.iter().flatten().flat_map(|targets| targets.iter());
        targets.cloned().collect()
    }

    /// Whether every source was looked at, be it in vain.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sources.borrow().iter().all(Option::is_some)
    }

    /// Where it is told that the targets are others; nothing where they stay the same for ever.
    #[must_use]
    pub fn changes(&self) -> Option<Changes> {
        // Nobody sends where there is nothing to look at.
        let is_final = self.sources.has_changed().is_err();
        (!is_final).then(|| Changes(self.sources.clone()))
    }

    /// Waits until there are others than those last seen; never ends where there cannot be.
    /// Cancel-safe.
    pub async fn changed(&mut self) {
        if self.sources.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Tells that targets are others; does not keep anybody looking.
pub struct Changes(watch::Receiver<Vec<Targets>>);

impl Changes {
    /// Waits until there are others than at the last call; never ends where there cannot be.
    /// Cancel-safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Discovery {
    /// What is counted about it.
    #[must_use]
    pub fn metrics(&self) -> &DiscoveryMetrics {
        &self.metrics
    }

    /// Begins to look. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError`] when a server cannot be asked as it is configured.
    pub fn start(&self, sources: &Discoveries) -> Result<Found, ClientError> {
        let mut looking: Vec<Source> = Vec::new();
        for config in &sources.http {
            looking.push(Source::Http(Server::new(config)?));
        }
        for config in &sources.files {
            looking.push(Source::Files(Files::new(config)));
        }
        for config in &sources.dns {
            looking.push(Source::Dns(Names::new(config)));
        }
        let mut first: Vec<Targets> = vec![Some(listed(&sources.lists).into())];
        first.resize(looking.len() + 1, None);
        let (sender, receiver) = watch::channel(first);
        let stop = self.shutdown.child_token();
        for (slot, source) in (1..).zip(looking) {
            let look = Look {
                source,
                slot,
                sender: sender.clone(),
                metrics: self.metrics.clone(),
            };
            let stop = stop.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = look.run() => {}
                }
            });
        }
        Ok(Found {
            sources: receiver,
            _looking: stop.drop_guard(),
        })
    }

    /// Ends all loops and waits for them.
    pub async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

enum Source {
    Files(Files),
    Http(Server),
    Dns(Names),
}

/// The loop of one source.
struct Look {
    source: Source,
    slot: usize,
    sender: watch::Sender<Vec<Targets>>,
    metrics: DiscoveryMetrics,
}

impl Look {
    async fn run(mut self) {
        loop {
            let (targets, wait) = match &mut self.source {
                Source::Files(files) => files.look(&self.metrics).await,
                Source::Http(server) => server.look(&self.metrics).await,
                Source::Dns(names) => names.look(&self.metrics).await,
            };
            self.tell(targets);
            tokio::time::sleep(wait).await;
        }
    }

    /// Nothing leaves what there was, but it is known then that it was looked for.
    fn tell(&self, targets: Option<Vec<Labels>>) {
        self.sender.send_if_modified(|sources| {
            let own = &mut sources[self.slot];
            let targets = match targets {
                Some(targets) if own.as_deref() != Some(&*targets) => targets,
                None if own.is_none() => Vec::new(),
                _ => return false,
            };
            *own = Some(targets.into());
            true
        });
    }
}

/// What a look gave, unless it failed or there was nothing to see, and the time until the next.
type Looked = (Option<Vec<Labels>>, Duration);

/// The targets of lists in a configuration.
pub(crate) fn listed(lists: &[StaticConfig]) -> Vec<Labels> {
    labels(lists, &[])
}

/// The targets of lists; `extra` are labels that the source adds.
fn labels(lists: &[StaticConfig], extra: &[(&str, &str)]) -> Vec<Labels> {
    let mut targets = Vec::new();
    for list in lists {
        let mut shared = LabelsBuilder::from(&list.labels);
        for (name, value) in extra {
            shared.set(name, value);
        }
        for address in &list.targets {
            shared.set(ADDRESS, address);
            targets.push(shared.build());
        }
    }
    targets
}

#[cfg(test)]
mod tests;
