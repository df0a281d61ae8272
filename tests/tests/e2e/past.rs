//! The far past and what is deleted from it, over both databases.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::postgres::Database;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::random::Random;
use e2e::remote_write::{self, Series};
use e2e::wait;

/// Nothing is too old, and hours leave memory at once.
const FLAGS: [&str; 4] = [
    "--storage.out-of-order-time-window=100y",
    "--storage.retention.time=0",
    "--storage.fold-after=100ms",
    "--web.enable-admin-api",
];

const HOUR: i64 = 3600;

fn started(folder: &Folder, storage: &str) -> Aggregator {
    folder.write("prometheus.yml", NO_TARGETS);
    Aggregator::run(Aggregator::command_on(folder.path(), storage).args(FLAGS))
}

/// What the program tells of itself goes into the hour that is not over: fewer samples than the
/// smallest part of an imported hour.
const OWN: u64 = 4000;

/// One of the program's own metrics.
fn own(address: SocketAddr, name: &str) -> u64 {
    let request = Request::get("/metrics").header("Accept", "text/plain");
    let text = request.send(address).text();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
    let value = values.find_map(|rest| rest.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}

/// Waits until every hour is in blocks, and nothing of them is deleted any more.
#[track_caller]
fn folded(address: SocketAddr) {
    wait::until("all in blocks", Duration::from_mins(2), || {
        let names = ["samples", "deletions"];
        let left =
            names.map(|name| own(address, &format!("system_stats_aggregator_storage_{name}")));
        if left[1] == 0 && left[0] < OWN {
            Ok(())
        } else {
            Err(left)
        }
    });
}

/// The samples of a series up to a second: milliseconds and bits.
fn read(address: SocketAddr, series: &str, seconds: i64, end: i64) -> Vec<(i64, u64)> {
    let query = http::percent(&format!("{series}[{seconds}s]"));
    let path = format!("/api/v1/query?time={end}&query={query}");
    let text = Request::get(&path).send(address).text();
    let Some((_, values)) = text.split_once("\"values\":[[") else {
        assert!(text.contains("\"result\":[]"), "{text}");
        return Vec::new();
    };
    let (values, _) = values.split_once("]]").unwrap();
    let sample = |text: &str| {
        let (at, value) = text.split_once(",\"").unwrap();
        let at: f64 = at.parse().unwrap();
        let value: f64 = value.trim_end_matches('"').parse().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "a whole number")]
        ((at * 1000.0).round() as i64, value.to_bits())
    };
    values.split("],[").map(sample).collect()
}

fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(at, v)| (*at, v.to_bits())).collect()
}

/// A hundred series with ten thousand samples each, from the first millisecond on: any finite bits.
fn first_days() -> Vec<Series> {
    let mut random = Random::new(1970);
    let finite = |bits: u64| {
        let value = f64::from_bits(bits);
        if value.is_finite() {
            value
        } else {
            1.0 / bits as f64
        }
    };
    let series = |number: usize| {
        let name = format!("s{number:02}");
        let mut series = Series::new(&[("__name__", "early"), ("s", &name), ("job", "import")]);
        let times = (0..10_000).map(|at| at * 37_001);
        series.samples = times.map(|at| (at, finite(random.bits()))).collect();
        series
    };
    (0..100).map(series).collect()
}

/// Writes some samples of each series, many hours a request.
#[track_caller]
fn write(address: SocketAddr, all: &[Series], is_meant: impl Fn(i64) -> bool) {
    let some = |series: &Series| {
        let mut some = series.clone();
        some.samples.retain(|(at, _)| is_meant(*at));
        some
    };
    let some: Vec<Series> = all.iter().map(some).collect();
    remote_write::send(address, &some, 20 * HOUR * 1000);
}

fn a_million_samples_of_1970(storage: &str) {
    let folder = Folder::new();
    let mut server = started(&folder, storage);
    let mut all = first_days();
    // What is newer is there first: all the rest is late.
    let now = Series {
        labels: all[0].labels.clone(),
        samples: vec![(wait::epoch_seconds() * 1000, 1.5)],
    };
    remote_write::send(server.address, &[now], HOUR * 1000);
    // Every other hour, then what lies between in each of them, then the hours between.
    let hour = |at: i64| at / (HOUR * 1000) % 2;
    write(server.address, &all, |at| hour(at) == 0 && at % 2 == 0);
    folded(server.address);
    write(server.address, &all, |at| hour(at) == 0 && at % 2 == 1);
    write(server.address, &all, |at| hour(at) == 1);
    folded(server.address);
    server.process.kill();
    let server = started(&folder, storage);
    assert!(own(server.address, "system_stats_aggregator_storage_samples") < OWN);
    for series in &mut all {
        let name = &series
            .labels
            .iter()
            .find(|(name, _)| name == "s")
            .unwrap()
            .1;
        let selector = format!("early{{s=\"{name}\"}}");
        // The first moment of all is left out of a range that begins with it.
        let found = read(server.address, &selector, 370_100, 370_000);
        assert!(
            found == bits(&series.samples),
            "{name}: {} samples",
            found.len()
        );
    }
}

