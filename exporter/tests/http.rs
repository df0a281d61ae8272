//! The exporter as its clients see it: `serve` on a port of its own, real requests.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::net::SocketAddr;

use flate2::read::GzDecoder;
use system_stats_exporter::{Config, ServeError, serve};
use system_stats_wire::SystemStats;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Exporter {
    address: SocketAddr,
    cancel: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Exporter {
    async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let serving = serve(config, listener, cancel.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the test owns and joins the task"
        )]
        let serving = tokio::spawn(serving);
        Self {
            address,
            cancel,
            serving,
        }
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        Answer {
            head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn every_route_answers_as_documented() {
    let exporter = Exporter::start(Config::default()).await;

    let health = exporter.get("/health", "").await;
    assert!(health.head.starts_with("HTTP/1.1 200"));
    assert_eq!(health.header("content-type"), Some("application/json"));
    assert_eq!(health.text(), r#"{"status":"ok"}"#);

    let system = exporter.get("/system", "").await;
    let stats: SystemStats = serde_json::from_slice(&system.body).unwrap();
    assert!(
        stats
            .cpu
            .percent
            .is_some_and(|percent| (0.0..=100.0).contains(&percent))
    );
    assert!(stats.memory.total.is_some_and(|total| total > 0));

    let text = exporter.get("/metrics", "").await;
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        text.text()
            .contains("\n# TYPE node_cpu_seconds_total counter\n")
    );
    assert!(text.text().contains("\nsystem_stats_exporter_build_info{"));

    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let openmetrics = exporter.get("/metrics", accept).await;
    assert_eq!(
        openmetrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        openmetrics
            .text()
            .contains("\n# TYPE node_cpu_seconds counter\n")
    );
    assert!(openmetrics.text().ends_with("# EOF\n"));

    let packed = exporter.get("/metrics", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = String::new();
    GzDecoder::new(packed.body.as_slice())
        .read_to_string(&mut unpacked)
        .unwrap();
    assert!(unpacked.contains("\nnode_load1 "));

    let page = exporter.get("/", "").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().contains(r#"href="/metrics""#));

    let nothing = exporter.get("/nothing", "").await;
    assert!(nothing.head.starts_with("HTTP/1.1 404"));
    let post = exporter
        .send("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(post.head.starts_with("HTTP/1.1 405"));
    exporter.stop().await;
}

#[tokio::test]
async fn metrics_can_be_elsewhere_and_collectors_off() {
    let mut config = Config {
        telemetry_path: "/node".parse().unwrap(),
        critical_processes: vec!["no such process".to_owned()],
        ..Config::default()
    };
    config.collectors.disable_defaults = true;
    for name in ["loadavg", "system"] {
        config.collectors.switched.insert(name.to_owned(), true);
    }
    let exporter = Exporter::start(config).await;
    let text = exporter.get("/node", "").await;
    assert!(text.text().contains("\nnode_load1 "));
    assert!(!text.text().contains("node_memory_"));
    assert!(
        text.text()
            .contains("system_critical_process_running{name=\"no such process\"} 0\n")
    );
    assert!(
        exporter
            .get("/metrics", "")
            .await
            .head
            .starts_with("HTTP/1.1 404")
    );
    exporter.stop().await;
}

#[tokio::test]
async fn it_stops_before_the_first_interval_too() {
    let exporter = Exporter::start(Config::default()).await;
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_inside_a_runtime_of_many_threads() {
    let exporter = Exporter::start(Config::default()).await;
    // A connection that stays open and silent does not keep it from stopping.
    let silent = TcpStream::connect(exporter.address).await.unwrap();
    let text = exporter
        .get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 5\r\n")
        .await;
    assert!(text.text().contains("node_scrape_collector_success"));
    exporter.stop().await;
    drop(silent);
}
