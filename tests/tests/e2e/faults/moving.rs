//! A move from one database to another that is killed on the way.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::postgres::Database;
use e2e::process::{self, Process};
use e2e::programs::{Aggregator, NO_TARGETS, aggregator};
use e2e::random::Random;
use e2e::wait;

use super::push;
use crate::durability::{Readings, stored};

fn migrate(folder: &Path, from: &str, to: &str) -> Command {
    let mut command = aggregator();
    command.current_dir(folder);
    command.args(["migrate", "--from", from, "--to", to]);
    command
}

/// Some hours in blocks, and what is in the journal.
fn filled(folder: &Folder, url: &str) -> Readings {
    folder.write("prometheus.yml", NO_TARGETS);
    let mut command = Aggregator::command_on(folder.path(), url);
    let server = Aggregator::run(command.arg("--storage.fold-after=50ms"));
    let now = wait::epoch_seconds();
    for at in 0..200 {
        let answer = push(server.address, &format!("host{}", at % 9), now - at * 997);
        assert_eq!(answer.status, 200);
    }
    let rows = stored(server.address);
    assert!(server.stop().success());
    rows
}

/// Killed again and again, the next one begins anew, until one is done.
fn killed_moves_begin_anew(folder: &Folder, from: &str, to: &str, seed: u64) {
    let mut random = Random::new(seed);
    let mut killed = 0;
    for life in 1..=12_u64 {
        let mut process = Process::start("migrate", &mut migrate(folder.path(), from, to));
        // The instant of the kill is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.below(40 * life)));
        if !process.is_running() {
            break;
        }
        process.kill();
        killed += 1;
    }
    assert!(killed > 0, "it was always done before it was killed");
    // A server may take a moment to notice that nobody is there any more.
    wait::until("a move that is done", Duration::from_secs(30), || {
        let moved = process::run(&mut migrate(folder.path(), from, to));
        let said = [moved.stdout, moved.stderr].concat();
        let is_done = moved.code == Some(0)
            || said.contains("something is stored in it already")
            || said.contains("it is there already");
        assert!(is_done || said.contains("uses this database"), "{said}");
        if is_done { Ok(()) } else { Err(said) }
    });
}

#[test]
fn a_move_that_was_killed_is_begun_anew() {
    let (folder, database) = (Folder::new(), Database::new());
    let rows = filled(&folder, "sqlite://t.db");
    let url = database.url();
    killed_moves_begin_anew(&folder, "sqlite://t.db", &url, 3);
    killed_moves_begin_anew(&folder, &url, "sqlite://back.db", 4);
    for url in [url.as_str(), "sqlite://back.db"] {
        let mut check = aggregator();
        check.current_dir(folder.path());
        let checked = process::run(check.args(["check", "storage", "--storage.url", url]));
        assert!(
            checked.stdout.ends_with(" 0 damaged\n"),
            "{}",
            checked.stdout
        );
        let server = Aggregator::run(&mut Aggregator::command_on(folder.path(), url));
        assert_eq!(stored(server.address), rows);
    }
    let left = std::fs::read_dir(folder.path()).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.contains("unfinished")).collect();
    assert_eq!(left, [""; 0]);
}
