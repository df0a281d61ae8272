//! The whole scraper with targets that come, change and go.

use std::sync::Arc;
use std::time::Duration;

use system_stats_storage::{ObjectKind, Storage};
use tokio::time::timeout;

use super::fixture::{config, everything, provide_crypto, storage};
use super::server::{Reply, Server, TEXT, bare, ok};
use super::store::Refusing;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::scrape::{Health, Scraper, TargetStatus};

const FAST: &str = "scrape_interval: 500ms";
/// Nothing here takes as long, on whatever machine.
const PATIENCE: Duration = Duration::from_mins(3);

async fn scraper() -> (Scraper, Arc<Storage>) {
    provide_crypto();
    let storage = storage().await;
    let scraper = Scraper::new(Arc::clone(&storage), Clock::system()).on_host("here");
    (scraper, storage)
}

pub(super) fn apply(scraper: &Scraper, config: &Config) {
    scraper.apply(scraper.prepare(config).unwrap());
}

fn empty() -> Config {
    config::parse("", "prometheus.yml").unwrap()
}

/// Looks again after every request to the server, until there is something to see.
pub(super) async fn until<T>(server: &Server, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            server.requests(1).await;
        }
    };
    timeout(PATIENCE, looking).await.expect("it never came")
}

/// Waits until the first target has this health.
async fn until_health(server: &Server, scraper: &Scraper, health: Health) -> TargetStatus {
    until(server, async || {
        let first = scraper.targets().swap_remove(0);
        (first.health == health).then_some(first)
    })
    .await
}

/// Waits until all loops have ended by themselves.
async fn until_ended(scraper: &Scraper) {
    scraper.common.tasks.close();
    let ended = timeout(PATIENCE, scraper.common.tasks.wait());
    ended.await.expect("a loop goes on");
}

/// The newest value of every series of this name.
async fn newest(storage: &Storage, name: &str) -> Vec<String> {
    let all = everything(storage).await;
    let lines = all
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")));
    lines
        .filter_map(|line| line.rsplit_once('='))
        .map(|(_, value)| value.to_owned())
        .collect()
}

#[tokio::test]
async fn a_target_is_scraped_until_the_scraper_stops() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\nb 2\n"))]).await;
    let (scraper, storage) = scraper().await;
    apply(&scraper, &config(&server.address.to_string(), FAST));
    let before = scraper.targets();
    assert_eq!(
        (before[0].health, before[0].last_scrape),
        (Health::Unknown, None)
    );
    let status = until_health(&server, &scraper, Health::Up).await;
    assert_eq!(status.pool, "j");
    assert_eq!(status.url, format!("http://{}/metrics", server.address));
    assert_eq!(
        status.labels.get("instance"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(status.discovered.get("__metrics_path__"), Some("/metrics"));
    assert_eq!((status.last_error.as_str(), status.samples), ("", 2));
    assert!(status.last_scrape.is_some());
    server.requests(1).await;
    scraper.stop().await;
    let up = newest(&storage, "up").await;
    assert_ne!(up, ["end"], "ended although the program only stops");
    // On a very busy machine the last scrape may have failed, and then they have ended.
    if up == ["1"] {
        assert_eq!(newest(&storage, "a").await, ["1"]);
        assert_eq!(newest(&storage, "b").await, ["2"]);
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
    apply(&scraper, &config::parse(&text, "prometheus.yml").unwrap());
    let reasons = [
        "timed out after 500ms",
        "the body is larger than 102400 bytes",
        "line 1: not UTF-8",
        "more than 10 redirects",
    ];
    let mut seen = [false; 4];
    until(&bad, async || {
        for ((seen, reason), target) in seen.iter_mut().zip(reasons).zip(&scraper.targets()[1..]) {
            assert_ne!(target.health, Health::Up);
            *seen |= target.last_error.starts_with(reason);
        }
        (seen == [true; 4]).then_some(())
    })
    .await;
    until_health(&good, &scraper, Health::Up).await;
    scraper.stop().await;
}

#[tokio::test]
async fn a_defect_of_ours_does_not_end_the_loop() {
    provide_crypto();
    let storage = storage().await;
    let defective = Arc::new(Refusing::new(&storage));
    let scraper = Scraper::new(defective, Clock::system());
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    apply(&scraper, &config(&server.address.to_string(), FAST));
    // Small bodies are read at once, large ones beside.
    for padding in ["", &"# padding\n".repeat(20_000)] {
        until_health(&server, &scraper, Health::Up).await;
        let body = format!("{padding}defect 1\n");
        server.set("/metrics", ok(TEXT, body.as_bytes()));
        until(&server, async || {
            let error = scraper.targets().swap_remove(0).last_error;
            error
                .starts_with("the aggregator failed at this answer: ")
                .then_some(())
        })
        .await;
        server.set("/metrics", ok(TEXT, b"a 1\n"));
    }
    until_health(&server, &scraper, Health::Up).await;
    scraper.stop().await;
}

#[tokio::test]
async fn a_removed_target_ends_its_series_and_its_report() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, storage) = scraper().await;
    apply(&scraper, &config(&server.address.to_string(), FAST));
    until_health(&server, &scraper, Health::Up).await;
    apply(&scraper, &empty());
    assert!(scraper.targets().is_empty());
    until_ended(&scraper).await;
    for name in ["a", "up", "scrape_duration_seconds", "scrape_series_added"] {
        assert_eq!(newest(&storage, name).await, ["end"], "{name} goes on");
    }
}

