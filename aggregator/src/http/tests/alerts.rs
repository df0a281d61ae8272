//! The page of alerts, and where else they are shown.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use system_stats_model::sample::TimeRange;

use super::pages::{fleet, stable};
use super::reports::part;
use super::server::{Answer, NOW, Server};
use crate::alerting::{AlertChange, HistoryQuery, Phase};
use crate::rules::{AlertState, expression_link};

const RULES: &str = r#"groups:
  - name: hosts
    interval: 1s
    rules:
      - alert: HostDown
        expr: up == 0
        labels: {severity: critical}
        annotations: {summary: The host does not answer., suppresses: host}
      - alert: Hot
        expr: label_replace(vector(81.25), "instance", "10.0.0.2:9100", "", "")
        labels: {severity: warning}
      - alert: DiskFull
        expr: system_disk_usage_percent > 90
        labels: {severity: critical}
        annotations:
          summary: A disk is almost full.
          description: '{{ $labels.mountpoint }} is {{ $value | printf "%.1f" }} % full <b>.'
          runbook_url: https://runbooks.example.net/disk-full
      - alert: Busy
        expr: system_memory_usage_percent > 60
        labels: {severity: page, team: "on call"}
        annotations: {runbook_url: "javascript:alert(1)"}
      - alert: Slow
        expr: system_cpu_usage_percent{job="hosts"} > 10
        for: 5m
        keep_firing_for: 10m
  - name: sums
    interval: 1s
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - record: broken
        expr: up * on () up
"#;

async fn watched() -> Server {
    let server = Server::start().await;
    fleet(&server).await;
    server.evaluated(RULES).await;
    server.clock.set(NOW + 90_000);
    server
}

