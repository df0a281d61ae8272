//! Scrape jobs as people have them: how targets are found, named and connected to.

mod side_by_side;

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use e2e::certificate::self_signed;
use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::peers::{NodeExporter, PROMTOOL};
use e2e::process;
use e2e::programs::{self, Aggregator};
use e2e::wait;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// The first lines of a configuration that scrapes every second.
const FAST: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";

/// Waits until the only target has this health, and an error that says this.
#[track_caller]
fn becomes(server: &Aggregator, health: &str, error: &str) -> Value {
    wait::until(&format!("{health}, {error}"), PATIENCE, || {
        let mut targets = server.targets();
        assert_eq!(targets.len(), 1, "{targets:?}");
        let target = targets.remove(0);
        let said = target["lastError"].as_str().unwrap_or_default();
        let is_so = target["health"] == health && said.contains(error);
        if is_so { Ok(target) } else { Err(target) }
    })
}

fn reload(server: &Aggregator) -> (u16, String) {
    let answer = Request::new("POST", "/-/reload").send(server.address);
    (answer.status, answer.text())
}

#[test]
fn a_node_exporter_wants_a_certificate_and_a_password() {
    let (theirs, folder) = (Folder::new(), Folder::new());
    self_signed(theirs.path(), "server", "IP:127.0.0.1");
    self_signed(theirs.path(), "client", "DNS:aggregator");
    // The password is "open sesame".
    let web = theirs.write(
        "web.yml",
        "tls_server_config: {cert_file: server.pem, key_file: server.key, \
         client_ca_file: client.pem, client_auth_type: RequireAndVerifyClientCert}\n\
         basic_auth_users: {me: '$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy'}\n",
    );
    let web = format!("--web.config.file={}", web.display());
    let exporter =
        NodeExporter::start(&["--collector.disable-defaults", "--collector.uname", &web]);
    for name in ["server.pem", "client.pem", "client.key"] {
        fs::copy(theirs.path().join(name), folder.path().join(name)).unwrap();
    }
    let configuration = |tls: &str| {
        format!(
            "{FAST}  - job_name: node\n    scheme: https\n    \
             static_configs: [{{targets: ['{}']}}]\n    \
             basic_auth: {{username: me, password_file: password}}\n    \
             tls_config: {{{tls}}}\n",
            exporter.address
        )
    };
    let complete = "ca_file: server.pem, cert_file: client.pem, key_file: client.key";
    folder.write("prometheus.yml", configuration(complete));
    folder.write("password", "wrong\n");
    let server = Aggregator::resume(&folder, &["--web.enable-lifecycle"]);
    becomes(
        &server,
        "down",
        "server returned HTTP status 401 Unauthorized",
    );
    // Files are read anew without a reload.
    folder.write("password", "open sesame\n");
    let target = becomes(&server, "up", "");
    assert_eq!(
        target["scrapeUrl"],
        format!("https://{}/metrics", exporter.address)
    );
    let found = server.get("/api/v1/query?query=node_uname_info");
    assert_eq!(found["data"]["result"][0]["metric"]["job"], "node");

    // Without our certificate there is no connection, without theirs no trust.
    folder.write("prometheus.yml", configuration("ca_file: server.pem"));
    assert_eq!(reload(&server).0, 200);
    becomes(&server, "down", "TLS: ");
    let distrusting = complete.replace("server.pem", "client.pem");
    folder.write("prometheus.yml", configuration(&distrusting));
    assert_eq!(reload(&server).0, 200);
    becomes(&server, "down", "TLS: invalid peer certificate");
    let trusting = "insecure_skip_verify: true, cert_file: client.pem, key_file: client.key";
    folder.write("prometheus.yml", configuration(trusting));
    assert_eq!(reload(&server).0, 200);
    becomes(&server, "up", "");

    // What cannot be used changes nothing.
    let broken = complete.replace("server.pem", "gone.pem");
    folder.write("prometheus.yml", configuration(&broken));
    let (status, text) = reload(&server);
    assert_eq!(status, 500);
    assert!(
        text.contains("scrape_configs[0]") && text.contains("gone.pem"),
        "{text}"
    );
    becomes(&server, "up", "");
}

/// Everything here is in the files of people who have a Prometheus; both read them.
const EVERYDAY: &str = r"
scrape_configs:
  - job_name: a
    scheme: https
    params: {module: [http_2xx]}
    authorization: {type: Token, credentials: secret}
    tls_config: {insecure_skip_verify: true, server_name: a.example, min_version: TLS12}
    http_headers: {X-Tenant: {values: [a], secrets: [b]}} # newer
    follow_redirects: false
    enable_http2: false
    enable_compression: false # newer
    static_configs: [{targets: ['a:1']}]
  - job_name: b
    oauth2: {client_id: me, client_secret: secret, scopes: [read], token_url: 'https://b/token'}
    proxy_url: http://proxy:3128
    no_proxy: 10.0.0.0/8 # newer
    static_configs: [{targets: ['b:1']}]
  - job_name: c
    bearer_token_file: token
    proxy_from_environment: true # newer
    static_configs: [{targets: ['c:1']}]
";

#[test]
fn both_check_the_same_file() {
    let folder = Folder::new();
    folder.write("token", "secret");
    // Debian's promtool is older than some keys.
    let old = EVERYDAY.lines().filter(|line| !line.ends_with("# newer"));
    let old: Vec<&str> = old.collect();
    let file = folder.write("prometheus.yml", old.join("\n"));
    let theirs = process::run(PROMTOOL.command().args(["check", "config"]).arg(&file));
    assert_eq!(theirs.code, Some(0), "{theirs:?}");
    folder.write("prometheus.yml", EVERYDAY);
    let ours = process::run(programs::aggregator().args(["check", "config"]).arg(&file));
    assert_eq!(ours.code, Some(0), "{ours:?}");
    assert!(ours.stdout.contains("3 jobs, 3 targets"), "{ours:?}");
}
