//! Faults of the disk under a SQLite file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::{Request, Response};
use e2e::peers::PYTHON;
use e2e::process::{self, Process};
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;

use super::{push, push_until_taken};
use crate::durability::{Readings, stored};

/// A command in the mount namespace of a running program.
fn beside(process: &Process, script: &str) -> String {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &process.id().to_string()]);
    let done = process::run(command.args(["sh", "-c", script]));
    assert_eq!(done.code, Some(0), "{script}: {}", done.stderr);
    done.stdout
}

/// A server whose database is on a disk of six megabytes that only it sees.
struct Cramped {
    folder: Folder,
    aggregator: Aggregator,
    small: PathBuf,
    program: String,
}

impl Cramped {
    fn start(flags: &[&str]) -> Cramped {
        let folder = Folder::new();
        folder.write("prometheus.yml", NO_TARGETS);
        let small = folder.path().join("small");
        std::fs::create_dir(&small).unwrap();
        let url = format!("sqlite://{}/t.db", small.display());
        let mut server = Aggregator::command_on(folder.path(), &url);
        server.args(flags);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount -t tmpfs -o size=6m none \"$0\" && exec \"$@\"")
            .arg(&small)
            .arg(server.get_program())
            .args(server.get_args())
            .current_dir(folder.path());
        Cramped {
            aggregator: Aggregator::run(&mut command),
            program: server.get_program().display().to_string(),
            folder,
            small,
        }
    }

    fn address(&self) -> SocketAddr {
        self.aggregator.address
    }

    /// Fills the disk, and what the log has left; the refusal.
    fn fill(&self, now: i64) -> Response {
        let filler = self.small.join("filler");
        let fill = format!("cat /dev/zero > {} 2>/dev/null || true", filler.display());
        beside(&self.aggregator.process, &fill);
        // Documents of a few kilobytes each.
        let mut seed = 0;
        wait::until_some("a refused push", Duration::from_mins(1), || {
            seed += 1;
            let digits = (0..4000).map(|at| (at * 7919 + seed * 104_729) % 1_000_003);
            let words: Vec<String> = digits.map(|n: usize| format!("{n:06}")).collect();
            let reading = format!(
                "{{\"hostname\":\"full{seed}\",\"cpu\":1,\"ram\":1,\"disk\":2,\"timestamp\":{now},\
                 \"details\":{{\"noise\":\"{}\"}}}}",
                words.concat()
            );
            let answer = Request::new("POST", "/metrics")
                .header("Content-Type", "application/json")
                .body(reading)
                .send(self.address());
            (answer.status == 503).then_some(answer)
        })
    }

    fn free(&self) {
        let filler = self.small.join("filler");
        beside(
            &self.aggregator.process,
            &format!("rm {}", filler.display()),
        );
    }

    #[track_caller]
    fn is_sound(&self) {
        let (program, file) = (&self.program, self.small.join("t.db"));
        let check = format!(
            "{program} check storage --storage.url=sqlite://{}",
            file.display()
        );
        let checked = beside(&self.aggregator.process, &check);
        assert!(checked.ends_with(" 0 damaged\n"), "{checked}");
        assert!(self.folder.path().exists());
    }
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let mut server = Cramped::start(&[]);
    let (now, address) = (wait::epoch_seconds(), server.address());
    assert_eq!(push(address, "before", now).status, 200);
    let refused = server.fill(now);
    assert!(refused.header("Retry-After").is_some());
    server.aggregator.process.wait_for("the reason", |line| {
        line.contains("database or disk is full").then_some(())
    });
    server.free();
    push_until_taken(address, "after", now);
    let rows = stored(address);
    for host in ["before", "after"] {
        assert!(rows.iter().any(|(name, ..)| name == host), "{host}");
    }
    server.is_sound();
}

#[test]
fn a_disk_that_is_full_during_a_fold_costs_nothing() {
    // Long enough for the disk to be full by then.
    let mut server = Cramped::start(&["--storage.fold-after=10s"]);
    let (now, address) = (wait::epoch_seconds(), server.address());
    for hour in 2..12 {
        assert_eq!(push(address, "old", now - hour * 3600).status, 200);
    }
    assert!(server.fill(now).header("Retry-After").is_some());
    let folds = server
        .aggregator
        .process
        .wait_for("a fold that failed", |line| {
            let is_failure = line.contains("samples stay in memory and in the journal");
            is_failure.then(|| line.to_owned())
        });
    assert!(folds.contains("database or disk is full"), "{folds}");
    let before = stored(address);
    let of = |rows: &Readings, name: &str| rows.iter().filter(|(host, ..)| host == name).count();
    assert_eq!(of(&before, "old"), 10);
    server.free();
    push_until_taken(address, "after", now);
    server.aggregator.wait_for_blocks(10);
    assert_eq!(of(&stored(address), "old"), 10);
    server.is_sound();
}

