//! `proxy_url` and its companions: by which way requests go.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;
use reqwest::header::HeaderName;

use super::{Secret, headers};
use crate::config::fields::{Fields, Place, Problems, boolean};

/// By which way requests go.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxying {
    /// Straight.
    Direct,
    /// As `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the program say.
    Environment,
    /// Through a proxy.
    Through {
        /// Which.
        url: Url,
        /// For whom not, if that is said.
        except: Option<NoProxy>,
        /// What it is told when a tunnel is asked for.
        headers: Vec<(String, Vec<Secret>)>,
    },
}

impl fmt::Debug for Proxying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("Direct"),
            Self::Environment => f.write_str("Environment"),
            Self::Through {
                url,
                except,
                headers,
            } => {
                let mut url = url.clone();
                // Fails only for URLs without a host, which a proxy's is not.
                let _ = url.set_password(None);
                let mut f = f.debug_struct("Through");
                f.field("url", &url.as_str());
                f.field("except", except).field("headers", headers).finish()
            }
        }
    }
}

/// Who is asked without the proxy: the value of `no_proxy`, as Go reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoProxy(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    who: Who,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    /// Those whose address begins with so many bits of this one.
    Network(IpAddr, u8),
    /// A name, with those under it.
    Domain(String),
    /// Those under a name.
    Under(String),
}

impl NoProxy {
    /// Reads a list with commas; what is neither name nor address names nobody.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.split(',').filter_map(exception).collect())
    }

    /// Whether a server is asked straight. This machine always is.
    #[must_use]
    pub fn excepts(&self, url: &Url) -> bool {
        if is_loopback(url) {
            return true;
        }
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let address = address_of(&host);
        let port = url.port_or_known_default();
        self.0.iter().any(|exception| {
            let is_port = exception.port.is_none() || exception.port == port;
            is_port && exception.who.is(&host, address)
        })
    }
}

/// Whether a URL names the machine itself.
#[must_use]
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || address_of(host).is_some_and(|address| address.is_loopback())
}

impl Who {
    fn is(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Network(network, bits) => {
                address.is_some_and(|address| are_near(*network, address, *bits))
            }
            Self::Domain(name) => host == name || is_under(host, name),
            Self::Under(name) => is_under(host, name),
        }
    }
}

fn is_under(host: &str, name: &str) -> bool {
    let above = host.strip_suffix(name);
    above.is_some_and(|above| above.ends_with('.'))
}

/// An address as it stands in a URL.
fn address_of(host: &str) -> Option<IpAddr> {
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    host.parse().ok()
}

/// Whether two addresses begin with the same bits.
fn are_near(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let (a, b, width) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), Ipv6Addr::BITS),
        _ => return false,
    };
    let differing: u128 = a ^ b;
    let rest = width.saturating_sub(u32::from(bits));
    differing.checked_shr(rest).unwrap_or(0) == 0
}

fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        let (who, port) = (Who::Everybody, None);
        return Some(Exception { who, port });
    }
    if let Some((address, bits)) = text.split_once('/') {
        let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
        let (who, port) = (Who::Network(address, bits), None);
        return Some(Exception { who, port });
    }
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (text.as_str(), None),
    };
    if let Some(address) = address_of(host) {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let who = Who::Network(address, bits);
        return Some(Exception { who, port });
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    let who = match host.strip_prefix('.') {
        Some(name) => Who::Under(name.to_owned()),
        None => Who::Domain(host.to_owned()),
    };
    (!host.is_empty()).then_some(Exception { who, port })
}

pub(super) fn read(
    place: &Place<'_>,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Proxying {
    let url = fields.read("proxy_url", None, problems, proxy_url);
    let except = fields.take("no_proxy");
    let except = except.and_then(|place| place.text(problems));
    let except = except.filter(|text| !text.is_empty()).map(NoProxy::new);
    let from_environment = fields.read("proxy_from_environment", false, problems, boolean);
    let headers = fields.take("proxy_connect_header");
    let headers = headers.map(|place| connect_headers(&place, problems));
    let headers = headers.unwrap_or_default();
    let mut refuse = |message| {
        place.problem(problems, message);
        Proxying::Direct
    };
    match url {
        Some(_) if from_environment => refuse("only one of proxy_url and proxy_from_environment"),
        Some(url) => Proxying::Through {
            url,
            except,
            headers,
        },
        None if except.is_some() => refuse("no_proxy needs a proxy_url"),
        None if !headers.is_empty() => refuse("proxy_connect_header needs a proxy_url"),
        None if from_environment => Proxying::Environment,
        None => Proxying::Direct,
    }
}

fn proxy_url(text: &str) -> Result<Option<Url>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    // A message does not repeat it: there may be a password in it.
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        other => Err(format!(
            "a proxy by {other}:// is not supported; use one by http:// or https://"
        )),
    }
}

fn connect_headers(place: &Place<'_>, problems: &mut Problems) -> Vec<(String, Vec<Secret>)> {
    let entries = place.entries(problems).unwrap_or_default();
    let mut all = Vec::new();
    for (name, place) in entries {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            place.problem(problems, format!("{name:?} is not the name of a header"));
        }
        let values = place.list(problems).unwrap_or_default();
        let values = values.iter();
        let values = values.filter_map(|place| place.read(problems, headers::value));
        all.push((name.to_owned(), values.map(Secret::Text).collect()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_those_of_go() {
        // What no_proxy says, a URL, and whether it is asked straight.
        let cases = [
            ("", "http://localhost:1/", true),
            ("", "http://127.0.0.9:1/", true),
            ("", "http://[::1]/", true),
            ("", "http://a.example/", false),
            ("*", "http://a.example/", true),
            ("b, A.example ,", "http://a.example/", true),
            ("example", "http://a.example/", true),
            ("example", "http://example:9/", true),
            ("example", "http://an-example/", false),
            (".example", "http://example/", false),
            (".example", "http://a.b.example/", true),
            ("*.example", "http://a.example/", true),
            ("*.example", "http://example/", false),
            ("a.example:81", "http://a.example/", false),
            ("a.example:81", "http://a.example:81/", true),
            ("a.example:443", "https://a.example/", true),
            ("10.1.0.0/16", "http://10.1.2.3/", true),
            ("10.1.0.0/16", "http://10.2.2.3/", false),
            ("10.1.0.0/0", "http://99.2.2.3/", true),
            ("10.1.0.0/16", "http://[a01::]/", false),
            ("10.1.2.3:80", "http://10.1.2.3/", true),
            ("10.1.2.3", "http://10.1.2.4/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::1", "http://[fd00::1]/", true),
            ("[fd00::1]:80", "http://[fd00::1]/", true),
            ("[fd00::1]:81", "http://[fd00::1]/", false),
            ("a:b, /, :, ., 1/x", "http://a/", false),
        ];
        for (text, url, expected) in cases {
            let except = NoProxy::new(text).excepts(&Url::parse(url).unwrap());
            assert_eq!(except, expected, "{text} {url}");
        }
    }
}
