//! Targets that hang, lie, flood and loop: each is down with its reason, the others never notice.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use e2e::folder::Folder;
use e2e::programs::{Aggregator, scraping};
use e2e::server::{Server, State};
use e2e::wait;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// What the aggregator may take of memory while all of them are at it. A bomb alone unpacks to more.
const MOST_MEMORY_KIB: u64 = 400 * 1024;

type Behaviour = fn(&str, &mut TcpStream, &State);

/// Each with its name, what it does, and words one of which its error must have.
const HOSTILE: &[(&str, Behaviour, &[&str])] = &[
    ("hang", hang, &["time", "deadline"]),
    ("hang-in-body", hang_in_body, &["time", "deadline"]),
    ("drip", drip, &["time", "deadline"]),
    ("reset", reset, &["reset", "connection", "closed"]),
    ("no-http", no_http, &["http", "response", "connection"]),
    ("garbage", garbage, &["line 1"]),
    ("not-utf8", not_utf8, &["utf-8", "line 2"]),
    (
        "cut-off",
        cut_off,
        &["end", "body", "connection", "incomplete"],
    ),
    ("status", status, &["503"]),
    (
        "endless",
        endless,
        &["size", "limit", "large", "bytes", "time"],
    ),
    (
        "long-line",
        long_line,
        &["size", "limit", "large", "bytes", "long", "time"],
    ),
    ("bomb", bomb, &["size", "limit", "large", "bytes"]),
    (
        "bad-gzip",
        bad_gzip,
        &["gzip", "decod", "compress", "deflate"],
    ),
    ("redirects", redirects, &["redirect"]),
    (
        "many-samples",
        many_samples,
        &["sample_limit", "sample limit", "samples"],
    ),
    (
        "html",
        html,
        &["content type", "content-type", "text/html", "line 1"],
    ),
];

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";

fn answer(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    let _ = stream.write_all(body);
}

fn well_behaved(_: &str, stream: &mut TcpStream, _: &State) {
    answer(
        stream,
        TEXT,
        b"# TYPE system_cpu_usage_percent gauge\nsystem_cpu_usage_percent 5\n",
    );
}

/// Waits until the other side has given up, or the test is over.
fn outlast(stream: &TcpStream, state: &State) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    while !state.is_stopped() {
        let mut byte = [0];
        let is_open = match stream.peek(&mut byte) {
            Ok(read) => read > 0,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        if !is_open {
            return;
        }
    }
}

fn hang(_: &str, stream: &mut TcpStream, state: &State) {
    outlast(stream, state);
}

fn hang_in_body(_: &str, stream: &mut TcpStream, state: &State) {
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\n{TEXT}Content-Length: 100\r\n\r\na 1\n"
    );
    outlast(stream, state);
}

fn drip(_: &str, stream: &mut TcpStream, state: &State) {
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\n{TEXT}Content-Length: 100000\r\n\r\n"
    );
    while !state.is_stopped() && stream.write_all(b"#").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn reset(_: &str, stream: &mut TcpStream, _: &State) {
    // A close with a request half read is a reset on Linux; half an answer goes first.
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-");
    let _ = stream.shutdown(Shutdown::Both);
}

fn no_http(_: &str, stream: &mut TcpStream, _: &State) {
    let _ = stream.write_all(b"220 mail.example.org ESMTP ready\r\n\r\n");
}

fn garbage(_: &str, stream: &mut TcpStream, _: &State) {
    answer(stream, TEXT, b"}{ this is no metric\n");
}

fn not_utf8(_: &str, stream: &mut TcpStream, _: &State) {
    answer(stream, TEXT, b"a 1\nb{c=\"\xff\xfe\"} 2\n");
}

fn cut_off(_: &str, stream: &mut TcpStream, _: &State) {
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\n{TEXT}Content-Length: 1000\r\n\r\na 1\n"
    );
}

fn status(_: &str, stream: &mut TcpStream, _: &State) {
    let _ = write!(
        stream,
        "HTTP/1.1 503 .\r\n{TEXT}Content-Length: 4\r\n\r\na 1\n"
    );
}

fn endless(_: &str, stream: &mut TcpStream, state: &State) {
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{TEXT}\r\n");
    let mut number = 0_u64;
    while !state.is_stopped() {
        let mut lines = String::new();
        for i in 0..1000 {
            let _ = writeln!(lines, "a{{b=\"{}\"}} 1", number + i);
        }
        number += 1000;
        if stream.write_all(lines.as_bytes()).is_err() {
            return;
        }
    }
}

