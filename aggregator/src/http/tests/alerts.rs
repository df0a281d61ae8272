//! The page of alerts, and where else they are shown.

use axum::http::StatusCode;

use super::pages::{fleet, stable};
use super::reports::part;
use super::server::{NOW, Server};

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
    for tab in ["firing", "pending", "silenced"] {
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
