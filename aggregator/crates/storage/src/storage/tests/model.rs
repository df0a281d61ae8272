//! Random histories against a model: whatever happens, the head is the model, bit for bit.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memory::Fault;
use crate::storage::FoldScope;

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
    FailBlocks(Fault),
    Settle,
    Fold(FoldScope),
    /// Does something while the process dies at one of its writes, and starts again.
    Die(usize, Box<Self>),
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
    let fault = || {
        prop_oneof![
            Just(Fault::Before),
            Just(Fault::BeforeUnknown),
            Just(Fault::AfterUnknown),
            Just(Fault::Slow(Duration::from_millis(30))),
        ]
    };
    let fault = fault().boxed();
    let range = (time(), time()).prop_map(|(a, b)| TimeRange {
        start: a.min(b),
        end: a.max(b),
    });
    let hour = || (0..4i64).prop_map(|hour| hour * HOUR);
    let scope = prop_oneof![Just(FoldScope::Ripe), Just(FoldScope::Everything)];
    let scope = scope.boxed();
    let deletion = (0..SERIES.len() + 2, range)
        .prop_map(|(which, range)| Step::Delete(which, range))
        .boxed();
    let fatal = prop_oneof![
        3 => scope.clone().prop_map(Step::Fold),
        1 => hour().prop_map(Step::Expire),
        1 => deletion.clone(),
    ];
    prop_oneof![
        8 => (0..2usize, order, rows).prop_map(|(host, order, rows)| Step::Append(host, order, rows)),
        4 => (0..2usize, time(), 1..3 * MINUTE, 1..120usize)
            .prop_map(|(host, start, every, count)| Step::Run(host, start, every, count)),
        3 => deletion,
        1 => hour().prop_map(Step::Expire),
        2 => fault.clone().prop_map(Step::Fail),
        2 => fault.prop_map(Step::FailBlocks),
        5 => scope.prop_map(Step::Fold),
        2 => (0..12usize, fatal).prop_map(|(writes, step)| Step::Die(writes, Box::new(step))),
        2 => Just(Step::Settle),
        2 => Just(Step::Crash),
    ]
}

