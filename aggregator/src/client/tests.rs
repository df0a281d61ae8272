use std::fmt::Write as _;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::{self, AlertmanagerConfig};

/// A server of loopback, and what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with what `answer` makes of it: a status and a body.
    async fn start(answer: impl Fn(&str) -> (&'static str, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut text, mut buffer) = (String::new(), [0; 4096]);
                while !is_whole(&text) {
                    let read = stream.read(&mut buffer).await.unwrap();
                    assert!(read > 0, "cut off: {text}");
                    text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                }
                let (status, body) = answer(&text);
                kept.lock().unwrap().push(text);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, asked }
    }

    async fn silent() -> Self {
        Self::start(|_| ("200 OK", String::new())).await
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    body.len() >= header(head, "content-length").map_or(0, |length| length.parse().unwrap())
}

fn header<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let (_, value) = lines.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// The client of an entry of the configuration that holds this.
fn client(entry: &str) -> Result<Client, ClientError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!("alerting:\n  alertmanagers:\n  - {{{entry}}}\n");
    let config = config::parse(&text, "prometheus.yml").unwrap();
    let entry: &AlertmanagerConfig = &config.alerting.alertmanagers[0];
    Client::new(&entry.client)
}

async fn ask(client: &Client, url: &str) -> Result<u16, String> {
    let request = client.get(url).await.map_err(|error| error.to_string())?;
    let response = request.send().await.map_err(|error| error.to_string())?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn headers_are_sent_with_every_request() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::silent().await);
    let file = folder.path().join("tenant");
    std::fs::write(&file, "blue\n").unwrap();
    let client = client(&format!(
        "http_headers: {{X-Tenant: {{values: [a], secrets: [b], files: ['{}']}}}}",
        file.display()
    ));
    let client = client.unwrap();
    let url = format!("http://{}/", server.address);
    let mut told = String::new();
    for tenant in ["blue", "green"] {
        std::fs::write(&file, tenant).unwrap();
        assert_eq!(ask(&client, &url).await, Ok(200));
        for head in server.asked() {
            let lines = head.lines().filter(|line| line.starts_with("x-tenant"));
            lines.for_each(|line| writeln!(told, "{line}").unwrap());
        }
    }
    let common = "x-tenant: a\nx-tenant: b\nx-tenant:";
    assert_eq!(told, format!("{common} blue\n{common} green\n"));
    std::fs::remove_file(&file).unwrap();
    let error = ask(&client, &url).await.unwrap_err();
    assert!(error.contains("tenant: cannot be read"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_those_that_are_no_exception() {
    let (proxy, server) = (Server::silent().await, Server::silent().await);
    let way = format!(
        "proxy_url: 'http://me:secret@{}', proxy_connect_header: {{X-Team: [a, b]}}",
        proxy.address
    );
    let everything = client(&way).unwrap();
    assert_eq!(ask(&everything, "http://am.example:9093/x").await, Ok(200));
    let asked = proxy.asked().remove(0);
    assert!(
        asked.starts_with("GET http://am.example:9093/x HTTP/1.1\r\n"),
        "{asked}"
    );
    let password = header(&asked, "proxy-authorization");
    assert_eq!(password, Some("Basic bWU6c2VjcmV0"));
    assert_eq!(header(&asked, "x-team"), None, "not for tunnels only");

    // The proxy's answer is no greeting of TLS.
    ask(&everything, "https://am.example/").await.unwrap_err();
    let asked = proxy.asked().remove(0);
    assert!(asked.starts_with("CONNECT am.example:443 "), "{asked}");
    let team: Vec<&str> = asked.lines().filter(|line| line.contains("team")).collect();
    assert_eq!(team, ["x-team: a", "x-team: b"]);
    let password = header(&asked, "proxy-authorization");
    assert_eq!(password, Some("Basic bWU6c2VjcmV0"));

    let url = format!("http://{}/", server.address);
    assert_eq!(ask(&everything, &url).await, Ok(200));
    assert_eq!(
        proxy.asked().len(),
        1,
        "loopback too, unless no_proxy is said"
    );
    let some = client(&format!("{way}, no_proxy: 'b.example'")).unwrap();
    assert_eq!(ask(&some, &url).await, Ok(200));
    assert_eq!((proxy.asked().len(), server.asked().len()), (0, 1));
    assert_eq!(ask(&some, "http://a.example/").await, Ok(200));
    assert_eq!(proxy.asked().len(), 1);
}

/// A server of tokens that counts them, and wants the secret in the header or in the body.
async fn token_server(in_body: bool, lasts: &'static str) -> Server {
    let count = Mutex::new(0);
    Server::start(move |text| {
        let is_there = if in_body {
            text.contains("&client_id=me+%26&client_secret=")
        } else {
            header(text, "authorization").is_some()
        };
        if !is_there {
            return (
                "401 Unauthorized",
                r#"{"error":"invalid_client"}"#.to_owned(),
            );
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        let token = format!(r#"{{"access_token":"t{count}","token_type":"bearer"{lasts}}}"#);
        ("200 OK", token)
    })
    .await
}

fn with_tokens(server: &Server, secret: &str) -> Client {
    let entry = format!(
        "oauth2: {{client_id: 'me &', {secret}, scopes: [read, write], \
         token_url: 'http://{}/token', endpoint_params: {{audience: x}}}}",
        server.address
    );
    client(&entry).unwrap()
}

/// What `requests` requests were authorized by, and what the server of tokens was asked.
async fn authorized(client: &Client, tokens: &Server, requests: usize) -> (String, usize) {
    let server = Server::silent().await;
    for _ in 0..requests {
        let url = format!("http://{}/", server.address);
        assert_eq!(ask(client, &url).await, Ok(200));
    }
    let asked = server.asked();
    let values = asked
        .iter()
        .filter_map(|head| header(head, "authorization"));
    let values: Vec<&str> = values.collect();
    (values.join(", "), tokens.asked().len())
}

#[tokio::test]
async fn tokens_are_kept_until_they_end() {
    let cases = [
        (r#","expires_in":3600"#, "Bearer t1, Bearer t1", 1),
        (r#","expires_in":"3600""#, "Bearer t1, Bearer t1", 1),
        ("", "Bearer t1, Bearer t1", 1),
        // Nearly at its end.
        (r#","expires_in":9"#, "Bearer t1, Bearer t2", 2),
    ];
    for (lasts, expected, asked) in cases {
        let tokens = token_server(false, lasts).await;
        let client = with_tokens(&tokens, "client_secret: a");
        let told = authorized(&client, &tokens, 2).await;
        assert_eq!(told, (expected.to_owned(), asked), "{lasts}");
    }
}

#[tokio::test]
async fn a_secret_goes_where_the_server_takes_it_and_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s/1\n").unwrap();
    let secret = format!("client_secret_file: '{}'", file.display());

    let tokens = token_server(false, "").await;
    let by_header = with_tokens(&tokens, &secret);
    let url = format!("http://{}/", Server::silent().await.address);
    assert_eq!(ask(&by_header, &url).await, Ok(200));
    let asked = tokens.asked().remove(0);
    // me+%26:s%2F1
    let expected = Some("Basic bWUrJTI2OnMlMkYx");
    assert_eq!(header(&asked, "authorization"), expected);
    let body = "\r\n\r\ngrant_type=client_credentials&scope=read+write&audience=x";
    assert!(asked.ends_with(body), "{asked}");
    std::fs::write(&file, "s2").unwrap();
    let told = authorized(&by_header, &tokens, 2).await;
    assert_eq!(told, ("Bearer t2, Bearer t2".to_owned(), 1));

    let tokens = token_server(true, r#","expires_in":1"#).await;
    let by_body = with_tokens(&tokens, &secret);
    let told = authorized(&by_body, &tokens, 1).await;
    assert_eq!(told, ("Bearer t1".to_owned(), 2));
    let told = authorized(&by_body, &tokens, 1).await;
    assert_eq!(
        told,
        ("Bearer t2".to_owned(), 1),
        "what worked is remembered"
    );
}

#[tokio::test]
async fn what_gives_no_token_is_said() {
    let cases = [
        (
            "403 Forbidden",
            "who are you",
            "oauth2: token_url answered HTTP status 403 Forbidden: who are you",
        ),
        (
            "200 OK",
            "{}",
            "oauth2: the answer of token_url has no access_token",
        ),
        (
            "200 OK",
            "<html>",
            "oauth2: token_url did not answer with the JSON of a token",
        ),
    ];
    for (status, body, expected) in cases {
        let tokens = Server::start(move |_| (status, body.to_owned())).await;
        let client = with_tokens(&tokens, "client_secret: a");
        let asked = ask(&client, "http://127.0.0.1:1/").await;
        assert_eq!(asked, Err(expected.to_owned()));
    }
}

#[test]
fn under_a_name() {
    let config = "tls_config: {server_name: am.example}";
    let client = client(config).unwrap();
    let config = client.transport.config();
    let cases = [
        (
            "https://10.0.0.1:9093/x",
            "https://am.example:9093/x | 10.0.0.1:9093",
        ),
        ("https://[::1]/", "https://am.example/ | [::1]"),
        ("https://b.example:443/", "https://am.example/ | b.example"),
        ("http://10.0.0.1:9093/x", "as it is"),
    ];
    for (url, expected) in cases {
        let url = Url::parse(url).unwrap();
        let rewritten = Way::to(&url, config).rewritten(&url, config);
        let shown = rewritten.map_or("as it is".to_owned(), |(url, host)| {
            format!("{url} | {host}")
        });
        assert_eq!(shown, expected, "{url}");
    }
}
