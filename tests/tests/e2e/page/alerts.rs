//! Alerts of rules: on the overview, on their page, on the charts of their host.

use std::fmt::Write as _;

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;
use serde_json::{Value, json};

use super::looks::BYTES;
use super::{HAS_COLOURED_LINES, PATIENCE, assert_clean};

const RULES: &str = r#"groups:
  - name: hosts
    interval: 1s
    rules:
      - alert: HostSilent
        expr: system_cpu_usage_percent{instance="attic"} < 40
        labels: {severity: critical}
        annotations:
          summary: The host does not answer.
          description: Nothing was heard of {{ $labels.instance }} for a while.
          suppresses: host
      - alert: MemoryHigh
        expr: system_memory_usage_percent > 42
        labels: {severity: warning}
        annotations:
          summary: Most of the memory is in use.
          description: '{{ $labels.instance }} uses {{ $value | printf "%.1f" }} % of its memory; programs may be ended soon.'
          runbook_url: https://runbooks.example.net/memory-high
      - alert: CpuBusy
        expr: system_cpu_usage_percent > 42
        labels: {severity: critical, team: operations}
        annotations:
          summary: The processor is busy.
          runbook_url: https://runbooks.example.net/cpu-busy
      - alert: CpuVeryBusy
        expr: system_cpu_usage_percent > 42
        for: 1h
        labels: {severity: critical}
      - record: job:system_cpu_usage_percent:max
        expr: max by (job) (system_cpu_usage_percent)
      - record: broken
        expr: system_cpu_usage_percent * on () system_cpu_usage_percent
"#;

fn server(folder: &Folder) -> Aggregator {
    folder.write("hosts.yml", RULES);
    let configuration = format!("{NO_TARGETS}rule_files: [hosts.yml]\n");
    folder.write("prometheus.yml", &configuration);
    let flags = [
        "--rules.builtin=false",
        "--storage.out-of-order-time-window=2d",
    ];
    Aggregator::resume(folder, &flags)
}

#[track_caller]
fn push(server: &Aggregator, name: &str, second: i64, cpu: f64, ram: f64) {
    let reading = json!({
        "hostname": name, "cpu": cpu, "ram": ram, "disk": 30,
        "timestamp": wait::epoch_seconds() - second,
    });
    assert_eq!(server.push(&reading).status, 200);
}

/// What a rule would have written of an alert that fired from one moment to another, in seconds
/// before now.
fn fired(text: &mut String, labels: &str, (from, to): (i64, i64)) {
    let now = wait::epoch_seconds();
    for second in (now - from..now - to).step_by(60) {
        let millis = second * 1000;
        let _ = writeln!(
            text,
            "ALERTS{{alertstate=\"firing\",instance=\"web-1\",job=\"monitoring-stack\",{labels}}} 1 {millis}"
        );
    }
}

#[track_caller]
fn import(server: &Aggregator, text: &str) {
    let import = Request::new("POST", "/api/v1/import/prometheus").body(text);
    let answer = import
        .header("content-type", "text/plain")
        .send(server.address);
    assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
}

fn has(text: &str) -> String {
    let text = Value::from(text);
    format!("return document.querySelector('main').innerText.includes({text})")
}

#[test]
fn an_alert_comes_and_goes_by_itself() {
    let folder = Folder::new();
    let server = server(&folder);
    push(&server, "web-1", 1, 5.0, 10.0);
    let browser = Browser::start();
    let origin = format!("http://{}/", server.address);
    let streamed = "return document.documentElement.dataset.live === 'stream'";

    browser.open(&format!("{origin}dashboard/alerts"));
    browser.wait_for("that all is well", PATIENCE, &has("4 rules watch 1 host."));
    browser.open(&format!("{origin}dashboard"));
    browser.wait_for("the stream", PATIENCE, streamed);
    browser.wait_for("no alert", PATIENCE, &has("0 alerting"));
    push(&server, "web-1", 0, 50.0, 10.0);
    browser.wait_for("the counter", PATIENCE, &has("1 alerting"));
    browser.wait_for("the alert on top", PATIENCE, &has("CpuBusy on web-1"));
    let marked =
        "return document.querySelector('tr[data-host=web-1] th').innerText.includes('1 alert')";
    browser.wait_for("the mark at the host", PATIENCE, marked);

    // From the mark to the alerts of that host.
    browser.run("document.querySelector('tr[data-host=web-1] .marked').click(); return true");
    browser.wait_for("the alert", PATIENCE, &has("The processor is busy."));
    browser.wait_for("the stream", PATIENCE, streamed);
    push(&server, "web-1", 0, 50.0, 60.0);
    browser.wait_for(
        "another one",
        PATIENCE,
        &has("web-1 uses 60.0 % of its memory"),
    );
    acknowledged(&browser, &server);
    let pending = "document.querySelector('.tabs a[href*=pending]').click(); return true";
    browser.run(pending);
    browser.wait_for("the one that waits", PATIENCE, &has("fires in"));
    browser.wait_for("the stream", PATIENCE, streamed);
    push(&server, "web-1", 0, 5.0, 10.0);
    browser.wait_for("its end", PATIENCE, &has("Firing 0"));
    browser.wait_for("the end of what was seen to", PATIENCE, &has("Silenced 0"));
    browser.open(&format!("{origin}dashboard/alerts?tab=history&q=cpubusy"));
    for words in [
        "firing",
        "acknowledged",
        "by Ann",
        "resolved",
        "acknowledgement ended",
    ] {
        browser.wait_for(words, PATIENCE, &has(words));
    }
    browser.screenshot("alerts-history-one.png");

    // What was is on the charts of the host, and in their tables.
    browser.open(&format!("{origin}dashboard/hosts/web-1?range=15m"));
    browser.wait_for("a line", PATIENCE, HAS_COLOURED_LINES);
    browser.wait_for(
        "the bands in words",
        PATIENCE,
        &has("2 alerts in this time"),
    );
    let labelled = "return document.querySelector('[data-panel=cpu] .plot')
        .getAttribute('aria-label').endsWith('; alerts: CpuBusy, MemoryHigh')";
    browser.wait_for("the label", PATIENCE, labelled);
    let column = "
        document.querySelector('[data-panel=cpu] details').open = true;
        const cells = [...document.querySelectorAll('[data-panel=cpu] tbody tr')];
        return cells.some((row) => row.innerText.includes('CpuBusy'))";
    browser.wait_for("the column of the table", PATIENCE, column);
    assert_clean(&browser, &origin);
}

