//! Where the parts meet: starts them in order, reloads them, stops them in the reverse order.

mod configuration;
mod history;
mod host_alerts;
mod local_exporter;
mod own_metrics;
mod own_series;
mod signals;
mod sinks;
mod store;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use system_stats_sql::SqlError;
use system_stats_storage::store::Tier;
use system_stats_storage::{OpenError, Storage};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::configuration::ConfigSource;
use self::configuration::{Fed, Reloader};
use self::host_alerts::HostAlertSink;
use self::own_series::OwnSeries;
use self::signals::{Asked, Signals};
use self::sinks::{Logged, Notified, Sinks};
pub use self::store::OlderError;
use crate::alerting::{Alerting, AlertingError};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::config::api_keys::KeyFile;
use crate::discovery::Discovery;
use crate::housekeeping::{Housekeeping, HousekeepingError};
use crate::http;
use crate::inventory::{Inventory, InventoryError};
use crate::metadata::Metadata;
use crate::notify::{Notifier, NotifyOptions};
use crate::query::{QueryOptions, QueryService};
use crate::rules::{AlertSink, RuleManager, RuleOptions};
use crate::scrape::Scraper;
use crate::write::Writer;

/// How often metadata that nobody repeats is looked for.
const METADATA_PERIOD: Duration = Duration::from_mins(10);
/// Reloads that wait while one runs; one more is refused.
const WAITING_RELOADS: usize = 4;

/// How the server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the configuration comes from.
    pub config: ConfigSource,
    /// Where it serves; at least one.
    pub listen: Vec<SocketAddr>,
    /// Whether `POST /-/reload` works.
    pub enable_lifecycle: bool,
    /// Whether clients may delete series.
    pub enable_admin_api: bool,
    /// The keys of writing clients; without a file nobody needs one.
    pub api_key_file: Option<PathBuf>,
    /// Which sites' pages may use the contracts that are open to them.
    pub origins: http::Origins,
    /// Where samples are stored.
    pub storage: StorageLocation,
    /// How long samples are kept; zero is for ever.
    pub retention: Duration,
    /// How long the history of alerts is kept; zero is for ever.
    pub history_retention: Duration,
    /// Which rollups are kept, and for how long; zero is for ever.
    pub rollups: Vec<(Tier, Duration)>,
    /// How much older than the newest sample of its series a sample that others bring may be.
    pub out_of_order_window: Duration,
    /// How queries are answered.
    pub query: QueryOptions,
    /// How rules are evaluated.
    pub rules: RuleOptions,
    /// How Alertmanagers are told.
    pub notify: NotifyOptions,
    /// Where this server is reached, without a slash at the end; by default the machine's name and
    /// the port.
    pub external_url: Option<String>,
    /// How many bytes the database may hold; zero is any number.
    pub retention_bytes: u64,
    /// How long nothing may have come for an hour before it goes into blocks.
    pub fold_after: Duration,
    /// How much older than the newest sample a series' newest is when it leaves memory.
    pub leave_after: Duration,
    /// Where the exporter for this machine listens.
    pub local_exporter: Option<SocketAddr>,
    /// Whether the rules that are built in are evaluated.
    pub builtin_rules: bool,
}

impl Options {
    /// The name of this machine and the port.
    fn own_address(&self, host_name: &str) -> String {
        let port = self.listen.first().map_or(0, SocketAddr::port);
        format!("{host_name}:{port}")
    }

    /// Where a server on this machine is reached, unless it was said.
    fn external_url(&self, host_name: &str) -> String {
        let url = self.external_url.clone();
        url.unwrap_or_else(|| format!("http://{}", self.own_address(host_name)))
    }
}

/// Where samples are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageLocation {
    /// A database, `sqlite://path` or `postgres://…`.
    Url(String),
    /// A SQLite file.
    File(PathBuf),
}

