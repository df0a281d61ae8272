//! Targets move to another pack, and their series are the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::storage::FoldScope;

/// Packs of eight, and nothing that is done by itself.
fn options() -> Options {
    Options {
        commit_interval: Duration::ZERO,
        out_of_order_window: Duration::from_hours(1_000_000),
        fold_interval: Duration::from_hours(1_000_000),
        pack_targets: 8,
        ..Options::default()
    }
}

/// Appends like whoever keeps ids: unknown ones are asked for again. Returns the target's.
async fn keep_pushing(
    storage: &Storage,
    known: Option<TargetId>,
    host: &str,
    samples: &[(Millis, f64)],
) -> TargetId {
    let of = format!("instance={host}");
    let mut target = known.unwrap_or_else(|| storage.target(&labels(&of)).unwrap());
    for _ in 0..2 {
        let Ok(id) = Appender::series(storage, target, &labels(&format!("x,{of}"))) else {
            target = storage.target(&labels(&of)).unwrap();
            continue;
        };
        let rows: Vec<_> = samples.iter().map(|&(at, value)| (id, at, value)).collect();
        match storage.append(batch(target, Order::Strict, &rows), Urgency::Waiting) {
            Ok((ticket, outcome)) => {
                assert_eq!(outcome.stored, samples.len());
                storage.committed(ticket).await.unwrap();
                return target;
            }
            Err(AppendError::UnknownTarget(_)) => {
                target = storage.target(&labels(&of)).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{of} is unknown again");
}

async fn fold(storage: &Storage) {
    storage.fold(FoldScope::Everything).await.unwrap();
}

fn packs_of(storage: &Storage) -> Vec<(u32, u32)> {
    let targets = storage.inner.targets();
    targets.iter().map(|one| (one.id, one.pack)).collect()
}

#[tokio::test]
async fn the_last_of_a_pack_moves_to_the_open_one_with_the_next_hour() {
    let store = MemoryStore::new();
    let storage = open_with(&store, options()).await;
    let hosts: Vec<String> = (1..=9).map(|host| format!("h{host}")).collect();
    for host in &hosts {
        keep_pushing(&storage, None, host, &[(0, 1.0)]).await;
    }
    let first = packs_of(&storage)[0].1;
    let open = packs_of(&storage)[8];
    assert!(packs_of(&storage)[..8].iter().all(|one| one.1 == first));
    assert_eq!(open.0, open.1);
    // All but the first and the last one are gone; packs in use do not change.
    let (mut one, mut last) = (None, None);
    for hour in 0..3 {
        for host in ["h1", "h9"] {
            let known = if host == "h1" { &mut one } else { &mut last };
            let samples = [(hour * HOUR + 5, 2.0)];
            *known = Some(keep_pushing(&storage, *known, host, &samples).await);
        }
        fold(&storage).await;
        assert_eq!(packs_of(&storage).len(), 9);
    }
    // The hour that it was found out in still goes where it went.
    let of_host = keep_pushing(&storage, one, "h1", &[(2 * HOUR + 9, 3.0)]).await;
    fold(&storage).await;
    assert_eq!((Some(of_host), packs_of(&storage).len()), (one, 9));
    let moved = keep_pushing(&storage, one, "h1", &[(3 * HOUR, 4.0), (4 * HOUR, 5.0)]).await;
    assert!(moved > of_host);
    assert_eq!(storage.target(&labels("instance=h1")), Ok(moved));
    let packs = packs_of(&storage);
    assert_eq!((packs.len(), packs[9].1), (10, open.1));
    assert_eq!(
        keep_pushing(&storage, last, "h9", &[(4 * HOUR, 5.0)])
            .await
            .0,
        open.0.into()
    );
    fold(&storage).await;

    let expected = "x{instance=\"h1\"} 1@0 2@5 2@3600005 2@7200005 3@7200009 4@10800000 5@14400000";
    let of_h1 = [Matcher::equal("instance", "h1")];
    assert_eq!(shown(&storage, &of_h1, TimeRange::ALL).await, [expected]);
    let counted = stats(&storage, &of_h1).await;
    assert_eq!((counted.len(), counted[0].1.samples), (1, 7));
    storage.close().await.unwrap();
    let storage = open_with(&store.reopened(), options()).await;
    assert_eq!(shown(&storage, &of_h1, TimeRange::ALL).await, [expected]);
    assert_eq!(storage.target(&labels("instance=h1")), Ok(moved));
    // It does not move again, and outlives the one that it was.
    fold(&storage).await;
    let expired = storage.expire(3 * HOUR).await.unwrap();
    assert_eq!((expired.targets, expired.samples), (8, 16));
    assert_eq!(
        keep_pushing(&storage, None, "h1", &[(5 * HOUR, 6.0)]).await,
        moved
    );
    let expected = "x{instance=\"h1\"} 4@10800000 5@14400000 6@18000000";
    assert_eq!(shown(&storage, &of_h1, TimeRange::ALL).await, [expected]);
}

#[derive(Clone, Debug)]
enum Step {
    /// So many samples of a host, so far apart.
    Push(usize, usize, Millis),
    Move(usize),
    Fold,
    Restart,
    Delete(usize, f64, f64),
    Expire(f64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2usize, 1..9usize, 1..HOUR).prop_map(|(host, count, gap)| Step::Push(host, count, gap)),
        3 => (0..2usize).prop_map(Step::Move),
        3 => Just(Step::Fold),
        1 => Just(Step::Restart),
        1 => (0..2usize, 0.0..1.0, 0.0..0.5).prop_map(|(host, from, part)| Step::Delete(host, from, part)),
        1 => (0.0..0.6).prop_map(Step::Expire),
    ]
}

/// A part of the time that has passed, in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "less than a week")]
fn part(of: Millis, part: f64) -> Millis {
    (of as f64 * part) as Millis
}

async fn check(steps: Vec<Step>, options: Options) {
    const HOSTS: [&str; 2] = ["a", "b"];
    let mut store = MemoryStore::new();
    let mut storage = open_with(&store, options.clone()).await;
    let mut expected: [BTreeMap<Millis, f64>; 2] = Default::default();
    let mut known = [None; 2];
    let mut now = 0;
    for step in steps {
        match step {
            Step::Push(host, count, gap) => {
                let mut samples = Vec::new();
                for _ in 0..count {
                    now += gap;
                    samples.push((now, (now % 7) as f64));
                }
                expected[host].extend(samples.iter().copied());
                let pushed = keep_pushing(&storage, known[host], HOSTS[host], &samples).await;
                known[host] = Some(pushed);
            }
            Step::Move(host) => {
                let current = known[host].map_or(u32::MAX, |id| u32::try_from(id.0).unwrap());
                let targets = storage.inner.targets();
                if let Some(target) = targets.iter().find(|target| target.id == current) {
                    Inner::head_of(target).moves_at = Some(now + 1);
                }
            }
            Step::Fold => fold(&storage).await,
            Step::Restart => {
                storage.close().await.unwrap();
                store = store.reopened();
                storage = open_with(&store, options.clone()).await;
                known = [None; 2];
            }
            Step::Delete(host, from, length) => {
                let start = part(now, from);
                let end = start + part(now, length);
                let matchers = [Matcher::equal("instance", HOSTS[host])];
                let (ticket, _) = storage
                    .delete(&matchers, TimeRange { start, end })
                    .await
                    .unwrap();
                storage.committed(ticket).await.unwrap();
                expected[host].retain(|at, _| !(start..=end).contains(at));
            }
            Step::Expire(until) => {
                let horizon = part(now, until);
                storage.expire(horizon).await.unwrap();
                let floor = horizon - horizon % HOUR;
                for of in &mut expected {
                    of.retain(|at, _| *at >= floor);
                }
            }
        }
        let lines = expected.iter().zip(HOSTS).filter(|(of, _)| !of.is_empty());
        let lines: Vec<String> = lines
            .map(|(samples, host)| {
                let samples = samples.iter().map(|(at, value)| format!(" {value}@{at}"));
                format!("x{{instance=\"{host}\"}}{}", samples.collect::<String>())
            })
            .collect();
        assert_eq!(all(&storage).await, lines);
        let counts: Vec<u64> = stats(&storage, &[])
            .await
            .iter()
            .map(|one| one.1.samples)
            .collect();
        let lengths = expected
            .iter()
            .map(|of| of.len() as u64)
            .filter(|count| *count > 0);
        assert_eq!(counts, lengths.collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_moves_is_the_same_series(
        pack in prop_oneof![Just(1usize), Just(2), Just(64)],
        leaves: bool,
        name_bytes in prop_oneof![Just(0usize), Just(1 << 20)],
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let hours = if leaves { 2 } else { 10_000 };
        let options = Options {
            pack_targets: pack,
            leave_after: Duration::from_hours(hours),
            name_bytes,
            ..options()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(steps, options));
    }
}
