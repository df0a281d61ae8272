//! Silences and history over HTTP: what is refused, and how.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::server::{Answer, NOW, Server};

const SILENCES: &str = "/api/v2/silences";

/// A time, `minutes` from now.
fn time(minutes: i64) -> Value {
    let at = jiff::Timestamp::from_millisecond(NOW + minutes * 60_000);
    json!(at.unwrap().to_string())
}

fn silence(matchers: &Value) -> Value {
    json!({
        "matchers": matchers, "startsAt": time(0), "endsAt": time(60),
        "createdBy": "ann", "comment": "moving",
    })
}

fn host() -> Value {
    json!([{"name": "instance", "value": "web-1", "isRegex": false}])
}

async fn post(server: &Server, body: impl ToString) -> Answer {
    server.send(Method::POST, SILENCES, body.to_string()).await
}

#[tokio::test]
async fn a_silence_over_http() {
    let server = Server::start().await;
    let made = post(&server, silence(&host())).await.json();
    let id = made["silenceID"].as_str().unwrap();
    let one = format!("/api/v2/silence/{id}");
    let expected = json!({
        "id": id, "status": {"state": "active"}, "updatedAt": "2026-05-28T20:26:40.000Z",
        "comment": "moving", "createdBy": "ann", "startsAt": "2026-05-28T20:26:40.000Z",
        "endsAt": "2026-05-28T21:26:40.000Z",
        "matchers": [{"name": "instance", "value": "web-1", "isRegex": false, "isEqual": true}],
    });
    assert_eq!(server.get(&one).await.json(), expected);
    assert_eq!(server.get(SILENCES).await.json(), json!([expected]));
    for (filter, count) in [("instance=web-1", 1), ("instance!=web-1", 0), ("job=x", 0)] {
        let found = server.get(&format!("{SILENCES}?filter={filter}")).await;
        assert_eq!(found.json().as_array().unwrap().len(), count, "{filter}");
    }
    for _ in 0..2 {
        let ended = server.send(Method::DELETE, &one, "").await;
        assert_eq!((ended.status.as_u16(), ended.text()), (200, ""));
    }
    let state = server.get(&one).await.json()["status"]["state"].clone();
    assert_eq!(state, "expired");
    let history = server.get("/api/v1/alerts/history").await.json();
    let events = history["data"]["events"].as_array().unwrap();
    let states: Vec<&Value> = events.iter().map(|event| &event["state"]).collect();
    assert_eq!(states, ["silence_expired", "silence_created"]);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_alertmanagers_words() {
    let server = Server::start().await;
    let without = |name: &str| {
        let mut body = silence(&host());
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let with = |name: &str, value: Value| {
        let mut body = silence(&host());
        body[name] = value;
        body
    };
    let matcher = |value: Value| silence(&json!([value]));
    let framework = |code: u16, message: &str| json!({"code": code, "message": message});
    let cases = [
        (
            json!({}),
            422,
            framework(602, "comment in body is required"),
        ),
        (
            without("endsAt"),
            422,
            framework(602, "endsAt in body is required"),
        ),
        (
            silence(&json!([])),
            422,
            framework(612, "matchers in body should have at least 1 items"),
        ),
        (
            matcher(json!({"name": "a", "value": "b"})),
            422,
            framework(602, "matchers.0.isRegex in body is required"),
        ),
        (
            matcher(json!({"name": "1a", "value": "b", "isRegex": false})),
            400,
            json!("silence invalid: invalid label matcher 0: invalid label name \"1a\""),
        ),
        (
            matcher(json!({"name": "a", "value": "", "isRegex": false})),
            400,
            json!("silence invalid: at least one matcher must not match the empty string"),
        ),
        (
            with("endsAt", time(-1)),
            400,
            json!("Failed to create silence: start time must be before end time"),
        ),
        (with("id", json!("nope")), 404, json!("silence not found")),
    ];
    for (body, status, expected) in cases {
        let answer = post(&server, &body).await;
        let seen = (answer.status.as_u16(), answer.json());
        assert_eq!(seen, (status, expected), "{body}");
    }
    let broken = post(&server, "x").await;
    assert_eq!(
        (broken.status.as_u16(), &broken.json()["code"]),
        (400, &json!(400))
    );
    let expression = json!({"name": "a", "value": "(", "isRegex": true});
    let broken = post(&server, matcher(expression)).await;
    let expected = "silence invalid: invalid label matcher 0: invalid regular expression \"(\"";
    assert!(broken.json().as_str().unwrap().starts_with(expected));
    let large = with("comment", json!("x".repeat(70_000)));
    assert_eq!(post(&server, large).await.status, 400);
    let paths = [
        ("/api/v2/silence/nope", 422),
        ("/api/v2/silence/00000000-0000-0000-0000-000000000000", 404),
        ("/api/v2/alerts?filter=bad", 400),
        ("/api/v2/alerts?receiver=(", 400),
        ("/api/v1/alerts/history?state=x", 400),
        ("/api/v1/alerts/history?before=x", 400),
        ("/api/v1/alerts/history?match[]=%7B", 400),
    ];
    for (path, status) in paths {
        assert_eq!(server.get(path).await.status.as_u16(), status, "{path}");
    }
    let acknowledge = "/api/v1/alerts/acknowledge";
    for (body, status) in [
        (json!({"by": "ann"}), 400),
        (json!({"by": " ", "fingerprint": "0"}), 400),
        (json!({"by": "ann", "fingerprint": "0"}), 404),
    ] {
        let answer = server
            .send(Method::POST, acknowledge, body.to_string())
            .await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
    }
    assert_eq!(server.get(SILENCES).await.json(), json!([]));
}

#[tokio::test]
async fn a_page_of_another_site_silences_nothing() {
    let server = Server::start().await;
    server.fire("HighLoad", "web-1");
    let id = server.silence("instance", "web-1").await;
    let body = silence(&host()).to_string();
    let acknowledgement = json!({
        "labels": {"alertname": "HighLoad", "instance": "web-1"}, "by": "eve",
    });
    let requests = [
        (Method::POST, SILENCES.to_owned(), body),
        (
            Method::DELETE,
            format!("/api/v2/silence/{id}"),
            String::new(),
        ),
        (
            Method::POST,
            "/api/v1/alerts/acknowledge".to_owned(),
            acknowledgement.to_string(),
        ),
    ];
    for (method, path, body) in requests {
        let request = |site: &str| {
            let request = Request::builder().method(method.clone()).uri(&path);
            let request = request.header("sec-fetch-site", site);
            request.body(Body::from(body.clone())).unwrap()
        };
        let refused = server.ask(request("cross-site")).await;
        assert_eq!(refused.status.as_u16(), 403, "{path}");
        let taken = server.ask(request("same-origin")).await;
        assert_eq!(taken.status.as_u16(), 200, "{path}: {}", taken.text());
    }
}
