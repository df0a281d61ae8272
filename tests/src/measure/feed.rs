//! A fleet that feeds a store directly, as fast as it takes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use system_stats_model::append::{
    Appender, Batch, Order, Row, SeriesId, TargetId, Ticket, Urgency,
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
            commits: Vec::new(),
            samples: 0,
        }
    }

    /// The simulated time.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Options with which a store commits when the feed says so.
    pub fn options() -> Options {
        Options {
            commit_interval: Duration::ZERO,
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
            let (phase, now) = self.next();
            let mut last: Option<Ticket> = None;
            let mut stored = 0;
            let mut fleet = self.hosts.iter_mut().skip(phase).step_by(PHASES).peekable();
            let start = Instant::now();
            while let Some(fed) = fleet.next() {
                fed.name(storage);
                let urgency = match fleet.peek() {
                    Some(_) => Urgency::Relaxed,
                    None => Urgency::Waiting,
                };
                let taken = storage.append(fed.batch(now), urgency);
                let (ticket, outcome) = taken.unwrap_or_else(|e| panic!("{e}"));
                last = Some(ticket);
                stored += outcome.stored as u64;
            }
            if let Some(ticket) = last {
                let done = storage.committed(ticket).await;
                done.unwrap_or_else(|e| panic!("{e}"));
                self.commits.push(start.elapsed());
            }
            self.samples += stored;
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
