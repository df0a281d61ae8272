//! The whole scraper with targets that come, change and go.

use std::sync::Arc;

use system_stats_storage::{ObjectKind, Storage};

use super::fixture::{config, everything, provide_crypto, storage};
use super::server::{Reply, Server, TEXT, bare, ok};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::scrape::{Health, Scraper};

const FAST: &str = "scrape_interval: 500ms";

async fn scraper() -> (Scraper, Arc<Storage>) {
    provide_crypto();
    let storage = storage().await;
    let scraper = Scraper::new(Arc::clone(&storage), Clock::system()).on_host("here");
    (scraper, storage)
}

fn empty() -> Config {
    config::parse("", "prometheus.yml").unwrap()
}

/// Whether the series of this name has ended.
async fn has_ended(storage: &Storage, name: &str) -> bool {
    let all = everything(storage).await;
    let mut lines = all.lines().filter(|line| line.starts_with(name));
    lines.any(|line| line.ends_with("=end"))
}

#[tokio::test]
async fn a_target_is_scraped_until_the_scraper_stops() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\nb 2\n"))]).await;
    let (scraper, storage) = scraper().await;
    scraper.apply(&config(&server.address.to_string(), FAST));
    let before = scraper.targets();
    assert_eq!(
        (before[0].health, before[0].last_scrape),
        (Health::Unknown, None)
    );
    // When the third request comes, the first answer is stored.
    server.requests(3).await;
    let status = scraper.targets().remove(0);
    assert_eq!(status.pool, "j");
    assert_eq!(status.url, format!("http://{}/metrics", server.address));
    assert_eq!(
        status.labels.get("instance"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(status.discovered.get("__metrics_path__"), Some("/metrics"));
    assert_eq!(
        (status.health, status.last_error.as_str(), status.samples),
        (Health::Up, "", 2)
    );
    assert!(status.last_scrape.is_some());
    scraper.stop().await;
    assert!(
        everything(&storage)
            .await
            .lines()
            .any(|line| line.starts_with("a{"))
    );
    for name in ["a", "b", "up"] {
        assert!(
            !has_ended(&storage, name).await,
            "{name} ended although the program only stops"
        );
    }
}

#[tokio::test]
async fn one_bad_target_does_not_disturb_the_others() {
    let bad = Server::start(&[
        ("/hang", Reply::Hang),
        ("/endless", Reply::Endless),
        ("/garbage", ok(TEXT, b"\x00\xff garbage")),
        ("/loop", bare("302 Found\r\nLocation: /loop")),
    ])
    .await;
    let good = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, _storage) = scraper().await;
    let jobs: Vec<String> = ["/hang", "/endless", "/garbage", "/loop"]
        .iter()
        .map(|path| {
            format!(
                "{{job_name: {path}, metrics_path: {path}, {FAST}, body_size_limit: 100KB, static_configs: [{{targets: ['{}']}}]}}",
                bad.address
            )
        })
        .collect();
    let text = format!(
        "scrape_configs: [{{job_name: good, {FAST}, static_configs: [{{targets: ['{}']}}]}}, {}]",
        good.address,
        jobs.join(", ")
    );
    scraper.apply(&config::parse(&text, "prometheus.yml").unwrap());
    let errors = loop {
        bad.requests(1).await;
        let targets = scraper.targets();
        if targets[1..]
            .iter()
            .all(|target| target.health == Health::Down)
            && targets[0].health == Health::Up
        {
            break targets
                .into_iter()
                .map(|target| target.last_error)
                .collect::<Vec<_>>();
        }
    };
    assert_eq!(errors[0], "");
    assert_eq!(errors[1], "timed out after 500ms");
    // On a busy machine the time may be over before the limit is reached.
    assert!(errors[2].contains("larger than 102400 bytes") || errors[2].contains("timed out"));
    assert!(errors[3].starts_with("line 1: not UTF-8"), "{}", errors[3]);
    assert!(
        errors[4].contains("redirects") || errors[4].contains("timed out"),
        "{}",
        errors[4]
    );
    good.requests(2).await;
    scraper.stop().await;
}

