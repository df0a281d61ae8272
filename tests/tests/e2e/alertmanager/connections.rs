//! By which way, and under which name, servers are asked.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;

use e2e::process::Process;

use super::*;

/// An Alertmanager behind TLS with the certificate `NAME.pem` of a folder.
fn behind_tls(certificates: &Folder, name: &str) -> Alertmanager {
    let web = format!("tls_server_config: {{cert_file: {name}.pem, key_file: {name}.key}}\n");
    let web = certificates.write("web.yml", web);
    let web = format!("--web.config.file={}", web.display());
    Alertmanager::start_at("127.0.0.1:0", QUIET, &[&web])
}

/// Waits until an alert has arrived.
#[track_caller]
pub(super) fn is_delivered(server: &Aggregator) {
    let metric = |name: &str| {
        let name = format!("system_stats_aggregator_notifications_{name}_total");
        own_metric(server, &name)
    };
    wait::until("a delivery", PATIENCE, || {
        let (sent, errors) = (metric("sent"), metric("errors"));
        if sent > errors {
            Ok(())
        } else {
            Err((sent, errors))
        }
    });
}

#[test]
fn servers_are_asked_under_the_names_of_their_certificates() {
    let (oven, certificates) = (Oven::new(90), Folder::new());
    certificate(certificates.path(), "am", "DNS:am.example");
    certificate(certificates.path(), "other", "DNS:other.example");
    let alertmanager = behind_tls(&certificates, "am");
    // Has that certificate only for those who ask for the name.
    let list = format!("[{{\"targets\": [\"{}\"]}}]", alertmanager.address);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    certificates.write("targets", format!("{head}{list}"));
    let mut command = OPENSSL.command();
    command
        .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP"])
        .args(["-cert", "other.pem", "-key", "other.key"])
        .args(["-servername", "am.example"])
        .args(["-cert2", "am.pem", "-key2", "am.key"])
        .current_dir(certificates.path());
    let mut directory = Process::start("openssl", &mut command);
    let address = directory.wait_for("its address", |line| {
        line.strip_prefix("ACCEPT ").map(str::to_owned)
    });
    let tls = "tls_config: {ca_file: trusted.pem, server_name: am.example}";
    let entry = format!(
        "  - http_sd_configs: [{{url: 'https://{}/targets', refresh_interval: 1s, {tls}}}]\n    \
         scheme: https\n    {tls}\n",
        address.trim()
    );
    let folder = folder(&oven.configuration(&entry));
    let trust = |name: &str| {
        let certificate = certificates.path().join(format!("{name}.pem"));
        fs::copy(certificate, folder.path().join("trusted.pem")).unwrap();
    };
    trust("other");
    let server = started(&folder, "sqlite://t.db");
    wait::until("a failure", PATIENCE, || {
        let failures = "system_stats_aggregator_sd_refresh_failures_total";
        let count = own_metric(&server, failures);
        if count > 0 { Ok(()) } else { Err(count) }
    });
    // Nobody reloads anything.
    trust("am");
    is_delivered(&server);
}

/// Carries bytes one way until there are no more.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn alerts_go_through_a_proxy() {
    let (oven, certificates) = (Oven::new(90), Folder::new());
    certificate(certificates.path(), "am", "IP:127.0.0.1");
    let alertmanager = behind_tls(&certificates, "am");
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let proxy = Server::start(move |head, stream, _| {
        let target = head.strip_prefix("CONNECT ").expect(head);
        let target = target.split(' ').next().unwrap();
        assert!(head.contains("x-team: ovens\r\n"), "{head}");
        assert!(
            head.contains("authorization: Basic bWU6c2VjcmV0\r\n"),
            "{head}"
        );
        counted.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(target).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (there, back) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
        let there = thread::spawn(move || carry(there, back));
        carry(server, stream.try_clone().unwrap());
        there.join().unwrap();
    });
    let entry = format!(
        "  - static_configs: [{{targets: ['{}']}}]\n    scheme: https\n    \
         tls_config: {{ca_file: am.pem}}\n    proxy_url: http://me:secret@{}\n    \
         proxy_connect_header: {{X-Team: [ovens]}}\n",
        alertmanager.address,
        proxy.address()
    );
    let folder = folder(&oven.configuration(&entry));
    let certificate = certificates.path().join("am.pem");
    fs::copy(certificate, folder.path().join("am.pem")).unwrap();
    let server = started(&folder, "sqlite://t.db");
    is_delivered(&server);
    assert!(asked.load(Ordering::SeqCst) > 0);
}
