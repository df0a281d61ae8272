//! The functions of administrators.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use super::server::{Answer, NOW, Server};
use crate::write::sample_bodies::{body, series};

const DELETE: &str = "/api/v1/admin/tsdb/delete_series";
const CLEAN: &str = "/api/v1/admin/tsdb/clean_tombstones";

async fn filled() -> Server {
    let server = Server::start().await;
    let all: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let labels = [("__name__", name), ("job", "j")];
            series(&labels, &[(NOW - 60_000, 1.0), (NOW, 2.0)])
        })
        .into();
    let written = server.send(Method::POST, "/api/v1/write", body(&all));
    assert_eq!(written.await.status, StatusCode::NO_CONTENT);
    server
}

/// The values of `name` in the last minute.
async fn values(server: &Server, name: &str) -> String {
    let query = format!("/api/v1/query?query={name}[61s]&time={}", NOW / 1000);
    let answer = server.get(&query).await.json();
    answer["data"]["result"][0]["values"].to_string()
}

async fn ask(server: &Server, method: Method, path: &str, form: &'static str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let kind = "application/x-www-form-urlencoded";
    let request = request.header("content-type", kind);
    server.ask(request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_what_is_written_then_stays() {
    let server = filled().await;
    // One in part by the address, two by a form.
    let part = format!("{DELETE}?match[]=a&start={}", NOW / 1000);
    let answer = server.send(Method::POST, &part, "").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::NO_CONTENT, ""));
    let first = NOW / 1000 - 60;
    assert_eq!(values(&server, "a").await, format!("[[{first},\"1\"]]"));
    let both = "match[]=b&match[]=%7B__name__%3D%22c%22%7D";
    let answer = ask(&server, Method::PUT, DELETE, both).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for name in ["b", "c"] {
        assert_eq!(values(&server, name).await, "null");
    }
    let better = series(&[("__name__", "a"), ("job", "j")], &[(NOW, 3.0)]);
    let written = server.send(Method::POST, "/api/v1/write", body(&[better]));
    assert_eq!(written.await.status, StatusCode::NO_CONTENT);
    let cleaned = server.send(Method::POST, CLEAN, "").await;
    assert_eq!(cleaned.status, StatusCode::NO_CONTENT);
    let second = NOW / 1000;
    assert_eq!(
        values(&server, "a").await,
        format!("[[{first},\"1\"],[{second},\"3\"]]")
    );
}

#[tokio::test]
async fn mistakes_are_named_and_nothing_is_deleted() {
    let server = filled().await;
    let cases = [
        ("", "no match[] parameter provided"),
        (
            "match[]=a&start=x",
            "invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a \
             valid timestamp",
        ),
        (
            "match[]=a&match[]=b%7B",
            "invalid parameter \"match[]\": 1:3: parse error: unexpected end of input inside braces",
        ),
    ];
    for (form, expected) in cases {
        let answer = ask(&server, Method::POST, DELETE, form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}");
        let json = answer.json();
        assert_eq!(
            (&json["errorType"], &json["error"]),
            (&"bad_data".into(), &expected.into())
        );
    }
    assert_ne!(values(&server, "a").await, "null");
    let answer = server.get(DELETE).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn pages_of_other_sites_delete_nothing() {
    let server = filled().await;
    for path in [DELETE, CLEAN] {
        let request = Request::post(format!("{path}?match[]=a"));
        let request = request.header("sec-fetch-site", "cross-site");
        let answer = server.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_ne!(values(&server, "a").await, "null");
}
