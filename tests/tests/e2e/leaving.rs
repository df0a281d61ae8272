//! Series of long ago leave memory and are found all the same, over both databases.

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

/// Nothing is too old, hours go into blocks at once, and series without a sample in the newest
/// minute leave.
const FLAGS: [&str; 4] = [
    "--storage.fold-after=50ms",
    "--storage.out-of-order-time-window=100y",
    "--storage.retention.time=100y",
    "--storage.leave-after=1m",
];

fn start(folder: &Folder, storage: &str) -> Aggregator {
    folder.write("prometheus.yml", NO_TARGETS);
    Aggregator::run(Aggregator::command_on(folder.path(), storage).args(FLAGS))
}

/// A sample of each of the hosts; another value for each.
fn push_hosts(server: &Aggregator, at: i64) {
    let host = |host: usize| {
        let instance = format!("host{host}");
        let labels = [
            ("__name__", "long_ago"),
            ("instance", &instance),
            ("job", "some"),
        ];
        Series {
            samples: vec![(at * 1000, host as f64 + 0.5)],
            ..Series::new(&labels)
        }
    };
    let hosts: Vec<Series> = (0..HOSTS).map(host).collect();
    send(server.address, &hosts, 1000);
}

/// A number that the program says of itself.
fn own(server: &Aggregator, name: &str) -> usize {
    let request = Request::get("/metrics").header("Accept", "text/plain");
    let text = request.send(server.address).text();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {text}"))
}

/// Waits until all hosts have left, each once: whoever came back under another number would be
/// among them twice. Some of the program's own series may leave, too.
#[track_caller]
fn wait_until_left(server: &Aggregator) {
    let all = HOSTS..2 * HOSTS;
    wait::until("all of them left", Duration::from_mins(2), || {
        let left = own(server, "system_stats_aggregator_storage_left_series");
        all.contains(&left).then_some(()).ok_or(left)
    });
}

/// Everything that can be asked about their first hour.
fn answers(server: &Aggregator) -> Value {
    let ask = |path: String| get_json(server.address, &path)["data"].clone();
    let range = format!("start={}&end={}", THEN - 600, THEN + 3600);
    let selector = percent("long_ago{instance=~\"host[12]\"}");
    let counted = percent("count(count_over_time(long_ago[1h]))");
    let summed = percent("sum by (job) (long_ago)");
    json!({
        "samples": ask(format!("/api/v1/query?query={selector}[1h]&time={}", THEN + 600)),
        "count": ask(format!("/api/v1/query?query={counted}&time={}", THEN + 600)),
        "range": ask(format!("/api/v1/query_range?query={selector}&{range}&step=60")),
        "sums": ask(format!("/api/v1/query_range?query={summed}&{range}&step=300")),
        "series": ask(format!("/api/v1/series?match[]={selector}&{range}")),
        "labels": ask(format!("/api/v1/labels?match[]=long_ago&{range}")),
        "values": ask(format!("/api/v1/label/instance/values?match[]=long_ago&{range}")),
        "names": ask(format!("/api/v1/label/__name__/values?match[]={selector}&{range}")),
    })
}

fn length(value: &Value) -> Option<usize> {
    value.as_array().map(Vec::len)
}

fn leave_and_come_back(storage: &str) {
    let folder = Folder::new();
    let server = start(&folder, storage);
    push_hosts(&server, THEN);
    let before = answers(&server);
    assert_eq!(length(&before["series"]), Some(2));
    assert_eq!(length(&before["values"]), Some(HOSTS));
    assert_eq!(length(&before["samples"]["result"]), Some(2));
    assert_eq!(before["count"]["result"][0]["value"][1], "40");
    // Its own samples are of today.
    wait_until_left(&server);
    assert_eq!(answers(&server), before);
    assert!(server.stop().success());
    let server = start(&folder, storage);
    assert_eq!(answers(&server), before);
    let again = THEN + 3 * 3600;
    push_hosts(&server, again);
    let gone = own(&server, "system_stats_aggregator_storage_left_series");
    assert_eq!(answers(&server), before, "{gone} are not in memory");
    wait_until_left(&server);
    assert_eq!(answers(&server), before);
    // The old samples and the new ones are of the same series.
    let both = percent("count_over_time(long_ago[1d])");
    let path = format!("/api/v1/query?query={both}&time={}", again + 60);
    let counted = &get_json(server.address, &path)["data"]["result"];
    let counts: Option<Vec<&Value>> = counted
        .as_array()
        .map(|all| all.iter().map(|one| &one["value"][1]).collect());
    assert_eq!(counts, Some(vec![&json!("2"); HOSTS]));
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
