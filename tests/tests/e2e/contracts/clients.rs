//! Clients as the documents of the older systems show them: what they send is stored, and what
//! they read back is there, through a restart too.

use e2e::folder::Folder;
use e2e::http::get_json;
use e2e::peers::{node, python};
use e2e::process;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS};
use serde_json::{Value, json};

#[track_caller]
fn in_python(aggregator: &Aggregator, key: &str, phase: &str) -> Value {
    let address = aggregator.address.to_string();
    let finished = python("service_client.py", &[&address, key, phase]);
    told(&finished)
}

#[track_caller]
fn in_node(aggregator: &Aggregator, key: &str) -> Value {
    let address = aggregator.address.to_string();
    told(&process::run(&mut node(
        "service_client.js",
        &[&address, key],
    )))
}

#[track_caller]
fn told(finished: &process::Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).expect("an object")
}

#[test]
fn a_python_client_survives_a_restart_between_its_calls() {
    let folder = Folder::new();
    let before = Aggregator::start(&folder, NO_TARGETS);
    let told = in_python(&before, "", "before");
    assert_eq!(told["status"][0], 200);
    assert_eq!(told["status"][1]["status"], "updated");
    for metric in told["metrics"].as_array().unwrap() {
        assert_eq!(
            (&metric[0], &metric[1]["status"]),
            (&json!(200), &json!("created"))
        );
    }
    assert_eq!(told["pipeline"][1]["id"], 1);
    assert_eq!(told["alert"][1]["id"], 1);
    assert!(before.stop().success());

    let after = Aggregator::resume(&folder, &[]);
    let told = in_python(&after, "", "after");
    assert_eq!(
        told["ended"][1]["run_id"], 1,
        "the run goes on where it was"
    );
    assert_eq!(told["ended"][1]["progress"], 45.0);
    let service = &told["services"][0];
    assert_eq!(
        (&service["name"], &service["status"]),
        (&json!("py"), &json!("down"))
    );
    assert_eq!(
        (&service["id"], &service["endpoint"]),
        (&json!(1), &json!("http://py:8000"))
    );
    let statuses: Vec<&Value> = rows(&told["pipelines"])
        .iter()
        .map(|run| &run["status"])
        .collect();
    assert_eq!(statuses, ["failed", "running"]);
    let titles: Vec<&Value> = rows(&told["alerts"])
        .iter()
        .map(|alert| &alert["title"])
        .collect();
    assert_eq!(
        titles,
        ["Pipeline training failed", "Metrics Collection Failed"]
    );
    let types: Vec<&Value> = rows(&told["read"])
        .iter()
        .map(|row| &row["metric_type"])
        .collect();
    assert_eq!(types, ["disk", "memory", "cpu"]);
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn fifty_python_clients_at_once_lose_nothing() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let told = in_python(&aggregator, "", "crowd");
    let statuses = rows(&told["statuses"]);
    assert_eq!(statuses.len(), 50 * 6);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(rows(&aggregator.get("/services/")).len(), 50);
    assert_eq!(rows(&aggregator.get("/alerts/")).len(), 50);
    assert_eq!(rows(&aggregator.get("/metrics/")).len(), 150);
    let mut cpu: Vec<f64> = rows(&aggregator.get("/history/crowd?samples=50")["cpu"])
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect();
    cpu.sort_by(f64::total_cmp);
    assert_eq!(cpu, (0..50).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn a_node_client_is_understood() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let told = in_node(&aggregator, "");
    assert_eq!(told["status"][1]["status"], "updated");
    assert!(rows(&told["metrics"]).iter().all(|metric| metric[0] == 200));
    assert_eq!(told["pipeline"][1]["id"], 1);
    assert_eq!(told["alert"][1]["id"], 1);
    assert_eq!(told["services"][0]["name"], "js");
    assert!(told["newest"].is_array(), "axios asks for JSON before text");
    assert!(rows(&told["statuses"]).iter().all(|status| *status == 200));
    assert_eq!(told["health"]["total_alerts"], 50);
    assert_eq!(told["large"][0], 413);
    assert!(told["large"][1]["error"].is_string());
}

#[test]
fn a_key_is_asked_for_and_told_in_json() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    folder.write("keys.yml", "keys:\n- name: one\n  key: right-key\n");
    let aggregator = Aggregator::resume(&folder, &["--web.api-key-file=keys.yml"]);
    for key in ["", "wrong-key"] {
        let told = in_python(&aggregator, key, "whole");
        for call in ["status", "pipeline", "alert", "ended", "down"] {
            assert_eq!(told[call][0], 401, "{key}: {call}");
            assert!(told[call][1]["error"].is_string());
        }
        assert!(rows(&told["services"]).is_empty() && rows(&told["alerts"]).is_empty());
        let told = in_node(&aggregator, key);
        assert_eq!(told["status"][0], 401);
        assert!(told["status"][1]["error"].is_string());
    }
    let told = in_python(&aggregator, "right-key", "whole");
    assert_eq!(
        (&told["status"][0], &told["ended"][0]),
        (&json!(200), &json!(200))
    );
    assert_eq!(in_node(&aggregator, "right-key")["alert"][0], 200);
}

/// The forwarder: asks the host's exporter, reckons the disks' speed from two answers, pushes, and
/// goes on whatever the server says.
#[test]
fn the_forwarder_of_the_monitoring_stack() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let mut aggregator = Aggregator::start(&folder, NO_TARGETS);
    for round in 1..=3 {
        let (source, target) = (exporter.address.to_string(), aggregator.address.to_string());
        let finished = python("forwarder.py", &[&source, &target]);
        let pushed = told(&finished);
        assert_eq!(pushed["answer"], json!({"status": "ok"}));
        let host = pushed["reading"]["hostname"].as_str().expect("a name");
        let rows = aggregator.readings(host);
        assert_eq!(rows.len(), round);
        let details = aggregator.get(&format!("/details?hostname={host}"));
        assert_eq!(details["details"], pushed["reading"]["details"]);
        let newest = get_json(aggregator.address, &format!("/metrics/{host}"));
        assert_eq!(newest["cpu"]["total_percent"], pushed["reading"]["cpu"]);
        assert!(aggregator.stop().success());
        aggregator = Aggregator::resume(&folder, &[]);
    }
}
