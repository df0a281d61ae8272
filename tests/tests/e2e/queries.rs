//! Queries that cost much: what becomes of them when nobody waits any more, and lists that are long.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;

const RUNNING: &str = "system_stats_aggregator_queries_running";

/// A gauge or counter of the program itself.
fn own_metric(address: SocketAddr, name: &str) -> Option<f64> {
    let request = Request::get("/metrics").header("Accept", "text/plain;version=0.0.4");
    let text = request.send(address).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

/// Eleven thousand medians of a million and a half samples each: far more than the two minutes that
/// a query may take, on any machine.
#[test]
fn a_client_that_goes_away_ends_its_query() {
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let query = http::percent("quantile_over_time(0.5, vector(time())[90d:5s])");
    let path = format!("/api/v1/query_range?query={query}&start=0&end=10999&step=1");
    let mut client = TcpStream::connect(ours.address).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: us\r\n\r\n").unwrap();
    let seen = |expected: f64| {
        move || {
            let running = own_metric(ours.address, RUNNING);
            (running == Some(expected)).then_some(()).ok_or(running)
        }
    };
    let patience = Duration::from_secs(30);
    wait::until("the query runs", patience, seen(1.0));
    drop(client);
    wait::until("the query has ended", patience, seen(0.0));
    // Somebody else is served.
    let answer = ours.get("/api/v1/query?query=1%2B1&time=0");
    assert_eq!(answer["data"]["result"][1], "2", "{answer}");
}

/// A time that is over ends a query inside of a single series too.
#[test]
fn a_query_ends_with_its_time() {
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let query = http::percent("quantile_over_time(0.9, vector(time())[90d:5s])");
    let span = "start=0&end=10999&step=1&timeout=2s";
    let path = format!("/api/v1/query_range?query={query}&{span}");
    let answer = Request::get(&path).send(ours.address);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("\"timeout\""), "{}", answer.text());
}

#[test]
fn long_lists_are_cut() {
    const SERIES: usize = 20_000;
    let folder = Folder::new();
    let ours = Aggregator::start(&folder, NO_TARGETS);
    let mut text = String::new();
    for n in 0..SERIES {
        writeln!(text, "m{{instance=\"i\",n=\"{n:05}\",l{}=\"x\"}} 1", n % 50).unwrap();
    }
    let import = Request::new("POST", "/api/v1/import/prometheus").body(text);
    let import = import.send(ours.address);
    assert_eq!(import.status, 204, "{}", import.text());
    let length = |path: &str| {
        let answer = ours.get(path);
        let is_cut = answer["warnings"][0] == "results truncated due to limit";
        (answer["data"].as_array().unwrap().len(), is_cut)
    };
    let lists = [
        ("/api/v1/series?match[]=m", SERIES),
        ("/api/v1/label/n/values?", SERIES),
        // With the name, the instance and the number.
        ("/api/v1/labels?", 53),
    ];
    for (path, all) in lists {
        assert_eq!(length(&format!("{path}&limit=0")), (all, false), "{path}");
        assert_eq!(
            length(&format!("{path}&limit={all}")),
            (all, false),
            "{path}"
        );
        assert_eq!(length(&format!("{path}&limit=7")), (7, true), "{path}");
    }
    let first = ours.get("/api/v1/label/n/values?limit=2");
    assert_eq!(first["data"], serde_json::json!(["00000", "00001"]));
}
