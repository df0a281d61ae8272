//! Keys of writing clients, and what other sites' pages may not do.

use std::fs;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS, aggregator};
use serde_json::{Value, json};

const TWO: &str = "keys:\n- {name: one, key: first-key}\n- {name: two, key: second-key}\n";

/// A write of each contract.
fn writes() -> [(&'static str, Request); 6] {
    let reading =
        json!({"hostname": "a", "cpu": 1, "ram": 1, "disk": 1, "timestamp": 1_780_000_000});
    let service = json!({"name": "s", "status": "up"});
    let metric = json!({"service": "s", "metric_type": "cpu", "value": 1});
    [
        ("a", Request::post("/metrics", &reading)),
        ("a", Request::new("DELETE", "/hosts/none")),
        ("a", Request::new("POST", "/hosts/none/clean")),
        ("b", Request::post("/metrics", &json!({"agent_id": "b"}))),
        ("c", Request::post("/services/", &service)),
        ("c", Request::post("/metrics", &metric)),
    ]
}

#[track_caller]
fn check(server: &Aggregator, header: Option<&str>, refused: &[&str]) {
    for (contract, request) in writes() {
        let request = match header {
            Some(header) => request.header("Authorization", header),
            None => request,
        };
        let answer = request.send(server.address);
        let expected = if refused.contains(&contract) {
            401
        } else {
            200
        };
        assert_eq!(
            answer.status,
            expected,
            "{contract} {header:?}: {}",
            answer.text()
        );
        if expected == 401 {
            assert!(answer.json()["error"].is_string());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[test]
fn keys_are_several_exempt_contracts_and_change_while_it_runs() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let path = folder.write("keys.yml", TWO);
    let mut server = Aggregator::resume(&folder, &["--web.api-key-file=keys.yml"]);
    let all = ["a", "b", "c"];
    check(&server, None, &all);
    for wrong in [
        "Bearer third-key",
        "Bearer first-ke",
        "Bearer first-keyy",
        "Basic first-key",
    ] {
        check(&server, Some(wrong), &all);
    }
    check(&server, Some("Bearer first-key"), &[]);
    check(&server, Some("bearer second-key"), &[]);
    // Reading needs none.
    assert_eq!(Request::get("/services/").send(server.address).status, 200);

    fs::write(
        &path,
        format!("{TWO}exempt: [monitoring-stack, hardware-monitor]\n"),
    )
    .unwrap();
    check(&server, None, &["c"]);
    fs::write(&path, "keys:\n- {name: new, key: newest-key}\n").unwrap();
    check(&server, Some("Bearer first-key"), &all);
    check(&server, Some("Bearer newest-key"), &[]);
    fs::write(&path, "keys: [").unwrap();
    check(&server, Some("Bearer newest-key"), &[]);
    server.process.wait_for("the file's mistake", |line| {
        line.contains("the old keys stay").then_some(())
    });
    let log = server.process.log().join("\n");
    assert!(
        !log.contains("newest-key") && !log.contains("first-key"),
        "{log}"
    );
}

#[test]
fn a_key_lets_pages_of_other_sites_delete_and_acknowledge() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    folder.write("keys.yml", TWO);
    let server = Aggregator::resume(&folder, &["--web.api-key-file=keys.yml"]);
    let send = |request: Request| {
        let request = request.header("Authorization", "Bearer first-key");
        let foreign = request.header("Origin", "http://elsewhere.example");
        foreign.send(server.address)
    };
    let alert = json!({"title": "t", "message": "m", "severity": 1});
    assert_eq!(send(Request::post("/alerts/", &alert)).json()["id"], 1);
    let seen: Value = json!({"alert_id": 1, "user": "ann"});
    assert_eq!(send(Request::post("/alerts/", &seen)).status, 200);
    assert_eq!(send(Request::new("DELETE", "/hosts/none")).status, 200);
}

#[test]
fn a_proxy_may_give_the_server_another_name() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let flag = "--web.external-url=https://stats.example/inner/";
    let server = Aggregator::resume(&folder, &[flag]);
    let cases = [
        ("https://stats.example", 200),
        ("http://stats.example", 403),
        ("https://stats.example.evil", 403),
        ("null", 403),
    ];
    for (origin, status) in cases {
        let request = Request::new("POST", "/hosts/none/clean").header("Origin", origin);
        assert_eq!(request.send(server.address).status, status, "{origin}");
    }
}

#[test]
fn forms_of_pages_have_a_field_for_the_key() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    folder.write("keys.yml", TWO);
    let server = Aggregator::resume(&folder, &["--web.api-key-file=keys.yml"]);
    let page = Request::get("/dashboard/alerts/silence").send(server.address);
    assert!(page.text().contains("name=\"key\""));
    for (key, status) in [("", 401), ("first-ke", 401), ("first-key", 303)] {
        let body = format!("matchers=a%3D%22b%22&duration=1h&by=ann&key={key}");
        let form = Request::new("POST", "/dashboard/alerts/silence").body(body);
        let form = form.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(form.send(server.address).status, status, "{key}");
    }
}

#[test]
fn a_file_of_keys_that_cannot_be_used_is_no_start() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    folder.write("keys.yml", "keys:\n- name: one\n  key: short\n");
    for (flag, expected) in [
        (
            "--web.api-key-file=keys.yml",
            "keys.yml:3: keys[0].key: a key has at least",
        ),
        ("--web.api-key-file=none.yml", "none.yml: cannot be read"),
        ("--web.cors.origin=(", "--web.cors.origin"),
    ] {
        let mut command = aggregator();
        command
            .current_dir(folder.path())
            .args(["--local-exporter.listen-address=", flag]);
        let finished = process::run(command.arg("--web.listen-address=127.0.0.1:0"));
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}

#[test]
fn origins_can_be_narrowed() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let server = Aggregator::resume(&folder, &["--web.cors.origin=https?://board[.]example"]);
    let allowed = |origin: &str| {
        let answer = Request::get("/alerts")
            .header("Origin", origin)
            .send(server.address);
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        allowed("https://board.example").as_deref(),
        Some("https://board.example")
    );
    assert_eq!(allowed("https://board.example.evil"), None);
    let unasked = Request::get("/alerts").send(server.address);
    assert_eq!(unasked.header("vary"), Some("origin"));
}
