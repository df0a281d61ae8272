//! The one error of the HTTP side, and how each dialect words it.
//!
//! A handler returns an [`ApiError`]; it travels as a response extension to [`render`], the one
//! place that knows which dialect the requested path speaks. Internal detail goes to the log.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use system_stats_model::append::AppendError;

use super::dashboard;
use crate::inventory::InventoryError;

/// How long a client that meets a busy or unavailable store is told to wait.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The status of a request whose client has gone, as nginx and Prometheus have it.
const CANCELED: u16 = 499;
/// Paths of Prometheus whose errors are lines of text.
const PROMETHEUS_TEXT: [&str; 3] = ["/api/v1/write", "/api/v1/import/prometheus", "/federate"];

/// The envelope of Prometheus' errors.
#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    #[serde(rename = "errorType")]
    error_type: &'static str,
    error: &'a str,
}

/// Why a request was not served. The message is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request says something that cannot be meant.
    #[error("{0}")]
    BadRequest(String),
    /// The path is right, what it names is not there.
    #[error("{0}")]
    Missing(String),
    /// No such path.
    #[error("not found")]
    NotFound,
    /// The path does not have this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body is longer than is read.
    #[error("the body is larger than {limit} bytes, the most that is taken")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// A web page of another site made a browser send this.
    #[error("cross-site requests may not change anything here")]
    CrossSite,
    /// A write without a key that may make it.
    #[error("a valid key is needed: send `Authorization: Bearer KEY`")]
    Unauthorized,
    /// A function that is switched off.
    #[error("{0}")]
    Disabled(&'static str),
    /// The functions of administrators are switched off; in Prometheus' words.
    #[error("admin APIs disabled")]
    AdminDisabled,
    /// The client does more than it may.
    #[error("{0}")]
    TooMany(String),
    /// The request took too long.
    #[error("the request took longer than {seconds} s")]
    Timeout {
        /// The bound.
        seconds: u64,
    },
    /// For now; worth another try.
    #[error("{0}")]
    Unavailable(String),
    /// The body is of a kind that is not taken here.
    #[error("{0}")]
    Unsupported(String),
    /// A body or path that Alertmanager's own framework would refuse.
    #[error("{message}")]
    Refused {
        /// Its number for the reason; from 600 on the request could be read.
        code: u16,
        /// The reason.
        message: String,
    },
    /// The expression of a query has no value.
    #[error("{0}")]
    Execution(String),
    /// A query took longer than it may.
    #[error("{0}")]
    QueryTimeout(String),
    /// Nobody waits for the query any more.
    #[error("{0}")]
    Canceled(String),
    /// Our fault; the log has the rest.
    #[error("internal error")]
    Internal,
    /// A reload that was tried and refused; the text is the reason.
    #[error("{0}")]
    ReloadFailed(String),
}

impl ApiError {
    /// The status, the same in every dialect.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused { code: 600.., .. } | Self::Execution(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::BadRequest(_) | Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::Missing(_) | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::CrossSite | Self::Disabled(_) => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Canceled(_) => StatusCode::from_u16(CANCELED).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Timeout { .. } | Self::Unavailable(_) | Self::QueryTimeout(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal | Self::ReloadFailed(_) | Self::AdminDisabled => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The `errorType` of Prometheus' HTTP API.
    fn prometheus_type(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::NotFound => "not_found",
            Self::Timeout { .. } | Self::QueryTimeout(_) => "timeout",
            Self::Execution(_) => "execution",
            Self::Canceled(_) => "canceled",
            Self::Unavailable(_) | Self::TooMany(_) | Self::AdminDisabled => "unavailable",
            Self::Internal | Self::ReloadFailed(_) => "internal",
            _ => "bad_data",
        }
    }

    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout { .. })
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        InventoryError::from(error).into()
    }
}

