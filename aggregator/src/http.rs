//! Everything that is served over HTTP: one list of routes, and what holds for all of them.
//!
//! The only home of axum in the aggregator. A handler takes its request apart, calls one service
//! and words the answer; an `error::ApiError` becomes a body in one place.
//!
//! * `legacy` - the REST contract of the older monitoring stack
//! * `lifecycle` - `/-/…` and what a client finds at `/`
//! * `prometheus` - Prometheus' own HTTP API
//! * `dashboard` - the pages and what they load
//! * `limits`, `same_site`, `error`, `negotiate`, `params` - what holds for all of them

mod dashboard;
mod error;
mod gate;
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
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};

use error::ApiError;
pub use gate::Gate;
use limits::{Limits, MAX_BODY, guard};
pub use serve::serve;
pub use state::{OwnMetrics, ReloadRequest, State};

/// All routes, with their limits.
pub fn router(state: State) -> Router {
    let deleting = Router::new()
        .route("/hosts/{hostname}/clean", post(legacy::clean))
        .route("/hosts/{hostname}", delete(legacy::remove))
        .layer(from_fn(same_site::only));
    Router::new()
        .route("/", get(lifecycle::root))
        .route("/health", get(lifecycle::health))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(lifecycle::ready))
        .route("/-/reload", post(lifecycle::reload).put(lifecycle::reload))
        .route("/metrics", get(legacy::metrics).post(legacy::push))
        .route("/data", get(legacy::data))
        .route("/details", get(legacy::details))
        .route("/hosts", get(legacy::hosts))
        .merge(deleting)
        .route("/api/v1/targets", get(prometheus::targets))
        .route("/dashboard", get(dashboard::overview))
        .route("/dashboard/hosts/{host}", get(dashboard::host))
        .route("/dashboard/events", get(dashboard::live::events))
        .route("/api/dashboard/hosts/{host}/panels", get(dashboard::panels))
        .route("/api/openapi.json", get(dashboard::openapi))
        .route("/assets/{digest}/{*path}", get(dashboard::asset))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(Extension(dashboard::live::Streams::default()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Limits::new(), guard))
        .with_state(Arc::new(state))
}

#[cfg(test)]
mod tests;
