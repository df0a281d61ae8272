//! The same file given to a real Prometheus and to ours, over both databases: which targets there
//! are, by which labels, and what is stored of them.

use std::io::Write as _;

use e2e::http::percent;
use e2e::peers::Prometheus;
use e2e::postgres::Database;
use e2e::server::Server;
use serde_json::json;

use super::*;

/// `FILES`, `DIRECTORY` and `TARGET` stand for what the test starts.
const CONFIGURATION: &str = r"
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: files
    file_sd_configs:
      - {files: ['FILES/*.json'], refresh_interval: 1s}
      - {files: ['FILES/hosts.yml'], refresh_interval: 1s}
    relabel_configs:
      - {source_labels: [env, rack], regex: 'test;.*', action: drop}
      - {source_labels: [__meta_filepath], regex: '.*/(.*)\.(yml|json)', target_label: from, replacement: '$1.$2'}
      - {source_labels: [host], modulus: 4, target_label: shard, action: hashmod}
      - {source_labels: [rack], target_label: __tmp_rack}
      - {source_labels: [__tmp_rack], target_label: row, action: uppercase}
      - {source_labels: [host], regex: '(.+)', target_label: instance}
      - {regex: rack, action: labeldrop}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: 'go_.*', action: drop}
      - {source_labels: [code], regex: '(.)..', target_label: class, replacement: '${1}xx'}
      - {regex: handler, action: labeldrop}
  - job_name: probe
    metrics_path: /probe
    params: {module: [http_2xx], target: [nobody, else]}
    http_sd_configs: [{url: 'http://DIRECTORY/targets', refresh_interval: 1s}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: TARGET}
      - {regex: '__meta_custom_(.*)', action: labelmap}
      - {source_labels: [zone], target_label: kept_zone, action: lowercase}
  - job_name: own
    honor_labels: true
    static_configs:
      - {targets: [TARGET], labels: {team: a, __scrape_interval__: 2s, __metrics_path__: /own}}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: 'http_.*|temperature', action: keep}
      - {source_labels: [room], regex: 'k(.*)', target_label: __name__, replacement: 'in_k$1'}
  - job_name: equal
    static_configs: [{targets: [TARGET, 'elsewhere:1'], labels: {a: TARGET}}]
    relabel_configs:
      - {source_labels: [__address__], target_label: a, action: keepequal}
      - {source_labels: [job, a], separator: '@', target_label: job_at}
      - {regex: 'a|__param_.*', action: labeldrop}
  - job_name: nothing
    static_configs: [{targets: [TARGET], labels: {x: y}}]
    relabel_configs: [{action: drop}]
";

/// Says what it was asked for.
fn target() -> Server {
    Server::start(|head, stream, _| {
        let path = head.split(' ').nth(1).unwrap();
        let body = format!(
            "go_threads 5\nhttp_requests_total{{code=\"200\",handler=\"/\"}} 7\n\
             http_requests_total{{code=\"503\",handler=\"/\"}} 1\n\
             temperature{{job=\"mine\",instance=\"\",room=\"kitchen\"}} 20\n\
             asked{{path=\"{path}\"}} 1\n"
        );
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    })
}

/// Names two targets, of which one has a label of its own kind.
fn directory() -> Server {
    Server::start(|_, stream, _| {
        let list = json!([
            {"targets": ["https://a.example/x?y", "b.example"]},
            {"targets": ["c.example:80"], "labels": {"__meta_custom_zone": "EU", "env": "prod"}},
        ]);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
        let _ = stream.write_all(format!("{head}{list}").as_bytes());
    })
}

/// Labels that relabelling changes in what Prometheus 2 shows as it was before.
const MUDDLED: [&str; 3] = ["from", "job", "__param_target"];

/// What `/api/v1/targets` says, as far as it does not depend on the moment.
fn targets(address: SocketAddr) -> (Vec<Value>, Vec<Value>) {
    let mut data = http::get_json(address, "/api/v1/targets")["data"].take();
    for target in data["activeTargets"].as_array_mut().unwrap() {
        let discovered = target["discoveredLabels"].as_object_mut().unwrap();
        discovered.retain(|name, _| !MUDDLED.contains(&name.as_str()));
    }
    let sorted = |list: &Value, keys: &[&str]| {
        let chosen = |target: &Value| keys.iter().map(|key| target[key].clone()).collect();
        let mut list: Vec<Value> = list.as_array().unwrap().iter().map(chosen).collect();
        list.sort_by_key(Value::to_string);
        list
    };
    let keys = [
        "scrapePool",
        "labels",
        "discoveredLabels",
        "scrapeUrl",
        "health",
        "lastError",
        "scrapeInterval",
        "scrapeTimeout",
    ];
    (
        sorted(&data["activeTargets"], &keys),
        sorted(&data["droppedTargets"], &["discoveredLabels"]),
    )
}

