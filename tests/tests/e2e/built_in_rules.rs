//! The rules that are built in: what describes hosts that only `node_exporter` speaks for, what is
//! raised about them, and what the aggregator knows of the fleet and of itself.

use std::io::Write as _;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{Request, percent};
use e2e::peers::{NodeExporter, PROMTOOL};
use e2e::process;
use e2e::programs::{Aggregator, Exporter, aggregator, scraping};
use e2e::server::Server;
use e2e::wait;
use serde_json::Value;

const LIMIT: Duration = Duration::from_mins(1);

/// `node_exporter` with what is there by default upstream, and zombies.
const FOREIGN: [&str; 4] = [
    "--no-collector.systemd",
    "--collector.processes",
    "--collector.netdev.device-exclude=^$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|\
     var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
];

fn query(server: &Aggregator, expression: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1/query?query={}", percent(expression)));
    let found = answer["data"]["result"].as_array();
    found.expect("a vector").clone()
}

/// The value of a series, once there is exactly one.
#[track_caller]
fn one(server: &Aggregator, expression: &str) -> f64 {
    wait::until(expression, LIMIT, || match &query(server, expression)[..] {
        [only] => Ok(only["value"][1]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a number")),
        found => Err(found.to_vec()),
    })
}

fn fast(targets: &[(&str, std::net::SocketAddr)]) -> String {
    scraping(targets).replace("global:\n", "global:\n  evaluation_interval: 1s\n")
}

#[test]
fn a_foreign_exporter_is_described_like_ours() {
    let (foreign, ours) = (NodeExporter::start(&FOREIGN), Exporter::start(&[]));
    let folder = Folder::new();
    let targets = [("foreign", foreign.address), ("ours", ours.address)];
    let server = Aggregator::start(&folder, &fast(&targets));
    let instance = foreign.address.to_string();
    let of = |metric: &str| format!("{metric}{{job=\"foreign\",instance=\"{instance}\"}}");
    let near = |metric: &str, other: &str, by: f64| {
        let (one, two) = (one(&server, &of(metric)), one(&server, other));
        assert!((one - two).abs() <= by, "{metric}: {one} and {two}");
    };
    let same = |metric: &str, by: f64| near(metric, &format!("{metric}{{job=\"ours\"}}"), by);
    same("system_memory_usage_percent", 10.0);
    same("system_swap_usage_percent", 10.0);
    for metric in [
        "system_info",
        "system_cpu_usage_percent",
        "system_disk_read_bytes_per_second",
        "system_disk_written_bytes_per_second",
        "system_zombie_processes",
    ] {
        assert!(one(&server, &of(metric)) >= 0.0, "{metric}");
    }
    assert!(one(&server, &of("system_time_drift_seconds")).abs() < 5.0);
    // Series for series, as far as both exporters see the same mounts and interfaces.
    for (metric, on) in [
        ("system_disk_usage_percent", "mountpoint, device"),
        ("system_disk_inodes_usage_percent", "mountpoint, device"),
        ("system_network_receive_bytes_total", "device"),
        ("system_network_transmit_bytes_total", "device"),
        ("system_network_receive_errors_total", "device"),
        ("system_network_transmit_errors_total", "device"),
        ("system_network_receive_bytes_per_second", "device"),
        ("system_network_transmit_bytes_per_second", "device"),
    ] {
        let lonely = |one: &str, other: &str| {
            format!("{metric}{{job=\"{one}\"}} unless on ({on}) {metric}{{job=\"{other}\"}}")
        };
        wait::until(metric, LIMIT, || {
            let all = query(&server, &of(metric)).len();
            let found = [
                query(&server, &lonely("foreign", "ours")),
                query(&server, &lonely("ours", "foreign")),
            ];
            if all > 0 && found.iter().all(Vec::is_empty) {
                Ok(())
            } else {
                Err((all, found))
            }
        });
    }
    // Nothing is described twice: neither theirs nor ours.
    wait::until_some("readings of both", LIMIT, || {
        let hosts = query(&server, "count by (instance) (system_cpu_usage_percent)");
        (hosts.len() == 2 && hosts.iter().all(|host| host["value"][1] == "1")).then_some(())
    });

    // The same machine twice: both go by their addresses.
    let hosts = server.get("/hosts");
    let row = hosts["hosts"].as_array().expect("a list").iter();
    let row = row.clone().find(|row| row["hostname"] == instance.as_str());
    assert!(
        row.expect("the host")["metric_count"].as_u64() > Some(0),
        "{hosts}"
    );
    let reading = server.readings(&instance).pop().expect("a reading");
    for column in ["cpu", "ram", "disk"] {
        let percent = reading[column].as_f64();
        assert!(
            percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)),
            "{reading}"
        );
    }
    assert!(
        reading["ram"].as_f64() > Some(0.0) && reading["disk"].as_f64() > Some(0.0),
        "{reading}"
    );
    let page = Request::get("/dashboard").send(server.address).text();
    assert!(page.contains(&instance), "{page}");

    missed(&server, foreign, &instance);
}

