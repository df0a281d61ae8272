//! Prometheus' API before the programs that use it: Prometheus itself, promtool, Grafana.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::peers::{PROMTOOL, Prometheus};
use e2e::process;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::remote_write::{self, Series};
use e2e::wait;
use serde_json::{Value, json};

fn query(address: SocketAddr, expression: &str, at: i64) -> Value {
    let query = http::percent(expression);
    let answer = http::get_json(address, &format!("/api/v1/query?query={query}&time={at}"));
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    answer["data"].clone()
}

/// What a Prometheus scrapes is the same in us once it has written it here.
#[test]
fn a_prometheus_writes_to_us() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let url = format!("http://{}/api/v1/write", ours.address);
    let configuration = scraping(&[("hosts", exporter.address)])
        + &format!("remote_write:\n  - url: {url}\n    metadata_config: {{send_interval: 1s}}\n");
    let prometheus = Prometheus::start(&configuration);
    // All samples of a scrape: the last of its report series is there.
    let scraped = |address| {
        let now = wait::epoch_seconds();
        query(
            address,
            "min_over_time(scrape_series_added[1m] @ end())",
            now,
        )["result"]
            .as_array()
            .is_some_and(|result| !result.is_empty())
    };
    wait::until_some("samples in both", Duration::from_secs(30), || {
        (scraped(prometheus.address) && scraped(ours.address)).then_some(())
    });
    let at = wait::epoch_seconds() + 1;
    wait::until("the same in both", Duration::from_secs(30), || {
        let both = [prometheus.address, ours.address].map(|address| {
            [
                "count by (job) (up)",
                "count(count by (__name__) ({job=\"hosts\"}))",
            ]
            .map(|expression| query(address, expression, at)["result"].clone())
        });
        if both[0] == both[1] && both[0][0] != json!([]) {
            Ok(())
        } else {
            Err(format!("{both:?}"))
        }
    });
    wait::until_some("metadata", Duration::from_secs(30), || {
        let said = ours.get("/api/v1/metadata?metric=node_load1");
        (said["data"]["node_load1"][0]["type"] == "gauge").then_some(())
    });
    drop(prometheus);
}

#[test]
fn promtool_asks_us() {
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let mut series = Series::new(&[("__name__", "m"), ("job", "a")]);
    series.samples = vec![(1_700_000_000_000, 1.5), (1_700_000_015_000, 2.5)];
    remote_write::send(ours.address, &[series], 60_000);
    let server = format!("http://{}", ours.address);
    let ask = |arguments: &[&str]| {
        let finished = process::run(PROMTOOL.command().arg("query").args(arguments));
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    };
    let instant = ask(&["instant", "--time=1700000015", &server, "m * 2"]);
    assert_eq!(instant.trim(), "{job=\"a\"} => 5 @[1700000015]");
    let range = ["--start=1700000000", "--end=1700000015", "--step=15s"];
    let range = ask(&[&["range"], &range[..], &[&server, "m"]].concat());
    assert_eq!(
        range.trim(),
        "m{job=\"a\"} =>\n1.5 @[1700000000]\n2.5 @[1700000015]"
    );
    let times = ["--start=1699999000", "--end=1700001000"];
    let found = ask(&[&["series", "--match=m"], &times[..], &[&server]].concat());
    assert!(
        found.contains("job=\"a\"") && found.lines().count() == 1,
        "{found}"
    );
    assert_eq!(
        ask(&[&["labels"], &times[..], &[&server, "job"]].concat()).trim(),
        "a"
    );
}

/// Acknowledged is durable, and there for the next question.
#[test]
fn what_was_written_survives_a_kill() {
    let folder = Folder::new();
    let mut ours = Aggregator::start(&folder, NO_TARGETS);
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let mut series = Series::new(&[("__name__", "old"), ("instance", "i")]);
    series.samples = vec![(0, 1.0), (15_000, 2.0), (30_000, stale)];
    remote_write::send(ours.address, std::slice::from_ref(&series), 60_000);
    let import = Request::new("POST", "/api/v1/import/prometheus?extra_label=job=i")
        .body("new{instance=\"i\"} 7\n")
        .send(ours.address);
    assert_eq!(import.status, 204, "{}", import.text());
    ours.process.kill();
    let ours = Aggregator::resume(&folder, &[]);
    let found = query(ours.address, "old", 20);
    let metric = json!({"__name__": "old", "instance": "i"});
    assert_eq!(
        found["result"],
        json!([{"metric": metric, "value": [20, "2"]}])
    );
    assert_eq!(
        query(ours.address, "old", 30)["result"],
        json!([]),
        "the series has ended"
    );
    let later = wait::epoch_seconds() + 1;
    let new = query(ours.address, "new{job=\"i\"}", later);
    assert_eq!(new["result"][0]["value"], json!([later, "7"]));
}

