//! The contracts of the older systems as data, and what data cannot say.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use system_stats_storage::{Object, ObjectKind};

use super::server::{NOW, Server};
use crate::http::limits::MAX_BODY;
use system_stats_model::append::Urgency;

/// The name of a table and its text.
macro_rules! table {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../tests/data/",
                $name
            )),
        )
    };
}

const TABLES: [(&str, &str); 3] = [
    table!("contract_a.json"),
    table!("contract_b.json"),
    table!("contract_c.json"),
];
const SECOND: i64 = NOW / 1000;

#[derive(Deserialize)]
struct Case {
    name: String,
    request: CaseRequest,
    status: u16,
    /// `null`: the header must not be there.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    json: Option<Value>,
}

#[derive(Deserialize)]
struct CaseRequest {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    body_text: Option<String>,
}

impl CaseRequest {
    fn build(&self) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let json = self.body.as_ref().map(Value::to_string);
        let body = json.or_else(|| self.body_text.clone());
        request.body(Body::from(body.unwrap_or_default())).unwrap()
    }
}

/// Where `got` is not what `expected` asks for. Objects may have more fields; lists are as long.
fn difference(expected: &Value, got: &Value, at: &str) -> Option<String> {
    let differs = || Some(format!("{at}: expected {expected}, got {got}"));
    match (expected, got) {
        (Value::String(word), _) if word == "<any>" => None,
        (Value::String(word), got) if word == "<number>" => {
            if got.is_number() {
                None
            } else {
                differs()
            }
        }
        (Value::String(word), got) if word == "<string>" => {
            if got.is_string() {
                None
            } else {
                differs()
            }
        }
        (Value::Object(expected), Value::Object(got)) => {
            expected.iter().find_map(|(name, value)| {
                let at = format!("{at}.{name}");
                match got.get(name) {
                    Some(got) => difference(value, got, &at),
                    None => Some(format!("{at} is missing")),
                }
            })
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let mut pairs = expected.iter().zip(got).enumerate();
            pairs.find_map(|(n, (expected, got))| difference(expected, got, &format!("{at}[{n}]")))
        }
        _ if expected == got => None,
        _ => differs(),
    }
}

#[test]
fn differences_are_found() {
    let expected = json!({"a": ["<any>", "<number>"], "b": 1.0});
    assert_eq!(
        difference(&expected, &json!({"a": [null, 2], "b": 1.0, "c": 0}), ""),
        None
    );
    for got in [
        json!({"a": [0, 2]}),
        json!({"a": [0, "2"], "b": 1.0}),
        json!({"a": [0], "b": 1.0}),
        json!({"a": [0, 2], "b": 1}),
    ] {
        assert!(difference(&expected, &got, "").is_some(), "{got}");
    }
}

