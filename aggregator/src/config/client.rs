//! How to connect to somebody over HTTP: who we say we are, whom we trust, by which way.

mod headers;
mod oauth2;
mod proxy;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::oauth2::OAuth2;
pub(crate) use self::proxy::is_loopback;
pub use self::proxy::{NoProxy, Proxying};
use super::fields::{Fields, Place, Problems, boolean};

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClient {
    /// Who we say we are.
    pub auth: Option<Auth>,
    /// Whom we trust.
    pub tls: Tls,
    /// By which way.
    pub proxying: Proxying,
    /// Headers of every request; a name may have several values.
    pub headers: Vec<(String, Vec<Secret>)>,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            auth: None,
            tls: Tls::default(),
            proxying: Proxying::Direct,
            headers: Vec::new(),
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

/// Who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A name and a password (RFC 7617).
    Basic {
        /// The name.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// Anything else in the header `Authorization`.
    Other {
        /// Its first word.
        scheme: String,
        /// What comes after.
        credentials: Secret,
    },
    /// A token that a server gives out (RFC 6749, section 4.4).
    OAuth2(Box<OAuth2>),
}

/// A text that nobody needs to see.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// It stands in the configuration.
    Text(String),
    /// It is what a file holds, read anew each time; white space around it does not count.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Whom we trust, and how we show who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs what we trust, in PEM; by default those that the machine trusts.
    pub ca: Option<Secret>,
    /// Our certificate and its key, in PEM.
    pub identity: Option<(Secret, Secret)>,
    /// The name that is asked for and that the certificate has to hold, in place of the URL's; no
    /// address.
    pub server_name: Option<String>,
    /// Whether everybody is trusted.
    pub insecure_skip_verify: bool,
    /// The oldest version of TLS.
    pub min_version: Option<TlsVersion>,
    /// The newest version of TLS.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl Tls {
    /// The files of certificates and keys.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let secrets = self.ca.iter().chain(identity);
        secrets.filter_map(|secret| match secret {
            Secret::Text(_) => None,
            Secret::File(path) => Some(path.as_path()),
        })
    }
}

impl HttpClient {
    /// Relative paths start at `folder`.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        let Tls { ca, identity, .. } = &mut self.tls;
        let identity = identity.iter_mut().flat_map(|(cert, key)| [cert, key]);
        let auth = match &mut self.auth {
            Some(Auth::Basic { username, password }) => vec![username, password],
            Some(Auth::Other { credentials, .. }) => vec![credentials],
            Some(Auth::OAuth2(oauth2)) => {
                oauth2.connection.in_folder(folder);
                vec![&mut oauth2.client_secret]
            }
            None => Vec::new(),
        };
        let headers = self.headers.iter_mut().flat_map(|(_, values)| values);
        let secrets = auth.into_iter().chain(identity).chain(ca).chain(headers);
        for secret in secrets {
            if let Secret::File(path) = secret {
                *path = folder.join(&*path);
            }
        }
    }
}

/// Reads what an entry says of it, among its other keys; `place` is the entry.
pub(super) fn read(
    place: &Place<'_>,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> HttpClient {
    let basic = fields.take("basic_auth");
    let authorization = fields.take("authorization");
    let oauth2 = fields.take("oauth2");
    let ways = [&basic, &authorization, &oauth2];
    let ways = ways.into_iter().filter(|way| way.is_some()).count();
    let bearer = secret(
        place,
        fields,
        ("bearer_token", "bearer_token_file"),
        problems,
    );
    if ways + usize::from(bearer.is_some()) > 1 {
        let message =
            "only one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file";
        place.problem(problems, message);
    }
    let bearer = bearer.map(|credentials| Auth::Other {
        scheme: "Bearer".to_owned(),
        credentials,
    });
    let basic = basic.and_then(|place| basic_auth(&place, problems));
    let authorization = authorization.and_then(|place| other_auth(&place, problems));
    let oauth2 = oauth2.and_then(|place| oauth2::read(&place, problems));
    let oauth2 = oauth2.map(|oauth2| Auth::OAuth2(Box::new(oauth2)));
    let (tls, proxying) = read_way(place, fields, problems);
    HttpClient {
        auth: basic.or(authorization).or(oauth2).or(bearer),
        tls,
        proxying,
        headers: headers::read(fields, problems),
        follow_redirects: fields.read("follow_redirects", true, problems, boolean),
        enable_http2: fields.read("enable_http2", true, problems, boolean),
    }
}

