//! What `/metrics` of the exporter says, before the tools that will read it.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::exposition::{self, Exposition, Format};
use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::peers::{PROMTOOL, Prometheus};
use e2e::programs::{Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::server::Server;
use e2e::wait;
use serde_json::{Value, json};

/// What Prometheus 2.42 sends.
const ACCEPT_OF_PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Families of `node_exporter`'s whose names offend against promtool's rules; ours are called the
/// same because everybody's dashboards ask for them.
const ALLOWED_OFFENDERS: [&str; 8] = [
    "node_memory_",
    "node_netstat_",
    "node_entropy_available_bits",
    "node_entropy_pool_size_bits",
    "node_sockstat_",
    "node_vmstat_",
    "node_time_zone_offset_seconds",
    "node_zfs_",
];

#[test]
fn promtool_finds_nothing_to_object_to() {
    let exporter = Exporter::start(&[]);
    let objections = objections(&exporter.text());
    let ours: Vec<&String> = objections
        .iter()
        .filter(|line| {
            !ALLOWED_OFFENDERS
                .iter()
                .any(|prefix| line.starts_with(prefix))
        })
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
    // The allowance must not outlive what it is for.
    assert!(
        objections
            .iter()
            .any(|line| line.starts_with("node_memory_")),
        "{objections:#?}"
    );
}

/// What `promtool check metrics` says about a text.
#[track_caller]
fn objections(text: &str) -> Vec<String> {
    let mut promtool = PROMTOOL
        .command()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The aggregator's own metrics, by the same rules; everybody else gets the newest samples as JSON.
#[test]
fn the_aggregator_tells_of_itself() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let reading = json!({
        "hostname": "pi", "cpu": 1, "ram": 2, "disk": 3, "timestamp": wait::epoch_seconds(),
    });
    assert_eq!(aggregator.push(&reading).status, 200);
    let ask = |accept: &str| {
        Request::get("/metrics")
            .header("Accept", accept)
            .send(aggregator.address)
    };
    let text = ask("text/plain;version=0.0.4");
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(objections(&text.text()), Vec::<String>::new());
    let text = exposition::parse(&text.text());
    assert!(text.contains_key("system_stats_aggregator_build_info"));
    let open_metrics = ask(ACCEPT_OF_PROMETHEUS);
    let kind = open_metrics.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let open_metrics = exposition::parse_as(Format::OpenMetrics, &open_metrics.text());
    assert_eq!(
        text.keys().collect::<Vec<_>>(),
        open_metrics.keys().collect::<Vec<_>>()
    );
    for accept in ["*/*", "application/json"] {
        let newest = ask(accept).ok_json();
        assert_eq!(newest.as_array().map(Vec::len), Some(1), "{newest}");
        assert_eq!(newest[0]["agent_id"], "pi", "{newest}");
    }
}

#[test]
fn formats_are_negotiated() {
    let exporter = Exporter::start(&[]);
    let text = "text/plain; version=0.0.4";
    let open_metrics = "application/openmetrics-text; version=1.0.0";
    for (accept, expected) in [
        (None, text),
        (Some("*/*"), text),
        (Some("text/plain"), text),
        (Some("text/html,*/*;q=0.8"), text),
        (Some("application/openmetrics-text"), open_metrics),
        (
            Some("text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4"),
            text,
        ),
        (Some(ACCEPT_OF_PROMETHEUS), open_metrics),
    ] {
        let mut request = Request::get("/metrics");
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let response = request.send(exporter.address);
        let kind = response
            .header("content-type")
            .unwrap_or_default()
            .to_owned();
        assert!(
            kind.starts_with(expected),
            "{accept:?} was answered with {kind}"
        );
        let ends = response.text().ends_with("# EOF\n");
        assert_eq!(ends, expected == open_metrics, "the end of {kind}");
    }
}

/// Both formats say the same: the same families of the same types, the same series.
#[test]
fn both_formats_have_the_same_series() {
    let exporter = Exporter::start(&[]);
    let text = exposition::parse(&exporter.text());
    let open_metrics = Request::get("/metrics")
        .header("Accept", "application/openmetrics-text;version=1.0.0")
        .send(exporter.address);
    let open_metrics = exposition::parse_as(Format::OpenMetrics, &open_metrics.text());
    let series = |from: &Exposition| -> Vec<String> {
        let of_family = |(name, family): (&String, &exposition::Family)| {
            let kind = family.kind;
            let labels = family.samples.keys();
            labels
                .map(|labels| format!("{name}{labels} {kind:?}"))
                .collect::<Vec<_>>()
        };
        from.iter().flat_map(of_family).collect()
    };
    assert_eq!(series(&text), series(&open_metrics));
}

/// Passes requests on to `upstream`, with another `Accept` if one is given, and keeps the content
/// types that come back.
fn recording_proxy(
    upstream: SocketAddr,
    accept: Option<&'static str>,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&kinds);
    let server = Server::start(move |head, stream, _| {
        let sent = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("accept").then(|| value.trim())
        });
        let path = head.split(' ').nth(1).unwrap();
        let accept = accept.or(sent).unwrap_or_default();
        let response = Request::get(path).header("Accept", accept).send(upstream);
        let kind = response.header("content-type").unwrap_or_default();
        kept.lock().unwrap().push(kind.to_owned());
        let _ = write!(
            stream,
            "HTTP/1.1 {} .\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            response.status,
            response.body.len()
        );
        let _ = stream.write_all(&response.body);
    });
    (server, kinds)
}

