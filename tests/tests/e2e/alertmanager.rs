//! Alerts on their way to the real Alertmanager: what arrives there, what it makes of it, and what
//! happens when either side goes away.

mod connections;

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use e2e::certificate::self_signed as certificate;
use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::peers::{Alertmanager, OPENSSL, PROMTOOL, Prometheus};
use e2e::postgres::Database;
use e2e::process;
use e2e::programs::{Aggregator, scraping};
use e2e::server::Server;
use e2e::wait;
use serde_json::Value;

/// Tells nobody; a critical alert inhibits the warnings of the same host.
const QUIET: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n\
    inhibit_rules:\n- source_matchers: ['severity=\"critical\"']\n  \
    target_matchers: ['severity=\"warning\"']\n  equal: [instance]\n";

const RULES: &str = r"groups:
  - name: heat
    interval: 1s
    rules:
      - {alert: Warm, expr: temperature > 80, labels: {severity: warning},
         annotations: {summary: '{{ $value }} degrees'}}
      - {alert: Hot, expr: temperature > 100, labels: {severity: critical}}
";

const PATIENCE: Duration = Duration::from_mins(1);

/// A host whose temperature the test sets.
struct Oven {
    degrees: Arc<AtomicU32>,
    server: Server,
}

impl Oven {
    fn new(degrees: u32) -> Oven {
        let degrees = Arc::new(AtomicU32::new(degrees));
        let shown = Arc::clone(&degrees);
        let server = Server::start(move |_, stream, _| {
            let body = format!("temperature {}\n", shown.load(Ordering::SeqCst));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        });
        Oven { degrees, server }
    }

    fn heat(&self, degrees: u32) {
        self.degrees.store(degrees, Ordering::SeqCst);
    }

    /// A configuration that scrapes it, watches it, and tells these Alertmanagers.
    fn configuration(&self, alertmanagers: &str) -> String {
        let scraping = scraping(&[("oven", self.server.address())]);
        let global = "global:\n  external_labels: {region: eu}\n";
        let alerting = format!("alerting:\n  alertmanagers:\n{alertmanagers}");
        scraping.replacen("global:\n", global, 1) + "rule_files: [rules.yml]\n" + &alerting
    }
}

fn listed(alertmanager: &Alertmanager) -> String {
    format!(
        "  - static_configs: [{{targets: ['{}']}}]\n",
        alertmanager.address
    )
}

/// A folder with the rules and this configuration.
fn folder(configuration: &str) -> Folder {
    let folder = Folder::new();
    folder.write("rules.yml", RULES);
    folder.write("prometheus.yml", configuration);
    folder
}

fn started(folder: &Folder, storage: &str) -> Aggregator {
    let mut command = Aggregator::command_on(folder.path(), storage);
    Aggregator::run(command.args([
        "--rules.alert.resend-delay=1s",
        "--web.external-url=http://stats.example/x/",
        "--web.enable-lifecycle",
    ]))
}

/// Waits for an alert of which something holds.
#[track_caller]
fn arrives(alertmanager: &Alertmanager, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait::until(&format!("{name} is there"), PATIENCE, || {
        let alerts = alertmanager.alerts();
        let is_it = |alert: &&Value| alert["labels"]["alertname"] == name && holds(alert);
        alerts.iter().find(is_it).cloned().ok_or(alerts)
    })
}

#[track_caller]
fn is_emptied(alertmanager: &Alertmanager) {
    wait::until("no alert is left", PATIENCE, || {
        let alerts = alertmanager.alerts();
        if alerts.is_empty() {
            Ok(())
        } else {
            Err(alerts)
        }
    });
}

fn is_state(alert: &Value, state: &str) -> bool {
    alert["status"]["state"] == state
}