#[tokio::test]
async fn the_contracts_as_data() {
    for (table, cases) in TABLES {
        let server = Server::start().await;
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() > 50, "{table}");
        for case in &cases {
            let answer = server.ask(case.request.build()).await;
            let name = format!("{table}: {}", case.name);
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status.as_u16(), case.status, "{name}: {text}");
            for (header, expected) in &case.headers {
                let got = answer.headers.get(header);
                let got = got.map(|value| value.to_str().unwrap());
                assert_eq!(got, expected.as_deref(), "{name}: {header}");
            }
            if let Some(expected) = &case.json {
                assert_eq!(difference(expected, &answer.json(), ""), None, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_and_the_limit_itself_is_not() {
    let server = Server::start().await;
    let push = |size: usize| {
        let body = r#"{"hostname":"a","cpu":1,"ram":1,"disk":1,"timestamp":1}"#;
        let padding = " ".repeat(size - body.len());
        server.send(Method::POST, "/metrics", format!("{body}{padding}"))
    };
    assert_eq!(push(MAX_BODY).await.status, StatusCode::OK);
    let answer = push(MAX_BODY + 1).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.json()["error"].is_string());
}

#[tokio::test]
async fn a_body_that_is_not_text_is_not_json() {
    let server = Server::start().await;
    let answer = server
        .send(Method::POST, "/metrics", &b"{\"hostname\":\"\xff\"}"[..])
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json(), json!({"error": "Invalid JSON payload"}));
}

#[tokio::test]
async fn a_timeframe_ends_where_it_says() {
    let server = Server::start().await;
    let hour = 3600;
    let ages = [
        8 * 24 * hour,
        6 * 24 * hour,
        25 * hour,
        23 * hour,
        hour + 1,
        hour,
        0,
    ];
    for age in ages {
        assert_eq!(server.push("pi", SECOND - age, 1.0).await, StatusCode::OK);
    }
    for (timeframe, expected) in [("1h", 2), ("24h", 4), ("7d", 6)] {
        let answer = server
            .get(&format!("/data?timeframe={timeframe}"))
            .await
            .json();
        assert_eq!(answer["count"], expected, "{timeframe}");
        let first = SECOND - ages[ages.len() - expected];
        assert_eq!(answer["data"][0]["timestamp"], first, "{timeframe}");
    }
}

#[tokio::test]
async fn a_thousand_readings_fit_into_a_second_and_no_more() {
    let server = Server::start().await;
    for n in 0..1000 {
        assert_eq!(
            server.push("pi", SECOND, f64::from(n)).await,
            StatusCode::OK
        );
    }
    assert_eq!(
        server.push("pi", SECOND, 0.0).await,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(server.push("other", SECOND, 0.0).await, StatusCode::OK);
    assert_eq!(server.get("/data?hostname=pi").await.json()["count"], 1000);
}

/// A host that is scraped, with its `/system`.
fn scraped(server: &Server, instance: &str, hostname: &str, at: i64) {
    let name = [("hostname", hostname)];
    let root = [("mountpoint", "/"), ("device", "a")];
    let data = [("mountpoint", "/data"), ("device", "b")];
    server.scraped(
        instance,
        at,
        &[
            ("up", &[], 1.0),
            ("system_cpu_usage_percent", &[], 12.0),
            ("system_memory_usage_percent", &[], 34.0),
            ("system_disk_usage_percent", &root, 56.0),
            ("system_disk_usage_percent", &data, 78.0),
            ("system_disk_read_bytes_per_second", &[], 1_048_576.0),
            ("system_disk_written_bytes_per_second", &[], 0.0),
            ("system_info", &name, 1.0),
        ],
    );
}

fn keep(server: &Server, instance: &str, body: &Value) {
    let object = Object {
        kind: ObjectKind::System,
        key: instance.to_owned(),
        updated: NOW,
        body: body.to_string().into(),
    };
    server.storage.put_object(object, Urgency::Relaxed).unwrap();
}

#[tokio::test]
async fn a_scraped_host_is_like_one_that_pushes() {
    let server = Server::start().await;
    scraped(&server, "10.0.0.1:5001", "pi", NOW - 5000);
    scraped(&server, "10.0.0.1:5001", "pi", NOW);
    let row = |second: i64, disk: f64| {
        json!({
            "timestamp": second, "hostname": "pi", "cpu": 12.0, "ram": 34.0, "disk": disk,
            "disk_read": 1.0, "disk_write": 0.0,
        })
    };
    let data = server.get("/data?hostname=pi").await.json();
    assert_eq!(
        data,
        json!({"count": 2, "data": [row(SECOND - 5, 56.0), row(SECOND, 56.0)]})
    );

    // Its own `/system` says which filesystem is its disk.
    let system = json!({
        "disk": {"mount": "/data", "percent": 78.0},
        "swap": {"percent": 3.5},
        "disks": [{"mountpoint": "/", "device": "a", "percent": 56.0, "inode_percent": 1.0, "total": 9}],
        "interfaces": [{"interface": "eth0", "bytes_recv": 1, "bytes_sent": 2, "errin": 0, "errout": 0, "dropin": 0}],
        "zombie_processes": 0,
    });
    keep(&server, "10.0.0.1:5001", &system);
    let data = server.get("/data").await.json();
    assert_eq!(data["data"][1], row(SECOND, 78.0));
    let details = server.get("/details?hostname=pi").await.json();
    assert_eq!(
        details,
        json!({"hostname": "pi", "details": system, "updated_at": SECOND})
    );
    assert_eq!(
        server.get("/metrics").await.json(),
        json!([{
            "agent_id": "pi", "timestamp": SECOND as f64,
            "cpu": {"total_percent": 12.0},
            "memory": {"percent": 34.0, "swap_percent": 3.5},
            "disks": [{"mountpoint": "/", "device": "a", "percent": 56.0, "inode_percent": 1.0}],
            "network": [{"interface": "eth0", "bytes_recv": 1, "bytes_sent": 2, "errin": 0, "errout": 0}],
            "zombie_processes": 0,
        }])
    );
    let answer = server.send(Method::DELETE, "/hosts/pi", "").await;
    assert_eq!(
        answer.json(),
        json!({"status": "ok", "metrics": 2, "details": 1})
    );
    assert_eq!(server.get("/hosts").await.json(), json!({"hosts": []}));
}

#[tokio::test]
async fn a_name_that_two_hosts_claim_belongs_to_none_of_the_scraped() {
    let server = Server::start().await;
    scraped(&server, "a:1", "one", NOW);
    scraped(&server, "b:1", "two", NOW);
    scraped(&server, "c:1", "two", NOW);
    scraped(&server, "d:1", "three", NOW);
    server.push("three", SECOND, 99.0).await;
    let hosts = server.get("/hosts").await.json();
    let names = hosts["hosts"].as_array().unwrap().iter();
    let names: Vec<&str> = names
        .map(|host| host["hostname"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["b:1", "c:1", "d:1", "one", "three"]);
    // An address is understood even where a name is used.
    let by_address = server.get("/data?hostname=a:1").await.json();
    assert_eq!(by_address["data"][0]["hostname"], "one");
    let pushed = server.get("/data?hostname=three").await.json();
    assert_eq!(pushed["data"][0]["cpu"], 99.0);
    assert_eq!(pushed["count"], 1);
}

#[tokio::test]
async fn long_histories_come_back_whole_and_in_order() {
    let server = Server::start().await;
    let start = NOW - 400 * 24 * 3_600_000;
    for host in ["a:1", "b:1"] {
        for n in 0..12_000 {
            // Dense, a gap of most of a year, dense again.
            let gap = if n < 6000 { 0 } else { 300 * 24 * 3_600_000 };
            let cpu = [("system_cpu_usage_percent", &[][..], f64::from(n))];
            server.scraped(host, start + gap + i64::from(n) * 1000, &cpu);
        }
    }
    let answer = server.get("/data").await.json();
    assert_eq!(answer["count"], 24_000);
    let rows = answer["data"].as_array().unwrap();
    assert_eq!(rows.len(), 24_000);
    for (n, pair) in rows.chunks(2).enumerate() {
        assert_eq!(pair[0]["hostname"], "a:1");
        assert_eq!(pair[1]["hostname"], "b:1");
        assert_eq!(pair[0]["cpu"], n as f64);
        assert_eq!(pair[1]["timestamp"], pair[0]["timestamp"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_body_breaks_the_server(
        path in prop::sample::select(vec![
            "/metrics", "/metrics/", "/services/", "/pipelines/", "/alerts/",
        ]),
        body in body(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let answer = server.send(Method::POST, path, body).await;
            let everything = [
                "/metrics", "/hosts", "/data", "/alerts", "/services/", "/pipelines/", "/alerts/",
                "/metrics/",
            ];
            if answer.status != StatusCode::OK {
                let is_refusal = matches!(answer.status.as_u16(), 400 | 404);
                prop_assert!(is_refusal, "{} {}", answer.status, answer.text());
                prop_assert!(answer.json()["error"].is_string());
                for path in everything {
                    let left = server.get(path).await.json();
                    let is_empty = [json!([]), json!({"hosts": []}), json!({"count": 0, "data": []})]
                        .contains(&left);
                    prop_assert!(is_empty, "{path} {left}");
                }
            }
            for path in everything {
                prop_assert_eq!(server.get(path).await.status, StatusCode::OK, "{}", path);
            }
            Ok(())
        })?;
    }
}

/// The fields of a whole body in each contract.
const WHOLE: [&[(&str, &str)]; 6] = [
    &[
        ("hostname", r#""a""#),
        ("cpu", "1"),
        ("ram", "1"),
        ("disk", "1"),
        ("timestamp", "1"),
    ],
    &[
        ("agent_id", r#""a""#),
        ("timestamp", "1780000000"),
        ("cpu", r#"{"total_percent":1}"#),
        ("memory", r#"{"percent":1,"swap_percent":1}"#),
        (
            "disks",
            r#"[{"mountpoint":"/","percent":1,"inode_percent":1}]"#,
        ),
        (
            "sensors_temperature",
            r#"{"a":[{"label":"b","current":1,"high":2}]}"#,
        ),
        ("time_drift", r#"{"drift_seconds":1}"#),
        (
            "network",
            r#"[{"interface":"e","bytes_recv":1,"bytes_sent":1,"errin":0,"errout":0}]"#,
        ),
        ("custom_alert", "false"),
        ("zombie_processes", "0"),
        ("critical_processes", r#"{"a":true}"#),
    ],
    &[
        ("service", r#""a""#),
        ("metric_type", r#""cpu""#),
        ("value", "1"),
    ],
    &[
        ("name", r#""a""#),
        ("status", r#""up""#),
        ("endpoint", r#""b""#),
    ],
    &[
        ("pipeline_type", r#""a""#),
        ("status", r#""failed""#),
        ("metadata", r#"{"progress":5}"#),
        ("error_message", r#""b""#),
    ],
    &[
        ("title", r#""a""#),
        ("message", r#""b""#),
        ("severity", "1"),
        ("service", r#""c""#),
    ],
];

/// Anything, from noise to nearly a push: one field of a whole body is missing or something else.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("[{}]".to_owned()),
        Just("[null]".to_owned()),
        Just("true".to_owned()),
        Just("NaN".to_owned()),
        Just(r#""NaN""#.to_owned()),
        Just("1e999".to_owned()),
        Just("1e308".to_owned()),
        Just("-1e308".to_owned()),
        Just("-0".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("{}".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#"{"a":{"a":1}}"#.to_owned()),
        Just(r#"{"a":[{"current":1e308,"high":null}]}"#.to_owned()),
        Just(format!("{}{}", "[".repeat(1000), "]".repeat(1000))),
        Just(Value::from("x".repeat(100_000)).to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        ".{0,9}".prop_map(|text| Value::from(text).to_string()),
    ];
    let whole = prop::sample::select(WHOLE.to_vec());
    let nearly = (whole, any::<prop::sample::Index>(), prop::option::of(value));
    let nearly = nearly.prop_map(|(whole, at, value)| {
        let at = at.index(whole.len());
        let fields = whole.iter().enumerate().filter_map(|(n, (name, json))| {
            let json = if n == at { value.as_deref()? } else { json };
            Some(format!("{name:?}:{json}"))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(",")).into_bytes()
    });
    prop_oneof![8 => nearly, 1 => prop::collection::vec(any::<u8>(), 0..64)]
}