#[tokio::test]
async fn a_target_that_changes_and_goes_before_the_next_scrape_ends_its_series() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, storage) = scraper().await;
    let address = server.address.to_string();
    apply(&scraper, &config(&address, FAST));
    until_health(&server, &scraper, Health::Up).await;
    apply(
        &scraper,
        &config(&address, &format!("{FAST}, honor_labels: true")),
    );
    apply(&scraper, &empty());
    until_ended(&scraper).await;
    for name in ["a", "up"] {
        assert_eq!(newest(&storage, name).await, ["end"], "{name} goes on");
    }
}

#[tokio::test]
async fn a_target_that_changes_keeps_what_it_remembers() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\nb 1\n"))]).await;
    let address = server.address.to_string();
    let (scraper, storage) = scraper().await;
    apply(&scraper, &config(&address, FAST));
    until_health(&server, &scraper, Health::Up).await;
    server.set("/metrics", ok(TEXT, b"b{job=\"mine\"} 2\n"));
    apply(
        &scraper,
        &config(&address, &format!("{FAST}, honor_labels: true")),
    );
    assert_ne!(scraper.targets()[0].health, Health::Unknown);
    until(&server, async || {
        let all = everything(&storage).await;
        let has_ended = |name: &str| {
            let under_old_labels = format!("{name}{{instance={address}}}: ");
            all.lines()
                .any(|line| line.starts_with(&under_old_labels) && line.ends_with("=end"))
        };
        (has_ended("a") && has_ended("b") && all.contains(",job=mine}")).then_some(())
    })
    .await;
    scraper.stop().await;
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
        let pools = scraper.pools();
        pools.iter().flat_map(|pool| pool.loops()).collect()
    };
    apply(&scraper, &two(""));
    let before = loops();
    apply(&scraper, &two(""));
    assert_eq!(loops(), before);
    apply(&scraper, &two(", scrape_timeout: 1s"));
    let after = loops();
    assert_eq!(after[..2], before[..2]);
    assert_ne!(after[2], before[2]);
    scraper.stop().await;
    // Nothing starts any more.
    apply(&scraper, &two(""));
    assert!(scraper.common.tasks.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_changes_nothing() {
    let server = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let other = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let (scraper, _storage) = scraper().await;
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    let text = format!(
        "scrape_configs: [{{job_name: a, {FAST}, static_configs: [{{targets: ['{}']}}], basic_auth: {{username: me, password_file: '{}'}}}}, {{job_name: b, {FAST}, static_configs: [{{targets: ['{}']}}]}}]",
        server.address,
        password.display(),
        other.address
    );
    apply(&scraper, &config::parse(&text, "prometheus.yml").unwrap());
    until(&other, async || {
        let first = scraper.targets().swap_remove(0);
        let is_told = first.last_error.contains("password: cannot be read: ");
        (is_told && first.health == Health::Down).then_some(())
    })
    .await;
    assert!(server.heads().is_empty(), "asked without a password");
    std::fs::write(&password, "secret\n").unwrap();
    until_health(&server, &scraper, Health::Up).await;

    let more = format!("{FAST}, tls_config: {{ca_file: /nonexistent/ca.pem}}");
    let refused = scraper.prepare(&config("127.0.0.1:1", &more)).err();
    let refused = refused.unwrap().to_string();
    let expected = "scrape_configs[0], job \"j\": /nonexistent/ca.pem: cannot be read: ";
    assert!(refused.starts_with(expected), "{refused}");
    assert_eq!(scraper.targets().len(), 2);
    scraper.stop().await;
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
    let more = format!("{FAST}, basic_auth: {{username: me, password: secret}}");
    apply(&scraper, &config(&server.address.to_string(), &more));
    let key = server.address.to_string();
    let object = until(&server, async || {
        storage.object(ObjectKind::System, &key).await.unwrap()
    })
    .await;
    assert_eq!(object.body.as_ref(), b"{\"hostname\": \"h\"}");
    let asked = |path: &str| {
        let heads = server.heads();
        let start = format!("get {path} ");
        heads.iter().filter(|head| head.starts_with(&start)).count()
    };
    until(&server, async || (asked("/metrics") >= 4).then_some(())).await;
    scraper.stop().await;
    assert!(asked("/system") < 4, "not with every scrape");
    let says_who = |head: &String| head.contains("authorization: basic bwu6c2vjcmv0\r\n");
    assert!(server.heads().iter().all(says_who), "{:?}", server.heads());
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
    apply(&scraper, &config::parse(&text, "prometheus.yml").unwrap());
    until(&ours, async || {
        (scraper.metrics().system_failures.get() > 0).then_some(())
    })
    .await;
    until(&other, async || {
        (scraper.targets()[1].health == Health::Up).then_some(())
    })
    .await;
    scraper.stop().await;
    assert!(storage.objects(ObjectKind::System).is_empty());
    assert!(!other.heads().iter().any(|head| head.contains("/system")));
}
