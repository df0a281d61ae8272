//! The same rules over the same targets in a real Prometheus and in ours, through the life of
//! alerts: what both tell about it is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{self, percent};
use e2e::peers::Prometheus;
use e2e::programs::Aggregator;
use e2e::server::Server;
use e2e::wait;
use serde_json::{Value, json};

const RULES: &str = r#"groups:
  - name: queues
    interval: 1s
    rules:
      - record: job:queue_length:max
        expr: max by (job) (queue_length)
        labels: {unit: jobs}
      - alert: Hot
        expr: queue_length > 10
        labels: {severity: '{{ if gt $value 100.0 }}page{{ else }}ticket{{ end }}'}
        annotations:
          text: '{{ $labels.queue }}: {{ $value }} of {{ query "job:queue_length:max" | first | value }}'
          wrong: '{{ query "(" }}'
      - {alert: Slow, expr: queue_length > 10, for: 5s}
      - {alert: Kept, expr: queue_length > 10, keep_firing_for: 5s}
      - {alert: Patient, expr: queue_length > 10, for: 1h}
      - {alert: Twin, expr: queue_length, labels: {queue: one}}
      - {record: broken, expr: queue_length * on (job) queue_length}
  - name: readers
    interval: 1s
    limit: 3
    rules:
      - {record: 'alerts:count', expr: 'count by (alertstate) (ALERTS)'}
      - {record: 'alerts:each', expr: 'count by (alertname, queue) (ALERTS)'}
"#;

/// Only the rules above.
const OUR_FLAGS: [&str; 1] = ["--rules.builtin=false"];
/// How long what follows from a change may take to show in both.
const PATIENCE: Duration = Duration::from_secs(20);

/// A target whose metrics the test sets.
struct Target {
    server: Server,
    body: Arc<Mutex<String>>,
}

impl Target {
    fn new() -> Self {
        let body = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&body);
        let server = Server::start(move |_, stream, _| {
            let body = shown.lock().unwrap().clone();
            let head =
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4";
            let length = body.len();
            // Whoever asks may be restarting.
            let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        });
        Self { server, body }
    }

    fn show(&self, lengths: &[(&str, f64)]) {
        let mut body = "# TYPE queue_length gauge\n".to_owned();
        for (queue, length) in lengths {
            let _ = writeln!(body, "queue_length{{queue=\"{queue}\"}} {length}");
        }
        *self.body.lock().unwrap() = body;
    }
}

/// An Alertmanager that does nothing but write down what it is sent.
struct Recorder {
    server: Server,
    stories: Arc<Mutex<Stories>>,
}

/// What became of each alert, by its labels: `firing`, `resolved`, `firing`, …
type Stories = BTreeMap<String, Vec<&'static str>>;

impl Recorder {
    fn new() -> Self {
        let stories: Arc<Mutex<Stories>> = Arc::default();
        let told = Arc::clone(&stories);
        let server = Server::taking_bodies(move |head, body, stream| {
            assert!(head.starts_with("POST /api/v2/alerts HTTP/1.1"), "{head}");
            let alerts: Value = serde_json::from_slice(body).expect("JSON");
            for alert in list(&alerts) {
                let ends = seconds(alert["endsAt"].as_str().expect("a time"));
                // One that fires ends minutes from now.
                let is_over = ends <= wait::epoch_seconds() + 30;
                let state = if is_over { "resolved" } else { "firing" };
                let mut told = told.lock().unwrap();
                let story = told.entry(alert["labels"].to_string()).or_default();
                if story.last() != Some(&state) {
                    story.push(state);
                }
            }
            let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        });
        Self { server, stories }
    }

    fn stories(&self) -> Stories {
        self.stories.lock().unwrap().clone()
    }
}

/// Both, under test.
struct Pair {
    prometheus: Prometheus,
    ours: Aggregator,
    folder: Folder,
    /// Whom Prometheus tells, and whom ours does.
    told: [Recorder; 2],
}

/// What a server tells about its alerts, as far as two servers can agree.
type View = BTreeSet<String>;