impl From<InventoryError> for ApiError {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::Unavailable(reason) => {
                tracing::warn!(%reason, "storage refused a request");
                Self::Unavailable("the store is unavailable, try again later".to_owned())
            }
            InventoryError::TooOld => Self::BadRequest(error.to_string()),
            InventoryError::SecondFull { .. }
            | InventoryError::TooManySeries(_)
            | InventoryError::TooManyServices(_)
            | InventoryError::TooManyDevices(_) => Self::TooMany(error.to_string()),
            InventoryError::Unreadable(reason) | InventoryError::Rules(reason) => {
                tracing::error!(%reason, "stored data cannot be read");
                Self::Internal
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Who reads the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `{"error": …}`
    Legacy,
    /// Prometheus' envelope.
    Prometheus,
    /// A JSON string.
    Alertmanager,
    /// A line of text.
    Plain,
    /// A page.
    Page,
}

impl Dialect {
    /// The dialect that a path speaks.
    pub(crate) fn of(path: &str) -> Self {
        if PROMETHEUS_TEXT.contains(&path) {
            Self::Plain
        } else if path.starts_with("/api/v1/") {
            Self::Prometheus
        } else if path.starts_with("/api/v2/") {
            Self::Alertmanager
        } else if path.starts_with("/-/") {
            Self::Plain
        } else if path == "/dashboard" || path.starts_with("/dashboard/") {
            Self::Page
        } else {
            Self::Legacy
        }
    }
}

/// Gives a response that carries an [`ApiError`] its body; others pass unchanged.
pub(crate) fn render(mut response: Response, dialect: Dialect) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    let message = error.to_string();
    let body = match dialect {
        Dialect::Legacy => Json(json!({ "error": message })).into_response(),
        Dialect::Alertmanager => match &error {
            ApiError::Refused { code, message } => {
                Json(json!({ "code": code, "message": message })).into_response()
            }
            _ => Json(message).into_response(),
        },
        // What is not there at all is answered by Prometheus' router, before its API: Grafana
        // tells a server without an API for rules from one with it by this text.
        Dialect::Prometheus if error == ApiError::NotFound => {
            "404 page not found\n".into_response()
        }
        Dialect::Prometheus | Dialect::Plain if error == ApiError::MethodNotAllowed => {
            "Method Not Allowed\n".into_response()
        }
        Dialect::Prometheus => Json(Failure {
            status: "error",
            error_type: error.prometheus_type(),
            error: &message,
        })
        .into_response(),
        Dialect::Plain => format!("{message}\n").into_response(),
        Dialect::Page => Html(dashboard::error_page(error.status(), &message)).into_response(),
    };
    let (mut parts, _) = response.into_parts();
    if let Some(kind) = body.headers().get(CONTENT_TYPE) {
        parts.headers.insert(CONTENT_TYPE, kind.clone());
    }
    if error.is_worth_another_try() {
        parts.headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    if error == ApiError::Unauthorized {
        parts
            .headers
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // What axum had counted for the empty body no longer holds.
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into_body())
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn body(error: ApiError, path: &str) -> String {
        let response = render(error.into_response(), Dialect::of(path));
        let bytes = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_path_gets_its_own_dialect() {
        let error = || ApiError::BadRequest("no <such> \"thing\"".to_owned());
        let cases = [
            ("/data", r#"{"error":"no <such> \"thing\""}"#),
            (
                "/api/v1/targets",
                r#"{"status":"error","errorType":"bad_data","error":"no <such> \"thing\""}"#,
            ),
            ("/api/v2/silences", r#""no <such> \"thing\"""#),
            ("/-/reload", "no <such> \"thing\"\n"),
            ("/dashboards", r#"{"error":"no <such> \"thing\""}"#),
        ];
        for (path, expected) in cases {
            assert_eq!(body(error(), path).await, expected, "{path}");
        }
        let page = body(error(), "/dashboard/hosts/x").await;
        assert!(page.contains("no &lt;such&gt;"), "{page}");
    }

    #[tokio::test]
    async fn what_prometheus_does_not_have_is_not_there_in_its_words() {
        let path = "/api/v1/rules/test/test";
        assert_eq!(body(ApiError::NotFound, path).await, "404 page not found\n");
        let missing = ApiError::Missing("no such thing".to_owned());
        let expected = r#"{"status":"error","errorType":"not_found","error":"no such thing"}"#;
        assert_eq!(body(missing, path).await, expected);
        let canceled = ApiError::Canceled("query was canceled in query queue".to_owned());
        assert_eq!(canceled.status().as_u16(), 499);
        let plain = ApiError::BadRequest("out of bounds".to_owned());
        assert_eq!(body(plain, "/api/v1/write").await, "out of bounds\n");
        for path in ["/api/v1/query", "/api/v1/write", "/-/ready"] {
            let refused = body(ApiError::MethodNotAllowed, path).await;
            assert_eq!(refused, "Method Not Allowed\n", "{path}");
        }
    }

    #[tokio::test]
    async fn what_alertmanager_would_not_even_look_at() {
        let refused = |code| ApiError::Refused {
            code,
            message: "comment in body is required".to_owned(),
        };
        assert_eq!(refused(602).status().as_u16(), 422);
        assert_eq!(refused(400).status().as_u16(), 400);
        let expected = r#"{"code":602,"message":"comment in body is required"}"#;
        assert_eq!(body(refused(602), "/api/v2/silences").await, expected);
    }

    #[tokio::test]
    async fn only_what_may_pass_is_worth_another_try() {
        let retry = |error: ApiError| {
            render(error.into_response(), Dialect::Legacy)
                .headers()
                .contains_key(RETRY_AFTER)
        };
        assert!(retry(ApiError::Unavailable(String::new())));
        assert!(retry(ApiError::Timeout { seconds: 1 }));
        assert!(!retry(ApiError::Internal));
        assert!(!retry(ApiError::NotFound));
    }
}