impl StorageLocation {
    /// The database's URL.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::File(path) => store::sqlite_url(path),
        }
    }
}

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --{flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag that names it.
        flag: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The history of the older server cannot be brought over.
    #[error(transparent)]
    Older(#[from] OlderError),
    /// What clients reported cannot be read.
    #[error("what clients reported cannot be read back: {0}")]
    Inventory(#[from] InventoryError),
    /// Silences and the alerts that were active cannot be read.
    #[error("silences and active alerts cannot be read back: {0}")]
    Alerting(#[from] AlertingError),
    /// The recurring jobs cannot be scheduled.
    #[error(transparent)]
    Housekeeping(#[from] HousekeepingError),
    /// The process cannot be told to stop.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs the server until SIGTERM or SIGINT. `announce` is told the address of the page, once it
/// answers.
///
/// # Errors
/// [`StartError`]; a server that has started stops in good order.
pub async fn run(options: Options, announce: impl FnOnce(&str)) -> Result<(), StartError> {
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    // Looked at first: a mistake in the file must not cost a port or a lock on the database.
    options.config.load(options.local_exporter)?;
    let keys = Arc::new(KeyFile::open(options.api_key_file.clone())?);
    let listeners = listen(&options.listen).await?;
    let page = page_address(&listeners);

    let (gate, served) = (http::Gate::default(), CancellationToken::new());
    let serving = TaskTracker::new();
    serving.spawn(http::serve(listeners, gate.router(), served.clone()));
    serving.close();
    let started = tokio::select! {
        started = App::start(&options, &gate, &served, keys) => started,
        () = signals.stop() => Ok(None),
    };
    let result = match started {
        Ok(Some(mut app)) => {
            announce(&page);
            app.until_stop(&mut signals).await;
            // Requests under way may still write: the store closes after the last of them.
            served.cancel();
            serving.wait().await;
            app.stop().await;
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    served.cancel();
    serving.wait().await;
    result
}

/// The parts of a server that has started.
struct App {
    storage: Arc<Storage>,
    alerting: Arc<Alerting>,
    housekeeping: Housekeeping,
    reloader: Reloader,
    reloads: mpsc::Receiver<http::ReloadRequest>,
    exporter: TaskTracker,
    exporter_stop: CancellationToken,
    tasks: TaskTracker,
    tasks_stop: CancellationToken,
}

impl App {
    async fn start(
        options: &Options,
        gate: &http::Gate,
        served: &CancellationToken,
        keys: Arc<KeyFile>,
    ) -> Result<Option<Self>, StartError> {
        let clock = Clock::system();
        let storage = Arc::new(store::open(options, &clock).await?);

        let (exporter, exporter_stop) = (TaskTracker::new(), CancellationToken::new());
        let (address, stop) = (options.local_exporter, exporter_stop.clone());
        let local_exporter = local_exporter::start(address, &exporter, stop).await?;

        let host_name = rustix::system::uname();
        let host_name = host_name.nodename().to_string_lossy();
        let metadata = Arc::new(Metadata::default());
        let discovery = Arc::new(Discovery::default());
        let scraper = Scraper::new(Arc::clone(&storage), clock.clone()).on_host(&host_name);
        let query = Arc::new(QueryService::new(
            Arc::clone(&storage),
            options.query.clone(),
        ));
        let writer = Writer::new(Arc::clone(&storage), Arc::clone(&metadata), clock.clone());
        let (host_alerts, changes) = HostAlertSink::new();
        let alerting = Alerting::open(Arc::clone(&storage), clock.clone()).await?;
        let alerting = Arc::new(alerting);
        let external_url = options.external_url(&host_name);
        let notifier = Arc::new(Notifier::new(options.notify, Arc::clone(&discovery)));
        let rules = RuleManager::new(
            Arc::clone(&storage),
            Arc::clone(&query),
            told(
                host_alerts,
                &alerting,
                Notified::new(&notifier, &external_url),
            ),
            clock.clone(),
            options.rules,
        );
        let fed = Fed {
            scraper: Arc::new(scraper.with(&metadata, &discovery)),
            query: Arc::clone(&query),
            rules: Arc::new(rules),
            notifier: Arc::clone(&notifier),
            discovery,
            external_url,
            builtin_rules: options.builtin_rules,
        };
        let reloader = Reloader::new(&options.config, local_exporter, fed, clock.clone());
        reloader.reload()?;

        let (ask, reloads) = mpsc::channel(WAITING_RELOADS);
        let inventory = Inventory::open(Arc::clone(&storage), clock.clone()).await?;
        let inventory = Arc::new(inventory);
        let (tasks, tasks_stop) = (TaskTracker::new(), CancellationToken::new());
        let rules = Arc::clone(reloader.rules());
        let (told, stop) = (Arc::clone(&inventory), tasks_stop.clone());
        tasks.spawn(host_alerts::commit(changes, told, rules, stop));
        let own_metrics = own_metrics::renderer(&reloader, &storage, &writer, &alerting);
        let writer = Arc::new(writer);
        let own_series = OwnSeries {
            metrics: Arc::clone(&own_metrics),
            inventory: Arc::clone(&inventory),
            writer: Arc::clone(&writer),
            clock: clock.clone(),
            instance: options.own_address(&host_name),
        };
        gate.open(http::router(http::State {
            own_metrics,
            reload: options.enable_lifecycle.then_some(ask),
            is_admin_allowed: options.enable_admin_api,
            scraper: Arc::clone(reloader.scraper()),
            rules: Arc::clone(reloader.rules()),
            alerting: Arc::clone(&alerting),
            notifier,
            storage: Arc::clone(&storage),
            inventory: Arc::clone(&inventory),
            keys,
            origins: options.origins.clone(),
            query,
            writer,
            bodies: http::limits::BodyBudget::default(),
            metadata: Arc::clone(&metadata),
            external_url: options.external_url(&host_name),
            clock: clock.clone(),
            stop: served.clone(),
        }));

        let jobs = Jobs {
            options,
            storage: &storage,
            inventory: &inventory,
            alerting: &alerting,
            rules: reloader.rules(),
            clock: &clock,
        };
        let housekeeping = jobs.start(own_series, metadata).await?;
        Ok(Some(Self {
            storage,
            alerting,
            housekeeping,
            reloader,
            reloads,
            exporter,
            exporter_stop,
            tasks,
            tasks_stop,
        }))
    }

    /// Serves; reloads when asked to, one after the other.
    async fn until_stop(&mut self, signals: &mut Signals) {
        loop {
            let asker = tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => return,
                    Asked::Reload => None,
                },
                Some(asker) = self.reloads.recv() => Some(asker),
            };
            let answer = self.reloader.reload().map_err(|error| error.to_string());
            if let Err(error) = &answer {
                tracing::error!(
                    error,
                    "the configuration was not reloaded, the old one goes on"
                );
            }
            if let Some(asker) = asker {
                // Whoever asked may have gone away.
                let _ = asker.send(answer);
            }
        }
    }

    /// Nothing writes any more: brings what waits to disk.
    async fn stop(self) {
        tracing::info!("stopping");
        self.reloader.rules().stop().await;
        self.reloader.notifier().stop().await;
        self.reloader.discovery().stop().await;
        // What rules told last is stored.
        self.tasks_stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.reloader.scraper().stop().await;
        self.housekeeping.stop().await;
        self.alerting.tick();
        self.exporter_stop.cancel();
        self.exporter.close();
        self.exporter.wait().await;
        match self.storage.close().await {
            Ok(()) => tracing::info!("stopped, everything is stored"),
            Err(error) => tracing::error!(%error, "stopped; not everything could be stored"),
        }
    }
}

/// What recurring jobs look after.
struct Jobs<'a> {
    options: &'a Options,
    storage: &'a Arc<Storage>,
    inventory: &'a Arc<Inventory>,
    alerting: &'a Arc<Alerting>,
    rules: &'a Arc<RuleManager>,
    clock: &'a Clock,
}

impl Jobs<'_> {
    /// Schedules all of them.
    async fn start(
        self,
        own_series: OwnSeries,
        metadata: Arc<Metadata>,
    ) -> Result<Housekeeping, HousekeepingError> {
        let Self {
            options,
            storage,
            inventory,
            alerting,
            rules,
            clock,
        } = self;
        let housekeeping = Housekeeping::new().await?;
        if options.retention_bytes > 0 {
            store::shrink_regularly(&housekeeping, storage, options.retention_bytes).await?;
        }
        if !options.retention.is_zero() {
            let retention = options.retention;
            store::expire_regularly(&housekeeping, storage, inventory, clock, retention).await?;
        }
        store::expire_rollups_regularly(&housekeeping, storage, clock, &options.rollups).await?;
        let retention = options.history_retention;
        let kept = (alerting, rules, inventory);
        history::keep_regularly(&housekeeping, kept, (storage, clock), retention).await?;
        own_series.write_regularly(&housekeeping).await?;
        forget_metadata_regularly(&housekeeping, metadata, clock.clone()).await?;
        housekeeping.start().await?;
        Ok(housekeeping)
    }
}

/// Whom rules tell what alerts do.
fn told(
    host_alerts: HostAlertSink,
    alerting: &Arc<Alerting>,
    notified: Notified,
) -> Arc<dyn AlertSink> {
    Arc::new(Sinks(vec![
        Arc::new(Logged),
        Arc::new(host_alerts),
        Arc::new(history::Remembered(Arc::clone(alerting))),
        Arc::new(notified),
    ]))
}

/// Schedules the removal of what nobody says about its metrics any more.
async fn forget_metadata_regularly(
    housekeeping: &Housekeeping,
    metadata: Arc<Metadata>,
    clock: Clock,
) -> Result<(), HousekeepingError> {
    let forget = move || {
        let (metadata, clock) = (Arc::clone(&metadata), clock.clone());
        async move { metadata.forget_old(clock.now()) }
    };
    housekeeping
        .every("metadata", METADATA_PERIOD, forget)
        .await
}

async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let flag = "web.listen-address";
        let failed = |source| StartError::Listen {
            address,
            flag,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        tracing::info!(address = %listener.local_addr().unwrap_or(address), "listening");
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Where a browser on this machine finds the page.
fn page_address(listeners: &[TcpListener]) -> String {
    let bound = listeners
        .first()
        .and_then(|listener| listener.local_addr().ok());
    let Some(address) = bound else {
        return "/dashboard".to_owned();
    };
    let host = match address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}/dashboard", address.port())
}
