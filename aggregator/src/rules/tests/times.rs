//! Schedules, offsets and restarts.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Schedule;
use crate::rules::AlertState;
use crate::rules::worker::{Ending, Worker};

#[tokio::test]
async fn an_offset_looks_and_writes_into_the_past() {
    let bench = Bench::new().await;
    let rules = "{record: r, expr: t}, {alert: A, expr: t > 1}";
    let group = bench.group_with("query_offset: 2m,", rules, false);
    bench.write("t", "a", MINUTE, 5.0);
    bench.write("t", "a", 3 * MINUTE, 7.0);
    group.evaluate(&bench.engine, 3 * MINUTE).await;
    assert_eq!(
        bench.read("timestamp(r)", 3 * MINUTE).await,
        [r#"{host="a"} 60"#]
    );
    assert_eq!(bench.read("r", 3 * MINUTE).await, [r#"r{host="a"} 5"#]);
    assert_eq!(
        bench.read("timestamp(ALERTS)", 3 * MINUTE).await,
        [r#"{alertname="A",alertstate="firing",host="a"} 60"#]
    );
    let alert = &group.rules[1].active()[0];
    let (value, active_at) = (alert.value.to_string(), alert.active_at / MINUTE);
    assert_eq!(
        (value.as_str(), active_at),
        ("5", 3),
        "it is active from now on"
    );
}

#[tokio::test]
async fn pending_alerts_go_on_after_a_restart() {
    let bench = Bench::new().await;
    let rules = "{alert: Long, expr: t > 0, for: 30m}, {alert: Short, expr: t > 0, for: 5m}";
    let before = bench.group(rules, false);
    for minute in 1..=20 {
        bench.write("t", "a", minute * MINUTE, 1.0);
        before.evaluate(&bench.engine, minute * MINUTE).await;
    }
    // Down for ten minutes.
    let after = bench.group(rules, true);
    for minute in [31, 32] {
        bench.write("t", "a", minute * MINUTE, 1.0);
        after.evaluate(&bench.engine, minute * MINUTE).await;
    }
    let written = bench.read("ALERTS", 32 * MINUTE).await;
    assert!(
        written.is_empty(),
        "nothing before the past is known: {written:?}"
    );
    after.restore(&bench.engine, 32 * MINUTE).await;
    let active_at = |at: usize| after.rules[at].active()[0].active_at / MINUTE;
    // Nineteen of its thirty minutes had passed; the twelve without an evaluation do not count.
    assert_eq!(active_at(0), 13);
    assert_eq!(
        active_at(1),
        31,
        "shorter than the grace period: it starts over"
    );
    bench.write("t", "a", 33 * MINUTE, 1.0);
    after.evaluate(&bench.engine, 33 * MINUTE).await;
    assert_eq!(bench.read("ALERTS", 33 * MINUTE).await.len(), 2);
}

#[tokio::test]
async fn what_fired_before_a_restart_fires_again_if_that_was_not_long_ago() {
    // Down for so many minutes, and the state at the evaluation after the restoration.
    for (down, state) in [(10, AlertState::Firing), (70, AlertState::Pending)] {
        let bench = Bench::new().await;
        let rules = "{alert: A, expr: t > 0, for: 15m}";
        let before = bench.group(rules, false);
        for minute in 1..=20 {
            bench.write("t", "a", minute * MINUTE, 1.0);
            before.evaluate(&bench.engine, minute * MINUTE).await;
        }
        let after = bench.group(rules, true);
        let start = 20 + down;
        for minute in [start, start + 1] {
            bench.write("t", "a", minute * MINUTE, 1.0);
            after.evaluate(&bench.engine, minute * MINUTE).await;
            assert_eq!(after.rules[0].active()[0].state, AlertState::Pending);
        }
        after.restore(&bench.engine, (start + 1) * MINUTE).await;
        bench.write("t", "a", (start + 2) * MINUTE, 1.0);
        after.evaluate(&bench.engine, (start + 2) * MINUTE).await;
        assert_eq!(
            after.rules[0].active()[0].state,
            state,
            "down for {down} minutes"
        );
    }
}

/// Sets the clock when it hears of an alert, as if its evaluation had taken so long.
struct Slow {
    clock: Clock,
    until: Millis,
    stop: CancellationToken,
}

impl AlertSink for Slow {
    fn changed(&self, _: (&str, &str), _: &[Transition]) {
        if self.clock.now() < self.until {
            self.clock.set(self.until);
        } else {
            self.stop.cancel();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn evaluations_that_come_too_late_are_left_out_and_counted() {
    let mut bench = Bench::new().await;
    let (clock, stop) = (Clock::manual(0), CancellationToken::new());
    let engine = Arc::get_mut(&mut bench.engine).unwrap();
    engine.clock = clock.clone();
    engine.sink = Arc::new(Slow {
        clock,
        until: 4 * MINUTE,
        stop: stop.clone(),
    });
    // It changes with every evaluation.
    let group = bench.group(
        "{alert: A, expr: 'vector(time())', labels: {at: '{{ $value }}'}}",
        false,
    );
    let engine = Arc::clone(&bench.engine);
    let worker = Worker {
        engine: Arc::clone(&engine),
        schedule: Schedule::new(group.definition.interval, 0, 0),
        group: Arc::clone(&group),
        turn: Arc::default(),
        before: None,
        ending: Ending {
            shutdown: stop,
            removed: CancellationToken::new(),
            replaced: CancellationToken::new(),
        },
        restores: false,
    };
    worker.run().await;
    // Due were minutes 1 to 5; the evaluation of minute 1 ended in minute 4.
    let metrics = &engine.metrics;
    assert_eq!(counted(metrics, "rule_group_iterations_total"), "2");
    assert_eq!(counted(metrics, "rule_group_iterations_missed_total"), "3");
    assert_eq!(group.last().0, Some(5 * MINUTE));
}