impl Pair {
    fn start(target: SocketAddr) -> Self {
        let folder = Folder::new();
        let rules = folder.write("rules.yml", RULES);
        let told = [Recorder::new(), Recorder::new()];
        let [theirs, own] = [&told[0], &told[1]].map(|alertmanager| {
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{region: \
                 eu}}}}\nrule_files: ['{}']\nscrape_configs:\n- job_name: queues\n  \
                 static_configs: [{{targets: ['{target}']}}]\nalerting:\n  alertmanagers:\n  - \
                 static_configs: [{{targets: ['{}']}}]\n",
                rules.display(),
                alertmanager.server.address()
            )
        });
        folder.write("prometheus.yml", &own);
        Self {
            prometheus: Prometheus::start(&theirs),
            ours: Aggregator::resume(&folder, &OUR_FLAGS),
            folder,
            told,
        }
    }

    /// Ends both and starts them anew on what they have stored.
    fn restarted(self) -> Self {
        self.ours.stop();
        Self {
            prometheus: self.prometheus.restarted(),
            ours: Aggregator::resume(&self.folder, &OUR_FLAGS),
            folder: self.folder,
            told: self.told,
        }
    }

    fn both<T>(&self, look: impl Fn(SocketAddr) -> T) -> [T; 2] {
        [self.prometheus.address, self.ours.address].map(look)
    }

    /// Waits until both see the same, and it is as `is_so` says.
    fn agree<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        look: impl Fn(SocketAddr) -> T,
        is_so: impl Fn(&T) -> bool,
    ) -> T {
        wait::until(what, PATIENCE, || {
            let [theirs, own] = self.both(&look);
            if theirs == own && is_so(&own) {
                Ok(own)
            } else {
                Err((theirs, own))
            }
        })
    }

    /// Waits until both have alerts in exactly these states, `Hot a firing`.
    fn states(&self, what: &str, expected: &[&str]) {
        let expected: View = expected.iter().map(|&text| text.to_owned()).collect();
        self.agree(what, states, |found| *found == expected);
    }
}

fn data(address: SocketAddr, path: &str) -> Value {
    http::get_json(address, path)["data"].clone()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The alerts that a server lists, with everything but times.
fn alerts(address: SocketAddr) -> View {
    let alerts = list(&data(address, "/api/v1/alerts")["alerts"]);
    alerts
        .iter()
        .map(|alert| shown(alert).to_string())
        .collect()
}

fn shown(alert: &Value) -> Value {
    json!([
        alert["labels"],
        alert["annotations"],
        alert["state"],
        alert["value"]
    ])
}

fn states(address: SocketAddr) -> View {
    let alerts = list(&data(address, "/api/v1/alerts")["alerts"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |alert: &Value| {
        let labels = &alert["labels"];
        let (name, queue) = (text(&labels["alertname"]), text(&labels["queue"]));
        format!("{name} {queue} {}", text(&alert["state"]))
    };
    alerts.iter().map(state).collect()
}

/// Since when alerts are active, in seconds since 1970, by name and queue.
fn active_since(address: SocketAddr) -> BTreeMap<String, i64> {
    let alerts = list(&data(address, "/api/v1/alerts")["alerts"]);
    let since = |alert: &Value| {
        let labels = &alert["labels"];
        let name = format!("{} {}", labels["alertname"], labels["queue"]).replace('"', "");
        let since = alert["activeAt"].as_str().unwrap_or_default();
        (name, seconds(since))
    };
    alerts.iter().map(since).collect()
}

/// Seconds since 1970 of a time of RFC 3339 in UTC, without its fraction.
fn seconds(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| -> i64 { text[range].parse().unwrap() };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days of the civil calendar: years begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    (days - 719_468) * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)
}

fn whole(value: &Value) -> i64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

/// A number however it is written, anything else as it is.
fn plain(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), Value::from)
}

/// Rules as a server tells them, with everything but times and texts of errors.
fn rules(address: SocketAddr) -> Value {
    let rule = |rule: &Value| {
        let alerts: BTreeSet<String> = list(&rule["alerts"])
            .iter()
            .map(|a| shown(a).to_string())
            .collect();
        let told = [
            "name",
            "query",
            "type",
            "health",
            "state",
            "duration",
            "keepFiringFor",
        ];
        let told = told.map(|key| plain(&rule[key]));
        json!([told, rule["labels"], rule["annotations"], alerts])
    };
    let group = |group: &Value| {
        let rules: Vec<Value> = list(&group["rules"]).iter().map(rule).collect();
        json!([
            group["name"],
            group["file"],
            plain(&group["interval"]),
            group["limit"],
            rules
        ])
    };
    list(&data(address, "/api/v1/rules")["groups"])
        .iter()
        .map(group)
        .collect()
}

/// Labels and value of each element of an expression now.
fn vector(address: SocketAddr, expression: &str) -> Vec<[Value; 2]> {
    let answer = data(
        address,
        &format!("/api/v1/query?query={}", percent(expression)),
    );
    let element = |one: &Value| [one["metric"].clone(), one["value"][1].clone()];
    list(&answer["result"]).iter().map(element).collect()
}

fn instant(expression: &str) -> impl Fn(SocketAddr) -> View {
    move |address| {
        let elements = vector(address, expression);
        elements
            .iter()
            .map(|[labels, value]| format!("{labels} {value}"))
            .collect()
    }
}

/// All that is told of eight alerts, four of them of one queue.
fn told_in_full(pair: &Pair) {
    let alerts = pair.agree("alerts in full", alerts, |found| found.len() == 8);
    assert!(
        alerts.iter().any(|alert| alert.contains("b: 200 of 200")),
        "{alerts:?}"
    );
    assert!(
        alerts
            .iter()
            .any(|alert| alert.contains("<error expanding template")),
        "{alerts:?}"
    );
    let rules = pair.agree("rules in full", rules, |_| true);
    let health = |at: usize| rules[0][4][at][0][3].clone();
    assert_eq!(
        [health(0), health(5), health(6)],
        ["ok", "err", "err"],
        "{rules}"
    );
    assert_eq!(rules[1][4][1][0][3], "err", "above the limit: {rules}");
    pair.agree("series of alerts", instant("ALERTS"), |found| {
        found.len() == 8
    });
    let since = "count by (alertname, queue, severity) (ALERTS_FOR_STATE)";
    pair.agree("series of their times", instant(since), |found| {
        found.len() == 8
    });
    pair.agree("a rule that reads them", instant("alerts:count"), |found| {
        found.len() == 2
    });
}