/// Changes a SQLite file by hand.
fn by_hand(folder: &Folder, sql: &str) {
    let script = format!(
        "import sqlite3; db = sqlite3.connect('t.db'); \
         n = db.execute(\"{sql}\").rowcount; db.commit(); print(n)"
    );
    let mut python = PYTHON.command();
    python.current_dir(folder.path());
    let done = process::run(python.args(["-I", "-c", &script]));
    assert_eq!(done.stdout.trim(), "1", "{}", done.stderr);
}

fn checked(folder: &Folder) -> process::Finished {
    let mut check = e2e::programs::aggregator();
    check.current_dir(folder.path());
    process::run(check.args(["check", "storage", "--storage.url=sqlite://t.db"]))
}

#[test]
fn a_torn_row_of_the_journal_costs_itself() {
    let folder = Folder::new();
    let mut first = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    for host in ["one", "two", "three"] {
        assert_eq!(push(first.address, host, now).status, 200);
    }
    first.process.kill();
    assert_eq!(checked(&folder).code, Some(0));
    by_hand(
        &folder,
        "UPDATE journal SET blob = substr(blob, 1, length(blob) / 2) \
         WHERE id = (SELECT id FROM journal ORDER BY id LIMIT 1 OFFSET 1)",
    );
    let damage = checked(&folder);
    assert_eq!(damage.code, Some(1), "{damage:?}");
    let named = "table journal, segment 1, seq ";
    assert!(damage.stdout.starts_with(named), "{}", damage.stdout);
    let mut second = Aggregator::resume(&folder, &[]);
    let rows = stored(second.address);
    let hosts: Vec<_> = rows.iter().map(|(host, ..)| host.as_str()).collect();
    assert_eq!(hosts, ["one", "three"]);
    second.process.wait_for("the damage", |line| {
        let damage = "a row of the journal cannot be read";
        line.contains(damage).then_some(())
    });
}

#[test]
fn a_flipped_bit_in_a_block_is_named_and_the_rest_answers() {
    let folder = Folder::new();
    folder.write("prometheus.yml", NO_TARGETS);
    let mut first = Aggregator::resume(&folder, &["--storage.fold-after=50ms"]);
    let now = wait::epoch_seconds();
    // Two hours that are over, far enough back to have left memory.
    for (host, hours) in [("old", 9), ("older", 30)] {
        assert_eq!(push(first.address, host, now - hours * 3600).status, 200);
    }
    assert_eq!(push(first.address, "new", now).status, 200);
    let blocks = || {
        let mut python = PYTHON.command();
        let script = "import sqlite3; print(sqlite3.connect('file:t.db?mode=ro', uri=True)\
                      .execute('SELECT count(DISTINCT win) FROM header_raw').fetchone()[0])";
        python.current_dir(folder.path()).args(["-I", "-c", script]);
        process::run(&mut python).stdout.trim().to_owned()
    };
    wait::until("both hours in blocks", Duration::from_secs(30), || {
        let count = blocks();
        if count == "2" { Ok(()) } else { Err(count) }
    });
    first.process.kill();
    by_hand(
        &folder,
        "UPDATE block_raw SET blob = CAST(substr(blob, 1, 8) || CASE substr(blob, 9, 1) \
         WHEN x'00' THEN x'01' ELSE x'00' END || substr(blob, 10) AS BLOB) WHERE rowid = \
         (SELECT rowid FROM block_raw ORDER BY win, pack, grp LIMIT 1)",
    );
    let damage = checked(&folder);
    assert_eq!(damage.code, Some(1), "{damage:?}");
    assert!(
        damage.stdout.starts_with("table block_raw, win "),
        "{}",
        damage.stdout
    );
    let mut second = Aggregator::resume(&folder, &[]);
    let rows = stored(second.address);
    let hosts: Vec<_> = rows.iter().map(|(host, ..)| host.as_str()).collect();
    assert_eq!(hosts, ["new", "old"]);
    second.process.wait_for("the damage", |line| {
        line.contains("a stored block is damaged").then_some(())
    });
}
