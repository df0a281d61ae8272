//! The HTTP side of a scrape.

use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, StatusCode, Url};

use super::content;
use super::error::ScrapeError;
use crate::client::ClientError;
use crate::config::{Limits, ScrapeConfig};

const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// The largest body where the configuration sets no limit, decompressed: 256 MiB.
const DEFAULT_BODY_BYTES: u64 = 256 << 20;
/// A first guess of how much memory a body needs.
const FIRST_BODY_BYTES: usize = 64 << 10;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) content_type: Option<String>,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The media types that are wanted; where nothing is said, those of the job.
    accept: Option<HeaderValue>,
    pub(super) timeout: Duration,
    /// The largest body, decompressed.
    pub(super) limit: u64,
    /// How large it may well be.
    expected: usize,
}

impl Asked {
    /// A page of metrics; `expected` is how large it was the last time.
    pub(super) fn metrics(timeout: Duration, limits: &Limits, expected: usize) -> Self {
        let limit = match limits.body_size_limit {
            0 => DEFAULT_BODY_BYTES,
            limit => limit,
        };
        Self {
            accept: None,
            timeout,
            limit,
            expected,
        }
    }

    /// A JSON document.
    pub(super) fn json(timeout: Duration, limit: u64) -> Self {
        Self {
            accept: Some(HeaderValue::from_static("application/json")),
            timeout,
            limit,
            expected: FIRST_BODY_BYTES,
        }
    }
}

/// Asks the targets of one job.
#[derive(Debug)]
pub(super) struct Client {
    http: crate::client::Client,
    /// The formats that are asked for.
    accept: HeaderValue,
    /// Whether compressed answers are asked for.
    is_compressed: bool,
}

impl Client {
    /// A client; reads the files of certificates.
    ///
    /// # Errors
    /// [`ClientError`], which names the file or the key.
    pub(super) fn new(job: &ScrapeConfig) -> Result<Self, ClientError> {
        Ok(Self {
            http: crate::client::Client::new(&job.client)?,
            accept: HeaderValue::from_str(&content::accepted(&job.scrape_protocols))
                .unwrap_or(HeaderValue::from_static("*/*")),
            is_compressed: job.enable_compression,
        })
    }

    /// Fetches what is asked for, within its bounds.
    pub(super) async fn get(&self, url: &Url, asked: Asked) -> Result<Answer, ScrapeError> {
        let fetched = async {
            let request = self.http.get_url(url).await?;
            let mut request = request
                .header(ACCEPT, asked.accept.unwrap_or_else(|| self.accept.clone()))
                .header(TIMEOUT_HEADER, asked.timeout.as_secs_f64().to_string());
            if !self.is_compressed {
                request = request.header(ACCEPT_ENCODING, "identity");
            }
            read(request, asked.limit, asked.expected).await
        };
        match tokio::time::timeout(asked.timeout, fetched).await {
            Ok(answer) => answer,
            Err(_) => Err(ScrapeError::TimedOut(asked.timeout)),
        }
    }
}

/// The limit holds for what has arrived so far, so a body without an end, and a small one that
/// unpacks to a huge one, cost no more than the limit.
async fn read(request: RequestBuilder, limit: u64, expected: usize) -> Result<Answer, ScrapeError> {
    let broken = |error: reqwest::Error| ScrapeError::from_http(&error);
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