fn alertmanagers_were_told_the_same(pair: &Pair) {
    let told = wait::until("both have told the same", PATIENCE, || {
        let [theirs, own] = [0, 1].map(|at| pair.told[at].stories());
        let is_over = own.values().all(|story| story.last() == Some(&"resolved"));
        if theirs == own && is_over && own.len() == 6 {
            Ok(own)
        } else {
            Err((theirs, own))
        }
    });
    for (labels, story) in &told {
        assert!(labels.contains("\"region\":\"eu\""), "{labels}");
        let twice = labels.contains("\"queue\":\"a\"") && !labels.contains("\"Kept\"");
        assert_eq!(
            story.len(),
            if twice { 4 } else { 2 },
            "{labels}: {story:?}"
        );
    }
}

#[test]
fn alerts_live_as_in_prometheus() {
    let target = Target::new();
    target.show(&[("a", 1.0), ("b", 1.0)]);
    let pair = Pair::start(target.server.address());
    let recorded = "job:queue_length:max";
    pair.agree("nothing fires", instant(recorded), |found| {
        found.iter().any(|line| line.ends_with("\"1\""))
    });
    pair.states("nothing is active", &[]);

    target.show(&[("a", 50.0), ("b", 200.0)]);
    let pending = [
        "Hot a firing",
        "Hot b firing",
        "Kept a firing",
        "Kept b firing",
        "Patient a pending",
        "Patient b pending",
        "Slow a pending",
        "Slow b pending",
    ];
    pair.states("some wait", &pending);
    let firing = pending.map(|text| match text.split_once(" pending") {
        Some((alert, _)) if alert.starts_with("Slow") => format!("{alert} firing"),
        _ => text.to_owned(),
    });
    let firing: Vec<&str> = firing.iter().map(String::as_str).collect();
    pair.states("some have waited long enough", &firing);
    told_in_full(&pair);
    let began = pair.both(active_since);
    for (address, began) in pair.both(|address| address).iter().zip(&began) {
        for [labels, value] in vector(*address, "ALERTS_FOR_STATE") {
            let alert = format!("{} {}", labels["alertname"], labels["queue"]).replace('"', "");
            assert_eq!(began[&alert], whole(&value), "{labels}");
        }
    }

    // A short recovery ends what does not keep firing.
    target.show(&[("a", 1.0), ("b", 200.0)]);
    let without_a: Vec<&str> = firing
        .iter()
        .copied()
        .filter(|text| !text.contains(" a "))
        .collect();
    let kept: Vec<&str> = without_a.iter().copied().chain(["Kept a firing"]).collect();
    pair.states("one recovers", &kept);
    pair.agree("its series end", instant("ALERTS"), |found| {
        found.len() == 5
    });
    target.show(&[("a", 60.0), ("b", 200.0)]);
    pair.states("and falls back", &firing);
    let again = pair.both(active_since);
    for (before, after) in began.iter().zip(&again) {
        for (alert, before) in before {
            let is_new = alert.ends_with('a') && !alert.starts_with("Kept");
            assert_eq!(after[alert] > *before, is_new, "{alert}");
        }
    }

    // After a restart a long wait goes on, a short one begins anew.
    let pair = pair.restarted();
    pair.states("firing again", &firing);
    pair.agree(
        "series of what was there before",
        instant("ALERTS"),
        |found| found.len() == 8,
    );
    for (before, after) in again.iter().zip(&pair.both(active_since)) {
        let shift = after["Patient b"] - before["Patient b"];
        assert!(
            (1..120).contains(&shift),
            "by the time without evaluations: {shift}"
        );
        assert!(
            after["Slow b"] - before["Slow b"] > shift,
            "{before:?} {after:?}"
        );
    }

    target.show(&[("a", 1.0), ("b", 1.0)]);
    pair.states(
        "only what keeps firing",
        &["Kept a firing", "Kept b firing"],
    );
    pair.states("all over", &[]);
    pair.agree("no series of alerts", instant("ALERTS"), BTreeSet::is_empty);
    let ever = "count by (alertname, alertstate, queue) (count_over_time(ALERTS[10m]))";
    pair.agree("all that ever was", instant(ever), |found| {
        found.len() == 10
    });
    alertmanagers_were_told_the_same(&pair);
}

#[test]
fn times_are_read() {
    assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
    assert_eq!(seconds("2024-02-29T23:59:59.123Z"), 1_709_251_199);
    assert_eq!(seconds("2026-11-21T12:00:00.5Z"), 1_795_262_400);
}
