//! What goes wrong outside: servers that stop, connections that are cut, disks that are full.

mod disk;
mod moving;
mod server;
mod takeover;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use e2e::http::{Request, Response};
use e2e::wait;

use crate::durability::body;

/// Longer than a push may take that is not acknowledged.
const PATIENCE: Duration = Duration::from_secs(40);

/// A push of one reading.
fn push(address: SocketAddr, host: &str, timestamp: i64) -> Response {
    Request::new("POST", "/metrics")
        .header("Content-Type", "application/json")
        .body(body(host, timestamp, 12.5))
        .send(address)
}

/// Pushes until one is acknowledged, each a second earlier: one that is refused may be taken all the
/// same, and two of one second are two readings. Returns the second of the acknowledged one.
#[track_caller]
fn push_until_taken(address: SocketAddr, host: &str, timestamp: i64) -> i64 {
    let mut next = timestamp;
    wait::until("an acknowledged push", PATIENCE, || {
        let answer = push(address, host, next);
        next -= 1;
        if answer.status == 200 {
            Ok(next + 1)
        } else {
            Err(answer.text())
        }
    })
}

/// A push that must be refused for now.
#[track_caller]
fn refused(address: SocketAddr, host: &str, timestamp: i64) {
    let answer = push(address, host, timestamp);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("Retry-After").is_some(), "{answer:?}");
}
