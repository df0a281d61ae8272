//! Connections as the configuration asks for them.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Url};

use super::{ClientError, MAX_REDIRECTS, bytes, header_value, unusable};
use crate::config::{HttpClient, Proxying, Secret, Tls, TlsVersion, is_loopback};

const USER_AGENT: &str = concat!("system-stats-aggregator/", env!("CARGO_PKG_VERSION"));
/// Idle connections are kept longer than the usual intervals.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// Hosts that are asked under another name, at once.
const MAX_WAYS: usize = 256;

/// Connections that are kept, for each way.
#[derive(Debug)]
pub(super) struct Transport {
    config: HttpClient,
    built: Mutex<Built>,
}

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Direct,
    Proxied,
    /// The host is asked as if it had the name of the configuration.
    Named(String),
}

#[derive(Debug)]
struct Built {
    /// Of the files that the clients were made from.
    stamps: Vec<Stamp>,
    clients: HashMap<Way, reqwest::Client>,
}

/// What tells that a file has changed; nothing while it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(u64, u64, i64, i64)>);

impl Way {
    pub(super) fn to(url: &Url, config: &HttpClient) -> Self {
        let is_direct = match &config.proxying {
            Proxying::Direct => true,
            Proxying::Environment => is_loopback(url),
            Proxying::Through { except, .. } => {
                except.as_ref().is_some_and(|except| except.excepts(url))
            }
        };
        match (is_direct, &config.tls.server_name, url.host_str()) {
            (false, _, _) => Self::Proxied,
            (true, Some(_), Some(host)) if url.scheme() == "https" => Self::Named(host.to_owned()),
            _ => Self::Direct,
        }
    }

    /// The URL to ask in place of this one, and what the header `Host` says.
    ///
    /// The TLS library takes the name that it asks for and checks from the URL. So the URL has the
    /// name, and where to connect is said by a resolver.
    pub(super) fn rewritten(&self, url: &Url, config: &HttpClient) -> Option<(Url, String)> {
        let (Self::Named(host), Some(name)) = (self, &config.tls.server_name) else {
            return None;
        };
        let port = url.port();
        let host = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let mut url = url.clone();
        url.set_host(Some(name)).ok()?;
        Some((url, host))
    }

    /// What stays as it is for as long as the configuration does.
    fn is_usual(&self, config: &HttpClient) -> bool {
        match self {
            Self::Direct => true,
            Self::Proxied => config.proxying != Proxying::Direct,
            Self::Named(_) => false,
        }
    }
}

impl Transport {
    pub(super) fn new(config: HttpClient) -> Result<Self, ClientError> {
        let stamps = stamps(&config.tls);
        let clients = usual(&config)?;
        let built = Mutex::new(Built { stamps, clients });
        Ok(Self { config, built })
    }

    pub(super) fn config(&self) -> &HttpClient {
        &self.config
    }

    /// Those connections, if they are there and no file is behind them: this looks at none.
    pub(super) fn fixed(&self, way: &Way) -> Option<reqwest::Client> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if !built.stamps.is_empty() {
            return None;
        }
        built.clients.get(way).cloned()
    }

    /// Those connections; made anew from files that have changed. While they cannot be used, the
    /// connections made from the files before stay.
    pub(super) fn client(&self, way: Way) -> Result<reqwest::Client, ClientError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.config.tls);
        if built.stamps != stamps {
            match usual(&self.config) {
                Ok(clients) => built.clients = clients,
                Err(error) => tracing::error!(%error, "changed certificates are not used"),
            }
            built.stamps = stamps;
        }
        if let Some(client) = built.clients.get(&way) {
            return Ok(client.clone());
        }
        if built.clients.len() >= MAX_WAYS {
            let config = &self.config;
            built.clients.retain(|way, _| way.is_usual(config));
        }
        let client = build(&self.config, &way)?;
        built.clients.insert(way, client.clone());
        Ok(client)
    }
}

