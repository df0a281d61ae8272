//! Everything that is served over HTTP: one list of routes, and what holds for all of them.
//!
//! The only home of axum in the aggregator. A handler takes its request apart, calls one service
//! and words the answer; an `error::ApiError` becomes a body in one place.
//!
//! * `legacy` - the REST contracts of three older systems
//! * `lifecycle` - `/-/…` and what a client finds at `/`
//! * `prometheus` - Prometheus' own HTTP API
//! * `alertmanager` - silences and alerts as Alertmanager's API has them
//! * `dashboard` - the pages and what they load
//! * `cors`, `keys`, `same_site` - whose pages and which clients may do what
//! * `limits`, `error`, `negotiate`, `params` - what holds for all of them

mod alertmanager;
mod cors;
mod dashboard;
mod error;
mod gate;
mod keys;
mod legacy;
mod lifecycle;
pub mod limits;
mod negotiate;
mod params;
mod prometheus;
mod same_site;
mod serve;
mod state;
mod stream;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Router};

pub use cors::Origins;
use error::ApiError;
pub use gate::Gate;
use legacy::{devices, metrics, services, stack};
use limits::{Limits, MAX_BODY, MAX_QUERY_TIME, MAX_WRITE_TIME, guard};
pub use serve::serve;
pub use state::{OwnMetrics, ReloadRequest, State};

/// All routes, with their limits.
pub fn router(state: State) -> Router {
    let state = Arc::new(state);
    let limits = Limits::new();
    let querying = Router::new()
        .route("/api/v1/query", both(prometheus::instant))
        .route("/api/v1/query_range", both(prometheus::range))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(limits.within(MAX_QUERY_TIME), guard));
    let writing = Router::new()
        .route("/api/v1/write", post(prometheus::write))
        .route("/api/v1/import/prometheus", post(prometheus::import))
        .route(
            "/api/v1/admin/tsdb/delete_series",
            written(prometheus::delete_series),
        )
        .route(
            "/api/v1/admin/tsdb/clean_tombstones",
            written(prometheus::clean_tombstones),
        )
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(Arc::clone(&state), keys::writing))
        .layer(from_fn_with_state(limits.within(MAX_WRITE_TIME), guard));
    let acting = |handler: MethodRouter<Arc<State>>| {
        handler.route_layer(from_fn_with_state(Arc::clone(&state), keys::writing))
    };
    let silences = get(alertmanager::silences).merge(acting(post(alertmanager::create)));
    let silence = get(alertmanager::silence).merge(acting(delete(alertmanager::expire)));
    let acknowledge = acting(post(prometheus::acknowledge));
    Router::new()
        .merge(contracts(&state))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(lifecycle::ready))
        .route("/-/reload", post(lifecycle::reload).put(lifecycle::reload))
        .route("/api/v1/query_exemplars", both(prometheus::exemplars))
        .route("/api/v1/format_query", both(prometheus::format))
        .route("/api/v1/parse_query", both(prometheus::parse))
        .route("/federate", get(prometheus::federate))
        .route("/api/v1/labels", both(prometheus::names))
        .route("/api/v1/label/{name}/values", get(prometheus::values))
        .route("/api/v1/series", both(prometheus::series))
        .route("/api/v1/metadata", get(prometheus::metadata))
        .route("/api/v1/status/buildinfo", get(prometheus::buildinfo))
        .route("/api/v1/rules", get(prometheus::rules))
        .route("/api/v1/alerts", get(prometheus::alerts))
        .route("/api/v1/alerts/history", get(prometheus::history))
        .route("/api/v1/alerts/acknowledge", acknowledge)
        .route("/api/v2/status", get(alertmanager::status))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v2/alerts", get(alertmanager::alerts))
        .route("/api/v2/alerts/groups", get(alertmanager::groups))
        .route("/api/v2/silences", silences)
        .route("/api/v2/silence/{id}", silence)
        .route("/api/v1/alertmanagers", get(prometheus::alertmanagers))
        .route("/api/v1/targets", get(prometheus::targets))
        .route("/api/v1/scrape_pools", get(prometheus::scrape_pools))
        .route("/dashboard", get(dashboard::overview))
        .route("/dashboard/hosts/{host}", get(dashboard::host))
        .route("/dashboard/services", get(dashboard::reports::services))
        .route("/dashboard/pipelines", get(dashboard::reports::pipelines))
        .route("/dashboard/alerts", get(dashboard::alerts::alerts))
        .route("/graph", get(dashboard::alerts::graph::graph))
        .route(
            "/dashboard/alerts/silence",
            get(dashboard::alerts::silences::form).post(dashboard::alerts::silences::create),
        )
        .route(
            "/dashboard/alerts/acknowledge",
            post(dashboard::alerts::silences::acknowledge),
        )
        .route(
            "/dashboard/alerts/silences/{id}/expire",
            post(dashboard::alerts::silences::expire),
        )
        .route(
            "/dashboard/alerts/{id}/acknowledge",
            post(dashboard::alerts::acknowledge),
        )
        .route("/dashboard/runbooks", get(dashboard::runbooks::runbooks))
        .route("/dashboard/events", get(dashboard::live::events))
        .route("/api/dashboard/hosts/{host}/panels", get(dashboard::panels))
        .route("/api/openapi.json", get(dashboard::openapi))
        .route("/assets/{digest}/{*path}", get(dashboard::asset))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(Extension(dashboard::live::Streams::default()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(limits, guard))
        .merge(querying)
        .merge(writing)
        .with_state(state)
}

