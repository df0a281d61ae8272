//! Configuration: errors with their place and remedy, and reloads that are all or nothing.

use std::time::Duration;

use e2e::exposition;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::peers::PROMTOOL;
use e2e::process;
use e2e::programs::{self, Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::wait;

/// A bad file, the line that is wrong, and words the message must have: what, and what to do.
const BAD: &[(&str, u32, &[&str])] = &[
    (
        "global:\n  scrape_interval: 15x\n",
        2,
        &["scrape_interval", "15x", "ms, s, m, h, d, w"],
    ),
    (
        "global:\n  scrape_interval: 15s\n  scrape_intervall: 15s\n",
        3,
        &["scrape_intervall"],
    ),
    (
        "scrape_configs:\n  - job_name: a\n    static_configs:\n      - target: ['a:1']\n",
        4,
        &["target"],
    ),
    (
        "scrape_configs:\n  - static_configs: []\n",
        2,
        &["job_name"],
    ),
    (
        "scrape_configs:\n  - job_name: a\n    scrape_interval: 5s\n    scrape_timeout: 10s\n",
        4,
        &["scrape_timeout", "scrape_interval"],
    ),
    (
        "scrape_configs:\n  - job_name: a\n  - job_name: a\n",
        3,
        &["\"a\"", "differ"],
    ),
    (
        "scrape_configs:\n  - job_name: a\n    scheme: gopher\n",
        3,
        &["scheme", "gopher", "http"],
    ),
    ("scrape_configs: [\n", 2, &[]),
];

#[test]
fn a_bad_file_is_refused_at_start_with_place_and_remedy() {
    for (text, line, words) in BAD {
        let folder = Folder::new();
        folder.write("prometheus.yml", text);
        let run = process::run(&mut Aggregator::command(folder.path()));
        assert_eq!(run.code, Some(2), "{text}\n{run:?}");
        assert_message(&(run.stdout + &run.stderr), text, *line, words);
        assert!(
            !folder.path().join("t.db").exists(),
            "a database was made for\n{text}"
        );
    }
}

#[test]
fn check_config_says_the_same() {
    for (text, line, words) in BAD {
        let folder = Folder::new();
        folder.write("prometheus.yml", text);
        let run = process::run(programs::aggregator().current_dir(folder.path()).args([
            "check",
            "config",
            "prometheus.yml",
        ]));
        assert_eq!(run.code, Some(1), "{text}\n{run:?}");
        assert_message(&(run.stdout + &run.stderr), text, *line, words);
    }
}

#[track_caller]
fn assert_message(said: &str, text: &str, line: u32, words: &[&str]) {
    let place = format!("prometheus.yml:{line}:");
    let message = said.lines().find(|l| l.contains(&place));
    let message = message.unwrap_or_else(|| panic!("no {place} in {said:?} for\n{text}"));
    assert_eq!(
        message.matches(&place).count(),
        1,
        "the place is told twice: {message:?}"
    );
    for word in words {
        assert!(
            message.contains(word),
            "no {word:?} in {message:?} for\n{text}"
        );
    }
}

#[test]
fn the_shipped_file_is_good_for_both() {
    let file = programs::shipped_configuration();
    let ours = process::run(programs::aggregator().args(["check", "config"]).arg(&file));
    assert_eq!(ours.code, Some(0), "{ours:?}");
    let theirs = process::run(PROMTOOL.command().args(["check", "config"]).arg(&file));
    assert_eq!(theirs.code, Some(0), "{theirs:?}");
    let named = process::run(programs::aggregator().args(["check", "config", "/nowhere/a.yml"]));
    assert_eq!(named.code, Some(1), "{named:?}");
    assert!((named.stdout + &named.stderr).contains("/nowhere/a.yml"));
}

fn jobs(aggregator: &Aggregator) -> Vec<String> {
    let targets = aggregator.targets();
    let mut jobs: Vec<String> = targets
        .iter()
        .map(|t| t["labels"]["job"].as_str().unwrap().to_owned())
        .collect();
    jobs.sort();
    jobs
}

fn last_reload_successful(aggregator: &Aggregator) -> f64 {
    let text = Request::get("/metrics")
        .header("Accept", "text/plain")
        .send(aggregator.address)
        .text();
    let found = exposition::parse(&text);
    found["system_stats_aggregator_config_last_reload_successful"].samples[""]
}

#[track_caller]
fn wait_for_jobs(aggregator: &Aggregator, expected: &[&str]) {
    wait::until(
        &format!("jobs are {expected:?}"),
        Duration::from_secs(10),
        || {
            let now = jobs(aggregator);
            if now == expected { Ok(()) } else { Err(now) }
        },
    );
}

#[test]
fn a_reload_is_all_or_nothing() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    folder.write("prometheus.yml", scraping(&[("one", exporter.address)]));
    let aggregator = Aggregator::resume(&folder, &["--web.enable-lifecycle"]);
    wait_for_jobs(&aggregator, &["one"]);
    let is_successful = || last_reload_successful(&aggregator) > 0.5;
    assert!(is_successful());
    let reload = || Request::new("POST", "/-/reload").send(aggregator.address);

    let both = scraping(&[("one", exporter.address), ("two", exporter.address)]);
    folder.write("prometheus.yml", &both);
    let answer = reload();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        jobs(&aggregator),
        ["one", "two"],
        "the answer comes when the new one runs"
    );

    // Its first job is good, its second is not: neither is taken.
    let bad = scraping(&[("three", exporter.address)])
        + "  - job_name: four\n    scrape_interval: soon\n";
    folder.write("prometheus.yml", &bad);
    let answer = reload();
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(
        answer.text().contains("prometheus.yml:9:"),
        "{}",
        answer.text()
    );
    assert_eq!(jobs(&aggregator), ["one", "two"]);
    assert!(!is_successful());

    folder.write("prometheus.yml", scraping(&[("five", exporter.address)]));
    aggregator.process.signal("HUP");
    wait_for_jobs(&aggregator, &["five"]);
    wait::until("the gauge recovers", Duration::from_secs(5), || {
        if is_successful() { Ok(()) } else { Err(()) }
    });

    folder.write("prometheus.yml", "nonsense");
    aggregator.process.signal("HUP");
    wait::until("the gauge falls", Duration::from_secs(5), || {
        if is_successful() { Err(()) } else { Ok(()) }
    });
    assert_eq!(jobs(&aggregator), ["five"]);
    aggregator.wait_for_health("up", |target| target["labels"]["job"] == "five");
}

#[test]
fn a_reload_over_http_must_be_allowed() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let answer = Request::new("POST", "/-/reload").send(aggregator.address);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(
        answer.text().contains("--web.enable-lifecycle"),
        "{}",
        answer.text()
    );
    assert_eq!(
        Request::get("/-/reload").send(aggregator.address).status,
        405
    );
}

/// A target that a reload leaves as it was is not scraped anew, and its series go on.
#[test]
fn targets_that_stay_are_not_disturbed() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    folder.write("prometheus.yml", scraping(&[("one", exporter.address)]));
    let aggregator = Aggregator::resume(&folder, &["--web.enable-lifecycle"]);
    aggregator.wait_for_health("up", |target| target["labels"]["job"] == "one");
    let both = scraping(&[("one", exporter.address), ("two", exporter.address)]);
    folder.write("prometheus.yml", both);
    assert_eq!(
        Request::new("POST", "/-/reload")
            .send(aggregator.address)
            .status,
        200
    );
    let kept = aggregator.targets();
    let one = kept
        .iter()
        .find(|target| target["labels"]["job"] == "one")
        .unwrap();
    assert_eq!(one["health"], "up", "a kept target keeps its state: {one}");
}
