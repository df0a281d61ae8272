//! HTTP clients as the configuration describes them: TLS, who we say we are, proxies, redirects.
//!
//! What the configuration names by file is read when it is needed: secrets with every request,
//! certificates when the client is made and again when their files change.
//!
//! * `transport` - connections as they are asked for, one kind for each way to somebody
//! * `tokens` - what `oauth2` asks for

mod tokens;
mod transport;

use std::path::Path;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};

use self::tokens::Tokens;
use self::transport::{Transport, Way};
use crate::config::{Auth, HttpClient, Secret};

/// The largest certificate, key or secret.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// Redirects that are followed, one after the other.
pub const MAX_REDIRECTS: usize = 10;

/// Asks others over HTTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    tokens: Option<Arc<Tokens>>,
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
        let tokens = match &config.auth {
            Some(Auth::OAuth2(oauth2)) => Some(Arc::new(Tokens::new(oauth2)?)),
            _ => None,
        };
        let transport = Arc::new(Transport::new(config.clone())?);
        Ok(Self { transport, tokens })
    }

    /// Begins a `GET`.
    ///
    /// # Errors
    /// [`ClientError`] when a secret cannot be read, or no token is given out.
    pub async fn get(&self, url: &str) -> Result<RequestBuilder, ClientError> {
        self.request(Method::GET, parsed(url)?).await
    }

    /// The same for a URL that was read before.
    ///
    /// # Errors
    /// [`ClientError`] when a secret cannot be read, or no token is given out.
    pub async fn get_url(&self, url: &Url) -> Result<RequestBuilder, ClientError> {
        self.request(Method::GET, url.clone()).await
    }

    /// Begins a `POST`.
    ///
    /// # Errors
    /// [`ClientError`] when a secret cannot be read, or no token is given out.
    pub async fn post(&self, url: &str) -> Result<RequestBuilder, ClientError> {
        self.request(Method::POST, parsed(url)?).await
    }

    async fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, ClientError> {
        let config = self.transport.config();
        let way = Way::to(&url, config);
        let request = match way.rewritten(&url, config) {
            Some((rewritten, host)) => {
                let http = self.http(way).await?;
                let host = header_value("url", &host)?;
                http.request(method, rewritten).header(HOST, host)
            }
            None => self.http(way).await?.request(method, url),
        };
        let mut request = self.with_auth(request).await?;
        for (name, values) in &config.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| unusable("http_headers", &error))?;
            for value in values {
                let value = header_value("http_headers", &text(value).await?)?;
                request = request.header(name.clone(), value);
            }
        }
        Ok(request)
    }

    /// Where there are files, they are looked at, and sometimes read.
    async fn http(&self, way: Way) -> Result<reqwest::Client, ClientError> {
        if let Some(client) = self.transport.fixed(&way) {
            return Ok(client);
        }
        let transport = Arc::clone(&self.transport);
        let client = tokio::task::spawn_blocking(move || transport.client(way)).await;
        client.map_err(|error| unusable("tls_config", &error))?
    }

    async fn with_auth(&self, request: RequestBuilder) -> Result<RequestBuilder, ClientError> {
        let value = match &self.transport.config().auth {
            None => return Ok(request),
            Some(Auth::Basic { username, password }) => {
                let (name, password) = (text(username).await?, text(password).await?);
                return Ok(request.basic_auth(name, Some(password)));
            }
            Some(Auth::Other {
                scheme,
                credentials,
            }) => {
                let value = format!("{scheme} {}", text(credentials).await?);
                header_value("authorization", &value)?
            }
            Some(Auth::OAuth2(_)) => match &self.tokens {
                Some(tokens) => tokens.token().await?,
                None => return Ok(request),
            },
        };
        Ok(request.header(AUTHORIZATION, value))
    }
}

fn parsed(url: &str) -> Result<Url, ClientError> {
    Url::parse(url).map_err(|error| unusable("url", &error))
}

/// A header whose value nobody needs to see.
fn header_value(what: &'static str, text: &str) -> Result<HeaderValue, ClientError> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|error| unusable(what, &error))?;
    value.set_sensitive(true);
    Ok(value)
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

#[cfg(test)]
mod tests;
