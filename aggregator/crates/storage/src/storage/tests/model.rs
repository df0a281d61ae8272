//! Random histories against a model: whatever happens, the head is the model, bit for bit.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memory::Fault;

const MINUTE: Millis = 60_000;
const WINDOW: Millis = 2 * HOUR;
const SERIES: [&str; 5] = [
    "x,instance=a",
    "y,instance=a",
    "z,instance=a,job=j",
    "x,instance=b",
    "y,instance=b",
];

/// Labels, samples, statistics.
type Shown = (String, Vec<(Millis, u64)>, SeriesStats);

#[derive(Clone, Debug)]
enum Step {
    Append(usize, Order, Vec<(usize, Millis, f64)>),
    /// Many moments of all series of a host.
    Run(usize, Millis, Millis, usize),
    Delete(usize, TimeRange),
    Expire(Millis),
    Fail(Fault),
    Settle,
    Crash,
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0u32..4).prop_map(f64::from),
        1 => Just(STALE),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn time() -> impl Strategy<Value = Millis> {
    prop_oneof![
        8 => (0..360i64).prop_map(|minute| minute * MINUTE),
        1 => 0..6 * HOUR,
        1 => Just(-1),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Any), Just(Order::Strict)];
    let rows = prop::collection::vec((0..SERIES.len(), time(), value()), 1..8);
    let fault = prop_oneof![
        Just(Fault::Before),
        Just(Fault::BeforeUnknown),
        Just(Fault::AfterUnknown),
        Just(Fault::Slow(Duration::from_millis(30))),
    ];
    let range = (time(), time()).prop_map(|(a, b)| TimeRange {
        start: a.min(b),
        end: a.max(b),
    });
    let hour = (0..4i64).prop_map(|hour| hour * HOUR);
    prop_oneof![
        8 => (0..2usize, order, rows).prop_map(|(host, order, rows)| Step::Append(host, order, rows)),
        4 => (0..2usize, time(), 1..3 * MINUTE, 1..120usize)
            .prop_map(|(host, start, every, count)| Step::Run(host, start, every, count)),
        2 => (0..SERIES.len() + 2, range).prop_map(|(which, range)| Step::Delete(which, range)),
        1 => hour.prop_map(Step::Expire),
        2 => fault.prop_map(Step::Fail),
        2 => Just(Step::Settle),
        2 => Just(Step::Crash),
    ]
}

/// What should be there.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    series: BTreeMap<usize, BTreeMap<Millis, u64>>,
    floor: Millis,
}

