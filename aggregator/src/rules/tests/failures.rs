//! What fails, and what goes on all the same.

use system_stats_model::sample::STALE;

use super::*;
use crate::rules::AlertState;

#[tokio::test]
async fn a_rule_that_fails_leaves_the_others_and_its_alerts_alone() {
    let bench = Bench::new().await;
    let group = bench.group(
        "{alert: Some, expr: t > 0, for: 5m}, \
         {record: same, expr: 'label_replace(t, \"host\", \"x\", \"\", \"\")'}, \
         {alert: Broken, expr: 'label_replace(t, \"host\", \"x\", \"\", \"\") > 0'}, \
         {record: fine, expr: count(t)}",
        false,
    );
    for (host, at) in [("a", 0), ("b", 0), ("a", MINUTE), ("b", MINUTE)] {
        bench.write("t", host, at + MINUTE, 1.0);
        group.evaluate(&bench.engine, at + MINUTE).await;
    }
    assert_eq!(bench.read("fine", 2 * MINUTE).await, ["fine 2"]);
    let health: Vec<&str> = group
        .rules
        .iter()
        .map(|rule| rule.progress().health.as_str())
        .collect();
    assert_eq!(health, ["ok", "err", "err", "ok"]);
    let error = group.rules[1].progress().last_error;
    assert!(error.contains("same labelset"), "{error}");
    assert_eq!(group.rules[0].active().len(), 2);
    let active_at = group.rules[0].active()[0].active_at;
    assert_eq!(active_at, MINUTE, "since when it is pending survives");
    assert_eq!(group.rules[3].progress().health, RuleHealth::Ok);
}

#[tokio::test]
async fn a_rule_above_the_limit_of_its_group_fails() {
    let bench = Bench::new().await;
    let rules = "{record: r, expr: t}, {alert: A, expr: t > 0}, {record: n, expr: count(t)}";
    let group = bench.group_with("limit: 1,", rules, false);
    bench.write("t", "a", MINUTE, 1.0);
    group.evaluate(&bench.engine, MINUTE).await;
    assert_eq!(group.rules[1].active().len(), 1);
    bench.write("t", "a", 2 * MINUTE, 1.0);
    bench.write("t", "b", 2 * MINUTE, 1.0);
    group.evaluate(&bench.engine, 2 * MINUTE).await;
    let errors: Vec<String> = (group.rules.iter().map(|rule| rule.progress().last_error)).collect();
    let expected = [
        "exceeded limit of 1 with 2 series",
        "exceeded limit of 1 with 2 alerts",
        "",
    ];
    assert_eq!(errors, expected);
    assert_eq!(group.rules[1].active().len(), 0);
    assert_eq!(
        bench.read("r", 2 * MINUTE).await.len(),
        1,
        "nothing of it is stored"
    );
    assert_eq!(
        counted(&bench.engine.metrics, "rule_evaluation_failures_total"),
        "2"
    );
    assert_eq!(
        counted(&bench.engine.metrics, "rule_evaluations_total"),
        "6"
    );
    assert_eq!(
        counted(&bench.engine.metrics, "rule_group_iterations_total"),
        "2"
    );
}

#[tokio::test]
async fn a_query_that_fails_leaves_the_alerts_of_its_rule_as_they_were() {
    let bench = Bench::new().await;
    let group = bench.group("{alert: A, expr: 't * on () one > 0', for: 2m}", false);
    bench.write("t", "a", MINUTE, 1.0);
    bench.write("one", "", MINUTE, 1.0);
    for minute in 1..=2 {
        group.evaluate(&bench.engine, minute * MINUTE).await;
    }
    let before = group.rules[0].active();
    // Two on one side of a join that has no grouping.
    bench.write("t", "b", 3 * MINUTE, 1.0);
    group.evaluate(&bench.engine, 3 * MINUTE).await;
    let progress = group.rules[0].progress();
    assert_eq!(progress.health, RuleHealth::Err);
    assert!(
        progress.last_error.contains("multiple matches"),
        "{progress:?}"
    );
    assert_eq!(
        group.rules[0].active(),
        before,
        "pending since the first minute"
    );
    assert_eq!(
        bench.read("ALERTS", 3 * MINUTE).await.len(),
        1,
        "its series do not end"
    );

    bench.write("t", "b", 4 * MINUTE, STALE);
    group.evaluate(&bench.engine, 4 * MINUTE).await;
    let alert = &group.rules[0].active()[0];
    assert_eq!((alert.active_at, alert.state), (MINUTE, AlertState::Firing));
    assert_eq!(group.rules[0].progress().health, RuleHealth::Ok);
}

#[tokio::test]
async fn two_results_with_the_labels_of_one_alert_are_an_error() {
    let bench = Bench::new().await;
    let rules = "{alert: A, expr: t > 0, labels: {host: all}}, \
                 {record: r, expr: t, labels: {host: all}}";
    let group = bench.group(rules, false);
    bench.write("t", "a", MINUTE, 1.0);
    bench.write("t", "b", MINUTE, 1.0);
    group.evaluate(&bench.engine, MINUTE).await;
    let errors: Vec<String> = (group.rules.iter().map(|rule| rule.progress().last_error)).collect();
    let same = "vector contains metrics with the same labelset after applying";
    assert_eq!(
        errors,
        [
            format!("{same} alert labels"),
            format!("{same} rule labels")
        ]
    );
}

/// Breaks when it hears of an alert.
struct Broken;

impl AlertSink for Broken {
    fn changed(&self, _: (&str, &str), _: &[Transition]) {
        panic!("nobody wants to hear it");
    }
}

#[tokio::test]
async fn a_rule_that_breaks_off_leaves_the_others_alone() {
    let mut bench = Bench::new().await;
    Arc::get_mut(&mut bench.engine).unwrap().sink = Arc::new(Broken);
    let group = bench.group("{alert: A, expr: t > 0}, {record: fine, expr: t}", false);
    for minute in 1..=2 {
        bench.write("t", "a", minute * MINUTE, 1.0);
        group.evaluate(&bench.engine, minute * MINUTE).await;
    }
    assert_eq!(bench.read("fine", 2 * MINUTE).await.len(), 1);
    for rule in &group.rules {
        assert_eq!(rule.progress().health, RuleHealth::Ok, "it has gone on");
    }
    let failures = counted(&bench.engine.metrics, "rule_evaluation_failures_total");
    assert_eq!(failures, "1");
}
