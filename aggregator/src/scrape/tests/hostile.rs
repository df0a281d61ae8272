//! Every way in which an answer can go wrong, and what the list of targets says about it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fixture::{job, provide_crypto};
use super::server::{Reply, Server, TEXT, bare, gzipped, ok};
use crate::discovery::listed;
use crate::scrape::client::{Answer, Asked, Client};
use crate::scrape::error::ScrapeError;
use crate::scrape::target;

/// Scrapes once what is configured.
async fn scrape(address: &str, more: &str) -> Result<Answer, ScrapeError> {
    provide_crypto();
    let job = job(address, more);
    let target = target::of_job(&job, &listed(&job.discoveries.lists));
    let target = &target.targets[0];
    let client = Client::new(&job).unwrap();
    let asked = Asked::metrics(target.timeout, &job.limits, 0);
    client.get(&target.url, asked).await
}

async fn reply(reply: Reply, more: &str) -> Result<Answer, ScrapeError> {
    let server = Server::start(&[("/metrics", reply)]).await;
    scrape(&server.address.to_string(), more).await
}

async fn error(answer: Reply, more: &str) -> String {
    reply(answer, more).await.unwrap_err().to_string()
}

#[tokio::test]
async fn good_answers_plain_and_compressed() {
    let answer = reply(ok(TEXT, b"a 1\n"), "").await.unwrap();
    assert_eq!(answer.body, b"a 1\n");
    assert_eq!(answer.content_type.as_deref(), Some(TEXT));
    let answer = reply(gzipped(b"a 1\n"), "").await.unwrap();
    assert_eq!(answer.body, b"a 1\n");
    // Some compress whatever they are asked for.
    let answer = reply(gzipped(b"a 1\n"), "enable_compression: false").await;
    assert_eq!(answer.unwrap().body, b"a 1\n");
}

#[tokio::test]
async fn what_is_asked_for() {
    let server = Server::start(&[("/metrics?m=x", ok(TEXT, b""))]).await;
    let address = server.address.to_string();
    scrape(&address, "params: {m: [x]}, scrape_timeout: 2500ms")
        .await
        .unwrap();
    scrape(&address, "params: {m: [x]}, enable_compression: false")
        .await
        .unwrap();
    let heads = server.heads();
    let accepted = "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n";
    let expected = [
        "get /metrics?m=x http/1.1\r\n",
        accepted,
        "accept-encoding: gzip\r\n",
        "x-prometheus-scrape-timeout-seconds: 2.5\r\n",
        concat!(
            "user-agent: system-stats-aggregator/",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        ),
    ];
    for line in expected {
        assert!(heads[0].contains(line), "{line} not in {}", heads[0]);
    }
    assert!(
        heads[1].contains("accept-encoding: identity\r\n"),
        "{}",
        heads[1]
    );
    assert!(
        heads[1].contains("x-prometheus-scrape-timeout-seconds: 10\r\n"),
        "{}",
        heads[1]
    );
}

#[tokio::test]
async fn statuses() {
    let cases = [
        (
            "500 Internal Server Error",
            "server returned HTTP status 500 Internal Server Error",
        ),
        (
            "503 Whatever",
            "server returned HTTP status 503 Service Unavailable",
        ),
        (
            "204 No Content",
            "server returned HTTP status 204 No Content",
        ),
        (
            "401 Unauthorized",
            "server returned HTTP status 401 Unauthorized",
        ),
    ];
    for (status, expected) in cases {
        assert_eq!(error(bare(status), "").await, expected);
    }
}

#[tokio::test]
async fn redirects_are_followed_so_far() {
    let server = Server::start(&[
        ("/metrics", bare("302 Found\r\nLocation: /here")),
        ("/here", ok(TEXT, b"a 1\n")),
    ])
    .await;
    let address = server.address.to_string();
    assert_eq!(scrape(&address, "").await.unwrap().body, b"a 1\n");
    let refused = scrape(&address, "follow_redirects: false")
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "server returned HTTP status 302 Found");
    let round = bare("302 Found\r\nLocation: /metrics");
    assert_eq!(error(round, "").await, "more than 10 redirects");
}

