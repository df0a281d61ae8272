//! Any bytes as the body of a push, and what was pushed in everything that shows it.

#![no_main]

use std::fmt::Write as _;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use system_stats_aggregator::alerting::Alerting;
use system_stats_aggregator::clock::Clock;
use system_stats_aggregator::http::limits::BodyBudget;
use system_stats_aggregator::http::{Origins, State, router};
use system_stats_aggregator::inventory::Inventory;
use system_stats_aggregator::metadata::Metadata;
use system_stats_aggregator::notify::{Notifier, NotifyOptions};
use system_stats_aggregator::query::{QueryOptions, QueryService};
use system_stats_aggregator::rules::{RuleManager, RuleOptions};
use system_stats_aggregator::scrape::Scraper;
use system_stats_aggregator::write::Writer;
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};
use tower::ServiceExt as _;

/// Some day of 2026, in milliseconds since 1970.
const NOW: i64 = 1_780_000_000_000;

fuzz_target!(|body: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("there are threads");
    runtime.block_on(push(body));
});

async fn push(body: &[u8]) {
    // Everything anew, so that a finding depends on nothing but its bytes.
    let router = router(empty().await);
    let ask = async |method: &str, path: &str, body: &[u8]| {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Full::from(body.to_vec()));
        let Ok(answer) = router.clone().oneshot(request.expect("a path")).await;
        let status = answer.status();
        assert!(!status.is_server_error(), "{method} {path}: {status}");
        let body = answer.into_body().collect().await;
        (status, body.expect("a whole body").to_bytes())
    };

    let (status, answer) = ask("POST", "/metrics", body).await;
    let answer = json(&answer);
    if status != StatusCode::OK {
        assert!(answer["error"].is_string(), "{status} {answer}");
        return;
    }
    if answer["status"] != "ok" {
        // A device's sample or a service's metric: what is read of them is JSON.
        for path in [
            "/metrics",
            "/alerts",
            "/health",
            "/hosts",
            "/metrics/",
            "/dashboard",
        ] {
            let (status, read) = ask("GET", path, b"").await;
            assert_eq!(status, StatusCode::OK, "{path}");
            if path != "/dashboard" {
                serde_json::from_slice::<&RawValue>(&read).expect("JSON");
            }
        }
        return;
    }
    let hosts = json(&ask("GET", "/hosts", b"").await.1);
    let host = hosts["hosts"][0]["hostname"].as_str();
    let host = host.expect("what was acknowledged is listed");
    let name = percent_encoded(host);

    let data = json(&ask("GET", &format!("/data?hostname={name}"), b"").await.1);
    assert_eq!(data["count"], 1, "{data}");
    assert_eq!(data["data"][0]["hostname"], host, "{data}");

    // Details are kept as they came: an escape that no text can hold is JSON all the same.
    let details = ask("GET", &format!("/details?hostname={name}"), b"")
        .await
        .1;
    serde_json::from_slice::<&RawValue>(&details).expect("JSON");

    for path in [
        "/metrics",
        "/dashboard",
        &format!("/dashboard/hosts/{name}"),
        &format!("/api/dashboard/hosts/{name}/panels"),
    ] {
        assert_eq!(ask("GET", path, b"").await.0, StatusCode::OK, "{path}");
    }
}

/// The server's state over an empty database in memory.
async fn empty() -> State {
    let storage = Storage::open(Arc::new(MemoryStore::new()), Options::default()).await;
    let storage = Arc::new(storage.expect("the store is empty"));
    let clock = Clock::manual(NOW);
    let inventory = Inventory::open(storage.clone(), clock.clone()).await;
    let alerting = Alerting::open(storage.clone(), clock.clone()).await;
    let metadata = Arc::new(Metadata::default());
    let writer = Writer::new(storage.clone(), metadata.clone(), clock.clone());
    let query = QueryService::new(storage.clone(), QueryOptions::default());
    let query = Arc::new(query);
    let rules = RuleManager::new(
        storage.clone(),
        query.clone(),
        Arc::new(()),
        clock.clone(),
        RuleOptions::default(),
    );
    State {
        rules: Arc::new(rules),
        alerting: Arc::new(alerting.expect("the store is empty")),
        notifier: Arc::new(Notifier::new(NotifyOptions::default(), Arc::default())),
        storage: storage.clone(),
        inventory: Arc::new(inventory.expect("the store is empty")),
        query,
        writer: Arc::new(writer),
        bodies: BodyBudget::default(),
        metadata,
        scraper: Arc::new(Scraper::new(storage, clock.clone())),
        clock,
        keys: Arc::default(),
        origins: Origins::default(),
        own_metrics: Arc::new(|_| Ok(String::new())),
        reload: None,
        external_url: "http://stats.example".to_owned(),
        is_admin_allowed: false,
        stop: Default::default(),
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}