#[test]
fn stock_prometheus_scrapes_both_formats() {
    let exporter = Exporter::start(&[]);
    let (open_metrics, open_metrics_kinds) = recording_proxy(exporter.address, None);
    let (text, text_kinds) = recording_proxy(exporter.address, Some("text/plain;version=0.0.4"));
    let targets = [
        ("openmetrics", open_metrics.address()),
        ("text", text.address()),
    ];
    let prometheus = Prometheus::start(&scraping(&targets));
    let ask = |query: &str| -> Vec<(String, String)> {
        let path = format!("/api/v1/query?query={}", http::percent(query));
        let answer = http::get_json(prometheus.address, &path);
        let rows = answer["data"]["result"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<(String, String)> = rows
            .iter()
            .map(|r| (text(&r["metric"]["job"]), text(&r["value"][1])))
            .collect();
        found.sort();
        found
    };
    let both = |value: &str| ["openmetrics", "text"].map(|job| (job.to_owned(), value.to_owned()));
    wait::until("both targets are up", Duration::from_secs(20), || {
        let up = ask("up");
        if up == both("1") {
            return Ok(());
        }
        let targets = http::get_json(prometheus.address, "/api/v1/targets");
        let targets = targets["data"]["activeTargets"].as_array().unwrap().clone();
        Err(targets
            .iter()
            .map(|t| t["lastError"].clone())
            .collect::<Vec<_>>())
    });
    for query in [
        "count by (job) (node_load1)",
        "count by (job) (system_cpu_usage_percent)",
        "count by (job) (node_uname_info)",
    ] {
        assert_eq!(ask(query), both("1"), "{query}");
    }
    let counted = ask("count by (job) (node_cpu_seconds_total)");
    assert_eq!(counted.len(), 2, "{counted:?}");
    assert_eq!(
        counted[0].1, counted[1].1,
        "the same series by either format"
    );
    let all_are = |kinds: &Mutex<Vec<String>>, expected: &str| {
        let kinds = kinds.lock().unwrap();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|k| k.starts_with(expected)),
            "{kinds:?}"
        );
    };
    all_are(&open_metrics_kinds, "application/openmetrics-text");
    all_are(&text_kinds, "text/plain");
}

#[test]
fn percentages_are_those_of_system() {
    let exporter = Exporter::start(&[]);
    let found = exposition::parse(&exporter.text());
    let system = http::get_json(exporter.address, "/system");
    for (family, pointer) in [
        ("system_memory_usage_percent", "/memory/percent"),
        ("system_swap_usage_percent", "/swap/percent"),
    ] {
        let metric = found[family].samples[""];
        let documented = system.pointer(pointer).unwrap().as_f64().unwrap();
        assert!(
            (metric - documented).abs() < 5.0,
            "{family} {metric}, {pointer} {documented}"
        );
    }
    assert!((0.0..=100.0).contains(&found["system_cpu_usage_percent"].samples[""]));
    let mount = system["disk"]["mount"].as_str().unwrap();
    let label = format!("mountpoint=\"{mount}\"");
    let disks = &found["system_disk_usage_percent"].samples;
    let disk = disks.iter().find(|(labels, _)| labels.contains(&label));
    let documented = system["disk"]["percent"].as_f64().unwrap();
    let (_, metric) = disk.unwrap_or_else(|| panic!("{label} in {disks:?}"));
    assert!(
        (metric - documented).abs() < 1.0,
        "disk {metric} beside {documented}"
    );
}
