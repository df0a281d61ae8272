//! The service over a store in memory.

use std::sync::Arc;
use std::time::Duration;

use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::sample::TimeRange;
use system_stats_promql::plan::TimeSpan;
use system_stats_promql::value::Value;
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};

use super::{Query, QueryError, QueryOptions, QueryService};

async fn service(options: QueryOptions) -> Arc<QueryService> {
    let storage = Storage::open(Arc::new(MemoryStore::new()), Options::default()).await;
    let storage = Arc::new(storage.unwrap());
    let pairs = [("__name__", "m"), ("job", "a")];
    let target = storage.target(&Labels::from_pairs([("job", "a")])).unwrap();
    let series = Appender::series(storage.as_ref(), target, &Labels::from_pairs(pairs)).unwrap();
    let row = |at: i64| Row {
        series,
        timestamp: at * 15_000,
        value: at as f64,
    };
    let batch = Batch {
        target,
        order: Order::Any,
        rows: (0..100).map(row).collect(),
    };
    storage.append(batch, Urgency::Relaxed).unwrap();
    Arc::new(QueryService::new(storage, options))
}

fn vector(value: &Value) -> Vec<f64> {
    match value {
        Value::Vector { elements, .. } => elements.iter().map(|element| element.value).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answers_say_what_they_took() {
    let service = service(QueryOptions::default()).await;
    let answer = service
        .instant("sum_over_time(m[1m])", 150_000)
        .await
        .unwrap();
    assert_eq!(vector(&answer.value), [7.0 + 8.0 + 9.0 + 10.0]);
    assert_eq!(answer.statistics.total_samples, 4);
    assert!(answer.timings.total >= answer.timings.evaluation);
    let plan = Arc::new(service.plan("m * 2").unwrap());
    let runtime = tokio::runtime::Handle::current();
    let evaluated = move || service.evaluate(&plan, 30_000, &runtime);
    let answer = tokio::task::spawn_blocking(evaluated).await.unwrap();
    let answer = answer.unwrap();
    assert_eq!(vector(&answer.value), [4.0]);
}

#[tokio::test]
async fn a_query_looks_as_far_back_as_it_says() {
    let service = service(QueryOptions::default()).await;
    let found = async |lookback: Option<i64>| {
        let query = Query {
            lookback,
            ..Query::instant("m", 99 * 15_000 + 60_000)
        };
        vector(&service.run(query).await.unwrap().value).len()
    };
    assert_eq!(found(None).await, 1);
    assert_eq!(found(Some(60_000)).await, 0);
    assert_eq!(found(Some(60_001)).await, 1);
}

#[tokio::test]
async fn durations_know_the_times_of_their_query() {
    let service = service(QueryOptions::default()).await;
    let query = Query {
        span: TimeSpan {
            start: 300_000,
            end: 390_000,
            step: 45_000,
        },
        ..Query::instant("count_over_time(m[step() + range()])", 0)
    };
    let Value::Range(columns) = service.run(query).await.unwrap().value else {
        panic!("no range");
    };
    assert_eq!(columns.values(0), [9.0, 9.0, 9.0]);
    let error = service.instant("m[range()]", 300_000).await.unwrap_err();
    assert!(matches!(error, QueryError::Parse(_)), "{error:?}");
    let expected = "1:3: parse error: duration must be greater than 0";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn subqueries_step_as_rules_are_evaluated() {
    let service = service(QueryOptions::default()).await;
    let counted = async || {
        let answer = service
            .instant("count_over_time(m[10m:])", 600_000)
            .await
            .unwrap();
        vector(&answer.value)
    };
    assert_eq!(counted().await, [10.0]);
    service.set_subquery_step(Duration::from_secs(30));
    assert_eq!(counted().await, [20.0]);
}

#[tokio::test(start_paused = true)]
async fn a_query_waits_for_its_place_and_no_longer_than_it_may() {
    let options = QueryOptions {
        max_concurrency: 1,
        timeout: Duration::from_secs(10),
        ..QueryOptions::default()
    };
    let service = service(options).await;
    let taken = Arc::clone(&service.places).acquire_owned().await.unwrap();
    let error = service.instant("m", 0).await.unwrap_err();
    assert_eq!(error, QueryError::TimedOut("query queue"));
    assert_eq!(error.to_string(), "query timed out in query queue");
    drop(taken);
    assert!(service.instant("m", 0).await.is_ok());
    // The place is given back.
    assert!(service.instant("m", 0).await.is_ok());
}

/// Whoever goes away frees the place at once, whether the query waited or ran.
#[tokio::test]
async fn nobody_waits_and_nothing_runs() {
    let options = QueryOptions {
        max_concurrency: 1,
        ..QueryOptions::default()
    };
    let service = service(options).await;
    let count = |name: &str| {
        let mut registry = prometheus_client::registry::Registry::default();
        service.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let until = async |name: &str, expected: u64| {
        while count(name) != expected {
            tokio::task::yield_now().await;
        }
    };
    // So many steps that it would take hours.
    let endless = |step: &str| {
        let expression = format!("sum_over_time(sum_over_time(vector(1)[1000d:{step}])[1000d:1s])");
        let service = Arc::clone(&service);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { service.instant(&expression, 0).await });
        tasks
    };
    let mut running = endless("1s");
    until("queries_running", 1).await;
    let mut waiting = endless("2s");
    until("queries_waiting", 1).await;
    waiting.abort_all();
    until("queries_waiting", 0).await;
    assert_eq!(count("queries_canceled_total"), 1);
    running.abort_all();
    until("queries_running", 0).await;
    assert_eq!(count("queries_canceled_total"), 2);
    assert!(service.instant("m", 0).await.is_ok());
    assert_eq!(count("queries_canceled_total"), 2);
}

#[tokio::test]
async fn limits_and_mistakes_are_told_apart() {
    let options = QueryOptions {
        max_samples: 50,
        ..QueryOptions::default()
    };
    let service = service(options).await;
    let error = async |expression: &str| service.instant(expression, 1_500_000).await.unwrap_err();
    assert!(matches!(error("m{").await, QueryError::Parse(_)));
    let many = error("m[1h]").await;
    assert!(matches!(many, QueryError::Invalid(_)), "{many:?}");
    assert!(many.to_string().contains("too many samples"), "{many}");
    let query = Query {
        timeout: Some(Duration::ZERO),
        ..Query::instant("sum(m)", 0)
    };
    let late = service.run(query).await.unwrap_err();
    assert!(matches!(late, QueryError::TimedOut(_)), "{late:?}");
}

#[tokio::test]
async fn names_within_a_range() {
    let service = service(QueryOptions::default()).await;
    let all = TimeRange::ALL;
    let names = service.label_names(Vec::new(), all, 0).await.unwrap();
    assert_eq!(names, ["__name__", "job"]);
    let later = TimeRange {
        start: 2_000_000,
        end: 3_000_000,
    };
    assert!(
        service
            .label_names(Vec::new(), later, 0)
            .await
            .unwrap()
            .is_empty()
    );
    let sets = vec![
        service.matchers("{job=\"b\"}").unwrap(),
        service.matchers("m").unwrap(),
    ];
    let values = service
        .label_values("job".to_owned(), sets.clone(), all, 0)
        .await
        .unwrap();
    assert_eq!(values, ["a"]);
    let series = service.series(sets, all, 0).await.unwrap();
    assert_eq!(
        series,
        [Labels::from_pairs([("__name__", "m"), ("job", "a")])]
    );
}
