//! The older server's own database, handed over by the variable it always had.

use std::fs;

use e2e::folder::Folder;
use e2e::peers;
use e2e::programs::{self, Aggregator, NO_TARGETS};
use e2e::wait;
use serde_json::{Value, json};

const READINGS: usize = 2000;

#[test]
fn its_history_is_imported_once_and_its_file_left_alone() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let old = folder.path().join("metrics.db");
    // Its last reading is from a minute ago: the forwarders go on where they were.
    let interval = 30 * i64::try_from(READINGS).unwrap();
    let start = wait::epoch_seconds() - 60 - interval;
    let file = old.to_str().unwrap();
    let made = peers::python(
        "old_server_database.py",
        &[file, &start.to_string(), &READINGS.to_string()],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let before = fs::read(&old).unwrap();
    let run = || {
        let mut command = programs::aggregator();
        command
            .current_dir(folder.path())
            .env("DATABASE_PATH", "metrics.db")
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--local-exporter.listen-address=",
            ]);
        Aggregator::run(&mut command)
    };

    let first = run();
    assert_imported(&first, start, READINGS);
    let now = wait::epoch_seconds();
    let pushed = json!({"hostname": "old-0", "cpu": 1, "ram": 2, "disk": 3, "timestamp": now});
    assert_eq!(first.push(&pushed).status, 200);
    assert_eq!(first.stop().code(), Some(0));
    assert!(fs::read(&old).unwrap() == before, "the old file is changed");

    let second = run();
    let rows = second.readings("old-0");
    assert_eq!(
        rows.len(),
        READINGS + 1,
        "imported once, and what came later is kept"
    );
    assert_eq!(rows.last().unwrap()["timestamp"], now);
    assert!(fs::read(&old).unwrap() == before, "the old file is changed");
}

#[track_caller]
fn assert_imported(aggregator: &Aggregator, start: i64, readings: usize) {
    let hosts = aggregator.get("/hosts");
    let counts: Vec<(&Value, &Value)> = hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| (&host["hostname"], &host["metric_count"]))
        .collect();
    let count = Value::from(readings);
    let names = ["old-0", "old-1", "old-2"].map(Value::from);
    let expected: Vec<(&Value, &Value)> = names.iter().map(|name| (name, &count)).collect();
    assert_eq!(counts, expected);
    let rows = aggregator.readings("old-1");
    let reading = json!({
        "timestamp": start + 30, "hostname": "old-1", "cpu": 1.1, "ram": 51.0, "disk": 41.2,
        "disk_read": 0.18, "disk_write": 0.5,
    });
    assert_eq!(rows[1], reading);
    let details = aggregator.get("/details?hostname=old-1");
    assert_eq!(
        details["details"],
        json!({"system": {"hostname": "old-1"}, "rank": 1})
    );
    assert_eq!(details["updated_at"], start);
}
