//! Tokens that a server gives out (RFC 6749, section 4.4), asked for as Go's client does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Client, ClientError, header_value, text};
use crate::config::OAuth2;

const WHAT: &str = "oauth2";
/// So long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest life of a token that is believed.
const LONGEST: Duration = Duration::from_hours(365 * 24);
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// How much of a refusal is repeated.
const SHOWN_CHARS: usize = 200;

/// Asks for tokens, and keeps the last one for as long as it lasts.
#[derive(Debug)]
pub(super) struct Tokens {
    config: OAuth2,
    client: Client,
    state: Mutex<State>,
    /// Held by whoever asks: the others wait for what it is given.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Where the server wants the secret, once it has taken it.
    place: Option<Place>,
}

#[derive(Clone, Debug)]
struct Token {
    value: HeaderValue,
    /// What it was given out for.
    secret: String,
    ends: Option<Instant>,
}

/// Where the secret stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    token_type: String,
    expires_in: Option<Seconds>,
}

/// Some servers write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// Why there is no token.
enum Refusal {
    /// The server says so: perhaps it wants the secret elsewhere.
    Status(StatusCode, String),
    Other(ClientError),
}

impl From<reqwest::Error> for Refusal {
    fn from(error: reqwest::Error) -> Self {
        Self::Other(super::unusable(WHAT, &error.without_url()))
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Status(status, body) => {
                let body: String = body.chars().take(SHOWN_CHARS).collect();
                failed(format!("token_url answered HTTP status {status}: {body}"))
            }
            Refusal::Other(error) => error,
        }
    }
}

fn failed(reason: impl Into<String>) -> ClientError {
    let (what, reason) = (WHAT, reason.into());
    ClientError::Unusable { what, reason }
}

impl Tokens {
    pub(super) fn new(config: &OAuth2) -> Result<Self, ClientError> {
        Ok(Self {
            config: config.clone(),
            client: Client::new(&config.connection)?,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of the header `Authorization`.
    pub(super) async fn token(&self) -> Result<HeaderValue, ClientError> {
        let secret = text(&self.config.client_secret).await?;
        if let Some(value) = self.kept(&secret) {
            return Ok(value);
        }
        let _turn = self.turn.lock().await;
        if let Some(value) = self.kept(&secret) {
            return Ok(value);
        }
        let place = self.state().place;
        let (token, place) = match place {
            Some(place) => (self.ask(&secret, place).await?, place),
            // The header is what the standard wants everybody to take; not everybody does.
            None => match self.ask(&secret, Place::Header).await {
                Ok(token) => (token, Place::Header),
                Err(Refusal::Status(..)) => (self.ask(&secret, Place::Body).await?, Place::Body),
                Err(refusal) => return Err(refusal.into()),
            },
        };
        let value = token.value.clone();
        let mut state = self.state();
        state.token = Some(token);
        state.place = Some(place);
        Ok(value)
    }

    /// The last token, if it was given out for this secret and lasts.
    fn kept(&self, secret: &str) -> Option<HeaderValue> {
        let state = self.state();
        let token = state.token.as_ref()?;
        let lasts = token.ends.is_none_or(|ends| Instant::now() < ends);
        (lasts && token.secret == secret).then(|| token.value.clone())
    }

    async fn ask(&self, secret: &str, place: Place) -> Result<Token, Refusal> {
        let asked = Instant::now();
        let (id, url) = (&self.config.client_id, self.config.token_url.as_str());
        let request = Box::pin(self.client.post(url))
            .await
            .map_err(Refusal::Other)?;
        let request = match place {
            Place::Header => request.basic_auth(encoded(id), Some(encoded(secret))),
            Place::Body => request,
        };
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form(secret, place));
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Refusal::Other(failed(
                    "the answer of token_url is too large",
                )));
            }
            body.extend_from_slice(&chunk);
        }
        if !response.status().is_success() {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(Refusal::Status(response.status(), body));
        }
        token(&body, secret, asked).map_err(Refusal::Other)
    }

    fn form(&self, secret: &str, place: Place) -> String {
        let mut pairs = vec![("grant_type", "client_credentials")];
        let scopes = self.config.scopes.join(" ");
        if !scopes.is_empty() {
            pairs.push(("scope", &scopes));
        }
        if place == Place::Body {
            pairs.extend([("client_id", self.config.client_id.as_str())]);
            pairs.extend([("client_secret", secret)]);
        }
        for (name, value) in &self.config.endpoint_params {
            pairs.retain(|(own, _)| own != name);
            pairs.push((name, value));
        }
        form(&pairs)
    }
}

/// What an answer gives out.
fn token(body: &[u8], secret: &str, asked: Instant) -> Result<Token, ClientError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| failed("token_url did not answer with the JSON of a token"))?;
    if answer.access_token.is_empty() {
        return Err(failed("the answer of token_url has no access_token"));
    }
    let scheme = match answer.token_type.as_str() {
        kind if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind => kind,
    };
    let value = header_value(WHAT, &format!("{scheme} {}", answer.access_token))?;
    let lasts = match answer.expires_in {
        Some(Seconds::Number(seconds)) => seconds,
        Some(Seconds::Text(text)) => text.parse().unwrap_or_default(),
        None => 0.0,
    };
    // Nothing, or 0, is for ever.
    let lasts = (lasts > 0.0).then(|| Duration::from_secs_f64(lasts.min(LONGEST.as_secs_f64())));
    Ok(Token {
        value,
        secret: secret.to_owned(),
        ends: lasts.map(|lasts| asked + lasts.saturating_sub(MARGIN)),
    })
}

/// As forms are sent (`application/x-www-form-urlencoded`).
fn form(pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://form") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// A name or a secret in the header is encoded as in a form (RFC 6749, section 2.3.1).
fn encoded(text: &str) -> String {
    form(&[("", text)]).split_off(1)
}
