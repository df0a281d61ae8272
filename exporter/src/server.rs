//! The HTTP side: one list of routes, small handlers.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;

/// How long open requests may take to finish after the exporter was told to stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Why an exporter could not serve, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener broke.
    #[error("cannot accept connections")]
    Accept(#[source] std::io::Error),
}

/// Answers requests on one listener until `cancel` is cancelled, then lets open requests finish
/// for a few seconds. Runs on any tokio runtime with time and I/O enabled.
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
    let _ = config;
    let router = router();
    let tasks = TaskTracker::new();
    let mut servers = Vec::new();
    for listener in listeners {
        let stop = cancel.clone().cancelled_owned();
        let server = axum::serve(listener, router.clone()).with_graceful_shutdown(stop);
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

fn router() -> Router {
    Router::new().route("/health", get(health))
}

async fn health() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
    (
        [(axum::http::header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ok"}"#,
    )
}
