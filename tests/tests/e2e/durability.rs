//! Killed at any instant, nothing acknowledged is lost, and nothing is there that nobody sent.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use e2e::folder::Folder;
use e2e::http::Request;
use e2e::peers::bound_address;
use e2e::postgres::Database;
use e2e::process::Process;
use e2e::programs::{Aggregator, NO_TARGETS, scraping};
use e2e::random::Random;
use e2e::server::Server;
use e2e::wait;

/// Readings: host, timestamp in seconds, and the bits of the CPU percentage. Two of one second differ
/// in their bits, as these are random.
pub(crate) type Readings = BTreeSet<(String, i64, u64)>;

/// A target that says another random CPU percentage each time, and remembers which it said.
fn random_target(seed: u64) -> (Server, Arc<Mutex<Vec<u64>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&said);
    let random = Mutex::new(Random::new(seed));
    let server = Server::start(move |_, stream, _| {
        let percent = random.lock().unwrap().percent();
        kept.lock().unwrap().push(percent.to_bits());
        let body =
            format!("# TYPE system_cpu_usage_percent gauge\nsystem_cpu_usage_percent {percent}\n");
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    });
    (server, said)
}

/// The text of a reading: written by hand so that every digit of the percentage is the test's own.
pub(crate) fn body(host: &str, timestamp: i64, percent: f64) -> String {
    format!(
        "{{\"hostname\":\"{host}\",\"cpu\":{percent:?},\"ram\":1,\"disk\":2,\"timestamp\":{timestamp}}}"
    )
}

/// All readings of `/data` as bits. Read by hand: JSON libraries may round the last digit.
pub(crate) fn stored(address: SocketAddr) -> Readings {
    let text = Request::get("/data").send(address).text();
    let mut found = Readings::new();
    for row in text.split('{').filter(|row| row.contains("\"timestamp\"")) {
        let field = |name: &str| {
            let at = row
                .find(&format!("\"{name}\":"))
                .expect("every key is there");
            let rest = &row[at + name.len() + 3..];
            rest[..rest.find([',', '}']).expect("an end")]
                .trim()
                .to_owned()
        };
        let host = field("hostname").trim_matches('"').to_owned();
        let cpu: f64 = field("cpu").parse().expect("a number");
        let is_new = found.insert((host, field("timestamp").parse().unwrap(), cpu.to_bits()));
        assert!(is_new, "a reading is there twice: {row}");
    }
    found
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let (target, _) = random_target(1);
    let folder = Folder::new();
    let mut first = Aggregator::start(&folder, &scraping(&[("random", target.address())]));
    let host = target.address().to_string();
    let scraped = wait::until_some("readings of the target", Duration::from_secs(15), || {
        let mut rows = stored(first.address);
        rows.retain(|(name, ..)| *name == host);
        (rows.len() >= 3).then_some(rows)
    });
    let now = wait::epoch_seconds();
    let percent = Random::new(2).percent();
    let mut push = Request::new("POST", "/metrics").header("Content-Type", "application/json");
    push = push.body(body("pi", now, percent));
    assert_eq!(push.send(first.address).status, 200);
    first.process.kill();

    let second = Aggregator::resume(&folder, &[]);
    let rows = stored(second.address);
    assert!(
        rows.contains(&("pi".to_owned(), now, percent.to_bits())),
        "{rows:?}"
    );
    // Batches are committed in order: the scrapes that came before the push are there too.
    assert!(rows.is_superset(&scraped), "{scraped:?}");
    let hosts = second.get("/hosts");
    let pi = hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|h| h["hostname"] == "pi")
        .unwrap();
    assert_eq!(pi["metric_count"], 1);
}