#[tokio::test]
async fn a_removed_target_ends_its_series_and_its_report() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, storage) = scraper().await;
    scraper.apply(&config(&server.address.to_string(), FAST));
    server.requests(2).await;
    scraper.apply(&empty());
    assert!(scraper.targets().is_empty());
    // The loop ends by itself, two intervals and a bit later.
    scraper.tasks.close();
    scraper.tasks.wait().await;
    for name in ["a", "up", "scrape_duration_seconds", "scrape_series_added"] {
        assert!(has_ended(&storage, name).await, "{name} goes on");
    }
}

#[tokio::test]
async fn a_target_that_changes_keeps_what_it_remembers() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\nb 1\n"))]).await;
    let address = server.address.to_string();
    let (scraper, storage) = scraper().await;
    scraper.apply(&config(&address, FAST));
    server.requests(2).await;
    server.set("/metrics", ok(TEXT, b"b{job=\"mine\"} 2\n"));
    scraper.apply(&config(
        &address,
        "scrape_interval: 500ms, honor_labels: true",
    ));
    assert_eq!(scraper.targets()[0].health, Health::Up);
    server.requests(3).await;
    scraper.stop().await;
    let all = everything(&storage).await;
    for name in ["a", "b"] {
        let mut lines = all
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")));
        let under_old_labels = lines.find(|line| !line.contains("job=mine"));
        let has_ended = under_old_labels.is_some_and(|line| line.ends_with("=end"));
        assert!(has_ended, "{name} under the old labels goes on: {all}");
    }
    assert!(all.contains("job=mine"), "{all}");
}

#[tokio::test]
async fn an_unchanged_target_is_left_alone() {
    let (scraper, _storage) = scraper().await;
    let two = |more: &str| {
        let text = format!(
            "scrape_configs: [{{job_name: a, static_configs: [{{targets: ['127.0.0.1:1', '127.0.0.1:2']}}]}}, {{job_name: b, static_configs: [{{targets: ['127.0.0.1:3']}}]{more}}}]"
        );
        config::parse(&text, "prometheus.yml").unwrap()
    };
    let loops = || -> Vec<_> {
        let running = scraper.running.lock().unwrap();
        running
            .iter()
            .map(|running| Arc::as_ptr(&running.shared) as usize)
            .collect()
    };
    scraper.apply(&two(""));
    let before = loops();
    scraper.apply(&two(""));
    assert_eq!(loops(), before);
    scraper.apply(&two(", scrape_timeout: 1s"));
    let after = loops();
    assert_eq!(after[..2], before[..2]);
    assert_ne!(after[2], before[2]);
    scraper.stop().await;
    // Nothing starts any more.
    scraper.apply(&two(""));
    assert!(scraper.tasks.is_empty());
}

#[tokio::test]
async fn our_own_exporter_is_asked_for_its_document() {
    let metrics = b"system_stats_exporter_build_info{version=\"1\"} 1\n";
    let server = Server::start(&[
        ("/metrics", ok(TEXT, metrics)),
        ("/system", ok("application/json", b"{\"hostname\": \"h\"}")),
    ])
    .await;
    let (scraper, storage) = scraper().await;
    scraper.apply(&config(&server.address.to_string(), FAST));
    let key = server.address.to_string();
    let object = loop {
        server.requests(1).await;
        if let Some(object) = storage.object(ObjectKind::System, &key).await.unwrap() {
            break object;
        }
    };
    assert_eq!(object.body.as_ref(), b"{\"hostname\": \"h\"}");
    scraper.stop().await;
    let asked = server
        .heads()
        .iter()
        .filter(|head| head.starts_with("get /system "))
        .count();
    assert_eq!(asked, 1, "once a minute, not with every scrape");
}

#[tokio::test]
async fn other_targets_and_broken_documents_leave_nothing() {
    let metrics = b"system_stats_exporter_build_info 1\n";
    let ours = Server::start(&[
        ("/metrics", ok(TEXT, metrics)),
        ("/system", ok("application/json", b"{\"hostname\": ")),
    ])
    .await;
    let other = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, storage) = scraper().await;
    let text = format!(
        "scrape_configs: [{{job_name: a, {FAST}, static_configs: [{{targets: ['{}', '{}']}}]}}]",
        ours.address, other.address
    );
    scraper.apply(&config::parse(&text, "prometheus.yml").unwrap());
    while scraper.metrics().system_failures.get() == 0 {
        ours.requests(1).await;
    }
    other.requests(1).await;
    scraper.stop().await;
    assert!(storage.objects(ObjectKind::System).is_empty());
    assert!(!other.heads().iter().any(|head| head.contains("/system")));
}
