//! HTTP clients as the configuration describes them: TLS, who we say we are, redirects.
//!
//! What the configuration names by file is read when it is needed: certificates when the client is
//! made, secrets with every request.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, RequestBuilder};

use crate::config::{Auth, HttpClient, Secret, Tls, TlsVersion};

const USER_AGENT: &str = concat!("system-stats-aggregator/", env!("CARGO_PKG_VERSION"));
/// Redirects that are followed, one after the other.
const MAX_REDIRECTS: usize = 10;
/// Idle connections are kept longer than the usual intervals.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// The largest certificate, key or secret.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// Asks others over HTTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    auth: Option<Auth>,
}

/// Somebody cannot be asked as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file that the configuration names cannot be read.
    #[error("{file}: cannot be read: {source}; check the path and who may read it")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What stands there is not what it should be.
    #[error("{what}: {reason}")]
    Unusable {
        /// The key of the configuration.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Client {
    /// A client; reads the files of certificates.
    ///
    /// # Errors
    /// [`ClientError`], which names the file or the key.
    pub fn new(config: &HttpClient) -> Result<Self, ClientError> {
        let redirects = if config.follow_redirects {
            Policy::limited(MAX_REDIRECTS)
        } else {
            Policy::none()
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirects)
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE_TIMEOUT);
        if !config.enable_http2 {
            builder = builder.http1_only();
        }
        let built = with_tls(builder, &config.tls)?.build();
        let http = built.map_err(|error| unusable("tls_config", &error))?;
        let auth = config.auth.clone();
        Ok(Self { http, auth })
    }

    /// Begins a `GET`.
    ///
    /// # Errors
    /// [`ClientError`] when a secret cannot be read.
    pub async fn get(&self, url: &str) -> Result<RequestBuilder, ClientError> {
        self.with_auth(self.http.get(url)).await
    }

    /// Begins a `POST`.
    ///
    /// # Errors
    /// [`ClientError`] when a secret cannot be read.
    pub async fn post(&self, url: &str) -> Result<RequestBuilder, ClientError> {
        self.with_auth(self.http.post(url)).await
    }

    async fn with_auth(&self, request: RequestBuilder) -> Result<RequestBuilder, ClientError> {
        match &self.auth {
            None => Ok(request),
            Some(Auth::Basic { username, password }) => {
                let (name, password) = (text(username).await?, text(password).await?);
                Ok(request.basic_auth(name, Some(password)))
            }
            Some(Auth::Other {
                scheme,
                credentials,
            }) => {
                let value = format!("{scheme} {}", text(credentials).await?);
                let mut value = HeaderValue::from_str(&value)
                    .map_err(|error| unusable("authorization", &error))?;
                value.set_sensitive(true);
                Ok(request.header(AUTHORIZATION, value))
            }
        }
    }
}

fn unusable(what: &'static str, error: &dyn std::error::Error) -> ClientError {
    // The cause says more than the outermost error.
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    ClientError::Unusable { what, reason }
}

fn with_tls(
    mut builder: reqwest::ClientBuilder,
    tls: &Tls,
) -> Result<reqwest::ClientBuilder, ClientError> {
    if let Some(ca) = &tls.ca {
        let certificates = Certificate::from_pem_bundle(&bytes(ca)?)
            .map_err(|error| unusable("tls_config.ca", &error))?;
        if certificates.is_empty() {
            let reason = "no certificate in PEM is in it".to_owned();
            let what = "tls_config.ca";
            return Err(ClientError::Unusable { what, reason });
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &tls.identity {
        let pem = [bytes(certificate)?, b"\n".to_vec(), bytes(key)?].concat();
        let identity =
            Identity::from_pem(&pem).map_err(|error| unusable("tls_config.cert", &error))?;
        builder = builder.identity(identity);
    }
    if let Some(version) = tls.min_version {
        builder = builder.tls_version_min(version_of(version));
    }
    if let Some(version) = tls.max_version {
        builder = builder.tls_version_max(version_of(version));
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify))
}

fn version_of(version: TlsVersion) -> reqwest::tls::Version {
    match version {
        TlsVersion::Tls12 => reqwest::tls::Version::TLS_1_2,
        TlsVersion::Tls13 => reqwest::tls::Version::TLS_1_3,
    }
}

fn bytes(secret: &Secret) -> Result<Vec<u8>, ClientError> {
    match secret {
        Secret::Text(text) => Ok(text.clone().into_bytes()),
        Secret::File(path) => read(path),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    use std::io::Read as _;
    let read = || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(MAX_SECRET_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| ClientError::Read {
        file: path.display().to_string(),
        source,
    })
}

async fn text(secret: &Secret) -> Result<String, ClientError> {
    let path = match secret {
        Secret::Text(text) => return Ok(text.clone()),
        Secret::File(path) => path.clone(),
    };
    let file = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || read(&path)).await;
    let bytes = read.map_err(|error| ClientError::Read {
        file: file.clone(),
        source: std::io::Error::other(error),
    })??;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Err(ClientError::Read {
            file,
            source: std::io::Error::other("not UTF-8"),
        }),
    }
}
