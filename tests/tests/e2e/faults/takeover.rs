//! An owner that hangs beyond its lease, and goes on.

use std::io::Write as _;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::postgres::Database;
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS, scraping};
use e2e::server::Server;
use e2e::wait;

use super::{push, refused};
use crate::durability::stored;

/// A target that is always there.
fn target() -> Server {
    Server::start(|_, stream, _| {
        let body = "# TYPE system_cpu_usage_percent gauge\nsystem_cpu_usage_percent 1.5\n";
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
    })
}

/// Everything that is stored, as text.
#[track_caller]
fn everything(database: &Database) -> String {
    let mut dump = database.server.client("pg_dump", &database.name);
    let dumped = process::run(dump.args(["--schema=system_stats", "--data-only"]));
    assert_eq!(dumped.code, Some(0), "{}", dumped.stderr);
    // Newer versions begin and end with a key of the moment.
    let lines = dumped.stdout.lines();
    let lines = lines.filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_owner_that_hung_while_another_took_over_writes_nothing() {
    let (one, two, database) = (Folder::new(), Folder::new(), Database::new());
    let target = target();
    one.write("prometheus.yml", scraping(&[("t", target.address())]));
    let mut hung = Aggregator::command_on(one.path(), &database.url());
    let mut hung = Aggregator::run(hung.arg("--storage.fold-after=100ms"));
    let now = wait::epoch_seconds();
    // Something to commit every second, something to fold all the time.
    for hour in 1..20 {
        assert_eq!(push(hung.address, "old", now - hour * 3600).status, 200);
    }
    wait::until_some("a scrape", Duration::from_secs(10), || {
        let rows = stored(hung.address);
        rows.iter().any(|(host, ..)| host != "old").then_some(())
    });
    hung.process.signal("STOP");
    two.write("prometheus.yml", NO_TARGETS);
    let command = &mut Aggregator::command_on(two.path(), &database.url());
    let owner = Aggregator::run(command);
    let taken = push(owner.address, "new", now);
    assert_eq!(taken.status, 200, "{}", taken.text());
    let before = everything(&database);
    assert!(before.contains("COPY system_stats.lease"));
    hung.process.signal("CONT");
    hung.process.wait_for("the reason", |line| {
        let reason = "another process has taken the database over";
        line.contains(reason).then_some(())
    });
    refused(hung.address, "lost", now);
    // Nor do its jobs: a deletion, and whatever it folds.
    let path = "/hosts/old";
    let deleted = Request::new("DELETE", path).send(hung.address);
    assert_eq!(deleted.status, 503, "{}", deleted.text());
    assert!(hung.stop().code().is_some());
    assert_eq!(everything(&database), before);
    let after = push(owner.address, "new", now + 1);
    assert_eq!(after.status, 200, "{}", after.text());
    let rows = stored(owner.address);
    assert!(!rows.iter().any(|(host, ..)| host == "lost"), "{rows:?}");
    let of = |name: &str| rows.iter().filter(|(host, ..)| host == name).count();
    assert_eq!((of("old"), of("new")), (19, 2));
}
