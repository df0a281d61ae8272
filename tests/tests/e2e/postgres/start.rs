//! Starting on a server: one flag, and clear words when it is the wrong one.

use e2e::folder::Folder;
use e2e::postgres::Database;
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;
use serde_json::json;

#[test]
fn pushes_survive_a_restart() {
    let (folder, database) = (Folder::new(), Database::new());
    folder.write("prometheus.yml", NO_TARGETS);
    let now = wait::epoch_seconds();
    let url = database.url();
    let first = Aggregator::run(&mut Aggregator::command_on(folder.path(), &url));
    let reading = json!({"hostname": "pi", "cpu": 12.5, "ram": 1, "disk": 2, "timestamp": now});
    assert_eq!(first.push(&reading).status, 200);
    assert!(first.stop().success());
    // The flag's other name.
    let by_flag = Aggregator::command_on(folder.path(), "");
    let others = by_flag.get_args().filter(|flag| *flag != "--storage.url=");
    let mut command = e2e::programs::aggregator();
    command
        .current_dir(folder.path())
        .args(others)
        .env("DATABASE_URL", &url);
    let second = Aggregator::run(&mut command);
    assert_eq!(second.readings("pi").len(), 1);
    assert!(!folder.path().join("t.db").exists());
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    let (folder, database) = (Folder::new(), Database::new());
    folder.write("prometheus.yml", NO_TARGETS);
    let server = database.server.clone();
    server.sql("postgres", "CREATE ROLE guest LOGIN");
    let socket = server.socket().display().to_string();
    let there = format!("localhost/none?host={socket}");
    let as_guest = format!("localhost/{}?host={socket}", database.name);
    let cases = [
        (
            "postgres://me:secret@127.0.0.1:1/db".to_owned(),
            "postgres://127.0.0.1:1/db: it cannot be reached: ",
        ),
        (
            format!("postgres://postgres:secret@{there}"),
            "it cannot be reached: error returned from database: database \"none\" does not exist",
        ),
        (
            format!("postgres://guest:secret@{as_guest}"),
            "the schema of its tables cannot be made: error returned from database: permission \
             denied for database",
        ),
        (
            "postgres://me:secret@host:x/db".to_owned(),
            "the storage URL \"postgres://…@host:x/db\" cannot be read",
        ),
        (
            "mysql://me:secret@host/db".to_owned(),
            "it has to begin with sqlite:// or postgres://",
        ),
    ];
    for (url, expected) in cases {
        let ended = process::run(&mut Aggregator::command_on(folder.path(), &url));
        assert_eq!(ended.code, Some(1), "{url}");
        assert!(ended.stderr.contains(expected), "{url}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}