impl State {
    fn append(&mut self, order: Order, rows: &[(usize, Millis, f64)]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.1);
        for (series, timestamp, value) in rows {
            let samples = self.series.entry(series).or_default();
            let latest = samples.last_key_value().map(|(at, _)| *at);
            let is_old = latest.is_some_and(|latest| {
                let late = timestamp < latest;
                late && (order == Order::Strict || timestamp < latest - WINDOW)
            });
            if timestamp < self.floor || is_old {
                outcome.out_of_order += 1;
                continue;
            }
            let have = *samples.entry(timestamp).or_insert(value.to_bits());
            if have == value.to_bits() {
                outcome.stored += 1;
            } else {
                outcome.duplicate += 1;
            }
        }
        outcome
    }

    fn delete(&mut self, is_meant: impl Fn(usize) -> bool, range: TimeRange) {
        for (series, samples) in &mut self.series {
            if is_meant(*series) {
                samples.retain(|at, _| !range.contains(*at));
            }
        }
    }

    fn shown(&self) -> Vec<Shown> {
        let mut all = Vec::new();
        for (&series, samples) in &self.series {
            let Some((&timestamp, &bits)) = samples.last_key_value() else {
                continue;
            };
            let value = f64::from_bits(bits);
            let alive = samples.iter().filter(|(_, bits)| **bits != STALE.to_bits());
            let alive: Vec<Millis> = alive.map(|(at, _)| *at).collect();
            let stats = SeriesStats {
                samples: alive.len() as u64,
                first: alive.first().copied().unwrap_or(timestamp),
                last: alive.last().copied().unwrap_or(timestamp),
                latest: Some(Sample { timestamp, value }),
            };
            let samples = samples.iter().map(|(at, bits)| (*at, *bits)).collect();
            all.push((labels(SERIES[series]).to_string(), samples, stats));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

async fn found(storage: &Storage) -> Vec<Shown> {
    let selector = Selector {
        matchers: Vec::new(),
        range: TimeRange::ALL,
    };
    let snapshot = storage
        .snapshot(std::slice::from_ref(&selector))
        .await
        .unwrap();
    let mut samples_of = BTreeMap::new();
    let mut visit = |labels: &Labels, samples: Samples<'_>| {
        let bits = samples.values.iter().map(|value| value.to_bits());
        let samples: Vec<_> = samples.timestamps.iter().copied().zip(bits).collect();
        samples_of.insert(labels.to_string(), samples);
        ControlFlow::Continue(())
    };
    snapshot.for_each(&selector, &mut visit).unwrap();
    let all = stats(storage, &[]).into_iter();
    let all: Vec<_> = all
        .map(|(labels, stats)| {
            let samples = samples_of.remove(&labels).unwrap_or_default();
            (labels, samples, stats)
        })
        .collect();
    assert!(
        samples_of.is_empty(),
        "samples of unknown series: {samples_of:?}"
    );
    all
}

/// The storage and what it should hold.
struct Run {
    store: MemoryStore,
    storage: Storage,
    state: State,
    /// The state after everything of a ticket.
    history: BTreeMap<u64, State>,
}

impl Run {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let storage = Self::open(&store).await;
        let history = BTreeMap::from([(0, State::default())]);
        Self {
            store,
            storage,
            state: State::default(),
            history,
        }
    }

    async fn open(store: &MemoryStore) -> Storage {
        let options = Options {
            out_of_order_window: Duration::from_hours(2),
            segment_bytes: 2000,
            ..Options::default()
        };
        open_with(store, options).await
    }

    fn append(&mut self, host: usize, order: Order, rows: &[(usize, Millis, f64)]) {
        let instance = ["instance=a", "instance=b"][host];
        let rows: Vec<_> = rows
            .iter()
            .filter(|row| (row.0 >= 3) == (host == 1))
            .copied()
            .collect();
        let target = self.storage.target(&labels(instance)).unwrap();
        let id = |at: usize| series(&self.storage, target, SERIES[at]);
        let with_ids: Vec<_> = rows
            .iter()
            .map(|&(at, ts, value)| (id(at), ts, value))
            .collect();
        let urgency = if rows.len() % 2 == 0 {
            Urgency::Relaxed
        } else {
            Urgency::Waiting
        };
        let taken = self
            .storage
            .append(batch(target, order, &with_ids), urgency);
        let (ticket, outcome) = taken.unwrap();
        assert_eq!(outcome, self.state.append(order, &rows));
        self.history.insert(ticket.0, self.state.clone());
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Append(host, order, rows) => self.append(*host, *order, rows),
            Step::Run(host, start, every, count) => {
                for at in 0..*count {
                    let moment = start + every * i64::try_from(at).unwrap();
                    let value = (at / 3) as f64;
                    let rows: Vec<_> = (0..SERIES.len()).map(|s| (s, moment, value)).collect();
                    self.append(*host, Order::Any, &rows);
                }
            }
            Step::Delete(which, range) => {
                let of: Labels = labels(SERIES.get(*which).copied().unwrap_or("instance=a"));
                let matchers: Vec<Matcher> = of.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
                let is_meant = |series: usize| {
                    matchers
                        .iter()
                        .all(|matcher| matcher.matches_labels(&labels(SERIES[series])))
                };
                let (ticket, _) = self.storage.delete(&matchers, *range).unwrap();
                self.state.delete(is_meant, *range);
                self.history.insert(ticket.0, self.state.clone());
            }
            Step::Expire(horizon) => {
                self.state.floor = self.state.floor.max(*horizon);
                let end = self.state.floor - 1;
                self.state.delete(|_| true, TimeRange { start: 0, end });
                self.storage.expire(*horizon).await.unwrap();
                self.history
                    .insert(self.storage.status().committed, self.state.clone());
            }
            Step::Fail(fault) => self.store.fail_next([*fault]),
            Step::Settle => {
                let last = self.storage.inner.queue.latest(Urgency::Waiting);
                self.storage.committed(last).await.unwrap();
            }
            Step::Crash => {
                self.store = self.store.reopened();
                self.storage = Self::open(&self.store).await;
                let committed = self.storage.status().committed;
                let survived = self
                    .history
                    .range(..=committed)
                    .next_back()
                    .unwrap()
                    .1
                    .clone();
                self.state = survived;
                self.history = BTreeMap::from([(committed, self.state.clone())]);
            }
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_head_is_the_model(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in &steps {
                run.step(step).await;
                prop_assert_eq!(found(&run.storage).await, run.state.shown(), "after {:?}", step);
            }
            run.step(&Step::Settle).await;
            run.step(&Step::Crash).await;
            prop_assert_eq!(found(&run.storage).await, run.state.shown(), "at the end");
            Ok(())
        })?;
    }
}
