//! The HTTP side: one list of routes, small handlers. Nothing else here knows axum.

mod connections;
mod landing;
mod respond;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::build_info;
use crate::config::{Config, TelemetryPath};
use crate::encode::Format;
use crate::runner::Runner;
use crate::sampler::FIRST_INTERVAL;
use connections::Bounded;
use respond::{refuse, respond};

/// How long open requests may take to finish after the exporter was told to stop.
const DRAIN: Duration = Duration::from_secs(3);
/// What a scraper's patience is shortened by, so that the answer still arrives.
const ON_THE_WAY: Duration = Duration::from_millis(500);
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Why an exporter could not serve, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The collecting thread could not be started.
    #[error("cannot start the collecting thread")]
    Thread(#[source] std::io::Error),
    /// The listener broke.
    #[error("cannot accept connections")]
    Accept(#[source] std::io::Error),
}

/// Answers requests on one listener until `cancel` is cancelled, then lets open requests finish
/// for a few seconds. Runs on any tokio runtime with time and I/O enabled.
///
/// The first quarter of a second is spent on the first interval that rates are made of:
/// connections are accepted after it.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    cancel: CancellationToken,
) -> Result<(), ServeError> {
    serve_all(config, vec![listener], cancel).await
}

/// The same on several listeners at once: one exporter, many addresses.
pub async fn serve_all(
    config: Config,
    listeners: Vec<TcpListener>,
    cancel: CancellationToken,
) -> Result<(), ServeError> {
    let telemetry_path = config.telemetry_path.clone();
    let runner = Arc::new(Runner::start(config).map_err(ServeError::Thread)?);
    tokio::select! {
        () = tokio::time::sleep(FIRST_INTERVAL) => {}
        () = cancel.cancelled() => return Ok(()),
    }
    let tasks = TaskTracker::new();
    let router = router(App {
        runner,
        tasks: tasks.clone(),
        telemetry_path,
    });
    let mut servers = Vec::new();
    for listener in listeners {
        let stop = cancel.clone().cancelled_owned();
        let server =
            axum::serve(Bounded::new(listener), router.clone()).with_graceful_shutdown(stop);
        servers.push(tasks.spawn(async move { server.await }));
    }
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = async {
            cancel.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        } => {}
    }
    for server in servers {
        if !server.is_finished() {
            server.abort();
        } else if let Ok(Err(error)) = server.await {
            return Err(ServeError::Accept(error));
        }
    }
    Ok(())
}

#[derive(Clone)]
struct App {
    runner: Arc<Runner>,
    tasks: TaskTracker,
    telemetry_path: TelemetryPath,
}

fn router(app: App) -> Router {
    let metrics_path = app.telemetry_path.clone();
    let mut router = Router::new()
        .route("/health", get(health))
        .route("/system", get(system))
        .route(metrics_path.as_str(), get(metrics));
    if metrics_path.as_str() != "/" {
        router = router.route("/", get(landing));
    }
    router.fallback(nothing).with_state(app)
}

async fn landing(State(app): State<App>, headers: HeaderMap) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'")];
    let page = landing::page(&app.telemetry_path);
    (policy, respond(&headers, HTML, page)).into_response()
}

async fn health(headers: HeaderMap) -> Response {
    respond(&headers, JSON, r#"{"status":"ok"}"#.to_owned())
}

async fn system(State(app): State<App>, headers: HeaderMap) -> Response {
    let stats = match app.runner.system(&app.tasks).await {
        Ok(stats) => stats,
        Err(busy) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &busy.to_string()),
    };
    match serde_json::to_string(&stats) {
        Ok(body) => respond(&headers, JSON, body),
        Err(error) => {
            tracing::error!(%error, "the answer to /system cannot be written as JSON");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let patience = patience(&headers);
    let mut families = match app.runner.metrics(&app.tasks, patience).await {
        Ok(families) => families,
        Err(busy) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &busy.to_string()),
    };
    build_info::describe(&mut families);
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = Format::for_accept(accept);
    respond(&headers, format.content_type(), format.encode(&families))
}

async fn nothing() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing here; see /")
}

/// How long the scraper waits, as Prometheus says it.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(SCRAPE_TIMEOUT)?.to_str().ok()?;
    let seconds = text.trim().parse::<f64>().ok()?;
    let patience = Duration::try_from_secs_f64(seconds).ok()?;
    Some(patience.saturating_sub(ON_THE_WAY).max(patience / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_is_answered_before_it_gives_up() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SCRAPE_TIMEOUT, text.parse().unwrap());
            patience(&headers)
        };
        assert_eq!(of("10"), Some(Duration::from_millis(9_500)));
        assert_eq!(of("0.4"), Some(Duration::from_millis(200)));
        assert_eq!(of("-1"), None);
        assert_eq!(of("soon"), None);
        assert_eq!(of("1e300"), None);
    }
}
