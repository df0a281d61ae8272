use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_storage::memory::{Fault, MemoryStore};
use system_stats_storage::{Options, Storage};

use super::*;

const NOW: Millis = 1_700_000_000_000;
const HOUR: Millis = 3_600_000;

struct Service {
    store: MemoryStore,
    storage: Arc<Storage>,
    clock: Clock,
    alerting: Alerting,
}

impl Service {
    async fn over(store: MemoryStore, now: Millis) -> Self {
        Self::with(store, now, Options::default()).await
    }

    async fn with(store: MemoryStore, now: Millis, options: Options) -> Self {
        let storage = Storage::open(Arc::new(store.clone()), options).await;
        let (storage, clock) = (Arc::new(storage.unwrap()), Clock::manual(now));
        let alerting = Alerting::open(Arc::clone(&storage), clock.clone()).await;
        Self {
            alerting: alerting.unwrap(),
            store,
            storage,
            clock,
        }
    }

    async fn start() -> Self {
        Self::over(MemoryStore::new(), NOW).await
    }

    async fn restarted(self) -> Self {
        let now = self.clock.now();
        self.storage.close().await.unwrap();
        Self::over(self.store.reopened(), now).await
    }

    fn alert(&self, host: &str, from: Phase, to: Phase) {
        let at = self.clock.now();
        self.alerting.changed(vec![AlertChange {
            at,
            file: "rules.yml".to_owned(),
            group: "hosts".to_owned(),
            from,
            to,
            labels: labels(host),
            annotations: vec![("summary".to_owned(), "hot".to_owned())],
            value: f64::NAN,
            active_at: at,
            fired_at: (to == Phase::Firing).then_some(at),
            is_noticed: false,
        }]);
    }

    async fn query(&self, query: HistoryQuery) -> HistoryPage {
        // What waits is committed with the next thing that somebody waits for.
        let noted = self.storage.change(Changes::default(), urgent()).unwrap();
        self.storage.committed(noted).await.unwrap();
        self.alerting.history(&query).await.unwrap()
    }

    /// `kind:host by` of every line, oldest first.
    async fn story(&self) -> String {
        let page = self.query(everything()).await;
        assert_eq!(page.next, None);
        let line = |(_, event): &(Cursor, Event)| {
            let host = event.labels().get("host").unwrap_or_default().to_owned();
            let by = match event {
                Event::Alert(_) => "",
                Event::Silence(change) => &change.by,
            };
            format!("{}:{host}{by}", event.what().as_str())
        };
        let lines: Vec<String> = page.lines.iter().rev().map(line).collect();
        lines.join(" ")
    }

    fn silencing(&self, host: &str) -> usize {
        let silences = self.alerting.silences();
        silences.silencing(&labels(host), self.clock.now()).len()
    }
}

fn urgent() -> system_stats_model::append::Urgency {
    system_stats_model::append::Urgency::Waiting
}

fn labels(host: &str) -> Labels {
    Labels::from_pairs([("alertname", "Hot"), ("host", host)])
}

fn everything() -> HistoryQuery {
    HistoryQuery {
        range: TimeRange::ALL,
        before: None,
        matchers: Vec::new(),
        kinds: Vec::new(),
        limit: 1000,
    }
}

fn draft(id: &str, op: MatchOp, host: &str, from: Millis, to: Millis) -> Draft {
    Draft {
        id: id.to_owned(),
        matchers: vec![Matcher::new("host", op, host).unwrap()],
        starts_at: from,
        ends_at: to,
        created_by: "@ann".to_owned(),
        comment: "moving".to_owned(),
    }
}

#[tokio::test]
async fn history_outlives_restarts_and_says_nothing_twice() {
    use Phase::{Firing, Inactive, Pending};
    let service = Service::start().await;
    service.alert("a", Inactive, Pending);
    service.clock.set(NOW + 1);
    service.alert("a", Pending, Firing);
    service.alert("b", Inactive, Firing);
    service.alert("c", Inactive, Pending);
    let service = service.restarted().await;
    service.alert("a", Inactive, Pending);
    service.alert("c", Inactive, Pending);
    service.clock.set(NOW + 2);
    service.alert("a", Pending, Firing);
    let expected = "pending:a firing:a firing:b pending:c";
    assert_eq!(service.story().await, expected);

    // Nobody has seen the end of b; what is known is when it was noticed.
    service.alerting.reconcile(|last, confirmed| {
        let host = last.labels.get("host").unwrap();
        assert_eq!(confirmed, NOW + if host == "a" { 2 } else { 1 }, "{host}");
        match host {
            "b" => Fate::Ended(NOW + 2),
            _ => Fate::GoesOn,
        }
    });
    service.clock.set(NOW + 3);
    service.alert("c", Pending, Inactive);
    let service = service.restarted().await;
    let expected = format!("{expected} resolved:b gone:c");
    assert_eq!(service.story().await, expected);
    let page = service.query(everything()).await;
    let noticed = page.lines.iter().filter(
        |(_, event)| matches!(event, Event::Alert(change) if change.is_noticed && change.value.is_nan()),
    );
    assert_eq!(noticed.count(), 1);
}

