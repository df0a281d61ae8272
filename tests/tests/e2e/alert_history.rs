//! What is remembered of alerts, silences by Alertmanager's own client, acknowledgements.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{Request, percent};
use e2e::peers::AMTOOL;
use e2e::postgres::Database;
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);

/// One rule a word: an alert for everything hotter than 50, at once or after an hour.
fn rules(alerts: &[&str]) -> String {
    let head = "groups:\n  - name: rooms\n    interval: 1s\n    rules:\n".to_owned();
    alerts.iter().fold(head, |text, alert| {
        let (name, hold) = alert.split_once(':').unwrap_or((alert, "0s"));
        let rule = format!("      - alert: {name}\n        expr: temperature > 50\n");
        let labels = "        labels:\n          severity: warning\n";
        text + &rule + &format!("        for: {hold}\n") + labels
    })
}

/// A server with rules in its folder.
struct Rooms {
    folder: Folder,
    server: Aggregator,
    storage: String,
}

impl Rooms {
    fn start(alerts: &[&str], storage: String) -> Rooms {
        let folder = Folder::new();
        let configuration = format!("{NO_TARGETS}rule_files: [rules.yml]\n");
        folder.write("prometheus.yml", configuration);
        folder.write("rules.yml", rules(alerts));
        let server = Aggregator::run(&mut Aggregator::command_on(folder.path(), &storage));
        Rooms {
            folder,
            server,
            storage,
        }
    }

    fn restart(&mut self) {
        self.server.process.kill();
        let mut command = Aggregator::command_on(self.folder.path(), &self.storage);
        self.server = Aggregator::run(&mut command);
    }

    fn heat(&self, room: &str, degrees: f64) {
        let text = format!("temperature{{room=\"{room}\"}} {degrees}\n");
        let import = Request::new("POST", "/api/v1/import/prometheus").body(text);
        let answer = import.send(self.server.address);
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// `state name room` of every line of history, oldest first.
    fn history(&self, query: &str) -> Vec<String> {
        let path = format!("/api/v1/alerts/history?limit=1000{query}");
        let answer = self.server.get(&path);
        let events = answer["data"]["events"].as_array().expect("a list");
        let line = |event: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let labels = &event["labels"];
            let parts = [&event["state"], &labels["alertname"], &labels["room"]].map(text);
            parts.join(" ").trim_end().to_owned()
        };
        events.iter().rev().map(line).collect()
    }

    #[track_caller]
    fn wait_for_history(&self, expected: &[&str]) {
        wait::until("the history", LIMIT, || {
            let mut lines = self.history("");
            lines.sort();
            let mut wanted = expected.to_vec();
            wanted.sort_unstable();
            if lines == wanted { Ok(()) } else { Err(lines) }
        });
    }

