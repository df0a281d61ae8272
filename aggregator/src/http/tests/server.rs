//! A server without a network: requests go straight into the router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use system_stats_model::append::{Appender, Batch, Order, Row, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Options, Storage};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::super::{Origins, State, router};
use crate::alerting::{AlertChange, Alerting, Draft, Phase};
use crate::clock::Clock;
use crate::config::{RuleDefaults, parse_rules};
use crate::http::limits::BodyBudget;
use crate::inventory::Inventory;
use crate::metadata::Metadata;
use crate::notify::{Notifier, NotifyOptions};
use crate::query::{QueryOptions, QueryService};
use crate::rules::{External, RuleManager, RuleOptions, RuleSet};
use crate::scrape::Scraper;
use crate::write::Writer;

/// The day the contract's examples are from, a good year later.
pub(crate) const NOW: Millis = 1_780_000_000_000;

pub(crate) struct Server {
    pub(crate) storage: Arc<Storage>,
    pub(crate) clock: Clock,
    pub(crate) alerting: Arc<Alerting>,
    pub(crate) stop: CancellationToken,
    pub(crate) rules: Arc<RuleManager>,
    router: Router,
}

/// A metric, its own labels, its value.
pub(crate) type Scraped<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            let body = String::from_utf8_lossy(&self.body);
            panic!("not JSON ({error}): {body}")
        })
    }
}

impl Server {
    /// A server over the real store and an empty database in memory.
    pub(crate) async fn start() -> Self {
        Self::over(MemoryStore::new()).await
    }

    pub(crate) async fn over(store: MemoryStore) -> Self {
        // Nobody here pushes inside the window for scrapes and the like.
        let options = Options {
            out_of_order_window: Duration::ZERO,
            ..Options::default()
        };
        let storage = Storage::open(Arc::new(store), options).await.unwrap();
        let storage = Arc::new(storage);
        let clock = Clock::manual(NOW);
        let stop = CancellationToken::new();
        let inventory = Inventory::open(storage.clone(), clock.clone()).await;
        let inventory = Arc::new(inventory.unwrap());
        let metadata = Arc::new(Metadata::default());
        let writer = Writer::new(storage.clone(), metadata.clone(), clock.clone());
        let query = QueryService::new(storage.clone(), QueryOptions::default());
        let query = Arc::new(query);
        let rules = RuleManager::new(
            storage.clone(),
            query.clone(),
            Arc::new(()),
            clock.clone(),
            RuleOptions::default(),
        );
        let rules = Arc::new(rules);
        let alerting = Alerting::open(storage.clone(), clock.clone()).await;
        let alerting = Arc::new(alerting.unwrap());
        let state = State {
            rules: Arc::clone(&rules),
            alerting: alerting.clone(),
            notifier: Arc::new(Notifier::new(NotifyOptions::default(), Arc::default())),
            storage: storage.clone(),
            inventory,
            query,
            writer: Arc::new(writer),
            bodies: BodyBudget::default(),
            metadata,
            external_url: "http://stats.example/x".to_owned(),
            scraper: Arc::new(Scraper::new(storage.clone(), clock.clone())),
            keys: Arc::default(),
            origins: Origins::default(),
            clock: clock.clone(),
            own_metrics: Arc::new(|_| Ok("own_metrics 1\n".to_owned())),
            reload: None,
            is_admin_allowed: true,
            stop: stop.clone(),
        };
        Self {
            storage,
            clock,
            alerting,
            stop,
            rules,
            router: router(state),
        }
    }

    /// An answer whose body is yet to be read.
    pub(crate) async fn begin(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.begin(request).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.ask(request.body(body.into()).unwrap()).await
    }

    /// A rule says that an alert begins to fire.
    pub(crate) fn fire(&self, name: &str, instance: &str) {
        let at = self.clock.now();
        self.alerting.changed(vec![AlertChange {
            at,
            file: "rules.yml".to_owned(),
            group: "hosts".to_owned(),
            from: Phase::Inactive,
            to: Phase::Firing,
            labels: Labels::from_pairs([("alertname", name), ("instance", instance)]),
            annotations: vec![("summary".to_owned(), "it is high".to_owned())],
            value: 1.5,
            active_at: at,
            fired_at: Some(at),
            is_noticed: false,
        }]);
    }

    /// Silences a label's value for an hour; the silence's id.
    pub(crate) async fn silence(&self, name: &str, value: &str) -> String {
        let now = self.clock.now();
        let draft = Draft {
            id: String::new(),
            matchers: vec![Matcher::equal(name, value)],
            starts_at: now,
            ends_at: now + 3_600_000,
            created_by: "ann".to_owned(),
            comment: "moving".to_owned(),
        };
        self.alerting.set_silence(draft).await.unwrap()
    }

    /// Pushes a reading; the status.
    pub(crate) async fn push(&self, host: &str, second: i64, cpu: f64) -> StatusCode {
        let body = json!({
            "hostname": host, "cpu": cpu, "ram": 50, "disk": 70, "timestamp": second,
        });
        let answer = self.send(Method::POST, "/metrics", body.to_string()).await;
        answer.status
    }

    /// Evaluates the rules of a file, once or twice; they stay as they are then. Needs paused time.
    pub(crate) async fn evaluated(&self, rules: &str) {
        let file = parse_rules(rules, "fleet.yml", &RuleDefaults::default()).unwrap();
        let set = RuleSet {
            files: vec![file],
            external: External::default(),
        };
        self.rules.apply(&set, false);
        while (self.rules.groups().iter()).any(|group| group.last_evaluation.is_none()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.rules.stop().await;
    }

    /// Stores what a scrape of `instance` would have brought.
    pub(crate) fn scraped(&self, instance: &str, at: Millis, series: &[Scraped<'_>]) {
        let target = [("job", "hosts"), ("instance", instance)];
        let id = self.storage.target(&Labels::from_pairs(target)).unwrap();
        let row = |(metric, labels, value): &Scraped<'_>| {
            let pairs = target.iter().chain(*labels).copied();
            let labels = Labels::from_pairs(pairs.chain([("__name__", *metric)]));
            Row {
                series: Appender::series(self.storage.as_ref(), id, &labels).unwrap(),
                timestamp: at,
                value: *value,
            }
        };
        let batch = Batch {
            target: id,
            order: Order::Strict,
            rows: series.iter().map(row).collect(),
        };
        let (_, outcome) = self.storage.append(batch, Urgency::Relaxed).unwrap();
        assert_eq!(outcome.stored, series.len());
    }
}
