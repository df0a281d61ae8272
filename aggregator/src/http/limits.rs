//! What a client may cost, in one place, and the layer that holds every request to it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, Dialect, render};

/// The longest request body in bytes. A whole `/system` object of a big host is a tenth of it.
pub const MAX_BODY: usize = 2 << 20;
/// So much of a body that is longer than that is read and dropped before it is refused.
pub(crate) const MAX_UNREAD: usize = 64 << 20;
/// The longest body of a remote write or an import in bytes, as it is sent.
pub(crate) const MAX_WRITE_BODY: usize = 32 << 20;
/// Bytes that the bodies of writes may take all together; further ones wait unread.
const MAX_WRITE_BODIES: usize = 256 << 20;
/// The longest body that makes or changes a silence, in bytes.
pub(crate) const MAX_SILENCE: usize = 64 << 10;
/// How deep arrays and objects in a request body may nest.
pub(crate) const MAX_DEPTH: usize = 64;
/// The longest name of a host, a service or the like that may be pushed, in characters.
pub(crate) const MAX_NAME: usize = 1024;
/// Numbers that one pushed sample may have.
pub(crate) const MAX_NUMBERS: usize = 20_000;
/// The longest other text that may be pushed, in bytes.
pub(crate) const MAX_TEXT: usize = 16 << 10;
/// The longest description of a pipeline's run, in bytes.
pub(crate) const MAX_METADATA: usize = 64 << 10;
/// Requests being answered at once; one more is told to come back.
const MAX_REQUESTS: usize = 512;
/// The longest time until a response begins. Streamed bodies may take longer.
const MAX_TIME: Duration = Duration::from_secs(30);
/// Pages that are kept fresh by a stream at once; one more has to ask again and again.
pub(crate) const MAX_STREAMS: usize = 64;
/// The longest time until the response to a query begins; the service for queries has bounds of
/// its own below it.
pub(crate) const MAX_QUERY_TIME: Duration = Duration::from_hours(1);
/// The longest time until a write is answered, the time for its body included.
pub(crate) const MAX_WRITE_TIME: Duration = Duration::from_mins(5);
/// Connections open at once, over all listeners.
pub(crate) const MAX_CONNECTIONS: usize = 2048;
/// The longest time a connection may take to send a request's head, or to stay idle.
pub(crate) const MAX_HEAD_TIME: Duration = Duration::from_mins(1);
/// The longest time for which a client may read nothing of what is written to it.
pub(crate) const MAX_STALL: Duration = Duration::from_secs(30);
/// How long requests may finish after the program was told to stop.
pub(crate) const MAX_DRAIN_TIME: Duration = Duration::from_secs(10);

/// The headers of every response: content is what it says it is; a page loads nothing from
/// elsewhere, has nothing inline and stands in nobody's frame.
const EVERYWHERE: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "same-origin"),
];

/// What [`guard`] counts with.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    requests: Arc<Semaphore>,
    time: Duration,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            time: MAX_TIME,
        }
    }
}

impl Limits {
    /// The same places, for routes that may take another time.
    pub(crate) fn within(&self, time: Duration) -> Self {
        Self {
            requests: Arc::clone(&self.requests),
            time,
        }
    }
}

/// The room for the bodies of writes.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_WRITE_BODIES)))
    }
}

impl BodyBudget {
    /// Waits until there is room for so many bytes.
    pub(crate) async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let bytes = u32::try_from(bytes.min(MAX_WRITE_BODIES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0).acquire_many_owned(bytes).await;
        room.map_err(|_| ApiError::Unavailable("the server is stopping".to_owned()))
    }
}

/// Holds a request to the limits, survives its handler, and words its error. Prometheus' API answers
/// `OPTIONS` wherever it is asked, with nothing.
pub(crate) async fn guard(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let is_question = request.method() == Method::OPTIONS;
    let answer = async {
        if is_question && dialect == Dialect::Prometheus {
            return StatusCode::NO_CONTENT.into_response();
        }
        let Ok(_permit) = limits.requests.try_acquire() else {
            return ApiError::Unavailable("too many requests at once".to_owned()).into_response();
        };
        let served = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(limits.time, served).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::error!("a request handler panicked");
                ApiError::Internal.into_response()
            }
            Err(_) => {
                let seconds = limits.time.as_secs();
                ApiError::Timeout { seconds }.into_response()
            }
        }
    };
    let mut response = render(answer.await, dialect);
    for (name, value) in EVERYWHERE {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(limits: Limits, path: &str) -> StatusCode {
        async fn panics() -> StatusCode {
            panic!("on purpose")
        }
        let router: Router = Router::new()
            .route("/hangs", get(std::future::pending::<StatusCode>))
            .route("/panics", get(panics))
            .route("/works", get(async || StatusCode::OK))
            .layer(from_fn_with_state(limits, guard));
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_hangs_or_panics_is_answered_for() {
        assert_eq!(ask(Limits::new(), "/works").await, StatusCode::OK);
        assert_eq!(
            ask(Limits::new(), "/hangs").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(
            ask(Limits::new(), "/panics").await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }

    #[tokio::test]
    async fn one_request_too_many_is_refused_and_the_place_is_given_back() {
        let limits = Limits {
            requests: Arc::new(Semaphore::new(1)),
            time: MAX_TIME,
        };
        let taken = limits.requests.clone().acquire_owned().await.unwrap();
        assert_eq!(
            ask(limits.clone(), "/works").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        drop(taken);
        assert_eq!(ask(limits.clone(), "/works").await, StatusCode::OK);
        assert_eq!(ask(limits, "/works").await, StatusCode::OK);
    }
}