/// A route that is read with GET, and with POST where its parameters are too long for an address.
fn both<H, T>(handler: H) -> MethodRouter<Arc<State>>
where
    H: Handler<T, Arc<State>>,
    T: 'static,
{
    get(handler.clone()).post(handler)
}

/// A route that is asked with POST or PUT.
fn written<H, T>(handler: H) -> MethodRouter<Arc<State>>
where
    H: Handler<T, Arc<State>>,
    T: 'static,
{
    post(handler.clone()).put(handler)
}

/// The contracts of the older systems. A path that ends with a slash is the same without it, but
/// for `/metrics` and `/alerts`: what is read there is two contracts.
fn contracts(state: &Arc<State>) -> Router<Arc<State>> {
    let deleting = Router::new()
        .route("/hosts/{hostname}/clean", post(stack::clean))
        .route("/hosts/{hostname}/clean/", post(stack::clean))
        .route("/hosts/{hostname}", delete(stack::remove))
        .route("/hosts/{hostname}/", delete(stack::remove))
        .route_layer(from_fn_with_state(Arc::clone(state), keys::deleting));
    let closed = Router::new()
        .route("/data", get(stack::data))
        .route("/data/", get(stack::data))
        .route("/details", get(stack::details))
        .route("/details/", get(stack::details))
        .route("/hosts", get(stack::hosts))
        .route("/hosts/", get(stack::hosts));
    let metrics = get(services::metrics).post(metrics::push_of_service);
    let services = get(services::services).post(services::report_status);
    let pipelines = get(services::pipelines).post(services::report_pipeline);
    let open = Router::new()
        .route("/", get(lifecycle::root))
        .route("/health", get(lifecycle::health))
        .route("/health/", get(lifecycle::health))
        .route("/metrics", get(metrics::read).post(metrics::push))
        .route("/metrics/", metrics)
        .route("/metrics/{agent_id}", get(devices::sample))
        .route("/metrics/{agent_id}/", get(devices::sample))
        .route("/history/{agent_id}", get(devices::history))
        .route("/history/{agent_id}/", get(devices::history))
        .route("/services", services.clone())
        .route("/services/", services)
        .route("/pipelines", pipelines.clone())
        .route("/pipelines/", pipelines)
        .route("/alerts", get(devices::alerts).post(services::alert))
        .route("/alerts/", get(services::alerts).post(services::alert))
        // Before the layer, which answers the question that a browser asks first.
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(state.origins.clone(), cors::open));
    closed.merge(open).merge(deleting)
}

#[cfg(test)]
mod tests;
