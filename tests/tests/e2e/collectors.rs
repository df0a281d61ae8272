//! Choosing by flags what the exporter exposes, and where.

use std::process::Command;

use e2e::exposition;
use e2e::http::{Request, get_json};
use e2e::process::Process;
use e2e::programs::{self, Exporter};

/// The collectors that the exposition of these flags and this query says it ran.
#[track_caller]
fn collectors(exporter: &Exporter, path: &str) -> Vec<String> {
    let answer = Request::get(path).send(exporter.address);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let found = exposition::parse(&answer.text());
    let ran = found
        .get("node_scrape_collector_success")
        .map(|family| family.samples.keys());
    let name = |labels: &String| labels.split('"').nth(1).unwrap().to_owned();
    ran.into_iter().flatten().map(name).collect()
}

#[test]
fn flags_choose_collectors() {
    let all = collectors(&Exporter::start(&[]), "/metrics");
    for name in [
        "cpu",
        "loadavg",
        "meminfo",
        "diskstats",
        "filesystem",
        "netdev",
        "uname",
        "stat",
    ] {
        assert!(
            all.iter().any(|ran| ran == name),
            "{name} is not among {all:?}"
        );
    }
    let without = Exporter::start(&["--no-collector.loadavg"]);
    let expected: Vec<&String> = all.iter().filter(|name| *name != "loadavg").collect();
    assert_eq!(
        collectors(&without, "/metrics").iter().collect::<Vec<_>>(),
        expected
    );
    let only = Exporter::start(&["--collector.disable-defaults", "--collector.loadavg"]);
    assert_eq!(collectors(&only, "/metrics"), ["loadavg"]);
}

#[test]
fn an_unknown_collector_is_refused() {
    let run = e2e::process::run(programs::exporter().arg("--collector.nonsense"));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--collector.nonsense"), "{run:?}");
}

#[test]
fn metrics_move_and_the_landing_page_leads_there() {
    let exporter = Exporter::start(&["--web.telemetry-path=/elsewhere"]);
    assert!(!collectors(&exporter, "/elsewhere").is_empty());
    assert_eq!(Request::get("/metrics").send(exporter.address).status, 404);
    let page = Request::get("/")
        .header("Accept", "text/html")
        .send(exporter.address);
    assert_eq!(page.status, 200);
    let text = page.text();
    for part in ["/elsewhere", "/system", env!("CARGO_PKG_VERSION")] {
        assert!(text.contains(part), "{part} is not on\n{text}");
    }
}

#[test]
fn answers_are_packed_for_who_asks() {
    let exporter = Exporter::start(&[]);
    let plain = Request::get("/metrics").send(exporter.address);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = Request::get("/metrics")
        .header("Accept-Encoding", "gzip")
        .send(exporter.address);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 3 < plain.body.len());
    let families = |text: &str| exposition::parse(text).into_keys().collect::<Vec<_>>();
    assert_eq!(families(&packed.text()), families(&plain.text()));
}

#[test]
fn critical_processes_are_watched_by_name() {
    let mut sleeper = Command::new("sleep");
    let _running = Process::start("sleep", sleeper.arg("60"));
    let flags = [
        "--critical-process=sleep",
        "--critical-process=no-such-process",
    ];
    let exporter = Exporter::start(&flags);
    let system = get_json(exporter.address, "/system");
    let expected = serde_json::json!({"sleep": true, "no-such-process": false});
    assert_eq!(system["critical_processes"], expected);
    let found = exposition::parse(&exporter.text());
    let running = &found["system_critical_process_running"].samples;
    let values: Vec<String> = running
        .iter()
        .map(|(labels, n)| format!("{labels} {n}"))
        .collect();
    assert_eq!(
        values,
        ["{name=\"no-such-process\"} 0", "{name=\"sleep\"} 1"]
    );
}
