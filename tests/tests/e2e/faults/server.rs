//! Faults of a Postgres server.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::postgres::{Database, Postgres};
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::proxy::{Cut, Proxy};
use e2e::random::Random;
use e2e::wait;

use super::{push, push_until_taken, refused};
use crate::durability::stored;

fn started(folder: &Folder, url: &str) -> Aggregator {
    folder.write("prometheus.yml", NO_TARGETS);
    Aggregator::run(&mut Aggregator::command_on(folder.path(), url))
}

/// How long the server is away: many pushes wait in vain one after the other.
const OUTAGE: Duration = Duration::from_mins(1);

#[test]
fn a_stopped_server_loses_nothing_and_is_taken_up_again() {
    let (folder, server) = (Folder::new(), Postgres::start(&[]));
    let database = server.database();
    let aggregator = started(&folder, &database.url());
    let (now, address) = (wait::epoch_seconds(), aggregator.address);
    for at in 0..50 {
        assert_eq!(push(address, "before", now - at).status, 200);
    }
    server.stop("INT");
    let (start, mut refusals) = (Instant::now(), 0);
    while start.elapsed() < OUTAGE {
        refused(address, "during", now - refusals);
        refusals += 1;
    }
    server.resume();
    let after = push_until_taken(address, "after", now);
    // What was refused may have been taken all the same, once; what was acknowledged is there.
    let rows = stored(address);
    let of = |name: &str| rows.iter().filter(|(host, ..)| host == name).count();
    assert_eq!(of("before"), 50);
    let is_after = |(host, second, _): &(String, i64, u64)| host == "after" && *second == after;
    assert!(rows.iter().any(is_after), "{rows:?}");
    assert!(of("during") <= usize::try_from(refusals).unwrap());
    drop(aggregator);
    let again = started(&folder, &database.url());
    assert_eq!(stored(again.address), rows);
}

#[test]
fn a_cut_at_commit_is_found_out_either_way() {
    let (folder, database) = (Folder::new(), Database::new());
    let proxy = Proxy::start(database.server.socket_file());
    let address = proxy.address();
    let url = format!(
        "postgres://postgres@{address}/{}?sslmode=disable",
        database.name
    );
    let aggregator = started(&folder, &url);
    let now = wait::epoch_seconds();
    assert_eq!(push(aggregator.address, "pi", now - 100).status, 200);
    for (at, cut) in [Cut::Before, Cut::After, Cut::After, Cut::Before]
        .into_iter()
        .enumerate()
    {
        proxy.cut(cut);
        let at = i64::try_from(at).unwrap();
        assert_eq!(
            push(aggregator.address, "pi", now - at).status,
            200,
            "{cut:?}"
        );
        assert!(proxy.has_cut(), "no commit was cut");
    }
    // Each once: `stored` fails on a reading that is there twice.
    assert_eq!(stored(aggregator.address).len(), 5);
    let (rows, other) = (stored(aggregator.address), Folder::new());
    drop(aggregator);
    assert_eq!(stored(started(&other, &database.url()).address), rows);
}

#[test]
fn a_second_aggregator_fences_the_first() {
    let (one, two, database) = (Folder::new(), Folder::new(), Database::new());
    let mut first = started(&one, &database.url());
    let now = wait::epoch_seconds();
    assert_eq!(push(first.address, "pi", now).status, 200);
    let second = started(&two, &database.url());
    assert_eq!(push(second.address, "pi", now + 1).status, 200);
    refused(first.address, "lost", now);
    first.process.wait_for("the reason", |line| {
        let reason = "another process has taken the database over";
        line.contains(reason).then_some(())
    });
    assert_eq!(push(second.address, "pi", now + 2).status, 200);
    drop((first, second));
    let rows = stored(started(&one, &database.url()).address);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows.iter().all(|(host, ..)| host == "pi"));
}

#[test]
fn errors_of_the_server_are_tried_again() {
    let (folder, database) = (Folder::new(), Database::new());
    let aggregator = started(&folder, &database.url());
    let now = wait::epoch_seconds();
    assert_eq!(push(aggregator.address, "pi", now - 1).status, 200);
    // A sequence counts on whatever is rolled back.
    database.sql(
        "CREATE SEQUENCE faults; \
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ \
         DECLARE n bigint := nextval('public.faults'); BEGIN \
         IF n <= 3 THEN RAISE EXCEPTION 'serialization' USING ERRCODE = '40001'; END IF; \
         IF n <= 6 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER fail BEFORE UPDATE ON system_stats.lease FOR EACH ROW EXECUTE FUNCTION fail()",
    );
    push_until_taken(aggregator.address, "pi", now);
    let tries: i64 = database
        .sql("SELECT last_value FROM faults")
        .parse()
        .unwrap();
    assert!(tries >= 7, "{tries}");
    assert!(stored(aggregator.address).len() >= 2);
}

