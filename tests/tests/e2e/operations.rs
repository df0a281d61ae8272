//! What is done to whole databases from the command line.

use std::path::Path;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::postgres::Database;
use e2e::process::{self, Finished};
use e2e::programs::{Aggregator, NO_TARGETS, aggregator};
use e2e::wait;

use crate::durability::{Readings, body, stored};

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = aggregator();
    process::run(command.current_dir(folder.path()).args(arguments))
}

#[track_caller]
fn succeeds(folder: &Folder, arguments: &[&str]) -> String {
    let done = run(folder, arguments);
    assert_eq!(
        done.code,
        Some(0),
        "{arguments:?}: {}{}",
        done.stdout,
        done.stderr
    );
    done.stdout
}

#[track_caller]
fn fails(folder: &Folder, arguments: &[&str], expected: &str) {
    let done = run(folder, arguments);
    assert_eq!(done.code, Some(1), "{arguments:?}: {}", done.stdout);
    assert!(done.stderr.contains(expected), "{}", done.stderr);
}

#[track_caller]
fn push(server: &Aggregator, host: &str, timestamp: i64, percent: f64) {
    let request = Request::new("POST", "/metrics").header("Content-Type", "application/json");
    let answer = request
        .body(body(host, timestamp, percent))
        .send(server.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn on(folder: &Path, storage: &str) -> Aggregator {
    let mut command = Aggregator::command_on(folder, storage);
    Aggregator::run(command.arg("--storage.fold-after=50ms"))
}

#[test]
fn a_backup_is_of_one_moment_and_comes_back() {
    let folder = Folder::new();
    let server = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    push(&server, "kept", now - 1, 12.5);
    let file = "--storage.url=sqlite://t.db";
    succeeds(&folder, &["backup", "copies/one.db", file]);
    fails(
        &folder,
        &["backup", "copies/one.db", file],
        "it is there already",
    );
    push(&server, "later", now, 25.0);
    let whole = succeeds(
        &folder,
        &["check", "storage", "--storage.url=sqlite://copies/one.db"],
    );
    assert!(whole.ends_with(" 0 damaged\n"), "{whole}");
    let in_use = "another process uses this database";
    fails(&folder, &["restore", "copies/one.db", file], in_use);
    assert!(server.stop().success());
    fails(
        &folder,
        &["restore", "copies/none.db", file],
        "there is no such file",
    );
    let said = succeeds(&folder, &["restore", "copies/one.db", file]);
    assert!(said.contains("t.db.replaced"), "{said}");
    let restored = Aggregator::resume(&folder, &[]);
    let expected = [("kept".to_owned(), now - 1, 12.5_f64.to_bits())];
    assert_eq!(stored(restored.address), Readings::from(expected));
    drop(restored);
    let before = on(folder.path(), "sqlite://t.db.replaced");
    assert_eq!(stored(before.address).len(), 2);
    let database = Database::new();
    let url = format!("--storage.url={}", database.url());
    fails(&folder, &["backup", "copies/two.db", &url], "pg_dump");
    fails(&folder, &["restore", "copies/one.db", &url], "pg_restore");
}

#[test]
fn everything_moves_there_and_back() {
    let (folder, database) = (Folder::new(), Database::new());
    folder.write("prometheus.yml", NO_TARGETS);
    let server = on(folder.path(), "sqlite://t.db");
    let now = wait::epoch_seconds();
    for at in 0..40_i32 {
        // Hours that go into blocks, and the one that stays in the journal.
        let hours = i64::from(at % 4) * 7;
        let percent = f64::from(at) + 0.1;
        push(
            &server,
            &format!("host{}", at % 3),
            now - hours * 3600 - i64::from(at),
            percent,
        );
    }
    server.wait_for_blocks(3);
    let rows = stored(server.address);
    let url = database.url();
    let there = ["migrate", "--from=sqlite://t.db", "--to", &url];
    fails(&folder, &there, "another process uses this database");
    assert!(server.stop().success());
    let said = succeeds(&folder, &there);
    assert!(said.ends_with("rows copied\n"), "{said}");
    fails(&folder, &there, "something is stored in it already");
    let back = ["migrate", "--from", &url, "--to=sqlite://back.db"];
    succeeds(&folder, &back);
    fails(&folder, &back, "it is there already");
    let dump = |file: &str| {
        // Everything but the versions of the tables, which have times, and the lease: a copy names
        // the newest commit there, SQLite leaves that to the journal where it can. And but for
        // blocks of an hour whose header was not written any more when the server stopped.
        let script = format!(
            "import sqlite3; db = sqlite3.connect('{file}'); \
             db.execute('DELETE FROM block_raw AS b WHERE NOT EXISTS (SELECT 1 FROM header_raw \
             AS h WHERE h.win = b.win AND h.pack = b.pack AND h.ver >= b.ver)'); \
             print([r for r in db.iterdump() if '_sqlx_migrations' not in r \
             and 'sqlite_sequence' not in r and 'INTO \"lease\"' not in r])"
        );
        let mut python = e2e::peers::PYTHON.command();
        let done = process::run(
            python
                .current_dir(folder.path())
                .args(["-I", "-c", &script]),
        );
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let mut lines: Vec<String> = done.stdout.split("', '").map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(dump("t.db"), dump("back.db"));
    let on_postgres = on(folder.path(), &url);
    assert_eq!(stored(on_postgres.address), rows);
    push(&on_postgres, "new", now, 1.5);
    drop(on_postgres);
    assert_eq!(stored(on(folder.path(), "sqlite://back.db").address), rows);
    let check = format!("--storage.url={url}");
    succeeds(&folder, &["check", "storage", &check]);
    database.sql(
        "UPDATE system_stats.journal_0 SET blob = set_byte(blob, 9, get_byte(blob, 9) # 4) \
         WHERE seq = (SELECT min(seq) FROM system_stats.journal_0)",
    );
    let damage = run(&folder, &["check", "storage", &check]);
    assert_eq!(damage.code, Some(1), "{}", damage.stderr);
    assert!(
        damage.stdout.starts_with("table journal, segment 1, seq "),
        "{}",
        damage.stdout
    );
}