/// Decades behind the newest sample, where the window says so; refused where it does not.
#[test]
fn late_samples_within_the_window() {
    let write = |ours: &Aggregator, at: i64| {
        let text = format!("m{{instance=\"i\"}} 1 {at}\n");
        let request = Request::new("POST", "/api/v1/import/prometheus").body(text);
        request.send(ours.address)
    };
    let now = wait::epoch_seconds() * 1000;
    for (window, status) in [("60y", 204), ("1h", 400)] {
        let folder = Folder::new();
        folder.write("prometheus.yml", NO_TARGETS);
        let flags = [
            format!("--storage.out-of-order-time-window={window}"),
            "--storage.retention.time=0".to_owned(),
        ];
        let ours = Aggregator::resume(&folder, &flags.each_ref().map(String::as_str));
        assert_eq!(write(&ours, now).status, 204);
        let late = write(&ours, 1000);
        assert_eq!(late.status, status, "{}", late.text());
        let found = query(ours.address, "m", 1)["result"]
            .as_array()
            .map(Vec::len);
        assert_eq!(found, Some(usize::from(status == 204)));
        if status == 400 {
            assert!(late.text().contains("too old sample"), "{}", late.text());
        }
    }
}

/// A sample of the server's own metrics.
fn own(address: SocketAddr, name: &str) -> u64 {
    let request = Request::get("/metrics").header("Accept", "text/plain");
    let text = request.send(address).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.trim().parse().expect("a whole number")
}

/// Whoever waits for a place is told when it is over, and whoever goes away frees theirs.
#[test]
fn a_client_that_goes_away_ends_its_query() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let flags = ["--query.max-concurrency=1", "--rules.builtin=false"];
    let ours = Aggregator::resume(&folder, &flags);
    // So many steps that it would take hours.
    let endless = "sum_over_time(sum_over_time(vector(1)[1000d:1s])[1000d:1s])";
    let mut client = TcpStream::connect(ours.address).expect("a connection");
    let head = format!(
        "GET /api/v1/query?query={}&time=0 HTTP/1.1\r\nHost: x\r\n\r\n",
        http::percent(endless)
    );
    client.write_all(head.as_bytes()).expect("it is sent");
    let patience = Duration::from_secs(30);
    let until = |name: &str, expected: u64| {
        let name = format!("system_stats_aggregator_{name}");
        wait::until(&name, patience, || {
            let found = own(ours.address, &name);
            if found == expected {
                Ok(())
            } else {
                Err(found)
            }
        });
    };
    until("queries_running", 1);
    let second = Request::get("/api/v1/query?query=1&timeout=0.2").send(ours.address);
    assert_eq!(second.status, 503);
    assert_eq!(
        second.json(),
        json!({"status": "error", "errorType": "timeout", "error": "query timed out in query queue"})
    );
    drop(client);
    until("queries_canceled_total", 1);
    until("queries_running", 0);
    let third = query(ours.address, "1", 4);
    assert_eq!(third, json!({"resultType": "scalar", "result": [4, "1"]}));
}

/// A Prometheus that writes here loses nothing by a restart of ours.
#[test]
fn a_prometheus_writes_on_after_a_restart() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let address = ours.address;
    let configuration = scraping(&[("hosts", exporter.address)])
        + &format!(
            "remote_write:\n  - url: http://{address}/api/v1/write\n    \
             queue_config: {{batch_send_deadline: 1s}}\n"
        );
    let prometheus = Prometheus::start(&configuration);
    let patience = Duration::from_mins(1);
    let newest = |at: SocketAddr| {
        let found = query(
            at,
            "max(timestamp(up{job=\"hosts\"}))",
            wait::epoch_seconds() + 1,
        );
        found["result"][0]["value"][1]
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
    };
    wait::until_some("the first samples", patience, || newest(address));
    assert!(ours.stop().success());
    let down = newest(prometheus.address).expect("samples there");
    wait::until_some("samples that nobody takes", patience, || {
        newest(prometheus.address).filter(|at| *at >= down + 2.0)
    });
    let ours = Aggregator::run(
        Aggregator::command(folder.path()).arg(format!("--web.listen-address={address}")),
    );
    let back = newest(prometheus.address).expect("samples there");
    wait::until_some("samples after the restart", patience, || {
        newest(address).filter(|at| *at > back)
    });
    let all = format!("count_over_time(up{{job=\"hosts\"}}[10m] @ {back:.3})");
    let now = wait::epoch_seconds();
    wait::until("as many samples in both", patience, || {
        let [theirs, found] = [prometheus.address, address]
            .map(|at| query(at, &all, now)["result"][0]["value"][1].clone());
        if theirs == found && found.is_string() {
            Ok(())
        } else {
            Err((theirs, found))
        }
    });
    drop(ours);
}

/// What a Prometheus scrapes from `/federate` is what is here.
#[test]
fn a_prometheus_federates() {
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds() * 1000;
    let mut with = Series::new(&[("__name__", "m"), ("job", "a"), ("instance", "i")]);
    let mut without = Series::new(&[("__name__", "m"), ("job", "a"), ("l", "x\"\\\n")]);
    (with.samples, without.samples) = (vec![(now, 1.5)], vec![(now, f64::INFINITY)]);
    remote_write::send(ours.address, &[with, without], 60_000);
    let configuration = scraping(&[("federate", ours.address)])
        + "    honor_labels: true\n    metrics_path: /federate\n    \
           params: {'match[]': ['{job=\"a\"}']}\n";
    let prometheus = Prometheus::start(&configuration);
    wait::until("the same in both", Duration::from_secs(30), || {
        let [theirs, found] = [prometheus.address, ours.address]
            .map(|at| query(at, "sort(m)", now / 1000)["result"].clone());
        if theirs == found && found.as_array().is_some_and(|all| all.len() == 2) {
            Ok(())
        } else {
            Err((theirs, found))
        }
    });
}
