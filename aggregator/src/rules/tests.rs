//! Groups over a store in memory, evaluated at chosen times.

use std::sync::{Arc, Mutex};

use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::value::{Element, Value};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};
use tokio_util::task::TaskTracker;

use super::group::{Group, RuleHealth};
use super::{AlertSink, Engine, External, RuleMetrics, RuleOptions, Transition};
use crate::clock::Clock;
use crate::config::{RuleDefaults, parse_rules};
use crate::query::{QueryOptions, QueryService};

const MINUTE: Millis = 60_000;

/// Writes down what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl AlertSink for Told {
    fn changed(&self, (_, group): (&str, &str), transitions: &[Transition]) {
        let line = |one: &Transition| {
            let (from, to) = (one.from.as_str(), one.alert.state.as_str());
            let minute = one.at / MINUTE;
            format!("{minute} {group} {} {from}>{to}", one.alert.labels)
        };
        self.0.lock().unwrap().extend(transitions.iter().map(line));
    }
}

struct Bench {
    engine: Engine,
    told: Arc<Told>,
}

impl Bench {
    async fn new() -> Self {
        let storage = Storage::open(Arc::new(MemoryStore::new()), Options::default()).await;
        let storage = Arc::new(storage.unwrap());
        let query = QueryService::new(Arc::clone(&storage), QueryOptions::default());
        let told = Arc::new(Told::default());
        let engine = Engine {
            appender: storage,
            query: Arc::new(query),
            sink: Arc::<Told>::clone(&told),
            clock: Clock::manual(0),
            options: RuleOptions::default(),
            metrics: RuleMetrics::default(),
            tasks: TaskTracker::new(),
        };
        Self { engine, told }
    }

    fn group(&self, rules: &str, restores: bool) -> Group {
        let text = format!("groups: [{{name: g, interval: 1m, rules: [{rules}]}}]");
        let file = parse_rules(&text, "r.yml", &RuleDefaults::default()).unwrap();
        let external = External {
            labels: Labels::from_pairs([("region", "eu")]),
            url: "http://here".to_owned(),
        };
        let plan = |expr: &str| Some((self.engine.query.plan(expr).ok()?, expr.to_owned()));
        Group::new(
            "r.yml",
            file.groups[0].clone(),
            Arc::new(external),
            plan,
            restores,
        )
    }

    fn write(&self, name: &str, host: &str, at: Millis, value: f64) {
        let storage = self.engine.appender.as_ref();
        let labels = Labels::from_pairs([("__name__", name), ("host", host)]);
        let target = storage
            .target(&Labels::from_pairs([("host", host)]))
            .unwrap();
        let series = Appender::series(storage, target, &labels).unwrap();
        let rows = vec![Row {
            series,
            timestamp: at,
            value,
        }];
        let order = Order::Any;
        storage
            .append(
                Batch {
                    target,
                    order,
                    rows,
                },
                Urgency::Relaxed,
            )
            .unwrap();
    }

    async fn read(&self, expression: &str, at: Millis) -> Vec<String> {
        let answer = self.engine.query.instant(expression, at).await.unwrap();
        let Value::Vector { elements, .. } = answer.value else {
            panic!("{expression} is no vector");
        };
        let shown = |Element { labels, value }: &Element| format!("{labels} {value}");
        let mut lines: Vec<String> = elements.iter().map(shown).collect();
        lines.sort();
        lines
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }
}

#[tokio::test]
async fn rules_see_what_those_before_them_gave() {
    let bench = Bench::new().await;
    let group = bench.group(
        "{record: 'host:t', expr: t * 2, labels: {unit: c}}, {alert: Hot, expr: 'host:t > 100'}",
        false,
    );
    bench.write("t", "a", MINUTE, 60.0);
    bench.write("t", "b", MINUTE, 10.0);
    group.evaluate(&bench.engine, MINUTE).await;
    assert_eq!(
        bench.read("host:t", MINUTE).await,
        [
            r#"host:t{host="a",unit="c"} 120"#,
            r#"host:t{host="b",unit="c"} 20"#
        ]
    );
    let alert = r#"ALERTS{alertname="Hot",alertstate="firing",host="a",unit="c"} 1"#;
    assert_eq!(bench.read("ALERTS", MINUTE).await, [alert]);
    let told = r#"1 g {alertname="Hot",host="a",unit="c"} inactive>firing"#;
    assert_eq!(bench.told(), [told]);

    // What is not there any more ends at once, not five minutes later.
    bench.write("t", "a", 2 * MINUTE, 1.0);
    group.evaluate(&bench.engine, 2 * MINUTE).await;
    assert!(bench.read("ALERTS", 2 * MINUTE).await.is_empty());
    assert_eq!(bench.read("host:t", 2 * MINUTE).await.len(), 2);
    assert_eq!(bench.told().len(), 1);
}

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
async fn templates_ask_further_queries() {
    let bench = Bench::new().await;
    let group = bench.group(
        "{alert: Hot, expr: t > 1, labels: {level: '{{ if gt $value 5.0 }}high{{ end }}'}, \
          annotations: {text: '{{ $labels.host }} {{ query \"sum(t)\" | first | value }} \
          {{ $externalLabels.region }} {{ $externalURL }}', bad: '{{ query \"(\" }}'}}",
        false,
    );
    bench.write("t", "a", MINUTE, 7.0);
    bench.write("t", "b", MINUTE, 1.0);
    group.evaluate(&bench.engine, MINUTE).await;
    let alerts = group.rules[0].active();
    assert_eq!(alerts[0].labels.get("level"), Some("high"));
    let annotation = |name: &str| {
        let mut found = alerts[0]
            .annotations
            .iter()
            .filter(|(have, _)| have == name);
        found
            .next()
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    };
    assert_eq!(annotation("text"), "a 8 eu http://here");
    let bad = annotation("bad");
    assert!(bad.starts_with("<error expanding template: error executing template __alert_Hot:"));
    assert!(bad.contains("parse error"), "{bad}");
}

#[tokio::test]
async fn a_group_that_changes_keeps_the_state_of_its_rules() {
    let bench = Bench::new().await;
    let before = bench.group(
        "{alert: A, expr: t > 0, for: 9m}, {record: r, expr: t}",
        false,
    );
    bench.write("t", "a", MINUTE, 1.0);
    before.evaluate(&bench.engine, MINUTE).await;
    let after = bench.group(
        "{record: s, expr: t}, {alert: A, expr: t > 0, for: 9m}",
        false,
    );
    after.inherit(&before);
    bench.write("t", "a", 2 * MINUTE, 1.0);
    after.evaluate(&bench.engine, 2 * MINUTE).await;
    assert_eq!(after.rules[1].active()[0].active_at, MINUTE);
    assert!(
        bench.read("r", 2 * MINUTE).await.is_empty(),
        "the rule is gone, its series ends"
    );
    assert_eq!(bench.read("s", 2 * MINUTE).await.len(), 1);

    after.end(&bench.engine, 3 * MINUTE);
    for gone in ["s", "ALERTS", "ALERTS_FOR_STATE"] {
        assert!(bench.read(gone, 3 * MINUTE).await.is_empty(), "{gone}");
    }
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
