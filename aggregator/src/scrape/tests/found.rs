//! Targets that are found elsewhere, and change while the scraper runs.

use std::path::Path;

use super::fixture::{everything, provide_crypto, storage};
use super::loops::{apply, until};
use super::server::{Server, TEXT, ok};
use crate::clock::Clock;
use crate::config;
use crate::scrape::{Health, Scraper};

/// A file of targets.
fn write(folder: &Path, targets: &[&Server]) {
    let addresses: Vec<String> = targets
        .iter()
        .map(|server| format!("{:?}", server.address.to_string()))
        .collect();
    let text = format!("[{{\"targets\": [{}]}}]", addresses.join(", "));
    let fresh = folder.join("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, folder.join("targets.json")).unwrap();
}

fn loops(scraper: &Scraper) -> Vec<usize> {
    let pools = scraper.pools();
    pools.iter().flat_map(|pool| pool.loops()).collect()
}

#[tokio::test]
async fn targets_come_and_go_with_their_file() {
    provide_crypto();
    let one = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let two = Server::start(&[("/metrics", ok(TEXT, b"a 2\n"))]).await;
    let folder = tempfile::tempdir().unwrap();
    let job = |more: &str| {
        let text = format!(
            "scrape_configs: [{{job_name: j, scrape_interval: 500ms, file_sd_configs: [{{files: ['{}/targets.json'{more}]}}]}}]",
            folder.path().display()
        );
        config::parse(&text, "prometheus.yml").unwrap()
    };
    write(folder.path(), &[&one]);
    let storage = storage().await;
    let scraper = Scraper::new(storage.clone(), Clock::system());
    apply(&scraper, &job(""));
    assert!(scraper.targets().is_empty(), "nobody has looked");
    until(&one, async || {
        let targets = scraper.targets();
        (targets.len() == 1 && targets[0].health == Health::Up).then_some(())
    })
    .await;
    assert_eq!(
        scraper.targets()[0].discovered.get("__meta_filepath"),
        Some(format!("{}/targets.json", folder.path().display()).as_str())
    );
    let first = loops(&scraper);

    write(folder.path(), &[&two, &one]);
    until(&two, async || (loops(&scraper).len() == 2).then_some(())).await;
    assert_eq!(loops(&scraper)[1], first[0], "it goes on undisturbed");
    assert_eq!(scraper.metrics().targets.get(), 2);

    // A reload that changes nothing, and one that looks elsewhere, too: nobody knows at first that
    // anything is gone.
    let both = loops(&scraper);
    apply(&scraper, &job(""));
    assert_eq!(loops(&scraper), both);
    apply(&scraper, &job(", '/nonexistent/*.json'"));
    let mut kept = loops(&scraper);
    kept.sort_unstable();
    let mut expected = both.clone();
    expected.sort_unstable();
    assert_eq!(kept, expected);
    one.requests(2).await;

    write(folder.path(), &[&two]);
    until(&two, async || (loops(&scraper).len() == 1).then_some(())).await;
    assert_eq!(loops(&scraper), both[..1]);
    let gone = format!("a{{instance={}}}: ", one.address);
    until(&two, async || {
        let all = everything(&storage).await;
        let mut lines = all.lines();
        lines
            .any(|line| line.starts_with(&gone) && line.ends_with("=end"))
            .then_some(())
    })
    .await;
    scraper.stop().await;
    assert_eq!(scraper.metrics().targets.get(), 1);
}

#[tokio::test]
async fn a_job_with_too_many_targets_scrapes_none() {
    provide_crypto();
    let other = Server::start(&[("/metrics", ok(TEXT, b"a 1\n"))]).await;
    let text = format!(
        "scrape_configs: [{{job_name: j, scrape_interval: 500ms, target_limit: 1, static_configs: [{{targets: ['127.0.0.1:1', '127.0.0.1:2']}}]}}, {{job_name: k, scrape_interval: 500ms, static_configs: [{{targets: ['{}']}}]}}]",
        other.address
    );
    let scraper = Scraper::new(storage().await, Clock::system());
    apply(&scraper, &config::parse(&text, "prometheus.yml").unwrap());
    until(&other, async || {
        let targets = scraper.targets();
        let expected = "the job has 2 targets, more than 1 (target_limit)";
        let is_told = |at: usize| targets[at].last_error == expected;
        (is_told(0) && is_told(1)).then_some(())
    })
    .await;
    scraper.stop().await;
}