    /// What amtool says.
    #[track_caller]
    fn amtool(&self, arguments: &[&str]) -> String {
        let mut command = AMTOOL.command();
        command
            .arg(format!("--alertmanager.url=http://{}", self.server.address))
            .args(arguments)
            .env("HOME", self.folder.path());
        let done = process::run(&mut command);
        assert_eq!(done.code, Some(0), "amtool {arguments:?}: {done:?}");
        assert_eq!(done.stderr, "", "amtool {arguments:?}");
        done.stdout
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = Request::post(path, body).send(self.server.address);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}

fn history_survives_a_restart(storage: String) {
    let mut rooms = Rooms::start(&["Hot", "Stays:1h", "Goes"], storage);
    rooms.heat("attic", 60.0);
    let before = [
        "firing Hot attic",
        "pending Stays attic",
        "firing Goes attic",
    ];
    rooms.wait_for_history(&before);

    // While it is away one of the rules goes; the others find what they had found before.
    rooms.folder.write("rules.yml", rules(&["Hot", "Stays:1h"]));
    rooms.restart();
    let mut after = before.to_vec();
    after.push("resolved Goes attic");
    rooms.wait_for_history(&after);
    let unseen = rooms.server.get("/api/v1/alerts/history?state=resolved");
    assert_eq!(unseen["data"]["events"][0]["unseen"], true, "{unseen}");
    rooms.heat("attic", 20.0);
    after.extend(["resolved Hot attic", "gone Stays attic"]);
    rooms.wait_for_history(&after);

    let first = rooms.server.get("/api/v1/alerts/history?limit=2");
    let next = first["data"]["next"].as_str().expect("there are more");
    assert_eq!(
        rooms.history(&format!("&before={next}")),
        rooms.history("")[..4]
    );
    let selector = percent(r#"{alertname="Hot",severity="warning"}"#);
    let hot = rooms.history(&format!("&match[]={selector}&state=resolved"));
    assert_eq!(hot, ["resolved Hot attic"]);
    let line = &rooms
        .server
        .get("/api/v1/alerts/history?state=firing&limit=1")["data"]["events"][0];
    assert_eq!(
        (&line["value"], &line["group"]),
        (&json!("6e+01"), &json!("rooms")),
        "{line}"
    );
}

#[test]
fn history_survives_a_restart_in_sqlite() {
    history_survives_a_restart("sqlite://t.db".to_owned());
}

#[test]
fn history_survives_a_restart_in_postgres() {
    history_survives_a_restart(Database::new().url());
}

#[test]
fn an_acknowledgement_ends_with_the_alert() {
    let mut rooms = Rooms::start(&["Hot"], "sqlite://t.db".to_owned());
    rooms.heat("attic", 60.0);
    rooms.heat("cellar", 60.0);
    rooms.wait_for_history(&["firing Hot attic", "firing Hot cellar"]);
    let labels = json!({"alertname": "Hot", "severity": "warning", "room": "attic"});
    let body = json!({"labels": labels, "by": "ann", "comment": "a window is open"});
    let first = rooms.post("/api/v1/alerts/acknowledge", &body);
    let id = first["data"]["silenceID"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(rooms.post("/api/v1/alerts/acknowledge", &body), first);

    rooms.restart();
    let shown = wait::until_some("both alerts", LIMIT, || {
        let alerts = rooms.server.get("/api/v2/alerts").as_array().cloned()?;
        (alerts.len() == 2).then_some(alerts)
    });
    for alert in shown {
        let is_acknowledged = alert["labels"]["room"] == "attic";
        let expected = if is_acknowledged {
            json!({"state": "suppressed", "silencedBy": [id], "inhibitedBy": []})
        } else {
            json!({"state": "active", "silencedBy": [], "inhibitedBy": []})
        };
        assert_eq!(alert["status"], expected, "{alert}");
    }
    // Prometheus' own API knows nothing of it.
    let alerts = rooms.server.get("/api/v1/alerts")["data"]["alerts"].clone();
    assert_eq!(alerts.as_array().map(Vec::len), Some(2), "{alerts}");

    rooms.heat("attic", 20.0);
    rooms.wait_for_history(&[
        "firing Hot attic",
        "firing Hot cellar",
        "acknowledged Hot attic",
        "resolved Hot attic",
        "acknowledgement_expired Hot attic",
    ]);
    let silence = rooms.server.get(&format!("/api/v2/silence/{id}"));
    assert_eq!(silence["status"]["state"], "expired", "{silence}");
    let who = rooms
        .server
        .get("/api/v1/alerts/history?state=acknowledged");
    let who = &who["data"]["events"][0];
    assert_eq!(who["by"], "ann");
    assert_eq!(who["silence"]["comment"], "a window is open");
}

#[test]
fn amtool_works_against_us() {
    let rooms = Rooms::start(&["Hot", "Pending:1h"], "sqlite://t.db".to_owned());
    rooms.heat("attic", 60.0);
    rooms.wait_for_history(&["firing Hot attic", "pending Pending attic"]);
    let query = rooms.amtool(&["alert", "query"]);
    let rows: Vec<&str> = query.lines().collect();
    assert_eq!(rows.len(), 2, "only what fires: {query}");
    assert!(
        rows[1].starts_with("Hot ") && rows[1].contains("active"),
        "{query}"
    );
    for (matcher, expected) in [("room=~at.*", 1), ("room=cellar", 0)] {
        let alerts = rooms.amtool(&["alert", "query", matcher, "-o", "json"]);
        let alerts: Value = serde_json::from_str(&alerts).expect("JSON");
        let found = alerts.as_array().map_or(0, Vec::len);
        assert_eq!(found, expected, "{matcher}: {alerts}");
    }

    let add = ["silence", "add", "-a", "ann", "-c", "moving", "-d", "2h"];
    let added = rooms.amtool(&[&add[..], &["alertname=Hot", "room=~at.*"]].concat());
    let id = added.trim();
    assert_eq!(rooms.amtool(&["silence", "query", "-q"]).trim(), id);
    let listed = rooms.amtool(&["silence", "query", "alertname=Hot"]);
    assert!(listed.contains(id) && listed.contains("moving"), "{listed}");
    assert_eq!(
        rooms.amtool(&["silence", "query", "-q", "alertname=Cold"]),
        ""
    );
    let active = rooms.amtool(&["alert", "query", "--active"]);
    assert!(!active.contains("Hot"), "{active}");
    let silenced = rooms.amtool(&["alert", "query", "--silenced"]);
    assert!(silenced.contains("suppressed"), "{silenced}");

    let updated = rooms.amtool(&["silence", "update", "-d", "3h", "-c", "still moving", id]);
    assert!(updated.contains("still moving"), "{updated}");
    rooms.amtool(&["silence", "expire", id]);
    assert_eq!(rooms.amtool(&["silence", "query", "-q"]), "");
    let expired = rooms.amtool(&["silence", "query", "-q", "--expired"]);
    assert_eq!(expired.trim(), id, "the same one all along");
    let active = rooms.amtool(&["alert", "query", "--active"]);
    assert!(active.contains("Hot"), "{active}");

    let shown = rooms.amtool(&["config", "show"]);
    assert!(shown.contains("receiver: system-stats"), "{shown}");
    let routes = rooms.amtool(&["config", "routes"]);
    assert!(routes.contains("system-stats"), "{routes}");
    let status = rooms.amtool(&["cluster", "show"]);
    assert!(status.contains("disabled"), "{status}");
    let changes = ["silence_created", "silence_changed", "silence_expired"];
    assert_eq!(rooms.history("")[2..], changes);
}

#[test]
fn silences_need_a_key_where_there_are_keys() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    folder.write("keys.yml", "keys:\n- {name: pager, key: first-key}\n");
    let server = Aggregator::resume(&folder, &["--web.api-key-file=keys.yml"]);
    let silence = json!({
        "matchers": [{"name": "room", "value": "attic", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ann", "comment": "moving",
    });
    let send = |request: Request, key: &str| {
        let request = request.header("Authorization", &format!("Bearer {key}"));
        request.send(server.address)
    };
    let post = |key: &str| send(Request::post("/api/v2/silences", &silence), key);
    assert_eq!(post("wrong-key").status, 401);
    let made = post("first-key").json();
    let path = format!(
        "/api/v2/silence/{}",
        made["silenceID"].as_str().expect("an id")
    );
    assert_eq!(send(Request::new("DELETE", &path), "wrong-key").status, 401);
    let body = json!({"by": "ann", "fingerprint": "0"});
    let acknowledge = Request::post("/api/v1/alerts/acknowledge", &body);
    assert_eq!(send(acknowledge, "wrong-key").status, 401);
    assert_eq!(server.get(&path)["status"]["state"], "active");
    assert_eq!(send(Request::new("DELETE", &path), "first-key").status, 200);
    let history = server.get("/api/v1/alerts/history")["data"]["events"].clone();
    let who = [&history[1]["by"], &history[0]["by"]];
    assert_eq!(who, ["ann", "pager"], "{history}");
}