#[tokio::test(start_paused = true)]
async fn every_tab_with_and_without_anything_to_say() {
    let server = Server::start().await;
    fleet(&server).await;
    server
        .evaluated(
            "groups: [{name: one, interval: 1s, rules: [{alert: Never, expr: 'vector(0) > 1'}]}]",
        )
        .await;
    for tab in ["firing", "pending", "silenced", "history"] {
        let page = server.get(&format!("/dashboard/alerts?tab={tab}")).await;
        assert_eq!(page.status, StatusCode::OK, "{tab}");
        insta::assert_snapshot!(format!("alerts_{tab}_empty"), part(page.text()));
    }
    let server = watched().await;
    for tab in ["firing", "pending", "rules"] {
        let page = server.get(&format!("/dashboard/alerts?tab={tab}")).await;
        assert_eq!(page.status, StatusCode::OK, "{tab}");
        insta::assert_snapshot!(format!("alerts_{tab}"), part(page.text()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_address_says_which_alerts_are_shown() {
    let server = watched().await;
    for (query, titles) in [
        ("", "DiskFull HostDown Busy Hot"),
        ("q=disk", "DiskFull"),
        ("q=web-1", "DiskFull Busy"),
        ("q=host%3Dweb-1+instance%3D10.0.0.1:5001", "DiskFull Busy"),
        ("q=mountpoint%3D/data", "DiskFull"),
        ("q=severity%3Dcritical", "DiskFull HostDown"),
        ("q=severity%3Dpage", "Busy"),
        ("q=team%3D%22On+Call%22", "Busy"),
        ("q=team%3Don", ""),
        ("tab=pending", "Slow"),
        ("tab=pending&q=job%3Dhosts", "Slow"),
        ("tab=rules&q=health%3Derr", "broken"),
        ("tab=rules&q=type%3Drecord", "job:up:sum broken"),
        ("tab=rules&q=team%3D%22on+call%22", "Busy"),
        ("tab=rules&q=many-to-many", "broken"),
        ("tab=rules&q=fleet.yml+vector", "Hot"),
    ] {
        let page = server.get(&format!("/dashboard/alerts?{query}")).await;
        let rows = page.text().split("<th scope=\"row\"><bdi>").skip(1);
        let shown: Vec<&str> = rows.map(|row| row.split('<').next().unwrap()).collect();
        assert_eq!(shown.join(" "), titles, "{query}");
    }
}

/// What a dead host explains is shown and not counted.
#[tokio::test(start_paused = true)]
async fn a_dead_host_suppresses_its_other_alerts() {
    let server = watched().await;
    let page = server.get("/dashboard/alerts").await;
    let (counted, suppressed) = page.text().split_once("<h2>Suppressed</h2>").unwrap();
    assert!(suppressed.contains("<bdi>Hot</bdi>"), "{suppressed}");
    assert!(
        suppressed.contains("suppressed by HostDown"),
        "{suppressed}"
    );
    assert!(!counted.contains("<bdi>Hot</bdi>"), "{counted}");
    assert!(
        counted.contains("Firing <span class=\"count\">3</span>"),
        "{counted}"
    );
    // Whoever asks in Prometheus' words gets all of them.
    let all = server.get("/api/v1/alerts").await.json();
    assert_eq!(all["data"]["alerts"].as_array().unwrap().len(), 5);
}

/// Where the link of an alert leads, and what is shown there.
#[tokio::test(start_paused = true)]
async fn the_link_of_an_alert_leads_to_its_rule() {
    let server = Server::start().await;
    fleet(&server).await;
    let long = format!("up{{job=~\"{}\"}} == 1", "a|".repeat(200));
    server
        .evaluated(&format!(
            "{RULES}  - name: long\n    interval: 1s\n    rules:\n    - {{alert: Long, expr: '{long}'}}\n"
        ))
        .await;
    let cases = [
        ("up == 0", "HostDown"),
        (
            "label_replace(vector(81.25), \"instance\", \"10.0.0.2:9100\", \"\", \"\")",
            "Hot",
        ),
        ("system_cpu_usage_percent{job=\"hosts\"} > 10", "Slow"),
        ("sum by (job) (up)", "job:up:sum"),
        (long.as_str(), "Long"),
        (
            "up",
            "HostDown Hot DiskFull Busy Slow job:up:sum broken Long",
        ),
        ("", "HostDown Hot DiskFull Busy Slow job:up:sum broken Long"),
    ];
    for (expression, expected) in cases {
        let link = expression_link("", expression);
        let answer = server.get(&link).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{link}");
        let location = answer.headers["location"].to_str().unwrap();
        let page = server.get(&format!("/{location}")).await;
        let rows = page.text().split("<th scope=\"row\"><bdi>").skip(1);
        let shown: Vec<&str> = rows.map(|row| row.split('<').next().unwrap()).collect();
        assert_eq!(shown.join(" "), expected, "{location}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_device_tells_is_acknowledged_too() {
    let server = Server::start().await;
    let push = |device: &str| {
        json!({"agent_id": device, "disks": [{"mountpoint": "/", "percent": 99.5}]}).to_string()
    };
    for device in ["pi", "nas"] {
        let pushed = server.send(Method::POST, "/metrics", push(device)).await;
        assert_eq!(pushed.status, StatusCode::OK, "{}", pushed.text());
    }
    let labels = |device: &str| {
        json!({
            "alertname": "Low Disk Space", "instance": device, "severity": "critical",
        })
    };
    let acknowledge = async |device: &str| {
        let body = json!({"labels": labels(device), "by": "ann"}).to_string();
        let path = "/api/v1/alerts/acknowledge";
        server.send(Method::POST, path, body).await.status
    };
    assert_eq!(acknowledge("pi").await, StatusCode::OK);
    assert_eq!(acknowledge("tv").await, StatusCode::NOT_FOUND);
    let page = server.get("/dashboard/alerts").await;
    let value = "name=\"fingerprint\" value=\"";
    let (before, fingerprint) = page.text().split_once(value).expect("a button");
    assert!(
        before.contains("nas") && !before.contains("pi</"),
        "{before}"
    );
    let fingerprint = fingerprint.split('"').next().unwrap();
    let fields = [("fingerprint", fingerprint), ("by", "bob")];
    let sent = send(&server, "acknowledge", &fields, "same-origin").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let page = server.get("/dashboard/alerts?tab=silenced").await;
    for by in ["ann", "bob"] {
        let text = format!("acknowledged by <bdi>{by}</bdi>");
        assert!(page.text().contains(&text), "{}", page.text());
    }
}

/// In Alertmanager's words a dead host inhibits its other alerts.
#[tokio::test(start_paused = true)]
async fn alerts_in_alertmanagers_shape() {
    let server = watched().await;
    let id = server.silence("alertname", "Busy").await;
    let all = server.get("/api/v2/alerts").await.json();
    let of = |name: &str| {
        let mut all = all.as_array().unwrap().iter();
        all.find(|alert| alert["labels"]["alertname"] == name)
            .unwrap()
    };
    let down = of("HostDown");
    assert_eq!(
        down["generatorURL"],
        "http://stats.example/x/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    );
    let status = |inhibited: &[&Value], silenced: &[&str], state: &str| json!({"inhibitedBy": inhibited, "silencedBy": silenced, "state": state});
    assert_eq!(down["status"], status(&[], &[], "active"));
    let by = &down["fingerprint"];
    assert_eq!(of("Hot")["status"], status(&[by], &[], "suppressed"));
    assert_eq!(of("Busy")["status"], status(&[], &[&id], "suppressed"));
    for (query, expected) in [
        ("", "Busy DiskFull HostDown Hot"),
        ("inhibited=false", "Busy DiskFull HostDown"),
        ("silenced=false", "DiskFull HostDown Hot"),
        ("active=false", "Busy Hot"),
        ("active=false&inhibited=false&silenced=false", ""),
        ("receiver=nobody", ""),
    ] {
        let groups = server.get(&format!("/api/v2/alerts/groups?{query}")).await;
        let groups = groups.json();
        let alerts = server.get(&format!("/api/v2/alerts?{query}")).await.json();
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let mut names: Vec<String> = alerts.as_array().unwrap().iter().map(name).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{query}");
        let all = json!({"alerts": alerts, "labels": {}, "receiver": {"name": "system-stats"}});
        let expected = if names.is_empty() {
            json!([])
        } else {
            json!([all])
        };
        assert_eq!(groups, expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_overview_counts_alerts_and_marks_their_hosts() {
    let server = watched().await;
    let page = server.get("/dashboard").await;
    insta::assert_snapshot!("overview_alerting", stable(page.text()));
    let events = server.get("/dashboard?q=10.0.0.2").await;
    assert!(
        events.text().contains("1 alert</a>"),
        "the suppressed one is not counted"
    );
}

/// The form with these fields, from a page of this site.
async fn send(server: &Server, path: &str, fields: &[(&str, &str)], site: &str) -> Answer {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = Request::post(format!("/dashboard/alerts/{path}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", site)
        .body(Body::from(body));
    server.ask(request.unwrap()).await
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

/// Tells the history what the rules found.
fn told(server: &Server, from: Phase) {
    let groups = server.rules.groups();
    for group in &groups {
        let alerts = group.rules.iter().flat_map(|rule| &rule.alerts);
        let changes = alerts.map(|alert| AlertChange {
            at: server.clock.now(),
            file: group.file.clone(),
            group: group.name.clone(),
            from: match (from, alert.state) {
                (Phase::Firing, AlertState::Pending) => Phase::Pending,
                (from, _) => from,
            },
            to: match (from, alert.state) {
                (Phase::Inactive, AlertState::Pending) => Phase::Pending,
                (Phase::Inactive, _) => Phase::Firing,
                _ => Phase::Inactive,
            },
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            value: alert.value,
            active_at: alert.active_at,
            fired_at: alert.fired_at,
            is_noticed: false,
        });
        server.alerting.changed(changes.collect());
    }
}

/// Waits until so many lines of history are stored.
async fn remembered(server: &Server, lines: usize) {
    let query = HistoryQuery {
        range: TimeRange::ALL,
        before: None,
        matchers: Vec::new(),
        kinds: Vec::new(),
        limit: 1000,
    };
    while server.alerting.history(&query).await.unwrap().lines.len() < lines {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The value of the first attribute that follows `before` in a page.
fn after<'a>(page: &'a str, before: &str) -> &'a str {
    let rest = page
        .split(before)
        .nth(1)
        .unwrap_or_else(|| panic!("{before} in {page}"));
    rest.split('"').next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_meant_or_may_not_be_is_refused() {
    let server = watched().await;
    told(&server, Phase::Inactive);
    let page = server.get("/dashboard/alerts?q=busy").await;
    let fingerprint = after(page.text(), "name=\"fingerprint\" value=\"").to_owned();

    let refused = [
        (
            "acknowledge",
            &[("fingerprint", fingerprint.as_str())][..],
            "same-origin",
            400,
        ),
        (
            "acknowledge",
            &[("fingerprint", &fingerprint), ("by", " ")],
            "same-origin",
            400,
        ),
        (
            "acknowledge",
            &[("fingerprint", "0"), ("by", "ann")],
            "same-origin",
            404,
        ),
        (
            "acknowledge",
            &[("fingerprint", &fingerprint), ("by", "ann")],
            "cross-site",
            403,
        ),
        ("silences/none/expire", &[("by", "ann")], "same-origin", 404),
        ("silence", &[("by", "ann")], "same-origin", 400),
        (
            "silence",
            &[("matchers", "a=\"b\""), ("duration", "2h"), ("by", "ann")],
            "cross-site",
            403,
        ),
    ];
    for (path, fields, site, status) in refused {
        let answer = send(&server, path, fields, site).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {fields:?} {site}");
    }
    for (matchers, duration, problem) in [
        ("", "2h", "at least one matcher required"),
        ("alertname", "2h", "is no matcher"),
        ("a=\"b\"", "long", "duration: "),
        ("a=\"b\"", "0", "start time must be before end time"),
    ] {
        let fields = [
            ("matchers", matchers),
            ("duration", duration),
            ("by", "<b>"),
        ];
        let answer = send(&server, "silence", &fields, "same-origin").await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{matchers} {duration}"
        );
        let page = answer.text();
        let shown = after(page, "role=\"alert\">");
        assert!(shown.contains(problem), "{problem} in {shown}");
        assert!(page.contains("value=\"&lt;b&gt;\""), "what was typed stays");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_acknowledged_silenced_and_remembered() {
    let server = watched().await;
    told(&server, Phase::Inactive);
    let get = async |query: &str| {
        server
            .get(&format!("/dashboard/alerts{query}"))
            .await
            .text()
            .to_owned()
    };
    let fingerprint = after(&get("?q=busy").await, "name=\"fingerprint\" value=\"").to_owned();

    let fields = [("fingerprint", fingerprint.as_str()), ("by", "Ann <admin>")];
    let answer = send(&server, "acknowledge", &fields, "same-origin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/dashboard/alerts?tab=silenced");

    let path = after(
        &get("?q=diskfull").await,
        "<a href=\"/dashboard/alerts/silence",
    )
    .to_owned();
    let form = get(&format!("/silence{path}")).await;
    insta::assert_snapshot!("silence_form", part(&form));
    server.clock.set(NOW + 100_000);
    let matchers = "alertname=\"DiskFull\"\ninstance=~\"10.*\"";
    let fields = [
        ("matchers", matchers),
        ("duration", "8h"),
        ("by", "Bob"),
        ("comment", "new disks come"),
    ];
    let answer = send(&server, "silence", &fields, "same-origin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);

    server.clock.set(NOW + 160_000);
    let silenced = get("?tab=silenced").await;
    let ids: Vec<&str> = silenced
        .split("/dashboard/alerts/silences/")
        .skip(1)
        .collect();
    let ids: Vec<&str> = ids
        .iter()
        .map(|rest| rest.split('/').next().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    let stable = ids
        .iter()
        .fold(silenced.clone(), |page, id| page.replace(id, "ID"));
    insta::assert_snapshot!("alerts_silenced", part(&stable));
    let overview = server.get("/dashboard").await;
    assert!(
        overview.text().contains("1 alerting</a>") && overview.text().contains("2 silenced</a>")
    );

    // Ended by hand, and by the end of the alert.
    let answer = send(
        &server,
        &format!("silences/{}/expire", ids[0]),
        &[("by", "Eve")],
        "same-origin",
    )
    .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    told(&server, Phase::Firing);
    remembered(&server, 14).await;
    let history = get("?tab=history").await;
    insta::assert_snapshot!("alerts_history", part(&history));
    for (query, rows) in [
        ("&q=diskfull", 4),
        ("&q=mountpoint%3D/data", 2),
        ("&q=ann+acknowledged", 1),
        ("&q=state%3Dresolved", 4),
        ("&q=nothing", 0),
    ] {
        let page = get(&format!("?tab=history{query}")).await;
        assert_eq!(page.matches("<th scope=\"row\">").count(), rows, "{query}");
    }
}

/// What is older is on further pages.
#[tokio::test(start_paused = true)]
async fn history_is_read_page_by_page() {
    let server = watched().await;
    for minute in 0..30 {
        server.clock.set(NOW + minute * 60_000);
        told(
            &server,
            if minute % 2 == 0 {
                Phase::Inactive
            } else {
                Phase::Firing
            },
        );
    }
    remembered(&server, 150).await;
    let (mut query, mut rows, mut pages) = (String::new(), 0, 0);
    loop {
        let page = server
            .get(&format!("/dashboard/alerts?tab=history{query}"))
            .await;
        rows += page.text().matches("<th scope=\"row\">").count();
        pages += 1;
        let Some(older) = page.text().split("&amp;before=").nth(1) else {
            break;
        };
        query = format!("&before={}", older.split('"').next().unwrap());
    }
    assert_eq!((rows, pages), (150, 2));
    let wrong = server.get("/dashboard/alerts?tab=history&before=x").await;
    assert_eq!(wrong.status, StatusCode::OK);
}
