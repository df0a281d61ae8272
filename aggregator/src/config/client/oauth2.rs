//! `oauth2`: tokens that a server gives out to whoever knows a secret.

use reqwest::Url;

use super::{HttpClient, Secret, headers, read_way, secret};
use crate::config::discovery::http_url;
use crate::config::fields::{Place, Problems};

/// Where tokens come from: "client credentials" of RFC 6749, section 4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// Who we are there.
    pub client_id: String,
    /// How we show it.
    pub client_secret: Secret,
    /// What the token shall be good for.
    pub scopes: Vec<String>,
    /// Who gives it out.
    pub token_url: Url,
    /// What is told besides.
    pub endpoint_params: Vec<(String, String)>,
    /// How to connect there.
    pub connection: HttpClient,
}

/// Keys that Prometheus has and we do not.
const UNSUPPORTED: [&str; 10] = [
    "audience",
    "claims",
    "client_certificate_key",
    "client_certificate_key_file",
    "client_certificate_key_id",
    "client_certificate_key_ref",
    "client_secret_ref",
    "grant_type",
    "iss",
    "signature_algorithm",
];

pub(super) fn read(place: &Place<'_>, problems: &mut Problems) -> Option<OAuth2> {
    let mut fields = place.fields(problems)?;
    let client_id = fields.take("client_id");
    let client_id = client_id.and_then(|place| place.text(problems));
    let client_id = client_id.unwrap_or_default().to_owned();
    if client_id.is_empty() {
        place.problem(problems, "client_id is missing");
    }
    let keys = ("client_secret", "client_secret_file");
    let client_secret = secret(place, &mut fields, keys, problems);
    if client_secret.is_none() {
        place.problem(problems, "client_secret or client_secret_file is missing");
    }
    let token_url = if let Some(url) = fields.take("token_url") {
        url.read(problems, http_url)
    } else {
        place.problem(problems, "token_url is missing; write who gives out tokens");
        None
    };
    let scopes = fields.take("scopes");
    let scopes = scopes.and_then(|place| place.list(problems));
    let scopes = scopes.unwrap_or_default();
    let scopes = scopes.iter().filter_map(|place| place.text(problems));
    let scopes = scopes.map(str::to_owned).collect();
    let params = fields.take("endpoint_params");
    let params = params.and_then(|place| place.entries(problems));
    let params = params.unwrap_or_default().into_iter();
    let params = params.filter_map(|(name, place)| Some((name, place.text(problems)?)));
    let endpoint_params = params
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (tls, proxying) = read_way(place, &mut fields, problems);
    let connection = HttpClient {
        tls,
        proxying,
        headers: headers::read(&mut fields, problems),
        ..HttpClient::default()
    };
    fields.finish(&UNSUPPORTED, problems);
    Some(OAuth2 {
        client_id,
        client_secret: client_secret?,
        scopes,
        token_url: token_url?,
        endpoint_params,
        connection,
    })
}