/// What the aggregator knows of itself, and of a host that goes.
fn missed(server: &Aggregator, foreign: NodeExporter, instance: &str) {
    let up = format!("system_host_up{{instance=\"{instance}\"}}");
    wait::until_some("the host is known", LIMIT, || {
        query(server, &up)
            .first()
            .filter(|one| one["value"][1] == "1")
            .map(|_| ())
    });
    let loaded =
        "system_stats_aggregator_config_last_reload_successful{job=\"system-stats-aggregator\"}";
    assert!((one(server, loaded) - 1.0).abs() < f64::EPSILON);
    drop(foreign);
    wait::until_some("it is missed", LIMIT, || {
        query(server, &up)
            .first()
            .filter(|one| one["value"][1] == "0")
            .map(|_| ())
    });
    let pending = wait::until_some("both alerts", LIMIT, || {
        let alerts = server.get("/api/v1/alerts")["data"]["alerts"].clone();
        let alerts = alerts.as_array().expect("a list").iter();
        let mut names: Vec<String> = alerts
            .filter(|alert| alert["labels"]["instance"] == instance)
            .filter(|alert| alert["annotations"]["suppresses"] == "host")
            .filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned()))
            .collect();
        names.sort();
        (names.len() == 2).then_some(names)
    });
    assert_eq!(pending, ["HostMissing", "TargetDown"]);
}

/// A host in a bad way, as `node_exporter` tells it.
const BAD: &str =
    "node_uname_info{nodename=\"bad\",sysname=\"Linux\",release=\"6\",machine=\"x\"} 1
node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 100
node_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"} 1
node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 50
node_memory_MemTotal_bytes 100
node_memory_MemAvailable_bytes 5
node_memory_SwapTotal_bytes 100
node_memory_SwapFree_bytes 40
node_filesystem_size_bytes{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 100
node_filesystem_free_bytes{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 6
node_filesystem_avail_bytes{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 1
node_filesystem_files{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 100
node_filesystem_files_free{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 1
node_filesystem_size_bytes{device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/full\"} 100
node_filesystem_free_bytes{device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/full\"} 0
node_filesystem_avail_bytes{device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/full\"} 0
node_hwmon_temp_celsius{chip=\"cpu\",sensor=\"temp1\"} 90
node_hwmon_temp_max_celsius{chip=\"cpu\",sensor=\"temp1\"} 85
node_time_seconds 1700000000
node_network_receive_bytes_total{device=\"eth0\"} 0
node_network_transmit_bytes_total{device=\"eth0\"} 0
node_network_receive_errs_total{device=\"eth0\"} 101
node_network_transmit_errs_total{device=\"eth0\"} 0
node_processes_state{state=\"Z\"} 2
node_processes_state{state=\"S\"} 200
";

#[test]
fn what_is_wrong_with_a_foreign_host_is_said_in_the_same_words() {
    let bad = Server::start(|_, stream, _| {
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{BAD}",
            BAD.len()
        );
    });
    let folder = Folder::new();
    let server = Aggregator::start(&folder, &fast(&[("foreign", bad.address())]));
    let expected = [
        "critical: High CPU usage",
        "critical: High Memory usage",
        "critical: Low Disk Space",
        "critical: Overheat detected",
        "warning: All network interfaces inactive",
        "warning: High inode usage",
        "warning: High swap usage",
        "warning: High time drift",
        "warning: Network interface errors detected",
        "warning: Zombie processes detected",
    ];
    wait::until("all that can be said", LIMIT, || {
        let alerts = server.get("/alerts");
        let rows = alerts.as_array().expect("a list").iter();
        let line = |row: &Value| {
            assert_eq!(row["device"], "bad", "{row}");
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("severity"), text("alert"))
        };
        let mut told: Vec<String> = rows.map(line).collect();
        told.sort();
        if told == expected { Ok(()) } else { Err(told) }
    });
    let full = query(&server, "system_disk_usage_percent");
    assert_eq!(full.len(), 1, "memory is no disk: {full:?}");
    assert!(full[0]["metric"].get("fstype").is_none(), "{full:?}");

    let alerts = server.get("/api/v1/alerts")["data"]["alerts"].clone();
    let alert = alerts.as_array().expect("a list").iter();
    let alert = alert
        .clone()
        .find(|one| one["labels"]["alertname"] == "LowDiskSpace");
    let link = alert.expect("it fires")["annotations"]["runbook_url"].clone();
    let link = link.as_str().expect("a link");
    let (_, page) = link.split_once("/dashboard/").expect("a page of ours");
    let (page, section) = page.split_once('#').expect("a section");
    let page = Request::get(&format!("/dashboard/{page}")).send(server.address);
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains(&format!("id=\"{section}\"")),
        "{section}"
    );
}

#[test]
fn the_files_are_ones_for_prometheus_and_for_their_users() {
    let folder = Folder::new();
    let export = || {
        let mut command = aggregator();
        let arguments = ["export", "rules", "mine"];
        process::run(command.current_dir(folder.path()).args(arguments))
    };
    let files = ["mine/vocabulary.yml", "mine/hosts.yml", "mine/fleet.yml"];
    let written = export();
    assert_eq!(written.code, Some(0), "{written:?}");
    assert_eq!(written.stdout.lines().collect::<Vec<_>>(), files);
    let again = export();
    assert_eq!(again.code, Some(1), "what is there stays: {again:?}");
    let mut promtool = PROMTOOL.command();
    promtool.current_dir(folder.path()).args(["check", "rules"]);
    let checked = process::run(promtool.args(files));
    assert_eq!(checked.code, Some(0), "{checked:?}");
}
