//! The HTTP side of a scrape.

use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

use super::error::ScrapeError;
use crate::config::{Limits, ScrapeConfig};

/// Prefers `OpenMetrics`; the quotients fall with the order, as Prometheus 3 sends them.
const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
const USER_AGENT: &str = concat!("system-stats-aggregator/", env!("CARGO_PKG_VERSION"));

/// Redirects that are followed, one after the other.
const MAX_REDIRECTS: usize = 10;
/// The largest body where the configuration sets no limit, decompressed: 256 MiB.
const DEFAULT_BODY_BYTES: u64 = 256 << 20;
/// Idle connections are kept longer than the usual intervals.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// A first guess of how much memory a body needs.
const FIRST_BODY_BYTES: usize = 64 << 10;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) content_type: Option<String>,
}

/// Asks the targets of one job.
pub(super) struct Client {
    /// Or why there is none, which every scrape then says.
    http: Result<reqwest::Client, String>,
}

/// The largest body of a scrape, decompressed.
pub(super) fn body_limit(limits: &Limits) -> u64 {
    match limits.body_size_limit {
        0 => DEFAULT_BODY_BYTES,
        limit => limit,
    }
}

impl Client {
    pub(super) fn new(job: &ScrapeConfig) -> Self {
        let mut headers = HeaderMap::new();
        if !job.enable_compression {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let redirects = if job.follow_redirects {
            Policy::limited(MAX_REDIRECTS)
        } else {
            Policy::none()
        };
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            // Also where it is not asked for: some compress all the same.
            .gzip(true)
            .redirect(redirects)
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| ScrapeError::from_http(&error, MAX_REDIRECTS).to_string());
        Self { http }
    }

    /// Fetches a page of metrics; `expected` is how large it was the last time.
    pub(super) async fn metrics(
        &self,
        url: &Url,
        timeout: Duration,
        limit: u64,
        expected: usize,
    ) -> Result<Answer, ScrapeError> {
        self.get(url, ACCEPTED, timeout, limit, expected).await
    }

    /// Fetches a JSON document.
    pub(super) async fn json(
        &self,
        url: &Url,
        timeout: Duration,
        limit: u64,
    ) -> Result<Answer, ScrapeError> {
        self.get(url, "application/json", timeout, limit, FIRST_BODY_BYTES)
            .await
    }

    async fn get(
        &self,
        url: &Url,
        accept: &'static str,
        timeout: Duration,
        limit: u64,
        expected: usize,
    ) -> Result<Answer, ScrapeError> {
        let http = self
            .http
            .as_ref()
            .map_err(|reason| ScrapeError::Connect(reason.clone()))?;
        let request = http
            .get(url.clone())
            .header(ACCEPT, accept)
            .header(TIMEOUT_HEADER, timeout.as_secs_f64().to_string());
        match tokio::time::timeout(timeout, read(request, limit, expected)).await {
            Ok(answer) => answer,
            Err(_) => Err(ScrapeError::TimedOut(timeout)),
        }
    }
}

/// The limit holds for what has arrived so far, so a body without an end, and a small one that
/// unpacks to a huge one, cost no more than the limit.
async fn read(
    request: reqwest::RequestBuilder,
    limit: u64,
    expected: usize,
) -> Result<Answer, ScrapeError> {
    let broken = |error: reqwest::Error| ScrapeError::from_http(&error, MAX_REDIRECTS);
    let mut response = request.send().await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        return Err(ScrapeError::Status(response.status()));
    }
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    // Of what has been unpacked the header is gone.
    match header(CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            return Err(ScrapeError::Encoding(encoding.chars().take(60).collect()));
        }
        _ => {}
    }
    let content_type = header(CONTENT_TYPE);
    let mut body = Vec::with_capacity(
        expected
            .max(FIRST_BODY_BYTES)
            .min(usize::try_from(limit).unwrap_or(usize::MAX)),
    );
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(ScrapeError::BodyTooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { body, content_type })
}