#[tokio::test]
async fn connections_that_fail() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    assert_eq!(
        scrape(&address, "").await.unwrap_err().to_string(),
        "connection refused"
    );
    assert_eq!(
        error(Reply::Reset, "").await,
        "connection reset by the target"
    );
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_timeout() {
    assert_eq!(error(Reply::Hang, "").await, "timed out after 10s");
    assert_eq!(
        error(Reply::Hang, "scrape_timeout: 1500ms").await,
        "timed out after 1s500ms"
    );
}

/// Scrapes a target that writes these bytes to whatever it is sent, and never closes.
async fn scrape_raw(bytes: &[u8], more: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(bytes).await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = target => String::new(),
        answer = scrape(&address, more) => answer.unwrap_err().to_string(),
    }
}

#[tokio::test]
async fn half_a_body_and_then_silence_ends_with_the_timeout() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\na 1\n";
    assert_eq!(
        scrape_raw(half, "scrape_timeout: 500ms").await,
        "timed out after 500ms"
    );
}

#[tokio::test]
async fn a_target_without_tls_says_so() {
    let message = scrape_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", "scheme: https").await;
    assert!(message.starts_with("TLS: "), "{message}");
}

#[tokio::test]
async fn bodies_without_an_end_and_bombs_stop_at_the_limit() {
    let limit = "body_size_limit: 1MB";
    let expected = "the body is larger than 1048576 bytes; raise body_size_limit or expose less";
    assert_eq!(error(Reply::Endless, limit).await, expected);
    let bomb = gzipped(&vec![b'#'; 64 << 20]);
    assert_eq!(error(bomb, limit).await, expected);
    // Exactly the limit is within it.
    let body = vec![b'#'; 1 << 20];
    assert_eq!(
        reply(gzipped(&body), limit).await.unwrap().body.len(),
        1 << 20
    );
    assert_eq!(
        error(ok(TEXT, &vec![b'#'; (1 << 20) + 1]), limit).await,
        expected
    );
}

#[tokio::test]
async fn there_is_a_limit_where_none_is_set() {
    let limit = |more| Asked::metrics(Duration::ZERO, &job("h:1", more).limits, 0).limit;
    assert_eq!(limit(""), 256 << 20);
    assert_eq!(limit("body_size_limit: 1GB"), 1 << 30);
}

#[tokio::test]
async fn answers_that_are_broken() {
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\na 1\n";
    let message = error(Reply::Bytes(cut_off.into()), "").await;
    assert!(
        message.starts_with("the answer is broken or was cut off: "),
        "{message}"
    );
    let no_gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!";
    let message = error(Reply::Bytes(no_gzip.into()), "").await;
    assert!(
        message.starts_with("the answer is broken or was cut off: "),
        "{message}"
    );
    let deflated =
        "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n\r\nx\u{9c}";
    assert_eq!(
        error(Reply::Bytes(deflated.into()), "").await,
        "the answer has the Content-Encoding \"deflate\"; answer with gzip or uncompressed"
    );
    for garbage in ["SSH-2.0-OpenSSH_9.2\r\n", "\0\u{1}\u{2}", ""] {
        let message = error(Reply::Bytes(garbage.into()), "").await;
        assert!(!message.is_empty());
    }
}

#[tokio::test]
async fn passwords_in_redirects_do_not_show() {
    let server = Server::start(&[]).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let location = format!("302 Found\r\nLocation: http://me:hunter2@{closed}/?token=hunter3");
    server.set("/metrics", bare(&location));
    let error = scrape(&server.address.to_string(), "").await.unwrap_err();
    assert_eq!(error.to_string(), "connection refused");
    assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
}
