//! Series of long ago leave memory and are found all the same.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{Request, get_json, percent};
use e2e::postgres::Database;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::remote_write::{Series, send};
use e2e::wait;
use serde_json::{Value, json};

/// 2021-01-01T00:00:00Z.
const THEN: i64 = 1_609_459_200;
const HOSTS: usize = 40;

fn start(folder: &Folder, storage: &str) -> Aggregator {
    folder.write("prometheus.yml", NO_TARGETS);
    let mut command = Aggregator::command_on(folder.path(), storage);
    command.args([
        "--storage.fold-after=50ms",
        "--storage.out-of-order-time-window=100y",
        "--storage.retention.time=100y",
        "--storage.leave-after=1h",
    ]);
    Aggregator::run(&mut command)
}

fn series(name: &str, instance: &str, at: i64) -> Series {
    let labels = [("__name__", name), ("instance", instance), ("job", "some")];
    Series {
        samples: vec![(at * 1000, 1.0)],
        ..Series::new(&labels)
    }
}

fn push_hosts(server: &Aggregator, at: i64) {
    let hosts = (0..HOSTS).map(|host| series("long_ago", &format!("host{host}"), at));
    send(server.address, &hosts.collect::<Vec<_>>(), 1000);
}

/// A number that the program says of itself.
fn own(server: &Aggregator, name: &str) -> u64 {
    let text = Request::get("/metrics").send(server.address).text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {text}"))
}

fn wait_until_left(server: &Aggregator) {
    wait::until("all of them left", Duration::from_secs(60), || {
        match own(server, "system_stats_aggregator_storage_left_series") {
            left if left == HOSTS as u64 => Ok(()),
            left => Err(left),
        }
    });
}

/// Everything that can be asked about them.
fn answers(server: &Aggregator) -> Value {
    let ask = |path: String| get_json(server.address, &path)["data"].clone();
    let range = format!("start={}&end={}", THEN - 600, THEN + 86400);
    let selector = percent("long_ago{instance=~\"host[12]\"}");
    let counted = percent("count(count_over_time(long_ago[1h]))");
    json!({
        "range": ask(format!("/api/v1/query_range?query={selector}&{range}&step=300")),
        "count": ask(format!("/api/v1/query?query={counted}&time={}", THEN + 600)),
        "series": ask(format!("/api/v1/series?match[]={selector}&{range}")),
        "labels": ask(format!("/api/v1/labels?match[]=long_ago&{range}")),
        "values": ask(format!("/api/v1/label/instance/values?match[]=long_ago&{range}")),
    })
}

fn leave_and_come_back(storage: &str) {
    let folder = Folder::new();
    let server = start(&folder, storage);
    push_hosts(&server, THEN);
    let before = answers(&server);
    assert_eq!(before["series"].as_array().map(Vec::len), Some(2));
    assert_eq!(before["values"].as_array().map(Vec::len), Some(HOSTS));
    let now = series("now", "new", wait::epoch_seconds());
    send(server.address, &[now], 1000);
    wait_until_left(&server);
    assert_eq!(answers(&server), before);
    assert!(server.stop().success());
    let server = start(&folder, storage);
    assert_eq!(answers(&server), before);
    // They come back, and are the same series.
    push_hosts(&server, THEN + 3 * 3600);
    let listed = |server: &Aggregator| answers(server)["series"].clone();
    assert_eq!(listed(&server), before["series"]);
    wait_until_left(&server);
    let after = answers(&server);
    assert_eq!(
        (&after["series"], &after["count"]),
        (&before["series"], &before["count"])
    );
    let path = format!(
        "/api/v1/query?query={}&time={}",
        percent("count_over_time(long_ago{instance=\"host1\"}[1d])"),
        THEN + 86000
    );
    let counted = &get_json(server.address, &path)["data"]["result"];
    assert_eq!(counted.as_array().map(Vec::len), Some(1));
    assert!(server.stop().success());
}

#[test]
fn series_leave_memory_and_are_found_on_sqlite() {
    leave_and_come_back("sqlite://t.db");
}

#[test]
fn series_leave_memory_and_are_found_on_postgres() {
    leave_and_come_back(&Database::new().url());
}
