//! What the handlers work with.

use std::fmt;
use std::sync::Arc;

use system_stats_storage::Storage;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::cors::Origins;
use super::limits::BodyBudget;
use crate::alerting::Alerting;
use crate::clock::Clock;
use crate::config::api_keys::KeyFile;
use crate::inventory::Inventory;
use crate::metadata::Metadata;
use crate::notify::Notifier;
use crate::query::QueryService;
use crate::rules::RuleManager;
use crate::scrape::Scraper;
use crate::telemetry::metrics::Exposition;
use crate::write::Writer;

/// Writes the aggregator's own metrics in a format.
pub type OwnMetrics = Arc<dyn Fn(Exposition) -> Result<String, fmt::Error> + Send + Sync>;

/// A request to reload the configuration; the answer is the reason when it was refused.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What the handlers work with; the application fills it.
pub struct State {
    /// The store.
    pub storage: Arc<Storage>,
    /// The fleet.
    pub inventory: Arc<Inventory>,
    /// The loops of the targets.
    pub scraper: Arc<Scraper>,
    /// Rules and their alerts.
    pub rules: Arc<RuleManager>,
    /// The history of alerts, silences and acknowledgements.
    pub alerting: Arc<Alerting>,
    /// Who is told about alerts.
    pub notifier: Arc<Notifier>,
    /// The keys of writing clients.
    pub keys: Arc<KeyFile>,
    /// Which sites' pages may use the contracts that are open to them.
    pub origins: Origins,
    /// Queries.
    pub query: Arc<QueryService>,
    /// Samples that others bring.
    pub writer: Arc<Writer>,
    /// The room for what they bring.
    pub bodies: BodyBudget,
    /// Where this server is reached, without a slash at the end.
    pub external_url: String,
    /// What is said about metrics.
    pub metadata: Arc<Metadata>,
    /// The time.
    pub clock: Clock,
    /// The aggregator's own metrics.
    pub own_metrics: OwnMetrics,
    /// Where `/-/reload` sends its requests; `None` while the lifecycle API is off.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Whether clients may delete series.
    pub is_admin_allowed: bool,
    /// Ends the answers that have no end of their own; cancelled when the program stops.
    pub stop: CancellationToken,
}

/// The state as axum hands it to handlers.
pub(super) type Shared = axum::extract::State<Arc<State>>;
