//! The hardware monitor's alerts of every host: of devices that push to that contract, of hosts that
//! push to another, and of hosts that are scraped.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::postgres::Database;
use e2e::programs::{Aggregator, NO_TARGETS, scraping};
use e2e::server::Server;
use e2e::wait;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);

fn start(folder: &Folder, storage: &str) -> Aggregator {
    Aggregator::run(&mut Aggregator::command_on(folder.path(), storage))
}

/// What `/alerts` says, a line each.
fn alerts(server: &Aggregator) -> Vec<String> {
    let rows = server.get("/alerts");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let line = |row| {
        format!(
            "{} {}: {}",
            text(row, "severity"),
            text(row, "device"),
            text(row, "alert")
        )
    };
    let rows = rows.as_array().expect("a list").clone();
    rows.iter().map(line).collect()
}

fn device(server: &Aggregator, cpu: f64) {
    let sample = json!({"agent_id": "lab", "cpu": {"total_percent": cpu}});
    let answer = Request::post("/metrics", &sample).send(server.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_device_raises_once_across_a_restart() {
    let database = Database::new();
    for storage in ["sqlite://t.db".to_owned(), database.url()] {
        let folder = Folder::new();
        folder.write("prometheus.yml", NO_TARGETS);
        let server = start(&folder, &storage);
        device(&server, 95.0);
        let raised = ["critical lab: High CPU usage"];
        assert_eq!(alerts(&server), raised, "{storage}");
        assert!(server.stop().success());

        let server = start(&folder, &storage);
        assert_eq!(alerts(&server), raised, "{storage}: kept");
        device(&server, 95.0);
        assert_eq!(alerts(&server), raised, "{storage}: it goes on");
        device(&server, 10.0);
        let both = [raised[0], "warning lab: High CPU usage - recovered"];
        assert_eq!(alerts(&server), both, "{storage}");
        device(&server, 10.0);
        assert_eq!(alerts(&server), both, "{storage}: recovered once");
        assert_eq!(server.get("/health")["total_alerts"], 2);
    }
}

/// A host with these two disks, so full.
struct Disks {
    percent: Arc<[AtomicU64; 2]>,
    server: Server,
}

impl Disks {
    fn new() -> Self {
        let percent: Arc<[AtomicU64; 2]> = Arc::new([AtomicU64::new(95), AtomicU64::new(96)]);
        let shown = Arc::clone(&percent);
        let server = Server::start(move |_, stream, _| {
            let [root, data] = [0, 1].map(|at: usize| shown[at].load(Ordering::SeqCst));
            let body = format!(
                "system_info{{hostname=\"web\"}} 1\nsystem_cpu_usage_percent 5\n\
                 system_disk_usage_percent{{mountpoint=\"/\"}} {root}\n\
                 system_disk_usage_percent{{mountpoint=\"/data\"}} {data}\n"
            );
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        });
        Self { percent, server }
    }

    fn set(&self, disk: usize, percent: u64) {
        self.percent[disk].store(percent, Ordering::SeqCst);
    }
}

fn push(server: &Aggregator, cpu: f64) {
    let reading = json!({
        "hostname": "pi", "cpu": cpu, "ram": 20, "disk": 30, "timestamp": wait::epoch_seconds(),
    });
    assert_eq!(server.push(&reading).status, 200);
}

/// Waits until all of these are told, and nothing else.
#[track_caller]
fn wait_for(server: &Aggregator, expected: &[&str]) {
    wait::until("the alerts", LIMIT, || {
        let mut told = alerts(server);
        told.sort();
        if told == expected { Ok(()) } else { Err(told) }
    });
}

/// How often the built-in rules have been evaluated, and whether there is one of them.
fn evaluations(server: &Aggregator) -> f64 {
    let text = Request::get("/metrics").header("accept", "text/plain");
    let text = text.send(server.address).text();
    let name = "system_stats_aggregator_rule_group_iterations_total ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_default()
}

fn hosts_raise_in_the_same_words(storage: &str) {
    let (folder, disks) = (Folder::new(), Disks::new());
    let configuration = scraping(&[("fleet", disks.server.address())]);
    let fast = configuration.replace("global:\n", "global:\n  evaluation_interval: 1s\n");
    folder.write("prometheus.yml", fast);
    let server = start(&folder, storage);
    push(&server, 95.0);
    let raised = [
        "critical pi: High CPU usage",
        "critical web: Low Disk Space",
    ];
    wait_for(&server, &raised);
    assert_eq!(server.get("/health")["total_alerts"], 2);

    // One of two full disks is emptied: the text goes on.
    disks.set(0, 10);
    let firing = |server: &Aggregator| {
        let alerts = server.get("/api/v1/alerts")["data"]["alerts"].clone();
        let alerts = alerts.as_array().expect("a list").iter();
        alerts
            .filter(|one| one["labels"]["alertname"] == "LowDiskSpace")
            .count()
    };
    wait::until_some("one disk is left", LIMIT, || {
        (firing(&server) == 1).then_some(())
    });
    assert!(server.stop().success());

    // The other is emptied while nobody looks, and the CPU of the other host stays busy.
    disks.set(1, 10);
    let server = start(&folder, storage);
    let recovered = "warning web: Low Disk Space - recovered";
    wait_for(&server, &[raised[0], raised[1], recovered]);
    push(&server, 10.0);
    let all = [
        raised[0],
        raised[1],
        "warning pi: High CPU usage - recovered",
        recovered,
    ];
    wait_for(&server, &all);
    let seen = evaluations(&server);
    wait::until_some("further evaluations", LIMIT, || {
        (evaluations(&server) > seen + 2.0).then_some(())
    });
    wait_for(&server, &all);

    let groups = server.get("/api/v1/rules?rule_group[]=hosts")["data"]["groups"].clone();
    assert_eq!(groups[0]["file"], "(built in)/hosts.yml", "{groups}");
    assert_eq!(groups[0]["rules"].as_array().map(Vec::len), Some(12));
    assert!(server.stop().success());

    let mut command = Aggregator::command_on(folder.path(), storage);
    let server = Aggregator::run(command.arg("--rules.builtin=false"));
    let groups = server.get("/api/v1/rules")["data"]["groups"].clone();
    assert_eq!(groups, json!([]), "nobody wants them");
}

#[test]
fn hosts_raise_in_the_same_words_over_sqlite() {
    hosts_raise_in_the_same_words("sqlite://t.db");
}

#[test]
fn hosts_raise_in_the_same_words_over_postgres() {
    let database = Database::new();
    hosts_raise_in_the_same_words(&database.url());
}
