//! Postgres behind TLS, with a certificate that no public authority has signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::folder::Folder;
use e2e::postgres::Postgres;
use e2e::process;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;

use super::push;
use crate::durability::stored;

#[track_caller]
fn done(command: &mut Command) {
    let done = process::run(command);
    assert_eq!(done.code, Some(0), "{command:?}: {}", done.stderr);
}

/// An authority; its certificate.
#[track_caller]
fn authority(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    openssl
        .args(["-subj", &format!("/CN={name}"), "-out"])
        .arg(&file);
    openssl
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")));
    done(&mut openssl);
    file
}

/// An address of loopback that no other server has, and a server there that insists on TLS.
#[track_caller]
fn server(folder: &Path) -> (String, std::sync::Arc<Postgres>) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.77.{high}.{low}");
    let server = Postgres::start(&[&format!("listen_addresses={address}")]);
    let home = server.socket();
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    openssl.args(["-subj", "/CN=server", "-addext"]);
    openssl.arg(format!("subjectAltName=IP:{address}"));
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-CA"]);
    openssl
        .arg(folder.join("ours.pem"))
        .arg("-CAkey")
        .arg(folder.join("ours.key"));
    openssl.arg("-out").arg(home.join("server.pem"));
    openssl.arg("-keyout").arg(home.join("server.key"));
    done(&mut openssl);
    let key = home.join("server.key");
    done(Command::new("chmod").arg("600").arg(&key));
    done(
        Command::new("chown")
            .arg("--reference")
            .arg(home.join("data"))
            .arg(&key),
    );
    let access = home.join("data/pg_hba.conf");
    let local = "local all all trust\nhostssl all all 127.0.0.0/8 trust\n";
    std::fs::write(access, local).unwrap();
    for (name, file) in [("cert", "server.pem"), ("key", "server.key")] {
        let file = home.join(file);
        let set = format!("ALTER SYSTEM SET ssl_{name}_file = '{}'", file.display());
        server.sql("postgres", &set);
    }
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.sql("postgres", "SELECT pg_reload_conf()");
    wait::until_some("TLS", std::time::Duration::from_secs(10), || {
        (server.sql("postgres", "SHOW ssl") == "on").then_some(())
    });
    (address, server)
}

#[test]
fn a_server_behind_tls_is_used_as_strictly_as_it_is_asked_for() {
    let folder = Folder::new();
    let ours = authority(folder.path(), "ours");
    let others = authority(folder.path(), "others");
    let (address, server) = server(folder.path());
    let database = server.database();
    folder.write("prometheus.yml", NO_TARGETS);
    let now = wait::epoch_seconds();
    let command = |parameters: &str| {
        let url = format!(
            "postgres://postgres@{address}/{}?{parameters}",
            database.name
        );
        Aggregator::command_on(folder.path(), &url)
    };
    let root = |file: &Path| format!("sslrootcert={}", file.display());
    let good = [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-ca&{}", root(&ours)),
        format!("sslmode=verify-full&{}", root(&ours)),
    ];
    for (at, parameters) in (0..).zip(&good) {
        let aggregator = Aggregator::run(&mut command(parameters));
        assert_eq!(push(aggregator.address, "pi", now + at).status, 200);
        let encrypted = database.sql(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'system-stats-aggregator'",
        );
        assert_eq!(encrypted, "t", "{parameters}");
        let all = i64::try_from(stored(aggregator.address).len()).unwrap();
        assert_eq!(all, at + 1);
    }
    let bad = [
        (
            format!("sslmode=verify-ca&{}", root(&others)),
            "certificate",
        ),
        ("sslmode=verify-full".to_owned(), "certificate"),
        ("sslmode=disable".to_owned(), "no encryption"),
    ];
    for (parameters, expected) in bad {
        let refused = process::run(&mut command(&parameters));
        assert_eq!(refused.code, Some(1), "{parameters}");
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
}
