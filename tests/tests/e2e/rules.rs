//! Rule files: what they record, what they raise, and what happens to a file that is wrong.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::peers::PROMTOOL;
use e2e::process;
use e2e::programs::{Aggregator, Exporter, scraping};
use e2e::wait;
use serde_json::Value;

const RULES: &str = r#"groups:
  - name: hosts
    interval: 1s
    rules:
      - record: job:up:count
        expr: count by (job) (up)
      - alert: HostsCounted
        expr: job:up:count > 0
        labels:
          severity: 'level {{ $value }}'
        annotations:
          summary: '{{ $labels.job }} has {{ query "sum(up)" | first | value }} up'
      - alert: NeverFires
        expr: vector(1)
        for: 1h
"#;

fn vector(server: &Aggregator, expression: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1/query?query={expression}"));
    answer["data"]["result"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn rules_record_and_raise_alerts() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    folder.write("first.rules.yml", RULES);
    let configuration = scraping(&[("fleet", exporter.address)]) + "rule_files: ['*.rules.yml']\n";
    folder.write("prometheus.yml", &configuration);
    // What is wrong with this machine is not the point.
    let server = Aggregator::resume(&folder, &["--rules.builtin=false"]);
    let alerts = wait::until_some("both alerts", Duration::from_mins(1), || {
        let alerts = server.get("/api/v1/alerts")["data"]["alerts"]
            .as_array()
            .cloned()?;
        (alerts.len() == 2).then_some(alerts)
    });
    let named = |name: &str| {
        alerts
            .iter()
            .find(|alert| alert["labels"]["alertname"] == name)
    };
    let counted = named("HostsCounted").expect("it is one of the two");
    assert_eq!(counted["state"], "firing", "{counted}");
    assert_eq!(counted["labels"]["severity"], "level 1", "{counted}");
    assert_eq!(
        counted["annotations"]["summary"], "fleet has 1 up",
        "{counted}"
    );
    assert_eq!(counted["value"], "1e+00", "{counted}");
    assert_eq!(named("NeverFires").expect("the other")["state"], "pending");

    assert_eq!(vector(&server, "job:up:count")[0]["value"][1], "1");
    // After a start the series of alerts wait until the state before it is known.
    wait::until_some("series of the alerts", Duration::from_mins(1), || {
        let firing = vector(&server, "ALERTS%7Balertstate=%22firing%22%7D").len();
        (firing == 1 && vector(&server, "ALERTS_FOR_STATE").len() == 2).then_some(())
    });

    let groups = |query: &str| server.get(&format!("/api/v1/rules{query}"))["data"].clone();
    let all = groups("");
    assert_eq!(all["groups"][0]["name"], "hosts");
    let types: Vec<_> = all["groups"][0]["rules"]
        .as_array()
        .expect("a list")
        .clone();
    let types: Vec<_> = types.iter().map(|rule| rule["type"].clone()).collect();
    assert_eq!(types, ["recording", "alerting", "alerting"]);
    assert_eq!(all["groups"][0]["rules"][2]["duration"], 3600.0);
    let only = groups("?type=alert&rule_name[]=NeverFires&exclude_alerts=true");
    assert_eq!(only["groups"][0]["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        only["groups"][0]["rules"][0]["alerts"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    assert_eq!(
        groups("?rule_group[]=other")["groups"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    let refused = Request::get("/api/v1/rules?type=x").send(server.address);
    assert_eq!(refused.status, 400);
}

#[test]
fn a_wrong_rule_file_changes_nothing() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let configuration = scraping(&[("fleet", exporter.address)]) + "rule_files: [r.yml]\n";
    folder.write("r.yml", RULES);
    let mut command = Aggregator::command(folder.path());
    folder.write("prometheus.yml", &configuration);
    let server = Aggregator::run(command.arg("--web.enable-lifecycle"));
    folder.write("r.yml", RULES.replace("count by", "count of"));
    let refused = Request::new("POST", "/-/reload").send(server.address);
    assert_eq!(refused.status, 500);
    let text = refused.text();
    for words in [
        "r.yml:6:",
        "group \"hosts\"",
        "rule \"job:up:count\"",
        "parse error",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let groups = server.get("/api/v1/rules")["data"]["groups"].clone();
    assert_eq!(
        groups[0]["rules"].as_array().map(Vec::len),
        Some(3),
        "the old ones go on"
    );

    let check = |arguments: &[&str]| {
        let mut command = e2e::programs::aggregator();
        process::run(command.current_dir(folder.path()).args(arguments))
    };
    let bad = check(&["check", "rules", "r.yml"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.stdout.contains("r.yml:6:"), "{bad:?}");
    folder.write("r.yml", RULES);
    assert_eq!(check(&["check", "rules", "r.yml"]).code, Some(0));
    assert_eq!(check(&["check", "config"]).code, Some(0));
    let promtool = process::run(
        PROMTOOL
            .command()
            .args(["check", "rules", "r.yml"])
            .current_dir(folder.path()),
    );
    assert_eq!(
        promtool.code,
        Some(0),
        "the same file is one for Prometheus: {promtool:?}"
    );
}
