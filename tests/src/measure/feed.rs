//! A fleet that feeds a store directly, as fast as it takes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use system_stats_model::append::{
    AppendError, Appender, Batch, Order, Row, SeriesId, TargetId, Urgency,
};
use system_stats_model::exposition::{Entry, Format, Limits, Parser};
use system_stats_model::labels::Labels;
use system_stats_storage::{Options, Storage};

use crate::fleet::{Host, Trace};

/// Seconds between two scrapes of a host.
const PHASES: usize = 15;

/// How large a fleet is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many hosts.
    pub hosts: usize,
    /// Equal seeds give equal fleets.
    pub seed: u64,
}

/// A fleet whose hosts are scraped every 15 simulated seconds, evenly spread, with one commit a
/// simulated second in which anything was scraped: as the program itself commits.
#[derive(Debug)]
pub struct Feed {
    hosts: Vec<Fed>,
    /// The start of the simulated second that comes next, in milliseconds since 1970.
    now: i64,
    /// Simulated seconds between two rounds of [`Feed::run_rounds`].
    interval: i64,
    /// Simulated seconds whose scrapes [`Feed::run`] commits at once.
    together: i64,
    /// How long each commit took until it was acknowledged.
    pub commits: Vec<Duration>,
    /// How many samples were stored.
    pub samples: u64,
}

#[derive(Debug)]
struct Fed {
    host: Host,
    instance: String,
    ids: Option<(TargetId, Vec<SeriesId>)>,
}

impl Feed {
    /// A fleet before its first scrape at `start`, milliseconds since 1970.
    pub fn new(trace: &Trace, shape: Shape, start: i64) -> Self {
        let hosts = Host::fleet(trace, shape.hosts, shape.seed)
            .into_iter()
            .enumerate();
        let fed = |(number, host)| Fed {
            host,
            instance: format!("host-{:02}-{number:04}:9100", shape.seed),
            ids: None,
        };
        Self {
            hosts: hosts.map(fed).collect(),
            now: start,
            interval: 15,
            together: 1,
            commits: Vec::new(),
            samples: 0,
        }
    }

    /// The simulated time.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The same with so many simulated seconds between two scrapes of a host.
    #[must_use]
    pub fn every(mut self, interval: i64) -> Self {
        self.interval = interval;
        self
    }

    /// The same with the scrapes of so many simulated seconds in one commit.
    #[must_use]
    pub fn together(mut self, seconds: i64) -> Self {
        self.together = seconds;
        self
    }

    /// Options with which a store commits when the feed says so, and only then.
    pub fn options() -> Options {
        Options {
            commit_interval: Duration::from_hours(1),
            ..Options::default()
        }
    }

    /// Gives names to all series of all hosts.
    pub fn name(&mut self, storage: &Storage) {
        for fed in &mut self.hosts {
            fed.name(storage);
        }
    }

    /// So many seconds of scrapes, none of which is stored: what the fleet itself costs.
    pub fn idle(&mut self, seconds: i64) -> u64 {
        let mut values = 0;
        for _ in 0..seconds {
            let (phase, now) = self.next();
            for fed in self.hosts.iter_mut().skip(phase).step_by(PHASES) {
                let batch = fed.batch(now);
                values += std::hint::black_box(batch.rows.len()) as u64;
            }
        }
        values
    }

    /// Which hosts come next, and when.
    fn next(&mut self) -> (usize, i64) {
        let now = self.now;
        self.now += 1000;
        let phase = usize::try_from(now / 1000).unwrap_or(0) % PHASES;
        (phase, now)
    }

    /// So many seconds of scrapes into a store, every commit waited for.
    pub async fn run(&mut self, storage: &Storage, seconds: i64) {
        for _ in 0..seconds {
            let start = Instant::now();
            let now = self.second(storage);
            if now / 1000 % self.together == 0 {
                commit(storage).await;
                self.commits.push(start.elapsed());
            }
        }
        commit(storage).await;
    }

    /// The scrapes of a second, and when it was.
    fn second(&mut self, storage: &Storage) -> i64 {
        let (phase, now) = self.next();
        for fed in self.hosts.iter_mut().skip(phase).step_by(PHASES) {
            fed.name(storage);
            self.samples += fed.store(storage, now);
        }
        now
    }

