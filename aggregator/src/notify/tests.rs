use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::queue::Queue;
use super::*;
use crate::config;

fn alert(name: &str) -> Notification {
    Notification {
        labels: Labels::from_pairs([("alertname", name)]),
        annotations: vec![("summary".to_owned(), "hot".to_owned())],
        starts_at: 1_780_000_000_000,
        ends_at: 1_780_000_240_500,
        generator_url: "http://h/graph".to_owned(),
    }
}

fn names(alerts: &[Arc<Notification>]) -> String {
    let names = alerts
        .iter()
        .filter_map(|alert| alert.labels.get("alertname"));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_full_queue_loses_its_oldest() {
    let metrics = NotifyMetrics::new(3);
    let queue = Queue::new(3, metrics.of("u"));
    let push = |text: &str| {
        let alerts = text.split_whitespace().map(|name| Arc::new(alert(name)));
        queue.push(&alerts.collect::<Vec<_>>())
    };
    assert_eq!(push("a b"), 0);
    assert_eq!(push("c d"), 1);
    assert_eq!(names(&queue.take(2)), "b c");
    assert_eq!(push("e f g h i"), 3);
    assert_eq!(names(&queue.take(9)), "g h i");
    assert_eq!(names(&queue.take(9)), "");
}

#[test]
fn the_body_is_that_of_the_api() {
    let body = payload::payload(&[Arc::new(alert("Hot"))]).unwrap();
    let expected = r#"[{"annotations":{"summary":"hot"},"endsAt":"2026-05-28T20:30:40.5Z","startsAt":"2026-05-28T20:26:40Z","generatorURL":"http://h/graph","labels":{"alertname":"Hot"}}]"#;
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

/// Answers every request with this status, and tells what it held.
async fn server(status: &'static str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel(64);
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while !text.ends_with(']') {
                let read = stream.read(&mut buffer).await.unwrap();
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if sender.send(text).await.is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn notifier() -> Notifier {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Notifier::new(NotifyOptions::default(), Arc::default())
}

fn configured(notifier: &Notifier, text: &str) {
    let config = config::parse(text, "prometheus.yml").unwrap();
    notifier.apply(notifier.prepare(&config).unwrap());
}

async fn next(received: &mut mpsc::Receiver<String>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(20), received.recv()).await;
    next.expect("a delivery").expect("the server runs")
}

#[tokio::test]
async fn everybody_gets_what_is_meant_for_them() {
    let ((a, mut to_a), (b, mut to_b)) = (server("200 OK").await, server("200 OK").await);
    let notifier = notifier();
    let text = format!(
        "global: {{external_labels: {{region: eu, alertname: no, replica: a}}}}\n\
         alerting:\n  alert_relabel_configs:\n  - {{action: labeldrop, regex: replica}}\n  \
         - {{action: drop, source_labels: [alertname], regex: Quiet}}\n  alertmanagers:\n  \
         - {{path_prefix: x, static_configs: [{{targets: ['{a}', '{a}']}}]}}\n  \
         - static_configs: [{{targets: ['{b}', 'gone:1']}}]\n    \
         relabel_configs: [{{action: drop, source_labels: [__address__], regex: gone.*}}]\n    \
         alert_relabel_configs: [{{target_label: to, replacement: b}}]\n"
    );
    configured(&notifier, &text);
    let known = notifier.alertmanagers();
    let (url_a, url_b) = (
        format!("http://{a}/x/api/v2/alerts"),
        format!("http://{b}/api/v2/alerts"),
    );
    assert_eq!(known.active, [url_a, url_b]);
    assert_eq!(known.dropped, ["http://gone:1/api/v2/alerts"]);

    notifier.send(vec![alert("Quiet"), alert("Hot")]);
    let (got_a, got_b) = (next(&mut to_a).await, next(&mut to_b).await);
    assert!(
        got_a.starts_with("POST /x/api/v2/alerts HTTP/1.1\r\n"),
        "{got_a}"
    );
    assert!(
        got_a.contains(r#""labels":{"alertname":"Hot","region":"eu"}}]"#),
        "{got_a}"
    );
    assert!(
        got_b.contains(r#""labels":{"alertname":"Hot","region":"eu","to":"b"}}]"#),
        "{got_b}"
    );
    assert!(!got_a.contains("Quiet"), "{got_a}");

    // The same entry goes on, the other one ends.
    let first = text.split("  - static_configs").next().unwrap();
    configured(&notifier, first);
    assert_eq!(notifier.alertmanagers().active.len(), 1);
    notifier.send(vec![alert("Again")]);
    assert!(next(&mut to_a).await.contains("Again"));
    notifier.stop().await;
}

#[tokio::test]
async fn what_waits_is_delivered_at_the_end() {
    let (address, mut received) = server("200 OK").await;
    let notifier = notifier();
    let text =
        format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}");
    configured(&notifier, &text);
    notifier.send((0..600).map(|_| alert("A")).collect());
    notifier.stop().await;
    let mut counts = Vec::new();
    while let Ok(text) = received.try_recv() {
        counts.push(text.matches("alertname").count());
    }
    assert_eq!(counts, [256, 256, 88]);
}

fn own_metrics(notifier: &Notifier) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    notifier.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn who_never_answers_costs_what_was_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let notifier = notifier();
    configured(
        &notifier,
        &format!(
            "alerting: {{alertmanagers: [{{timeout: 200ms, static_configs: [{{targets: ['{address}']}}]}}]}}"
        ),
    );
    // Whoever is connected is kept, and told nothing.
    let mut kept = Vec::new();
    for name in ["First", "Second"] {
        notifier.send(vec![alert(name)]);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.ends_with(']') {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "cut off: {text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        assert!(text.contains(name), "{text}");
        kept.push(stream);
    }
    let metrics = own_metrics(&notifier);
    let none = format!(
        "notifications_dropped_total{{alertmanager=\"http://{address}/api/v2/alerts\"}} 0\n"
    );
    assert!(!metrics.contains(&none), "the first one is lost: {metrics}");
    notifier.stop().await;
}

#[tokio::test]
async fn an_alertmanager_in_two_entries_is_counted_until_it_is_in_none() {
    let (address, mut received) = server("200 OK").await;
    let notifier = notifier();
    let entry = |timeout| {
        format!("  - {{timeout: {timeout}s, static_configs: [{{targets: ['{address}']}}]}}\n")
    };
    let all = |entries: &[String]| format!("alerting:\n  alertmanagers:\n{}", entries.concat());
    let sent = |count| {
        let url = format!("http://{address}/api/v2/alerts");
        format!("notifications_sent_total{{alertmanager=\"{url}\"}} {count}\n")
    };
    configured(&notifier, &all(&[entry(8), entry(9)]));
    assert_eq!(notifier.alertmanagers().active.len(), 2);
    notifier.send(vec![alert("A")]);
    for _ in 0..2 {
        next(&mut received).await;
    }
    configured(&notifier, &all(&[entry(9)]));
    let is_one = "notifications_alertmanagers_discovered 1\n";
    let gone = async {
        while !own_metrics(&notifier).contains(is_one) {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    gone.expect("the other entry is gone");
    notifier.send(vec![alert("B")]);
    next(&mut received).await;
    notifier.stop().await;
    let text = own_metrics(&notifier);
    assert!(text.contains(&sent(3)), "{text}");
    let length = "notifications_queue_length{";
    let length = text.lines().find(|line| line.starts_with(length));
    assert!(length.is_some_and(|line| line.ends_with(" 0")), "{text}");
}

#[tokio::test]
async fn a_failure_is_counted_and_not_repeated() {
    let (address, mut received) = server("500 Internal Server Error").await;
    let notifier = notifier();
    let text =
        format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}");
    configured(&notifier, &text);
    notifier.send(vec![alert("A"), alert("B")]);
    next(&mut received).await;
    notifier.stop().await;
    assert!(received.try_recv().is_err(), "once and not again");
    let text = own_metrics(&notifier);
    for (name, count) in [("sent", 2), ("errors", 2), ("dropped", 2)] {
        let line = format!(
            "notifications_{name}_total{{alertmanager=\"http://{address}/api/v2/alerts\"}} {count}"
        );
        assert!(text.contains(&line), "{line}: {text}");
    }
}
