//! Answers from the first moment on: "not yet" until the store is loaded, then everything.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::error::{ApiError, Dialect, render};
use super::lifecycle;

/// Stands before the routes until they are there. Clones stand before the same routes.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<OnceLock<Router>>);

impl Gate {
    /// What is served: `router` once the gate was opened with it, before that only that the
    /// program is alive.
    pub fn router(&self) -> Router {
        let gate = self.clone();
        Router::new().fallback(async move |request: Request| match gate.0.get() {
            Some(router) => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            None => closed(request.uri().path()).await,
        })
    }

    /// Lets requests through from now on; a gate stays open once it is.
    pub fn open(&self, router: Router) {
        // Opened twice, the first routes stay.
        let _ = self.0.set(router);
    }
}

async fn closed(path: &str) -> Response {
    if path == "/-/healthy" {
        return lifecycle::healthy().await.into_response();
    }
    let loading = ApiError::Unavailable("the store is still loading".to_owned());
    render(loading.into_response(), Dialect::of(path))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn alive_at_once_and_ready_when_opened() {
        let gate = Gate::default();
        let router = gate.router();
        let status = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(status("/-/healthy").await, StatusCode::OK);
        assert_eq!(status("/-/ready").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/metrics").await, StatusCode::SERVICE_UNAVAILABLE);
        gate.open(Router::new().route("/-/ready", get(async || "ready")));
        assert_eq!(status("/-/ready").await, StatusCode::OK);
        assert_eq!(status("/metrics").await, StatusCode::NOT_FOUND);
    }
}