/// Whom we trust, and by which way we go.
fn read_way(
    place: &Place<'_>,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> (Tls, Proxying) {
    let tls = fields.take("tls_config");
    let tls = tls.and_then(|place| read_tls(&place, problems));
    let tls = tls.unwrap_or_default();
    let proxying = proxy::read(place, fields, problems);
    if tls.server_name.is_some() && proxying != Proxying::Direct {
        place.problem(
            problems,
            "a server_name through a proxy is not supported; remove one of them",
        );
    }
    (tls, proxying)
}

/// A text under one key, or the file that holds it under the other.
fn secret(
    place: &Place<'_>,
    fields: &mut Fields<'_>,
    (key, file_key): (&'static str, &'static str),
    problems: &mut Problems,
) -> Option<Secret> {
    let mut text = |key| {
        let place = fields.take(key)?;
        let text = place.text(problems)?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let (text, file) = (text(key), text(file_key));
    if text.is_some() && file.is_some() {
        place.problem(problems, format!("only one of {key} and {file_key}"));
    }
    let file = file.map(|file| Secret::File(PathBuf::from(file)));
    text.map(Secret::Text).or(file)
}

fn basic_auth(place: &Place<'_>, problems: &mut Problems) -> Option<Auth> {
    let mut fields = place.fields(problems)?;
    let mut either = |keys| secret(place, &mut fields, keys, problems);
    let username = either(("username", "username_file"));
    let password = either(("password", "password_file"));
    fields.finish(&["password_ref", "username_ref"], problems);
    let nothing = || Secret::Text(String::new());
    Some(Auth::Basic {
        username: username.unwrap_or_else(nothing),
        password: password.unwrap_or_else(nothing),
    })
}

fn other_auth(place: &Place<'_>, problems: &mut Problems) -> Option<Auth> {
    let mut fields = place.fields(problems)?;
    let scheme = fields.read("type", "Bearer".to_owned(), problems, scheme);
    let keys = ("credentials", "credentials_file");
    let credentials = secret(place, &mut fields, keys, problems);
    fields.finish(&["credentials_ref"], problems);
    if credentials.is_none() {
        place.problem(problems, "credentials or credentials_file is missing");
    }
    Some(Auth::Other {
        scheme,
        credentials: credentials?,
    })
}

fn scheme(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Ok("Bearer".to_owned()),
        text if text.eq_ignore_ascii_case("basic") => {
            Err("this is what basic_auth is for; use it instead".to_owned())
        }
        text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not one word")),
    }
}

fn read_tls(place: &Place<'_>, problems: &mut Problems) -> Option<Tls> {
    let mut fields = place.fields(problems)?;
    let mut either = |keys| secret(place, &mut fields, keys, problems);
    let ca = either(("ca", "ca_file"));
    let cert = either(("cert", "cert_file"));
    let key = either(("key", "key_file"));
    if cert.is_some() != key.is_some() {
        place.problem(problems, "a certificate and its key come together");
    }
    let mut version = |key| {
        let place = fields.take(key)?;
        place.read(problems, tls_version)
    };
    let (min_version, max_version) = (version("min_version"), version("max_version"));
    let tls = Tls {
        ca,
        identity: cert.zip(key),
        server_name: fields.read("server_name", None, problems, server_name),
        insecure_skip_verify: fields.read("insecure_skip_verify", false, problems, boolean),
        min_version,
        max_version,
    };
    if let (Some(min), Some(max)) = (min_version, max_version)
        && min > max
    {
        place.problem(problems, "min_version is above max_version");
    }
    fields.finish(&["ca_ref", "cert_ref", "key_ref"], problems);
    Some(tls)
}

fn server_name(text: &str) -> Result<Option<String>, String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text {
        "" => Ok(None),
        _ if text.parse::<std::net::IpAddr>().is_ok() => Err(format!(
            "{text:?} is an address; write the name in the certificate, or remove it"
        )),
        _ if text.len() <= 253 && text.chars().all(is_host) => Ok(Some(text.to_owned())),
        _ => Err(format!("{text:?} is not the name of a host")),
    }
}

fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "TLS12" => Ok(TlsVersion::Tls12),
        "TLS13" => Ok(TlsVersion::Tls13),
        "TLS10" | "TLS11" => Err(format!("{text} is not spoken any more; use TLS12 or TLS13")),
        _ => Err(format!("unknown version {text:?}; use TLS12 or TLS13")),
    }
}