/// By the button at the alert: it is counted no longer, and shown with who has seen to it.
#[track_caller]
fn acknowledged(browser: &Browser, server: &Aggregator) {
    let counted = "return document.querySelectorAll('input[name=fingerprint]').length === 2";
    browser.wait_for("a button at each", PATIENCE, counted);
    browser.run(
        "const row = [...document.querySelectorAll('tbody tr')]
            .find((row) => row.innerText.includes('CpuBusy'));
        row.querySelector('[name=by]').value = 'Ann';
        row.querySelector('button').click(); return true",
    );
    browser.wait_for("who has seen to it", PATIENCE, &has("acknowledged by Ann"));
    browser.wait_for("the counts", PATIENCE, &has("Silenced 1"));
    browser.wait_for("what is left", PATIENCE, &has("Firing 1"));
    // The name is remembered.
    browser.open(&format!("http://{}/dashboard/alerts", server.address));
    let kept =
        "const by = document.querySelector('[name=by]'); by.focus(); return by.value === 'Ann'";
    browser.wait_for("the name", PATIENCE, kept);
    browser.run("document.activeElement.blur(); return true");
    // For Prometheus' API nothing has changed.
    let alerts = server.get("/api/v1/alerts")["data"]["alerts"].clone();
    let firing = alerts.as_array().into_iter().flatten();
    assert_eq!(
        firing.filter(|alert| alert["state"] == "firing").count(),
        2,
        "{alerts}"
    );
}

#[test]
fn alerts_light_and_dark_wide_and_narrow() {
    let folder = Folder::new();
    let server = server(&folder);
    for at in 0..700_u32 {
        let wave = (f64::from(at) / 60.0).sin() * 30.0;
        push(&server, "web-1", i64::from(at) * 120 + 1, 45.0 + wave, 60.0);
    }
    for number in 0..30 {
        let name = format!("build-{number:02}");
        push(
            &server,
            &name,
            1,
            50.0 + f64::from(number),
            f64::from(number) * 3.0,
        );
    }
    push(&server, "attic", 1, 10.0, 66.0);
    let mut text = String::new();
    let busy = "alertname=\"CpuBusy\",severity=\"critical\"";
    let full = "alertname=\"DiskFull\",severity=\"warning\",mountpoint=\"/srv\"";
    for (labels, stretch) in [
        (busy, (70_000, 62_000)),
        (busy, (40_000, 33_000)),
        (full, (36_000, 20_000)),
    ] {
        fired(&mut text, labels, stretch);
    }
    import(&server, &text);
    let report = json!({"title": "Backup failed", "message": "no room on /srv", "severity": 2});
    let answer = Request::post("/alerts/", &report).send(server.address);
    assert_eq!(answer.status, 200);
    wait::until("all alerts", PATIENCE, || {
        let alerts = server.get("/api/v1/alerts");
        let alerts = alerts["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if alerts.len() > 60 {
            Ok(())
        } else {
            Err(alerts.len())
        }
    });
    let matchers = "alertname=\"MemoryHigh\"%0Ainstance=~\"build-2.%2B\"";
    let body = format!(
        "matchers={}&duration=8h&by=Ann&comment=more+memory+comes+on+Monday",
        matchers.replace('=', "%3D")
    );
    let form = Request::new("POST", "/dashboard/alerts/silence").body(body);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.send(server.address).status, 303);
    let origin = format!("http://{}/", server.address);
    let pages = [
        ("alerts-firing", "alerts", 60_000),
        ("alerts-pending", "alerts?tab=pending&q=web", 60_000),
        ("alerts-silenced", "alerts?tab=silenced", 60_000),
        ("alerts-rules", "alerts?tab=rules", 60_000),
        ("alerts-history", "alerts?tab=history", 60_000),
        ("silence", "alerts/silence", 60_000),
        ("alerts-reported", "alerts?tab=reported", 60_000),
        ("overview-alerting", "", 60_000),
        ("host-alerting", "hosts/web-1?range=24h", 80_000),
    ];
    for scheme in ["light", "dark"] {
        let browser = Browser::start();
        browser.prefer_colours(scheme);
        for (name, path, budget) in pages {
            for (form, width) in [("wide", 1440), ("narrow", 400)] {
                browser.set_width(width);
                browser.open(format!("{origin}dashboard/{path}").trim_end_matches('/'));
                if path.starts_with("hosts") {
                    browser.wait_for("lines", PATIENCE, HAS_COLOURED_LINES);
                }
                let bytes = browser.run(BYTES);
                assert!(bytes.as_u64() <= Some(budget), "{name}: {bytes} bytes");
                browser.set_width(width);
                let beyond = browser.run("return document.documentElement.scrollWidth");
                assert!(
                    beyond.as_u64() <= Some(width.into()),
                    "{name} {form}: {beyond}"
                );
                browser.screenshot(&format!("{name}-{form}-{scheme}.png"));
            }
        }
        assert_clean(&browser, &origin);
    }
}