/// What should be there.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    series: BTreeMap<usize, BTreeMap<Millis, u64>>,
    floor: Millis,
    /// How often samples came again that may be in blocks already: until a fold has merged them,
    /// they may count twice.
    again: BTreeMap<usize, u64>,
    /// Whether series leave memory: of one that comes back the newest value is not known.
    leaves: bool,
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
            let is_known = latest == Some(timestamp) && !self.leaves;
            if samples.contains_key(&timestamp) && !is_known {
                *self.again.entry(series).or_default() += 1;
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

    fn expire(&mut self, horizon: Millis) {
        self.floor = self.floor.max(horizon);
        let end = self.floor - 1;
        self.delete(|_| true, TimeRange { start: 0, end });
    }

    /// Compares with what is found; samples that came again may still count twice.
    fn check(&self, mut found: Vec<Shown>) -> Result<(), String> {
        let expected = self.shown();
        let mut of_label = BTreeMap::new();
        for (series, again) in &self.again {
            of_label.insert(labels(SERIES[*series]).to_string(), *again);
        }
        for (label, _, stats) in &mut found {
            let expected = expected.iter().find(|shown| shown.0 == *label);
            let more = of_label.get(label).copied().unwrap_or_default();
            if let Some((.., expected)) = expected
                && (expected.samples..=expected.samples + more).contains(&stats.samples)
                && more > 0
            {
                stats.samples = expected.samples;
                stats.first = stats.first.max(expected.first);
                stats.last = stats.last.min(expected.last);
            }
        }
        if found == expected {
            return Ok(());
        }
        Err(format!("found {found:#?}\nexpected {expected:#?}"))
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
    let all = stats(storage, &[]).await.into_iter();
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
    /// Targets a pack.
    pack: usize,
    /// How old a series is when it leaves memory.
    age: Duration,
    is_dying: bool,
}

impl Run {
    async fn new(pack: usize, age: Duration) -> Self {
        let store = MemoryStore::new();
        let storage = Self::open(&store, pack, age).await;
        let state = State {
            leaves: age < Duration::from_hours(24),
            ..State::default()
        };
        let history = BTreeMap::from([(0, state.clone())]);
        Self {
            store,
            storage,
            state,
            history,
            pack,
            age,
            is_dying: false,
        }
    }

    async fn open(store: &MemoryStore, pack: usize, leave_after: Duration) -> Storage {
        let options = Options {
            out_of_order_window: Duration::from_hours(2),
            segment_bytes: 2000,
            fold_interval: Duration::from_hours(10_000),
            pack_targets: pack,
            leave_after,
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
        let expected = self.state.append(order, &rows);
        // What is in a block is compared when it is merged.
        let taken = |outcome: Outcome| outcome.stored + outcome.duplicate;
        assert_eq!(taken(outcome), taken(expected));
        assert_eq!(outcome.out_of_order, expected.out_of_order);
        assert!(outcome.duplicate <= expected.duplicate);
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
                let deleted = self.storage.delete(&matchers, *range).await;
                if self.is_dying && deleted.is_err() {
                    return;
                }
                let (ticket, _) = deleted.unwrap();
                self.state.delete(is_meant, *range);
                self.history.insert(ticket.0, self.state.clone());
            }
            Step::Expire(horizon) => {
                self.state.expire(*horizon);
                let mut expired = self.storage.expire(*horizon).await;
                for _ in 0..20 {
                    // Blocks may be told to fail.
                    if expired.is_err() && !self.is_dying {
                        expired = self.storage.expire(*horizon).await;
                    }
                }
                if self.is_dying && expired.is_err() {
                    return;
                }
                expired.unwrap();
                self.history
                    .insert(self.storage.status().committed, self.state.clone());
            }
            Step::Fail(fault) => self.store.fail_next([*fault]),
            Step::FailBlocks(fault) => self.store.fail_next_blocks([*fault]),
            Step::Fold(scope) => {
                tokio::time::sleep(Duration::from_mins(26)).await;
                // What fails is tried again by the next one.
                drop(self.storage.fold(*scope).await);
            }
            Step::Die(writes, step) => {
                self.store.die_after(*writes);
                self.is_dying = true;
                let dying = Box::pin(self.step(step));
                drop(tokio::time::timeout(Duration::from_mins(1), dying).await);
                self.is_dying = false;
                Box::pin(self.step(&Step::Crash)).await;
            }
            Step::Settle => {
                let last = self.storage.inner.queue.latest(Urgency::Waiting);
                self.storage.committed(last).await.unwrap();
            }
            Step::Crash => {
                self.store = self.store.reopened();
                self.storage = Self::open(&self.store, self.pack, self.age).await;
                let committed = self.storage.status().committed;
                let survived = self
                    .history
                    .range(..=committed)
                    .next_back()
                    .unwrap()
                    .1
                    .clone();
                self.state = survived;
                // A horizon is durable or not.
                self.state.expire(self.storage.inner.floor());
                // What an interrupted removal has left goes with the next one.
                while self.storage.expire(Millis::MIN).await.is_err() {}
                let committed = self.storage.status().committed;
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
    fn head_and_blocks_are_the_model(
        pack in prop_oneof![Just(1usize), Just(64)],
        age in prop_oneof![Just(0u64), Just(40), Just(10_000)].prop_map(Duration::from_mins),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut run = Run::new(pack, age).await;
            for step in &steps {
                run.step(step).await;
                let checked = run.state.check(found(&run.storage).await);
                prop_assert!(checked.is_ok(), "after {:?}: {}", step, checked.unwrap_err());
            }
            for _ in 0..2 {
                run.step(&Step::Settle).await;
                let mut folded = run.storage.fold(FoldScope::Everything).await;
                for _ in 0..40 {
                    if !matches!(folded, Ok(0)) {
                        folded = run.storage.fold(FoldScope::Everything).await;
                    }
                }
                prop_assert!(matches!(folded, Ok(0)), "{:?}", folded);
                // Nothing is left in memory, nothing counts twice, nothing is to be hidden.
                let status = run.storage.status();
                prop_assert_eq!((status.samples, status.deletions, status.damaged_blocks), (0, 0, 0));
                prop_assert_eq!(found(&run.storage).await, run.state.shown(), "at the end");
                run.step(&Step::Crash).await;
                prop_assert_eq!(found(&run.storage).await, run.state.shown(), "after a restart");
                run.state.again.clear();
            }
            Ok(())
        })?;
    }
}
