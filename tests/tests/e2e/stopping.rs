//! Asked to stop, the aggregator puts everything away; and two never share a database.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::process::{self, Process};
use e2e::programs::{self, Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::wait;
use serde_json::{Value, json};

fn name_of(aggregator: &Aggregator) -> String {
    wait::until_some("the target is a host", Duration::from_secs(15), || {
        let hosts = aggregator.get("/hosts");
        let counted = |host: &&Value| host["metric_count"].as_u64() > Some(1);
        let host = hosts["hosts"].as_array().unwrap().iter().find(counted)?;
        Some(host["hostname"].as_str().unwrap().to_owned())
    })
}

#[test]
fn sigterm_flushes_and_exits_0() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let first = Aggregator::start(&folder, &scraping(&[("node", exporter.address)]));
    let name = name_of(&first);
    let now = wait::epoch_seconds();
    let pushed = json!({"hostname": "pi", "cpu": 1.5, "ram": 2.5, "disk": 3.5, "timestamp": now});
    assert_eq!(first.push(&pushed).status, 200);
    // Visible, but perhaps not yet committed: a stop must see to that.
    let before = first.readings(&name);
    assert_eq!(first.stop().code(), Some(0));

    let second = Aggregator::resume(&folder, &[]);
    let after = second.readings(&name);
    for row in &before {
        assert!(after.contains(row), "{row} is gone");
    }
    assert_eq!(second.readings("pi").len(), 1);
}

#[test]
fn an_exporter_exits_0_when_asked_to_stop() {
    let mut exporter = Exporter::start(&[]);
    exporter.process.signal("TERM");
    assert_eq!(
        exporter
            .process
            .wait_for_end(Duration::from_secs(10))
            .code(),
        Some(0)
    );
}

#[test]
fn a_second_aggregator_on_the_same_database_is_refused() {
    let folder = Folder::new();
    let first = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    let pushed = json!({"hostname": "pi", "cpu": 1.5, "ram": 2.5, "disk": 3.5, "timestamp": now});
    assert_eq!(first.push(&pushed).status, 200);
    let mut second = Process::start(
        "a second aggregator",
        &mut Aggregator::command(folder.path()),
    );
    let status = second.wait_for_end(Duration::from_secs(10));
    let log = second.log().join("\n");
    assert!(
        status.code().is_some_and(|code| code != 0),
        "{status}\n{log}"
    );
    assert!(
        log.contains("t.db") && log.contains("another process"),
        "{log}"
    );
    let later =
        json!({"hostname": "pi", "cpu": 1.5, "ram": 2.5, "disk": 3.5, "timestamp": now + 1});
    assert_eq!(first.push(&later).status, 200, "the first is not disturbed");
    assert_eq!(first.readings("pi").len(), 2);
}

#[test]
fn taken_addresses_are_named_with_their_flag() {
    let folder = Folder::new();
    let first = Aggregator::start(&folder, NO_TARGETS);
    let other = Folder::new();
    other.write("prometheus.yml", NO_TARGETS);
    let mut command = programs::aggregator();
    command
        .current_dir(other.path())
        .arg(format!("--web.listen-address={}", first.address))
        .args([
            "--local-exporter.listen-address=",
            "--storage.url=sqlite://t.db",
        ]);
    let run = process::run(&mut command);
    assert!(run.code.is_some_and(|code| code != 0), "{run:?}");
    let said = run.stdout + &run.stderr;
    let address = first.address.to_string();
    assert!(
        said.contains(&address) && said.contains("--web.listen-address"),
        "{said}"
    );
}