#[tokio::test]
async fn history_is_read_in_pages_and_by_what_is_wanted() {
    use Phase::{Firing, Inactive};
    let service = Service::start().await;
    for minute in 0..700 {
        service.clock.set(NOW + minute * 60_000);
        let host = if minute % 350 == 0 { "rare" } else { "often" };
        service.alert(host, Inactive, Firing);
        service.alert(host, Firing, Inactive);
    }
    let mut query = HistoryQuery {
        limit: 300,
        ..everything()
    };
    let mut seen = Vec::new();
    loop {
        let page = service.query(query.clone()).await;
        seen.extend(page.lines.iter().map(|(cursor, _)| *cursor));
        let Some(next) = page.next else { break };
        query.before = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen.len(), 1400);
    assert!(seen.is_sorted_by(|newer, older| older.to_string() < newer.to_string()));
    let rare = HistoryQuery {
        matchers: vec![vec![Matcher::equal("host", "rare")]],
        kinds: vec![What::Resolved],
        ..everything()
    };
    assert_eq!(service.query(rare.clone()).await.lines.len(), 2);
    let first = HistoryQuery {
        range: TimeRange {
            start: NOW,
            end: NOW + HOUR,
        },
        ..rare
    };
    assert_eq!(service.query(first).await.lines.len(), 1);
    for bad in ["", "5", "x-1", "1-x", "-"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_the_store_does_not_take_waits() {
    let (store, down) = (MemoryStore::new(), NOW + 1);
    let service = Service::with(
        store,
        NOW,
        Options {
            waiting_bytes: 1,
            ..Options::default()
        },
    )
    .await;
    service.store.set_down(true);
    for at in 0..5 {
        service.clock.set(down + at);
        service.alert("a", Phase::Inactive, Phase::Firing);
        service.alert("a", Phase::Firing, Phase::Inactive);
    }
    let refused = service
        .alerting
        .set_silence(draft("", MatchOp::Equal, "a", 0, NOW + HOUR));
    assert!(matches!(refused.await, Err(AlertingError::Unavailable(_))));
    assert!(service.alerting.silences().sorted(NOW).is_empty());
    service.store.set_down(false);
    while service
        .alerting
        .history(&everything())
        .await
        .unwrap()
        .lines
        .len()
        < 10
    {
        tokio::task::yield_now().await;
        service.alerting.tick();
    }
    assert_eq!(service.story().await, ["firing:a resolved:a"; 5].join(" "));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_leaves_every_line_once() {
    let service = Service::start().await;
    service
        .store
        .fail_next([Fault::AfterUnknown, Fault::BeforeUnknown, Fault::Before]);
    for _ in 0..3 {
        service.alert("a", Phase::Inactive, Phase::Firing);
        service.alert("a", Phase::Firing, Phase::Inactive);
    }
    let once = "firing:a resolved:a";
    assert_eq!(service.story().await, [once; 3].join(" "));
}

#[tokio::test]
async fn a_silence_comes_and_goes() {
    let service = Service::start().await;
    let (set, hour) = (|draft| service.alerting.set_silence(draft), NOW + HOUR);
    let id = set(draft("", MatchOp::Regex, "a|b", 0, hour))
        .await
        .unwrap();
    let later = set(draft("", MatchOp::Equal, "c", hour, hour + HOUR)).await;
    assert_eq!(
        ["a", "b", "c"].map(|host| service.silencing(host)),
        [1, 1, 0]
    );

    // Its end may change in place, its matchers may not.
    let same = set(draft(&id, MatchOp::Regex, "a|b", NOW, hour + 1)).await;
    assert_eq!(same.as_ref(), Ok(&id));
    let other = set(draft(&id, MatchOp::Regex, "a|d", NOW, hour))
        .await
        .unwrap();
    assert_ne!(other, id);
    assert_eq!(
        ["a", "b", "d"].map(|host| service.silencing(host)),
        [1, 0, 1]
    );
    let moved = set(draft(
        &later.clone().unwrap(),
        MatchOp::Equal,
        "c",
        hour + 1,
        hour + 2,
    ))
    .await;
    assert_eq!(moved, later);

    service
        .alerting
        .expire_silence(&other, "bob")
        .await
        .unwrap();
    let again = service.alerting.expire_silence(&other, "eve").await;
    assert_eq!(again, Ok(()), "once is enough");
    let unknown = service.alerting.expire_silence("none", "bob").await;
    assert!(matches!(unknown, Err(AlertingError::Missing(_))));

    let service = service.restarted().await;
    assert_eq!(service.alerting.silences().sorted(NOW).len(), 3);
    service.clock.set(hour + 1);
    assert_eq!(service.silencing("c"), 1);
    service.clock.set(hour + 2);
    assert_eq!(service.silencing("c"), 0);
    service.alerting.tick();
    service.alerting.tick();
    let expected = "silence_created:a|b@ann silence_created:c@ann silence_changed:a|b@ann \
        silence_expired:a|b@ann silence_created:a|d@ann silence_changed:c@ann \
        silence_expired:a|dbob silence_expired:c";
    assert_eq!(service.story().await, expected);

    service.clock.set(hour + 120 * HOUR + 2);
    service.alerting.tick();
    assert_eq!(
        service.alerting.silences().sorted(NOW).len(),
        1,
        "five days after the end"
    );
    service.clock.set(hour + 120 * HOUR + 3);
    service.alerting.tick();
    let service = service.restarted().await;
    assert_eq!(service.alerting.silences().sorted(NOW).len(), 0);
}

#[tokio::test]
async fn an_acknowledgement_ends_with_its_alert() {
    use Phase::{Firing, Inactive};
    let service = Service::start().await;
    let subject = Subject::Fingerprint(fingerprint(&labels("a")));
    let acknowledge = |subject| async {
        let subject = subject;
        service
            .alerting
            .acknowledge(&subject, &[], "@ann", "on it")
            .await
    };
    let nothing = acknowledge(subject.clone()).await;
    assert!(matches!(nothing, Err(AlertingError::Missing(_))));
    service.alert("a", Inactive, Firing);
    service.alert("b", Inactive, Firing);
    let id = acknowledge(subject.clone()).await.unwrap();
    assert_eq!(
        acknowledge(subject).await.as_ref(),
        Ok(&id),
        "once is enough"
    );
    assert_eq!(["a", "b"].map(|host| service.silencing(host)), [1, 0]);

    let service = service.restarted().await;
    assert_eq!(service.silencing("a"), 1);
    service.clock.set(NOW + 1);
    service.alert("a", Firing, Inactive);
    assert_eq!(service.silencing("a"), 0);
    service.alert("a", Inactive, Firing);
    assert_eq!(service.silencing("a"), 0, "that is another occasion");
    let silences = service.alerting.silences();
    let silence = silences.get(&id).unwrap();
    assert_eq!(
        (silence.ends_at, silence.comment.as_str()),
        (NOW + 1, "on it")
    );
    let expected = "firing:a firing:b acknowledged:a@ann resolved:a acknowledgement_expired:a \
        firing:a";
    assert_eq!(service.story().await, expected);
}

/// What devices tell is no change that history has.
#[tokio::test]
async fn an_acknowledgement_of_what_a_device_tells_ends_with_it() {
    let service = Service::start().await;
    let told = [labels("a"), labels("b")];
    for host in ["a", "b", "c"] {
        let subject = Subject::Labels(labels(host));
        let acknowledged = service.alerting.acknowledge(&subject, &told, "@ann", "");
        assert_eq!(acknowledged.await.is_ok(), host != "c", "{host}");
    }
    service.alert("d", Phase::Inactive, Phase::Firing);
    let subject = Subject::Fingerprint(fingerprint(&labels("d")));
    let acknowledged = service.alerting.acknowledge(&subject, &told, "@ann", "");
    acknowledged.await.unwrap();

    let service = service.restarted().await;
    service.alerting.end_acknowledged(&told);
    let seen = || ["a", "b", "d"].map(|host| service.silencing(host));
    assert_eq!(seen(), [1, 1, 1]);
    service.alerting.end_acknowledged(&told[1..]);
    assert_eq!(seen(), [0, 1, 1]);
    let expected = "acknowledged:a@ann acknowledged:b@ann firing:d acknowledged:d@ann \
        acknowledgement_expired:a";
    assert_eq!(service.story().await, expected);
}

#[tokio::test]
async fn silences_that_cannot_be_meant_are_refused() {
    let service = Service::start().await;
    let good = || draft("", MatchOp::Equal, "a", NOW, NOW + HOUR);
    let matching = |name: &str, op, value: &str| Draft {
        matchers: vec![Matcher::new(name, op, value).unwrap()],
        ..good()
    };
    let cases = [
        (
            draft("", MatchOp::Equal, "a", NOW + 2, NOW + 1),
            "Failed to create silence: start time must be before end time",
        ),
        (
            draft("", MatchOp::Equal, "a", NOW - 2, NOW - 1),
            "Failed to create silence: end time can't be in the past",
        ),
        (
            Draft {
                matchers: Vec::new(),
                ..good()
            },
            "silence invalid: at least one matcher required",
        ),
        (
            matching("host", MatchOp::Regex, ".*"),
            "silence invalid: at least one matcher must not match the empty string",
        ),
        (
            matching("1st", MatchOp::Equal, "x"),
            "silence invalid: invalid label matcher 0: invalid label name \"1st\"",
        ),
        (
            draft("none", MatchOp::Equal, "a", NOW, NOW + 1),
            "silence not found",
        ),
        (
            Draft {
                comment: "x".repeat(65_536),
                ..good()
            },
            "silence exceeded maximum size",
        ),
    ];
    for (draft, expected) in cases {
        let refused = service.alerting.set_silence(draft).await.unwrap_err();
        assert!(
            refused.to_string().starts_with(expected),
            "{refused}: {expected}"
        );
    }
    assert!(service.alerting.silences().sorted(NOW).is_empty());
    assert_eq!(service.story().await, "");
}
