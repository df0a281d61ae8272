//! Generated expressions over the same series in a real Prometheus and in ours: the answers are the
//! same, to a billionth.
//!
//! Against Prometheus 2 only what 2 and 3 agree on is asked; `PROMETHEUS` chooses another build.

mod compare;
mod data;
mod grammar;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::peers::Prometheus;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::random::Random;
use e2e::remote_write;
use serde_json::Value;

use compare::{Asked, Verdict, judge};
use grammar::{Grammar, Node};

/// How many expressions are tried.
const EXPRESSIONS: usize = 6000;
/// Findings that are shown.
const SHOWN: usize = 10;
/// Requests under way at once.
const THREADS: usize = 4;
const FEATURES: &str = "--enable-feature=promql-experimental-functions";

struct Servers {
    prometheus: SocketAddr,
    ours: SocketAddr,
    /// Whether Prometheus is of version 2.
    is_old: bool,
}

impl Servers {
    /// What both answer, beside each other.
    fn judge(&self, asked: &Asked) -> Verdict {
        let ask = |address: SocketAddr| -> Value {
            let answer = Request::get(&asked.path()).send(address);
            serde_json::from_slice(&answer.body)
                .unwrap_or_else(|e| panic!("{}: {e}: {}", asked.path(), answer.text()))
        };
        let (expected, found) = (ask(self.prometheus), ask(self.ours));
        judge(&expected, &found, !self.is_old)
    }

    /// A smaller expression on which they do not agree either, as small as can be found.
    fn shrunk(&self, mut node: Node, mut difference: String, asked: &Asked) -> String {
        loop {
            let smaller = node.smaller().into_iter().find_map(|smaller| {
                match self.judge(&asked.with(smaller.to_string())) {
                    Verdict::Different(difference) => Some((smaller, difference)),
                    Verdict::Same | Verdict::Silent => None,
                }
            });
            match smaller {
                Some(smaller) => (node, difference) = smaller,
                None => return format!("{}\n  {difference}", asked.with(node.to_string())),
            }
        }
    }
}

#[test]
fn answers_are_those_of_prometheus() {
    let prometheus = Prometheus::start_with(
        NO_TARGETS,
        &[
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.retention.time=100y",
            FEATURES,
        ],
    );
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let ours = Aggregator::resume(&folder, &[FEATURES]);
    let build = http::get_json(prometheus.address, "/api/v1/status/buildinfo");
    let version = build["data"]["version"].as_str().unwrap().to_owned();
    let servers = Servers {
        prometheus: prometheus.address,
        ours: ours.address,
        is_old: version.starts_with("2."),
    };
    let series = data::series(servers.is_old);
    for address in [servers.prometheus, servers.ours] {
        remote_write::send(address, &series, 600_000);
    }

    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let valued = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= EXPRESSIONS || found.lock().unwrap().len() >= SHOWN {
                        return;
                    }
                    let mut random = Random::new(number as u64);
                    let node = Grammar::new(&mut random, servers.is_old).vector(4);
                    for asked in Asked::both(&mut random, &node.to_string(), servers.is_old) {
                        match servers.judge(&asked) {
                            Verdict::Silent => {}
                            Verdict::Same => {
                                valued.fetch_add(1, Ordering::Relaxed);
                            }
                            Verdict::Different(difference) => {
                                let finding = servers.shrunk(node, difference, &asked);
                                found.lock().unwrap().push(format!("{number}: {finding}"));
                                break;
                            }
                        }
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let of = next.load(Ordering::Relaxed).min(EXPRESSIONS);
    assert!(
        found.is_empty(),
        "against {version}, {} of {of} expressions:\n{}",
        found.len(),
        found.join("\n")
    );
    let valued = valued.load(Ordering::Relaxed);
    assert!(valued > EXPRESSIONS, "only {valued} answers had values");
}
