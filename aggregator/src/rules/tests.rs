//! Groups over a store in memory, evaluated at chosen times.

mod failures;
mod times;

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;
use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::value::{Element, Value};
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};

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
    engine: Arc<Engine>,
    told: Arc<Told>,
}

impl Bench {
    async fn new() -> Self {
        let storage = Storage::open(Arc::new(MemoryStore::new()), Options::default()).await;
        let storage = Arc::new(storage.unwrap());
        let query = QueryService::new(Arc::clone(&storage), QueryOptions::default());
        let told = Arc::new(Told::default());
        let (query, sink) = (Arc::new(query), Arc::<Told>::clone(&told));
        let (clock, options) = (Clock::manual(0), RuleOptions::default());
        let engine = Arc::new(Engine::new(storage, query, sink, clock, options));
        Self { engine, told }
    }

    fn group(&self, rules: &str, restores: bool) -> Arc<Group> {
        self.group_with("", rules, restores)
    }

    /// A group with further settings, each with a comma behind it.
    fn group_with(&self, settings: &str, rules: &str, restores: bool) -> Arc<Group> {
        let text = format!("groups: [{{name: g, interval: 1m, {settings} rules: [{rules}]}}]");
        let file = parse_rules(&text, "r.yml", &RuleDefaults::default()).unwrap();
        let external = External {
            labels: Labels::from_pairs([("region", "eu")]),
            url: "http://here".to_owned(),
        };
        let plan = |expr: &str| Some((self.engine.query.plan(expr).ok()?, expr.to_owned()));
        let (definition, external) = (file.groups[0].clone(), Arc::new(external));
        Arc::new(Group::new("r.yml", definition, external, plan, restores))
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

/// The value of one of the manager's own counters.
fn counted(metrics: &RuleMetrics, name: &str) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    text.lines().find_map(value).unwrap()
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
async fn an_alert_has_series_of_one_state_at_a_time() {
    let bench = Bench::new().await;
    let group = bench.group("{alert: A, expr: t > 0, for: 1m}", false);
    for (minute, state) in [(1, "pending"), (2, "firing"), (3, "firing")] {
        bench.write("t", "a", minute * MINUTE, 1.0);
        group.evaluate(&bench.engine, minute * MINUTE).await;
        let expected = format!(r#"ALERTS{{alertname="A",alertstate="{state}",host="a"}} 1"#);
        assert_eq!(bench.read("ALERTS", minute * MINUTE).await, [expected]);
        let since = [r#"ALERTS_FOR_STATE{alertname="A",host="a"} 60"#];
        assert_eq!(bench.read("ALERTS_FOR_STATE", minute * MINUTE).await, since);
    }
    let labels = &group.rules[0].active()[0].labels;
    assert_eq!(labels.get("region"), None, "external labels are for others");
}