#[test]
fn a_deletion_survives_a_kill() {
    let folder = Folder::new();
    let mut first = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    let push = |aggregator: &Aggregator, host: &str, percent: f64| {
        let request = Request::new("POST", "/metrics").header("Content-Type", "application/json");
        let answer = request
            .body(body(host, now, percent))
            .send(aggregator.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    for host in ["kept", "cleaned", "deleted", "again"] {
        push(&first, host, 12.5);
    }
    for (method, path) in [
        ("POST", "/hosts/cleaned/clean"),
        ("DELETE", "/hosts/deleted"),
        ("DELETE", "/hosts/again"),
    ] {
        assert_eq!(
            Request::new(method, path).send(first.address).status,
            200,
            "{path}"
        );
    }
    push(&first, "again", 25.0);
    first.process.kill();

    let second = Aggregator::resume(&folder, &[]);
    let expected =
        [("again", 25.0_f64), ("kept", 12.5)].map(|(h, n)| (h.to_owned(), now, n.to_bits()));
    assert_eq!(stored(second.address), Readings::from(expected));
    push(&second, "deleted", 50.0);
    assert_eq!(second.readings("deleted").len(), 1);
}

/// What pushers and the killer share.
#[derive(Default)]
struct Stage {
    /// Where the aggregator answers, while it does.
    address: RwLock<Option<SocketAddr>>,
    is_over: AtomicBool,
}

/// A pusher's books: all it sent, and what of it was acknowledged.
#[derive(Default)]
struct Books {
    sent: Readings,
    acknowledged: Readings,
}

/// Pushes without a pause into whatever runs, until it is over.
fn push_all_the_time(stage: &Stage, name: &str, seed: u64) -> Books {
    let mut random = Random::new(seed);
    let mut books = Books::default();
    // In order from ten minutes ago, or from three hours ago: those hours are folded meanwhile, again
    // and again. A new host before the clock is reached.
    let now = wait::epoch_seconds() - 600;
    let mut count = 0;
    while !stage.is_over.load(Ordering::SeqCst) {
        let Some(address) = *stage.address.read().unwrap() else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        let host = format!("{name}-{}", count / 500);
        let hours = (count / 500 + seed.cast_signed()) % 2 * 3;
        let timestamp = now - hours * 3600 + count % 500;
        let percent = random.percent();
        let reading = (host.clone(), timestamp, percent.to_bits());
        books.sent.insert(reading.clone());
        let request = Request::new("POST", "/metrics")
            .header("Content-Type", "application/json")
            .body(body(&host, timestamp, percent));
        // Anything but a 200: it may or may not be there.
        if request
            .try_send(address)
            .is_ok_and(|answer| answer.status == 200)
        {
            books.acknowledged.insert(reading);
        }
        count += 1;
    }
    books
}

/// One life: starts on what the last one left, and is killed at a random instant.
fn live_and_die(
    (folder, storage): (&Folder, &str),
    stage: &Stage,
    random: &mut Random,
    dies_early: bool,
) {
    let mut command = Aggregator::command_on(folder.path(), storage);
    command.arg("--storage.fold-after=50ms");
    let mut process = Process::start("system-stats-aggregator", &mut command);
    let is_page = |line: &str| {
        line.contains("http://")
            .then(|| bound_address(line))
            .flatten()
    };
    // The instant of the kill is what is random here; nothing is waited for.
    if dies_early {
        thread::sleep(Duration::from_millis(random.below(250)));
    } else {
        let address = process.wait_for("the line with its address", is_page);
        *stage.address.write().unwrap() = Some(address);
        thread::sleep(Duration::from_millis(random.below(700)));
    }
    process.kill();
    *stage.address.write().unwrap() = None;
}

#[test]
fn a_hundred_kills_lose_nothing_that_was_acknowledged() {
    eprintln!("{}", kills_lose_nothing("sqlite://t.db", 100));
}

#[test]
fn thirty_kills_on_postgres_lose_nothing_that_was_acknowledged() {
    let database = Database::new();
    eprintln!("{}", kills_lose_nothing(&database.url(), 30));
    let blocks = "SELECT count(*) FROM system_stats.header_raw";
    assert_ne!(database.sql(blocks), "0", "nothing was folded");
}

/// What was seen, in words.
fn kills_lose_nothing(storage: &str, kills: usize) -> String {
    const SEED: u64 = 20_261_120;
    let (target, said) = random_target(SEED);
    let folder = Folder::new();
    folder.write("prometheus.yml", scraping(&[("random", target.address())]));
    let stage = Arc::new(Stage::default());
    let pushers: Vec<_> = (0..4)
        .map(|number| {
            let stage = Arc::clone(&stage);
            let name = format!("host{number}");
            thread::spawn(move || push_all_the_time(&stage, &name, SEED + number))
        })
        .collect();
    let mut random = Random::new(SEED);
    for life in 0..kills {
        live_and_die((&folder, storage), &stage, &mut random, life % 5 == 4);
    }
    stage.is_over.store(true, Ordering::SeqCst);
    let mut books = Books::default();
    for pusher in pushers {
        let one = pusher.join().unwrap();
        books.sent.extend(one.sent);
        books.acknowledged.extend(one.acknowledged);
    }
    let acknowledged = books.acknowledged.len();
    assert!(acknowledged > kills, "only {acknowledged} pushes in all");

    let survivor = Aggregator::run(&mut Aggregator::command_on(folder.path(), storage));
    let rows = stored(survivor.address);
    let lost: Vec<_> = books.acknowledged.difference(&rows).collect();
    assert!(
        lost.is_empty(),
        "{} of {acknowledged} lost: {lost:?}",
        lost.len()
    );
    let scraped_host = target.address().to_string();
    let said = said.lock().unwrap().clone();
    let (scraped, pushed): (Readings, Readings) = rows
        .into_iter()
        .partition(|(host, ..)| *host == scraped_host);
    for (_, second, bits) in &scraped {
        assert!(said.contains(bits), "{bits:x} at {second} was never said");
    }
    let unsent: Vec<_> = pushed.difference(&books.sent).collect();
    assert!(unsent.is_empty(), "never sent: {unsent:?}");
    assert!(!scraped.is_empty(), "no scrape survived");
    let seen = format!(
        "{acknowledged} pushes acknowledged, {} stored; {} scrapes stored",
        pushed.len(),
        scraped.len(),
    );
    // Counts are kept, not scanned; they must agree with the rows all the same.
    let hosts = survivor.get("/hosts");
    let rows = hosts["hosts"].as_array().unwrap().iter();
    let rows = rows.filter(|host| host["hostname"] != scraped_host);
    let counted: u64 = rows
        .map(|host| host["metric_count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, pushed.len() as u64);
    seen
}
