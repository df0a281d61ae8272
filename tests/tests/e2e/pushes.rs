//! Pushes as the old forwarder sends them, and those nobody should send.

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::programs::{Aggregator, Exporter, NO_TARGETS};
use e2e::wait;
use serde_json::{Value, json};

/// A reading with every documented field.
fn reading(host: &str, timestamp: i64) -> Value {
    json!({
        "hostname": host, "cpu": 18.4, "ram": 57.9, "disk": 41.2, "timestamp": timestamp,
        "disk_read": 0.18, "disk_write": 0.09,
    })
}

#[test]
fn a_forwarded_reading_comes_back() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    let mut pushed = reading("pi", now);
    // The forwarder sends the whole of /system along, with what it reckons from two of them.
    let mut details = http::get_json(exporter.address, "/system");
    details["throughput"] = json!({"disk_read_mb_per_sec": 0.18, "disk_write_mb_per_sec": 0.09});
    pushed["details"] = details.clone();
    let answer = Request::post("/metrics", &pushed)
        .header("User-Agent", "python-requests/2.31.0")
        .header("Accept", "*/*")
        .header("Accept-Encoding", "gzip, deflate")
        .send(aggregator.address);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"status": "ok"}))
    );
    let expected = json!({
        "timestamp": now, "hostname": "pi", "cpu": 18.4, "ram": 57.9, "disk": 41.2,
        "disk_read": 0.18, "disk_write": 0.09,
    });
    assert_eq!(aggregator.readings("pi"), [expected]);
    let kept = aggregator.get("/details?hostname=pi");
    assert_eq!(
        (&kept["hostname"], &kept["details"]),
        (&json!("pi"), &details)
    );
    let hosts = aggregator.get("/hosts");
    assert_eq!(hosts["hosts"][0]["hostname"], "pi");
    assert_eq!(hosts["hosts"][0]["metric_count"], 1);
    assert_eq!(hosts["hosts"][0]["last_seen"], now);
}

#[test]
fn what_is_no_reading_is_refused_in_json_and_not_stored() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    let whole = reading("bad", now).to_string();
    let nested = format!(
        "{{\"hostname\":\"bad\",\"details\":{}1",
        "[".repeat(200_000)
    );
    let deep = format!(
        "{{\"hostname\":\"bad\",\"cpu\":1,\"ram\":1,\"disk\":1,\"timestamp\":{now},\"details\":{}{}}}",
        "{\"a\":".repeat(100_000),
        "}".repeat(100_000),
    );
    let cases: [(&str, Vec<u8>); 10] = [
        ("nothing", Vec::new()),
        ("cut off", whole.as_bytes()[..whole.len() - 1].to_vec()),
        ("two values", format!("{whole}{whole}").into_bytes()),
        (
            "not UTF-8",
            whole
                .replace("bad", "b\u{1}d")
                .into_bytes()
                .repeat(1)
                .into_iter()
                .map(|byte| if byte == 1 { 0xff } else { byte })
                .collect(),
        ),
        ("an array", format!("[{whole}]").into_bytes()),
        ("nested and cut off", nested.into_bytes()),
        ("nested", deep.into_bytes()),
        (
            "a word for a number",
            whole.replace("18.4", "\"warm\"").into_bytes(),
        ),
        ("no number", whole.replace("18.4", "1e999").into_bytes()),
        (
            "a host without a name",
            whole.replace("\"bad\"", "\"\"").into_bytes(),
        ),
    ];
    for (what, body) in cases {
        let answer = Request::new("POST", "/metrics")
            .header("Content-Type", "application/json")
            .body(body)
            .send(aggregator.address);
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert!(
            answer.json()["error"].is_string(),
            "{what}: {}",
            answer.text()
        );
    }
    assert_eq!(aggregator.get("/data")["count"], 0);
    assert_eq!(aggregator.get("/hosts")["hosts"], json!([]));
    assert_eq!(aggregator.push(&reading("good", now)).status, 200);
}

#[test]
fn an_oversized_body_is_413() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let mut pushed = reading("big", wait::epoch_seconds());
    pushed["details"] = json!({"filler": "x".repeat(64 << 20)});
    let body = pushed.to_string();
    let announced = Request::new("POST", "/metrics")
        .header("Content-Type", "application/json")
        .body(body.as_bytes())
        .send(aggregator.address);
    assert_eq!(announced.status, 413);
    assert!(
        announced.json()["error"].is_string(),
        "{}",
        announced.text()
    );
    // Its size is not announced here, and noticed on the way.
    let mut chunked = Vec::new();
    for part in body.as_bytes().chunks(1 << 20) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    let streamed = Request::new("POST", "/metrics")
        .header("Content-Type", "application/json")
        .header("Transfer-Encoding", "chunked")
        .body(chunked)
        .send(aggregator.address);
    assert_eq!(streamed.status, 413);
    assert_eq!(aggregator.get("/hosts")["hosts"], json!([]));
}