#[test]
fn exhausted_connections_are_waited_for() {
    let (folder, database) = (Folder::new(), Database::new());
    let name = &database.name;
    database.sql(&format!(
        "CREATE ROLE app_{name} LOGIN; ALTER DATABASE {name} OWNER TO app_{name}"
    ));
    let url = database
        .url()
        .replacen("//postgres@", &format!("//app_{name}@"), 1);
    let aggregator = started(&folder, &url);
    let now = wait::epoch_seconds();
    assert_eq!(push(aggregator.address, "pi", now - 1).status, 200);
    database.sql(&format!("ALTER ROLE app_{name} CONNECTION LIMIT 0"));
    database.sql(&format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app_{name}'"
    ));
    refused(aggregator.address, "pi", now);
    database.sql(&format!("ALTER ROLE app_{name} CONNECTION LIMIT -1"));
    let later = push_until_taken(aggregator.address, "later", now);
    // The refused one was only late.
    let rows = stored(aggregator.address);
    let seconds = |name: &str| -> Vec<i64> {
        let of_host = rows.iter().filter(|(host, ..)| host == name);
        of_host.map(|(_, second, _)| *second).collect()
    };
    assert_eq!(seconds("pi"), [now - 1, now]);
    assert!(seconds("later").contains(&later));
}

/// How long a dump takes: 20 s; another by the variable.
fn dump_time() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no command line of their own"
    )]
    let seconds = std::env::var("SYSTEM_STATS_DUMP_SECONDS").ok();
    Duration::from_secs(seconds.map_or(20, |text| text.parse().unwrap()))
}

/// Much text that does not compress.
fn noise() -> String {
    let mut random = Random::new(9);
    let words: Vec<String> = (0..250)
        .map(|_| format!("{:016x}", random.bits()))
        .collect();
    words.concat()
}

#[test]
fn a_long_dump_under_load_is_whole_and_hinders_nobody() {
    let (folder, database) = (Folder::new(), Database::new());
    folder.write("prometheus.yml", NO_TARGETS);
    let mut command = Aggregator::command_on(folder.path(), &database.url());
    let aggregator = Aggregator::run(command.arg("--storage.fold-after=200ms"));
    let (now, address) = (wait::epoch_seconds(), aggregator.address);
    // More than fits between the dump and whoever reads it: it waits, and holds what it holds.
    for host in 0..100 {
        let reading = format!(
            "{{\"hostname\":\"host{host}\",\"cpu\":1,\"ram\":1,\"disk\":2,\"timestamp\":{now},\
             \"details\":{{\"noise\":\"{}\"}}}}",
            noise()
        );
        let request = Request::new("POST", "/metrics").header("Content-Type", "application/json");
        assert_eq!(request.body(reading).send(address).status, 200);
    }
    let dump = folder.path().join("dump");
    let mut command = database.server.client("pg_dump", &database.name);
    command.args(["--format=plain", "--schema=system_stats"]);
    let mut dumping = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = dumping.stdout.take().unwrap();
    let mut dumped = vec![0; 1000];
    output.read_exact(&mut dumped).unwrap();
    // Hours that are over are folded meanwhile, segments trimmed, tables made.
    let (start, mut during, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while start.elapsed() < dump_time() {
        let (sent, hours) = (Instant::now(), during % 5 * 20);
        let answer = push(address, "pi", now - hours * 3600 - during);
        assert_eq!(answer.status, 200, "{}", answer.text());
        slowest = slowest.max(sent.elapsed());
        during += 1;
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert!(
        dumping.try_wait().unwrap().is_none(),
        "the dump did not last"
    );
    output.read_to_end(&mut dumped).unwrap();
    assert!(dumping.wait().unwrap().success());
    std::fs::write(&dump, dumped).unwrap();
    let rows = stored(address);
    let of = |name: &str| rows.iter().filter(|(host, ..)| host == name).count();
    assert_eq!(of("pi"), usize::try_from(during).unwrap());
    drop(aggregator);
    let copy = database.server.database();
    let mut restore = database.server.client("psql", &copy.name);
    let restored = process::run(
        restore
            .args(["--set=ON_ERROR_STOP=1", "--quiet", "--file"])
            .arg(&dump),
    );
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let copied = stored(started(&folder, &copy.url()).address);
    assert!(
        copied.is_subset(&rows) && copied.len() >= 100,
        "{}",
        copied.len()
    );
}
