//! How to connect to somebody over HTTP: who we say we are, whom we trust.

use std::fmt;
use std::path::{Path, PathBuf};

use super::fields::{Fields, Place, Problems, boolean};

/// Keys that Prometheus has and we do not.
pub(super) const UNSUPPORTED: [&str; 6] = [
    "http_headers",
    "no_proxy",
    "oauth2",
    "proxy_connect_header",
    "proxy_from_environment",
    "proxy_url",
];

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClient {
    /// Who we say we are.
    pub auth: Option<Auth>,
    /// Whom we trust.
    pub tls: Tls,
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

impl Secret {
    fn in_folder(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
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
            None => Vec::new(),
        };
        for secret in auth.into_iter().chain(identity).chain(ca) {
            secret.in_folder(folder);
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
    let ways = usize::from(basic.is_some()) + usize::from(authorization.is_some());
    let bearer = secret(
        place,
        fields,
        ("bearer_token", "bearer_token_file"),
        problems,
    );
    if ways + usize::from(bearer.is_some()) > 1 {
        let message = "only one of basic_auth, authorization, bearer_token and bearer_token_file";
        place.problem(problems, message);
    }
    let bearer = bearer.map(|credentials| Auth::Other {
        scheme: "Bearer".to_owned(),
        credentials,
    });
    let basic = basic.and_then(|place| basic_auth(&place, problems));
    let authorization = authorization.and_then(|place| other_auth(&place, problems));
    let tls = fields.take("tls_config");
    HttpClient {
        auth: basic.or(authorization).or(bearer),
        tls: tls
            .and_then(|place| read_tls(&place, problems))
            .unwrap_or_default(),
        follow_redirects: fields.read("follow_redirects", true, problems, boolean),
        enable_http2: fields.read("enable_http2", true, problems, boolean),
    }
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
        insecure_skip_verify: fields.read("insecure_skip_verify", false, problems, boolean),
        min_version,
        max_version,
    };
    if let (Some(min), Some(max)) = (min_version, max_version)
        && min > max
    {
        place.problem(problems, "min_version is above max_version");
    }
    fields.finish(&["ca_ref", "cert_ref", "key_ref", "server_name"], problems);
    Some(tls)
}

fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "TLS12" => Ok(TlsVersion::Tls12),
        "TLS13" => Ok(TlsVersion::Tls13),
        "TLS10" | "TLS11" => Err(format!("{text} is not spoken any more; use TLS12 or TLS13")),
        _ => Err(format!("unknown version {text:?}; use TLS12 or TLS13")),
    }
}
