//! Clients that misbehave: the programs go on answering everybody else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{Request, get_json};
use e2e::process::Process;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS};

/// Bytes that are no request, or not a whole one.
const NO_REQUESTS: [&[u8]; 8] = [
    b"\0\xff\xfe\x01\x02\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
];

/// Sends it, and reads what comes back for as long as it comes at once.
fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.read(&mut [0; 4096]);
    stream
}

#[track_caller]
fn misbehave(address: SocketAddr, process: &mut Process) {
    let mut open = Vec::new();
    for bytes in NO_REQUESTS {
        open.push(send(address, bytes));
    }
    // Half a request each, and nothing more: the connections stay open.
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHo");
        open.push(stream);
    }
    let long = format!("/health?{}", "x".repeat(1 << 20));
    if let Ok(answer) = Request::get(&long).try_send(address) {
        assert!(
            (400..500).contains(&answer.status),
            "{} for a path of 1 MiB",
            answer.status
        );
    }
    let wide = Request::get("/health").header("X-Wide", &"x".repeat(1 << 20));
    if let Ok(answer) = wide.try_send(address) {
        assert!(
            (400..500).contains(&answer.status),
            "{} for a header of 1 MiB",
            answer.status
        );
    }
    assert_eq!(get_json(address, "/health")["status"], "ok");
    assert!(process.is_running());
}

#[test]
fn an_exporter_outlasts_them() {
    let mut exporter = Exporter::start(&[]);
    misbehave(exporter.address, &mut exporter.process);
    assert!(exporter.text().contains("node_load1"));
}

#[test]
fn an_aggregator_outlasts_them() {
    let folder = Folder::new();
    let mut aggregator = Aggregator::start(&folder, NO_TARGETS);
    misbehave(aggregator.address, &mut aggregator.process);
    assert_eq!(
        aggregator.get("/hosts")["hosts"].as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn unknown_paths_and_methods_are_json_errors() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    for (method, path, status) in [
        ("GET", "/none", 404),
        ("DELETE", "/data", 405),
        ("PUT", "/hosts", 405),
    ] {
        let answer = Request::new(method, path).send(aggregator.address);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(
            answer.json()["error"].is_string(),
            "{method} {path}: {}",
            answer.text()
        );
    }
}