#[test]
fn a_million_samples_of_1970_on_sqlite() {
    a_million_samples_of_1970("sqlite://t.db");
}

#[test]
fn a_million_samples_of_1970_on_postgres() {
    a_million_samples_of_1970(&Database::new().url());
}

#[track_caller]
fn delete(address: SocketAddr, query: &str) {
    let path = format!("/api/v1/admin/tsdb/delete_series?{query}");
    let answer = Request::new("POST", &path).send(address);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn deletions_are_durable(storage: &str) {
    let folder = Folder::new();
    let mut server = started(&folder, storage);
    // Two days that are over, a sample a minute; the newest sample is of now.
    let now = wait::epoch_seconds();
    let start = (now / 86_400 - 3) * 86_400;
    let series = |name: &str| {
        let mut series = Series::new(&[("__name__", name), ("job", "j")]);
        series.samples = (1..=2880_i32)
            .map(|minute| {
                (
                    (start + i64::from(minute) * 60) * 1000,
                    f64::from(minute % 97),
                )
            })
            .collect();
        series
    };
    let mut all = ["part", "gone", "kept"].map(series);
    let mut newest = series("newest");
    newest.samples = vec![(now * 1000, 1.0)];
    remote_write::send(server.address, &all, 86_400_000);
    remote_write::send(server.address, &[newest], 1000);
    folded(server.address);
    // A bad stretch within hours goes, and a good one comes in its place.
    let (from, to) = (start + 10 * HOUR + 77, start + 30 * HOUR + 78);
    delete(
        server.address,
        &format!("match[]=part&start={from}&end={to}"),
    );
    delete(server.address, "match[]=gone&match[]=none");
    for (at, value) in &mut all[0].samples {
        if (from * 1000..=to * 1000).contains(at) {
            *value = 1000.5;
        }
    }
    let good = Series {
        labels: all[0].labels.clone(),
        samples: all[0]
            .samples
            .iter()
            .filter(|(_, value)| *value > 1000.0)
            .copied()
            .collect(),
    };
    assert_eq!(good.samples.len(), 1200);
    let length = 49 * HOUR;
    let left = |address| read(address, "part", length, start + 48 * HOUR);
    assert_eq!(left(server.address).len(), 1680);
    remote_write::send(server.address, &[good], 86_400_000);
    let check = |address: SocketAddr| {
        assert!(left(address) == bits(&all[0].samples));
        assert_eq!(read(address, "gone", length, start + 48 * HOUR), []);
        let kept = read(address, "kept", length, start + 48 * HOUR);
        assert!(kept == bits(&all[2].samples));
        // Once from samples, and once as rollups have it.
        for offset in [1, 0] {
            let of = |name: &str, function: &str| -> Option<f64> {
                let query = format!("{function}({name}[2d])");
                let path = format!(
                    "/api/v1/query?time={}&query={}",
                    start + 48 * HOUR + offset,
                    http::percent(&query)
                );
                let answer = http::get_json(address, &path);
                let value = answer["data"]["result"][0]["value"][1].as_str();
                value.map(|value| value.parse().unwrap())
            };
            assert_eq!(of("part", "count_over_time"), Some(2880.0));
            assert_eq!(of("part", "max_over_time"), Some(1000.5));
            assert_eq!(of("gone", "count_over_time"), None);
            assert_eq!(of("kept", "max_over_time"), Some(96.0));
        }
    };
    check(server.address);
    server.process.kill();
    let server = started(&folder, storage);
    check(server.address);
    folded(server.address);
    let clean = Request::new("PUT", "/api/v1/admin/tsdb/clean_tombstones");
    assert_eq!(clean.send(server.address).status, 204);
    check(server.address);
    assert!(server.stop().success());
    let server = started(&folder, storage);
    check(server.address);
}

#[test]
fn deletions_are_durable_on_sqlite() {
    deletions_are_durable("sqlite://t.db");
}

#[test]
fn deletions_are_durable_on_postgres() {
    deletions_are_durable(&Database::new().url());
}

#[test]
fn nobody_deletes_unless_it_is_allowed() {
    let folder = Folder::new();
    let server = Aggregator::start(&folder, NO_TARGETS);
    for path in ["delete_series?match[]=up", "clean_tombstones"] {
        let path = format!("/api/v1/admin/tsdb/{path}");
        let answer = Request::new("POST", &path).send(server.address);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (
                500,
                r#"{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}"#
            )
        );
    }
}
