//! What is acknowledged is there, whatever happens around it.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::json;
use system_stats_storage::Options;
use system_stats_storage::memory::MemoryStore;

use super::server::{NOW, Server};

const SECOND: i64 = NOW / 1000;

async fn cpu_of(server: &Server, host: &str) -> Vec<f64> {
    let data = server.get(&format!("/data?hostname={host}")).await.json();
    let rows = data["data"].as_array().unwrap();
    assert_eq!(data["count"], rows.len());
    rows.iter()
        .map(|row| row["cpu"].as_f64().unwrap())
        .collect()
}

#[tokio::test]
async fn pushes_at_the_same_time_for_the_same_second_are_rows_each() {
    let server = Server::start().await;
    let pushes = (0..200).map(|n| server.push("pi", SECOND - n % 3, n as f64));
    let statuses = join_all(pushes).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK));
    let mut cpu = cpu_of(&server, "pi").await;
    cpu.sort_by(f64::total_cmp);
    assert_eq!(cpu, (0..200).map(f64::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_is_still_shared_after_a_restart() {
    let store = MemoryStore::new();
    let before = Server::over(store.clone()).await;
    for (second, cpu) in [(0, 1.0), (0, 2.0), (9, 3.0)] {
        assert_eq!(before.push("pi", second, cpu).await, StatusCode::OK);
    }
    let details = json!({
        "hostname": "pi", "cpu": 4, "ram": 0, "disk": 0, "timestamp": 9, "details": {"a": 1},
    });
    before
        .send(Method::POST, "/metrics", details.to_string())
        .await;
    // Not closed: as if it had been killed.
    let after = Server::over(store.reopened()).await;
    for (second, cpu) in [(0, 5.0), (9, 6.0), (5, 7.0)] {
        assert_eq!(after.push("pi", second, cpu).await, StatusCode::OK);
    }
    assert_eq!(
        cpu_of(&after, "pi").await,
        [1.0, 2.0, 5.0, 7.0, 3.0, 4.0, 6.0]
    );
    assert_eq!(
        after.get("/hosts").await.json()["hosts"][0],
        json!({"hostname": "pi", "metric_count": 7, "last_seen": 9, "details_updated_at": 9})
    );
    assert_eq!(
        after.get("/details?hostname=pi").await.json()["details"],
        json!({"a": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn without_its_database_the_server_asks_for_patience() {
    let store = MemoryStore::new();
    let server = Server::over(store.clone()).await;
    assert_eq!(server.push("pi", SECOND, 1.0).await, StatusCode::OK);
    store.set_down(true);
    let body = json!({"hostname": "pi", "cpu": 2, "ram": 0, "disk": 0, "timestamp": SECOND + 1});
    let answer = server
        .send(Method::POST, "/metrics", body.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(
        answer.json(),
        json!({"error": "the store is unavailable, try again later"})
    );
    assert_eq!(server.get("/dashboard").await.status, StatusCode::OK);
    store.set_down(false);
    // No time passes in fact: the longest pause before the store tries again.
    tokio::time::sleep(Options::default().retry_most).await;
    assert_eq!(server.push("pi", SECOND + 2, 3.0).await, StatusCode::OK);
    assert_eq!(cpu_of(&server, "pi").await, [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn a_reading_may_be_as_old_as_its_hosts_clock_says() {
    let server = Server::start().await;
    assert_eq!(server.push("pi", SECOND, 1.0).await, StatusCode::OK);
    // A machine without a battery for its clock, before it has asked for the time.
    assert_eq!(server.push("pi", 5, 2.0).await, StatusCode::OK);
    assert_eq!(cpu_of(&server, "pi").await, [2.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_from_before_the_retention_is_refused() {
    let server = Server::start().await;
    assert_eq!(server.push("pi", SECOND, 1.0).await, StatusCode::OK);
    server.storage.expire(NOW - 3_600_000).await.unwrap();
    let body = json!({"hostname": "pi", "cpu": 3, "ram": 0, "disk": 0, "timestamp": 5});
    let answer = server
        .send(Method::POST, "/metrics", body.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text().contains("--storage.retention.time"),
        "{}",
        answer.text()
    );
    assert_eq!(cpu_of(&server, "pi").await, [1.0]);
}