fn usual(config: &HttpClient) -> Result<HashMap<Way, reqwest::Client>, ClientError> {
    let ways = [Way::Direct, Way::Proxied].into_iter();
    let ways = ways.filter(|way| way.is_usual(config));
    let build = |way: Way| Ok((way.clone(), build(config, &way)?));
    ways.map(build).collect()
}

fn stamps(tls: &Tls) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok();
        let stamp = metadata.map(|of| (of.ino(), of.len(), of.mtime(), of.mtime_nsec()));
        Stamp(stamp)
    };
    tls.files().map(stamp).collect()
}

fn build(config: &HttpClient, way: &Way) -> Result<reqwest::Client, ClientError> {
    let redirects = if config.follow_redirects {
        Policy::limited(MAX_REDIRECTS)
    } else {
        Policy::none()
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        // Also where it is not asked for: some compress all the same.
        .gzip(true)
        .redirect(redirects)
        .referer(false)
        .pool_idle_timeout(IDLE_TIMEOUT);
    if !config.enable_http2 {
        builder = builder.http1_only();
    }
    builder = match (way, &config.tls.server_name) {
        (Way::Proxied, _) => through(builder, &config.proxying)?,
        (Way::Named(host), Some(name)) => named(builder, config, host, name).no_proxy(),
        _ => builder.no_proxy(),
    };
    let built = with_tls(builder, &config.tls)?.build();
    built.map_err(|error| unusable("tls_config", &error))
}

fn through(mut builder: ClientBuilder, proxying: &Proxying) -> Result<ClientBuilder, ClientError> {
    let Proxying::Through { url, headers, .. } = proxying else {
        // The library's own way: it reads the environment.
        return Ok(builder);
    };
    let failed = |error: reqwest::Error| unusable("proxy_url", &error.without_url());
    let mut told = HeaderMap::new();
    for (name, values) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let name = name.map_err(|error| unusable("proxy_connect_header", &error))?;
        for value in values {
            let value = String::from_utf8_lossy(&bytes(value)?).into_owned();
            told.append(name.clone(), header_value("proxy_connect_header", &value)?);
        }
    }
    let plain = Proxy::http(url.clone()).map_err(failed)?;
    // Only a tunnel is asked for with headers of its own.
    let tunnel = Proxy::https(url.clone()).map_err(failed)?.headers(told);
    builder = builder.proxy(plain).proxy(tunnel);
    Ok(builder)
}

/// Under a name; where it is connected to instead.
fn named(builder: ClientBuilder, config: &HttpClient, host: &str, name: &str) -> ClientBuilder {
    let resolver = Elsewhere {
        name: name.to_owned(),
        host: host.trim_matches(['[', ']']).to_owned(),
    };
    let builder = builder.dns_resolver(resolver).http1_only();
    if !config.follow_redirects {
        return builder;
    }
    let name = name.to_owned();
    builder.redirect(Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        match attempt.url().host_str() {
            Some(host) if host.eq_ignore_ascii_case(&name) => attempt.follow(),
            // Its certificate would be checked for its own name.
            _ => attempt.error("with a server_name only redirects to the same server are followed"),
        }
    }))
}

/// One name leads to another host.
struct Elsewhere {
    name: String,
    host: String,
}

impl Resolve for Elsewhere {
    fn resolve(&self, name: Name) -> Resolving {
        let is_it = name.as_str().eq_ignore_ascii_case(&self.name);
        let host = if is_it { &self.host } else { name.as_str() }.to_owned();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let addresses: Vec<_> = addresses.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, ClientError> {
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
        let identity = identity(certificate, key)?;
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

fn identity(certificate: &Secret, key: &Secret) -> Result<Identity, ClientError> {
    let pem = [bytes(certificate)?, b"\n".to_vec(), bytes(key)?].concat();
    Identity::from_pem(&pem).map_err(|error| unusable("tls_config.cert", &error))
}

fn version_of(version: TlsVersion) -> reqwest::tls::Version {
    match version {
        TlsVersion::Tls12 => reqwest::tls::Version::TLS_1_2,
        TlsVersion::Tls13 => reqwest::tls::Version::TLS_1_3,
    }
}
