//! The pages of services, pipelines and alerts.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::server::{NOW, Server};

async fn post(server: &Server, path: &str, body: Value) {
    let answer = server.send(Method::POST, path, body.to_string()).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "{path} {body}: {}",
        answer.text()
    );
}

/// Everything that is reported, over some minutes.
async fn reported(server: &Server) {
    for (minutes, name, status) in [
        (30, "silent-one", "up"),
        (2, "api<b>", "down"),
        (1, "web", "up"),
    ] {
        server.clock.set(NOW - minutes * 60_000);
        let endpoint = match name {
            "web" => "https://web.example.net/health",
            _ => "javascript:alert(1)",
        };
        let body = json!({"name": name, "status": status, "endpoint": endpoint});
        post(server, "/services/", body).await;
    }
    for (minutes, pipeline, status, progress, error) in [
        (20, "training", "running", Some(10), None),
        (9, "training", "completed", None, None),
        (8, "evaluation", "running", None, None),
        (7, "evaluation", "failed", None, Some("no <data>")),
        (3, "preprocessing", "running", Some(40), None),
    ] {
        server.clock.set(NOW - minutes * 60_000);
        let mut body = json!({"pipeline_type": pipeline, "status": status});
        if let Some(progress) = progress {
            body["metadata"] = json!({"progress": progress});
        }
        if let Some(error) = error {
            body["error_message"] = json!(error);
        }
        post(server, "/pipelines/", body).await;
    }
    for (title, message, severity) in [
        ("Disk <full>", "/ has 1 % left", 2),
        ("Backup done", "Backup done", 1),
    ] {
        let body = json!({"title": title, "message": message, "severity": severity});
        post(server, "/alerts/", body).await;
    }
    server.clock.set(NOW);
}

/// A page's own part, without what all pages have.
pub(super) fn part(page: &str) -> &str {
    page.split_once("<main>")
        .and_then(|(_, rest)| rest.split_once("</main>"))
        .unwrap()
        .0
}

#[tokio::test]
async fn every_report_with_and_without_anything_to_say() {
    let server = Server::start().await;
    let pages = ["services", "pipelines", "alerts"];
    for name in pages {
        let page = server.get(&format!("/dashboard/{name}")).await;
        assert_eq!(page.status, StatusCode::OK, "{name}");
        insta::assert_snapshot!(format!("{name}_empty"), part(page.text()));
    }
    reported(&server).await;
    for name in pages {
        let page = server.get(&format!("/dashboard/{name}")).await;
        insta::assert_snapshot!(name, part(page.text()));
    }
    for (path, rows) in [
        ("services?q=WEB", 1),
        ("services?q=down", 1),
        ("services?q=nothing", 0),
        ("pipelines?q=failed+data", 1),
        ("pipelines?q=running", 1),
        ("alerts?q=disk", 1),
        ("alerts?tab=reported", 3),
        ("alerts?tab=silenced", 0),
        ("alerts?tab=%3Cb%3E&q=%22%3E%3Cb%3E", 0),
    ] {
        let page = server.get(&format!("/dashboard/{path}")).await;
        let text = part(page.text());
        assert_eq!(text.matches("<th scope=\"row\">").count(), rows, "{path}");
        assert!(
            !text.contains("<b>") && !text.contains("href=\"javascript"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_alert_is_acknowledged_by_a_form_and_by_no_other_site() {
    let server = Server::start().await;
    reported(&server).await;
    let page = server.get("/dashboard/alerts?q=disk").await;
    let action = page
        .text()
        .split("action=\"/dashboard/alerts/")
        .nth(1)
        .unwrap();
    let id = action.split('/').next().unwrap().to_owned();
    let send = async |id: &str, body: &str, site: &str| {
        let request = Request::post(format!("/dashboard/alerts/{id}/acknowledge"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(Body::from(body.to_owned()))
            .unwrap();
        server.ask(request).await
    };
    for (id, body, site, status) in [
        (
            id.as_str(),
            "by=mallory",
            "cross-site",
            StatusCode::FORBIDDEN,
        ),
        (&id, "by=+", "same-origin", StatusCode::BAD_REQUEST),
        (&id, "name=ann", "same-origin", StatusCode::BAD_REQUEST),
        ("9999999", "by=ann", "same-origin", StatusCode::NOT_FOUND),
        ("x", "by=ann", "same-origin", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(
            send(id, body, site).await.status,
            status,
            "{id} {body} {site}"
        );
    }
    let answer = send(&id, "by=Ann+%3Cadmin%3E", "same-origin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/dashboard/alerts?tab=silenced");
    let seen = server.get("/dashboard/alerts?tab=silenced").await;
    assert!(seen.text().contains("by <bdi>Ann &lt;admin&gt;</bdi>, "));
    let firing = server.get("/dashboard/alerts").await;
    assert!(!firing.text().contains("Disk"));
}

#[tokio::test(start_paused = true)]
async fn reports_are_kept_fresh_as_a_whole() {
    let server = Server::start().await;
    let request = Request::get("/dashboard/events?part=services&q=web");
    let answer = server.begin(request.body(Body::empty()).unwrap()).await;
    let mut stream = answer.into_body().into_data_stream();
    for (status, said) in [("up", "status up\\\">up"), ("down", "status down\\\">down")] {
        post(
            &server,
            "/services/",
            json!({"name": "web", "status": status}),
        )
        .await;
        loop {
            let event = stream.next().await.unwrap().unwrap();
            let event = String::from_utf8(event.to_vec()).unwrap();
            if event.contains(said) {
                assert!(
                    event.starts_with("data: {\"parts\":{\"services\":"),
                    "{event}"
                );
                break;
            }
        }
    }
}