/// The labels of what a selector finds, and the values where they are asked for.
fn found(address: SocketAddr, query: &str, with_values: bool) -> Vec<Value> {
    let path = format!("/api/v1/query?query={}", percent(query));
    let result = http::get_json(address, &path)["data"]["result"].clone();
    let shown = |series: &Value| {
        let value = if with_values {
            &series["value"][1]
        } else {
            &Value::Null
        };
        json!([series["metric"], value])
    };
    let mut all: Vec<Value> = result.as_array().unwrap().iter().map(shown).collect();
    all.sort_by_key(Value::to_string);
    all
}

/// What only one of them says.
fn differences(theirs: &[Value], ours: &[Value]) -> Vec<String> {
    let only = |who: &str, left: &[Value], right: &[Value]| -> Vec<String> {
        let left = left.iter().filter(|row| !right.contains(row));
        left.map(|row| format!("{who}: {row}")).collect()
    };
    [only("theirs", theirs, ours), only("ours", ours, theirs)].concat()
}

/// Waits until both say the same, so many targets and series among it.
#[track_caller]
fn agree(theirs: SocketAddr, ours: SocketAddr, active: usize) {
    const ALL: &str = r#"{__name__=~".+", job=~"files|probe|own|mine|equal"}"#;
    const KEPT: &str = r#"{__name__=~"scrape_samples.*|up|http_.*|in_.*"}"#;
    wait::until(&format!("{active} targets on both"), PATIENCE, || {
        let (left, right) = (targets(theirs), targets(ours));
        if left != right || left.0.len() != active {
            let differing = differences(&left.0, &right.0);
            return Err([differing, differences(&left.1, &right.1)].concat());
        }
        for (query, with_values) in [(ALL, false), (KEPT, true)] {
            let left = found(theirs, query, with_values);
            let right = found(ours, query, with_values);
            if left != right || left.is_empty() {
                return Err(differences(&left, &right));
            }
        }
        Ok(())
    });
}

#[test]
fn both_find_and_relabel_alike() {
    let (target, directory) = (target(), directory());
    let lists = Folder::new();
    let address = target.address().to_string();
    let host = |name: &str, more: &str| {
        format!("- targets: ['{address}']\n  labels: {{host: {name}, {more}}}\n")
    };
    lists.write(
        "hosts.yml",
        host("a", "rack: r1") + &host("b", "env: test, rack: r2") + &host("c", "rack: r3"),
    );
    lists.write(
        "one.json",
        json!([{"targets": [address], "labels": {"job": "mine"}}]).to_string(),
    );
    let configuration = CONFIGURATION
        .replace("FILES", &lists.path().display().to_string())
        .replace("DIRECTORY", &directory.address().to_string())
        .replace("TARGET", &address);

    let prometheus = Prometheus::start(&configuration);
    let database = Database::new();
    let folders = [Folder::new(), Folder::new()];
    let servers = ["sqlite://t.db".to_owned(), database.url()];
    let servers: Vec<Aggregator> = servers
        .iter()
        .zip(&folders)
        .map(|(storage, folder)| {
            folder.write("prometheus.yml", &configuration);
            let mut command = Aggregator::command_on(folder.path(), storage);
            Aggregator::run(command.arg("--rules.builtin=false"))
        })
        .collect();
    for server in &servers {
        agree(prometheus.address, server.address, 8);
    }

    // One comes, one goes, one is another, and one is still there.
    lists.write(
        "two.json",
        json!([{"targets": [address], "labels": {"host": "d"}}]).to_string(),
    );
    lists.write("hosts.yml", host("a", "rack: r1") + &host("c", "rack: r9"));
    for server in &servers {
        agree(prometheus.address, server.address, 9);
        let up = found(server.address, r#"up{row="R3"}"#, true);
        assert!(up.is_empty(), "it goes on: {up:?}");
    }
}