    /// Finds out how many seconds the program would wait before it commits: until there are 64 KiB
    /// of records, five seconds at most.
    pub async fn pace(&mut self, storage: &Storage) {
        for _ in 0..PHASES {
            self.second(storage);
        }
        let bytes = storage.status().waiting_bytes.max(1);
        commit(storage).await;
        let seconds = (PHASES * (64 << 10)) / bytes;
        self.together = i64::try_from(seconds).unwrap_or(5).clamp(1, 5);
    }

    /// So many rounds of scrapes of all hosts, a commit a round.
    pub async fn run_rounds(&mut self, storage: &Storage, rounds: i64) {
        for _ in 0..rounds {
            for (number, fed) in self.hosts.iter_mut().enumerate() {
                fed.name(storage);
                let second = i64::try_from(number).unwrap_or(0) % self.interval;
                self.samples += fed.store(storage, self.now + second * 1000);
            }
            commit(storage).await;
            self.now += self.interval * 1000;
        }
    }

    /// How many series the fleet has.
    pub fn series(&self) -> usize {
        self.hosts.iter().map(|fed| fed.host.texts().count()).sum()
    }
}

impl Fed {
    fn name(&mut self, storage: &Storage) {
        if self.ids.is_some() {
            return;
        }
        let pairs = [("instance", &*self.instance), ("job", "node")];
        let target = storage.target(&Labels::from_pairs(pairs));
        let target = target.unwrap_or_else(|e| panic!("{e}"));
        let labels = self.host.texts().map(|text| labels(text, &self.instance));
        let series = labels.map(|labels| {
            let id = Appender::series(storage, target, &labels);
            id.unwrap_or_else(|e| panic!("{e}"))
        });
        self.ids = Some((target, series.collect()));
    }

    /// A scrape into a store; how many samples.
    fn store(&mut self, storage: &Storage, timestamp: i64) -> u64 {
        let mut taken = storage.append(self.batch(timestamp), Urgency::Relaxed);
        if matches!(taken, Err(AppendError::UnknownTarget(_))) {
            // The host has another target from this hour on.
            self.ids = None;
            self.name(storage);
            taken = storage.append(self.batch(timestamp), Urgency::Relaxed);
        }
        let (_, outcome) = taken.unwrap_or_else(|e| panic!("{e}"));
        outcome.stored as u64
    }

    fn batch(&mut self, timestamp: i64) -> Batch {
        let (target, ids) = match &self.ids {
            Some((target, ids)) => (*target, &ids[..]),
            None => (TargetId(0), &[][..]),
        };
        let values = self.host.scrape();
        let id = |at: usize| ids.get(at).copied().unwrap_or(SeriesId(at as u64));
        let row = |(at, &value): (usize, &f64)| Row {
            series: id(at),
            timestamp,
            value,
        };
        Batch {
            target,
            order: Order::Strict,
            rows: values.iter().enumerate().map(row).collect(),
        }
    }
}

/// Commits what waits.
async fn commit(storage: &Storage) {
    let taken = storage.append(
        Batch {
            target: TargetId(1),
            order: Order::Strict,
            rows: Vec::new(),
        },
        Urgency::Waiting,
    );
    let (ticket, _) = taken.unwrap_or_else(|e| panic!("{e}"));
    let done = storage.committed(ticket).await;
    done.unwrap_or_else(|e| panic!("{e}"));
}

fn labels(text: &str, instance: &str) -> Labels {
    let line = format!("{text} 0\n");
    let mut parser = Parser::new(line.as_bytes(), Format::Text, Limits::default());
    let mut pairs = Vec::new();
    while let Some(entry) = parser.next() {
        if let Ok(Entry::Series(series)) = entry {
            let read = parser.labels(&series, &mut pairs);
            read.unwrap_or_else(|e| panic!("{text}: {e}"));
        }
    }
    let own = pairs.iter().map(|(name, value)| (&**name, &**value));
    Labels::from_pairs(own.chain([("instance", instance), ("job", "node")]))
}

/// Opens a store at a URL.
pub async fn open(url: &str, options: Options) -> Storage {
    let store = system_stats_sql::open(url).await;
    let store: Arc<_> = store.unwrap_or_else(|e| panic!("{e}"));
    let storage = Storage::open(store, options).await;
    storage.unwrap_or_else(|e| panic!("{e}"))
}