fn own_metric(server: &Aggregator, name: &str) -> u64 {
    let text = Request::get("/metrics")
        .header("Accept", "text/plain;version=0.0.4")
        .send(server.address)
        .text();
    let values = text.lines().filter(|line| line.starts_with(name));
    let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

#[test]
fn an_alert_fires_is_inhibited_and_silenced_and_resolves() {
    let (alertmanager, oven) = (Alertmanager::start(QUIET), Oven::new(90));
    let folder = folder(&oven.configuration(&listed(&alertmanager)));
    let server = started(&folder, "sqlite://t.db");

    let warm = arrives(&alertmanager, "Warm", |alert| is_state(alert, "active"));
    assert_eq!(warm["labels"]["region"], "eu", "{warm}");
    assert_eq!(warm["labels"]["severity"], "warning", "{warm}");
    assert_eq!(warm["annotations"]["summary"], "90 degrees", "{warm}");
    assert_eq!(
        warm["generatorURL"],
        "http://stats.example/x/graph?g0.expr=temperature+%3E+80&g0.tab=1"
    );
    let own = server.get("/api/v1/alerts")["data"]["alerts"][0].clone();
    assert_eq!(
        own["labels"]["region"],
        Value::Null,
        "only what is sent has it"
    );

    oven.heat(120);
    arrives(&alertmanager, "Hot", |alert| is_state(alert, "active"));
    let warm = arrives(&alertmanager, "Warm", |alert| is_state(alert, "suppressed"));
    let inhibited = warm["status"]["inhibitedBy"].as_array().map(Vec::len);
    assert_eq!(inhibited, Some(1), "{warm}");

    let silence = [
        "silence",
        "add",
        "alertname=Hot",
        "--comment=known",
        "--author=me",
    ];
    let silence = alertmanager.amtool(&silence);
    assert_eq!(silence.code, Some(0), "{silence:?}");
    let hot = arrives(&alertmanager, "Hot", |alert| is_state(alert, "suppressed"));
    assert_eq!(
        hot["status"]["silencedBy"][0],
        silence.stdout.trim(),
        "{hot}"
    );

    oven.heat(20);
    is_emptied(&alertmanager);
    let metric = |name: &str| {
        let name = format!("system_stats_aggregator_notifications_{name}");
        own_metric(&server, &name)
    };
    assert!(metric("sent_total") >= 4);
    assert_eq!(metric("errors_total") + metric("dropped_total"), 0);
    assert_eq!(metric("alertmanagers_discovered"), 1);
    assert_eq!(metric("queue_capacity"), 10_000);
}

fn survives_restarts(storage: &str) {
    let (alertmanager, oven) = (Alertmanager::start(QUIET), Oven::new(120));
    let folder = folder(&oven.configuration(&listed(&alertmanager)));
    let server = started(&folder, storage);
    let before = arrives(&alertmanager, "Hot", |_| true);
    assert!(server.stop().success());
    let between = arrives(&alertmanager, "Hot", |_| true);
    assert_eq!(between["startsAt"], before["startsAt"]);

    let server = started(&folder, storage);
    let is_repeated = |alert: &Value| alert["updatedAt"].as_str() > between["updatedAt"].as_str();
    let after = arrives(&alertmanager, "Hot", is_repeated);
    assert_eq!(after["startsAt"], before["startsAt"], "it is the same one");
    let hot = alertmanager.alerts();
    let hot = hot
        .iter()
        .filter(|alert| alert["labels"]["alertname"] == "Hot");
    assert_eq!(hot.count(), 1);

    // The other side forgets everything.
    let address = alertmanager.address.to_string();
    drop(alertmanager);
    let errors = "system_stats_aggregator_notifications_errors_total";
    wait::until("a failure", PATIENCE, || {
        let count = own_metric(&server, errors);
        if count > 0 { Ok(()) } else { Err(count) }
    });
    let alertmanager = Alertmanager::start_at(&address, QUIET, &[]);
    arrives(&alertmanager, "Hot", |alert| is_state(alert, "active"));
    oven.heat(20);
    is_emptied(&alertmanager);
}

#[test]
fn alerts_survive_a_restart_of_either_side_on_sqlite() {
    survives_restarts("sqlite://t.db");
}

#[test]
fn alerts_survive_a_restart_of_either_side_on_postgres() {
    survives_restarts(&Database::new().url());
}

#[test]
fn alertmanagers_are_found_and_listed_as_by_prometheus() {
    let (one, two) = (Alertmanager::start(QUIET), Alertmanager::start(QUIET));
    let oven = Oven::new(90);
    let configuration = oven.configuration(
        "  - file_sd_configs: [{files: ['am-*.json']}]\n    relabel_configs:\n    \
         - {source_labels: [role], regex: spare, action: drop}\n",
    );
    let folder = folder(&configuration);
    let target = |of: &Alertmanager, role: &str| {
        format!(
            r#"{{"targets": ["{}"], "labels": {{"role": "{role}"}}}}"#,
            of.address
        )
    };
    let (first, spare) = (target(&one, "main"), target(&two, "spare"));
    folder.write("am-1.json", format!("[{first}, {spare}]"));
    let promtool = process::run(
        PROMTOOL
            .command()
            .args(["check", "config", "prometheus.yml"])
            .current_dir(folder.path()),
    );
    assert_eq!(promtool.code, Some(0), "{promtool:?}");

    let server = started(&folder, "sqlite://t.db");
    arrives(&one, "Warm", |_| true);
    let ours = server.get("/api/v1/alertmanagers");
    let url = |of: &Alertmanager| format!("http://{}/api/v2/alerts", of.address);
    assert_eq!(ours["data"]["activeAlertmanagers"][0]["url"], url(&one));
    assert_eq!(ours["data"]["droppedAlertmanagers"][0]["url"], url(&two));
    let absolute = folder.path().join("am-*.json");
    let absolute = configuration.replace("am-*.json", &absolute.display().to_string());
    let prometheus = Prometheus::start(&absolute.replace("rule_files: [rules.yml]\n", ""));
    wait::until("Prometheus lists the same", PATIENCE, || {
        let theirs = http::get_json(prometheus.address, "/api/v1/alertmanagers");
        if theirs == ours { Ok(()) } else { Err(theirs) }
    });

    // Nobody reloads anything.
    folder.write("am-1.json", format!("[{}]", target(&two, "main")));
    arrives(&two, "Warm", |_| true);
    folder.write("am-1.json", "[{");
    wait::until("the failure is counted", PATIENCE, || {
        let count = own_metric(&server, "system_stats_aggregator_sd_refresh_failures_total");
        if count > 0 { Ok(()) } else { Err(count) }
    });
    let listed = server.get("/api/v1/alertmanagers");
    assert_eq!(
        listed["data"]["activeAlertmanagers"][0]["url"],
        url(&two),
        "{listed}"
    );
}

#[test]
fn an_http_server_names_alertmanagers() {
    let (alertmanager, oven) = (Alertmanager::start(QUIET), Oven::new(90));
    let address = alertmanager.address;
    let directory = Server::start(move |head, stream, _| {
        let is_asked = head.contains("x-prometheus-refresh-interval-seconds: 1\r\n");
        assert!(is_asked, "{head}");
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[{{\"targets\": [\"{address}\"]}}]"
        );
    });
    let entry = format!(
        "  - http_sd_configs: [{{url: 'http://{}/alertmanagers', refresh_interval: 1s}}]\n",
        directory.address()
    );
    let folder = folder(&oven.configuration(&entry));
    let _server = started(&folder, "sqlite://t.db");
    arrives(&alertmanager, "Warm", |_| true);
}

#[test]
fn alerts_go_over_tls_with_a_password() {
    let (oven, certificates) = (Oven::new(90), Folder::new());
    certificate(certificates.path(), "cert", "IP:127.0.0.1");
    // The password is "open sesame".
    let web = certificates.write(
        "web.yml",
        "tls_server_config: {cert_file: cert.pem, key_file: cert.key}\n\
         basic_auth_users: {me: '$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy'}\n",
    );
    let web = format!("--web.config.file={}", web.display());
    let alertmanager = Alertmanager::start_at("127.0.0.1:0", QUIET, &[&web]);
    let entry = format!(
        "  - static_configs: [{{targets: ['{}']}}]\n    scheme: https\n    \
         basic_auth: {{username: me, password_file: password}}\n    \
         tls_config: {{ca_file: cert.pem}}\n",
        alertmanager.address
    );
    let folder = folder(&oven.configuration(&entry));
    fs::copy(
        certificates.path().join("cert.pem"),
        folder.path().join("cert.pem"),
    )
    .unwrap();
    folder.write("password", "wrong\n");
    let server = started(&folder, "sqlite://t.db");
    let metric = |name: &str| {
        own_metric(
            &server,
            &format!("system_stats_aggregator_notifications_{name}_total"),
        )
    };
    wait::until("a refusal", PATIENCE, || {
        let errors = metric("errors");
        if errors > 0 { Ok(()) } else { Err(errors) }
    });
    assert_eq!(metric("errors"), metric("sent"), "nothing goes through");
    folder.write("password", "open sesame\n");
    connections::is_delivered(&server);

    // A file that is not there changes nothing.
    let broken = oven.configuration(&entry.replace("cert.pem", "gone.pem"));
    folder.write("prometheus.yml", broken);
    let refused = Request::new("POST", "/-/reload").send(server.address);
    assert_eq!(refused.status, 500);
    let text = refused.text();
    assert!(
        text.contains("alerting.alertmanagers[0]") && text.contains("gone.pem"),
        "{text}"
    );
    let before = metric("sent") - metric("errors");
    wait::until("the old one goes on", PATIENCE, || {
        let delivered = metric("sent") - metric("errors");
        if delivered > before {
            Ok(())
        } else {
            Err(delivered)
        }
    });
}