fn long_line(_: &str, stream: &mut TcpStream, state: &State) {
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{TEXT}\r\na{{b=\"");
    let part = vec![b'x'; 1 << 16];
    while !state.is_stopped() && stream.write_all(&part).is_ok() {}
}

/// A gibibyte of comments, which is a mebibyte on the wire.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let comments = b"#\n".repeat(1 << 19);
    for _ in 0..1024 {
        encoder.write_all(&comments).unwrap();
    }
    encoder.finish().unwrap()
});

fn bomb(_: &str, stream: &mut TcpStream, _: &State) {
    answer(stream, &format!("{TEXT}Content-Encoding: gzip\r\n"), &BOMB);
}

fn bad_gzip(_: &str, stream: &mut TcpStream, _: &State) {
    answer(
        stream,
        &format!("{TEXT}Content-Encoding: gzip\r\n"),
        b"\x1f\x8b\x08\0not gzip at all",
    );
}

fn redirects(_: &str, stream: &mut TcpStream, _: &State) {
    let _ = write!(
        stream,
        "HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

fn many_samples(_: &str, stream: &mut TcpStream, _: &State) {
    answer(stream, TEXT, b"a 1\nb 1\nc 1\nd 1\n");
}

fn html(_: &str, stream: &mut TcpStream, _: &State) {
    answer(
        stream,
        "Content-Type: text/html\r\n",
        b"<html><body>hello</body></html>\n",
    );
}

#[test]
fn hostile_targets_are_down_with_a_reason_and_disturb_nobody() {
    LazyLock::force(&BOMB);
    let good = Server::start(well_behaved);
    let servers: Vec<Server> = HOSTILE
        .iter()
        .map(|(_, behaviour, _)| Server::start(*behaviour))
        .collect();
    // A port that nobody listens on any more.
    let refused = Server::start(well_behaved).address();
    let mut targets = vec![("good", good.address()), ("refused", refused)];
    targets.extend(
        HOSTILE
            .iter()
            .zip(&servers)
            .map(|((name, ..), s)| (*name, s.address())),
    );
    let limit = "global:\n  body_size_limit: 4MB\n";
    let configuration = scraping(&targets).replacen("global:\n", limit, 1).replacen(
        "many-samples\n",
        "many-samples\n    sample_limit: 3\n",
        1,
    );

    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, &configuration);
    let start = Instant::now();
    let is_good = |target: &Value| target["labels"]["job"] == "good";
    let down = aggregator.wait_for_health("down", |target| !is_good(target));
    assert_eq!(down.len(), HOSTILE.len() + 1);
    let error_of = |name: &str| {
        let target = down
            .iter()
            .find(|target| target["labels"]["job"] == name)
            .unwrap();
        target["lastError"].as_str().unwrap().to_owned()
    };
    let mut wrong = Vec::new();
    let refused: (&str, Behaviour, &[&str]) = ("refused", well_behaved, &["refused", "connect"]);
    for (name, _, words) in HOSTILE.iter().chain([&refused]) {
        let error = error_of(name);
        let lower = error.to_lowercase();
        if !words.iter().any(|word| lower.contains(word)) {
            wrong.push(format!("{name}: {error:?} has none of {words:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Meanwhile the good one is scraped every second and answers.
    aggregator.wait_for_health("up", is_good);
    let host = good.address().to_string();
    let readings = wait::until(
        "ten scrapes of the good target",
        Duration::from_secs(15),
        || {
            let rows = aggregator.readings(&host);
            if rows.len() >= 10 {
                Ok(rows)
            } else {
                Err(rows.len())
            }
        },
    );
    let times: Vec<i64> = readings
        .iter()
        .map(|row| row["timestamp"].as_i64().unwrap())
        .collect();
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter().all(|gap| *gap <= 3),
        "gaps of {gaps:?} s in scrapes every second"
    );
    let targets = aggregator.targets();
    assert!(
        targets.iter().all(|t| (t["health"] == "up") == is_good(t)),
        "{targets:#?}"
    );
    let hosts = aggregator.get("/hosts")["hosts"]
        .as_array()
        .unwrap()
        .clone();
    let stored: Vec<&Value> = hosts.iter().filter(|h| h["metric_count"] != 0).collect();
    assert_eq!(
        stored.len(),
        1,
        "only the good one has readings: {stored:#?}"
    );

    let status = fs::read_to_string(format!("/proc/{}/status", aggregator.process.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(
        peak < MOST_MEMORY_KIB,
        "{peak} KiB of memory after {:?}",
        start.elapsed()
    );
}
