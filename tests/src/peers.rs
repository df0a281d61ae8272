//! Other people's programs that ours must get along with.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::folder::Folder;
use crate::http;
use crate::process::{self, Finished, Process};

/// A program that must be there: the full suite fails without it, it never skips.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The environment variable that names another build of it.
    variable: &'static str,
    /// Where Debian puts it.
    path: &'static str,
    /// The Debian package.
    package: &'static str,
}

/// The stock Prometheus server.
pub const PROMETHEUS: Peer = Peer {
    variable: "PROMETHEUS",
    path: "/usr/bin/prometheus",
    package: "prometheus",
};
/// Its checker of metrics and configuration.
pub const PROMTOOL: Peer = Peer {
    variable: "PROMTOOL",
    path: "/usr/bin/promtool",
    package: "prometheus",
};
/// What takes alerts, groups, inhibits and silences them.
pub const ALERTMANAGER: Peer = Peer {
    variable: "ALERTMANAGER",
    path: "/usr/bin/prometheus-alertmanager",
    package: "prometheus-alertmanager",
};
/// Its command line.
pub const AMTOOL: Peer = Peer {
    variable: "AMTOOL",
    path: "/usr/bin/amtool",
    package: "prometheus-alertmanager",
};
/// Makes certificates.
pub const OPENSSL: Peer = Peer {
    variable: "OPENSSL",
    path: "/usr/bin/openssl",
    package: "openssl",
};
/// The exporter everybody has.
pub const NODE_EXPORTER: Peer = Peer {
    variable: "NODE_EXPORTER",
    path: "/usr/bin/prometheus-node-exporter",
    package: "prometheus-node-exporter",
};
/// Python with psutil.
pub const PYTHON: Peer = Peer {
    variable: "PYTHON",
    path: "/usr/bin/python3",
    package: "python3-psutil",
};
/// Node, with axios where Debian puts it.
pub const NODE: Peer = Peer {
    variable: "NODE",
    path: "/usr/bin/node",
    package: "node-axios",
};
/// The folder of Postgres' programs.
pub const POSTGRES: Peer = Peer {
    variable: "POSTGRES",
    path: "/usr/lib/postgresql/15/bin",
    package: "postgresql-15",
};
/// The browser.
pub const CHROMIUM: Peer = Peer {
    variable: "CHROMIUM",
    path: "/usr/bin/chromium",
    package: "chromium",
};
/// What drives the browser.
pub const CHROMEDRIVER: Peer = Peer {
    variable: "CHROMEDRIVER",
    path: "/usr/bin/chromedriver",
    package: "chromium-driver",
};

impl Peer {
    /// Where it is.
    #[track_caller]
    pub fn path(self) -> PathBuf {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests have no command line of their own"
        )]
        let chosen = std::env::var_os(self.variable);
        let path = chosen.map_or_else(|| PathBuf::from(self.path), PathBuf::from);
        assert!(
            fs::exists(&path).unwrap_or(false),
            "{} is not there: install the Debian package {} (tests/run does), or set {}",
            path.display(),
            self.package,
            self.variable,
        );
        path
    }

    /// A command of it.
    #[track_caller]
    pub fn command(self) -> Command {
        Command::new(self.path())
    }
}

/// A running stock Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// Where it answers.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    folder: Folder,
    arguments: Vec<String>,
}

impl Prometheus {
    /// Starts it with this configuration and an empty database.
    #[track_caller]
    pub fn start(configuration: &str) -> Prometheus {
        Prometheus::start_with(configuration, &[])
    }

    /// The same with further flags.
    #[track_caller]
    pub fn start_with(configuration: &str, arguments: &[&str]) -> Prometheus {
        let folder = Folder::new();
        folder.write("prometheus.yml", configuration);
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        Prometheus::run(folder, arguments)
    }

    #[track_caller]
    fn run(folder: Folder, arguments: Vec<String>) -> Prometheus {
        let mut command = PROMETHEUS.command();
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.listen-address=127.0.0.1:0")
            .args(&arguments)
            .current_dir(folder.path());
        let mut process = Process::start("prometheus", &mut command);
        let address = process.wait_for("its address", bound_address);
        process.wait_for("being ready", |line| {
            line.contains("ready to receive").then_some(())
        });
        Prometheus {
            address,
            process,
            folder,
            arguments,
        }
    }

    /// Replaces its configuration file; it is read at the next reload.
    pub fn configure(&self, configuration: &str) {
        self.folder.write("prometheus.yml", configuration);
    }

    /// Ends it and starts it anew on what it has stored, on another port.
    #[must_use]
    #[track_caller]
    pub fn restarted(mut self) -> Prometheus {
        self.process.signal("TERM");
        self.process.wait_for_end(Duration::from_secs(20));
        Prometheus::run(self.folder, self.arguments)
    }
}

/// A running Alertmanager, alone: without a cluster.
#[derive(Debug)]
pub struct Alertmanager {
    /// Where it answers.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    _folder: Folder,
}

impl Alertmanager {
    /// Starts it with this configuration and without any memory.
    #[track_caller]
    pub fn start(configuration: &str) -> Alertmanager {
        Alertmanager::start_at("127.0.0.1:0", configuration, &[])
    }

    /// The same on a given address and with further flags.
    #[track_caller]
    pub fn start_at(address: &str, configuration: &str, arguments: &[&str]) -> Alertmanager {
        let folder = Folder::new();
        let file = folder.write("alertmanager.yml", configuration);
        let mut command = ALERTMANAGER.command();
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .args(arguments)
            .current_dir(folder.path());
        let mut process = Process::start("alertmanager", &mut command);
        let address = process.wait_for("its address", bound_address);
        Alertmanager {
            address,
            process,
            _folder: folder,
        }
    }

    /// The alerts that it knows.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Value> {
        let alerts = http::get_json(self.address, "/api/v2/alerts");
        alerts.as_array().expect("a list of alerts").clone()
    }

    /// Runs `amtool` against it.
    #[track_caller]
    pub fn amtool(&self, arguments: &[&str]) -> Finished {
        let url = format!("--alertmanager.url=http://{}", self.address);
        process::run(AMTOOL.command().arg(url).args(arguments))
    }
}

/// A running `node_exporter`.
#[derive(Debug)]
pub struct NodeExporter {
    /// Where it answers.
    pub address: SocketAddr,
    _process: Process,
}

impl NodeExporter {
    /// Starts it with these flags.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> NodeExporter {
        let mut command = NODE_EXPORTER.command();
        command
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments);
        let mut process = Process::start("node_exporter", &mut command);
        let address = process.wait_for("its address", bound_address);
        NodeExporter {
            address,
            _process: process,
        }
    }
}

/// Runs a Python script of `tests/data` with arguments.
#[track_caller]
pub fn python(script: &str, arguments: &[&str]) -> Finished {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(script);
    process::run(PYTHON.command().arg("-I").arg(path).args(arguments))
}

/// The command of a Node script of `tests/data` with arguments.
#[track_caller]
pub fn node(script: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(script);
    let mut command = NODE.command();
    command
        .env("NODE_PATH", "/usr/share/nodejs:/usr/lib/nodejs")
        .arg(path)
        .args(arguments);
    command
}

/// The first loopback address with a real port in a line of a log; `localhost` counts as one.
pub fn bound_address(line: &str) -> Option<SocketAddr> {
    let rest = ["127.0.0.1:", "localhost:"]
        .iter()
        .find_map(|host| line.find(host).map(|at| &line[at + host.len()..]))?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let port: u16 = rest[..end.unwrap_or(rest.len())].parse().ok()?;
    (port != 0).then(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_log_lines() {
        let port = |line: &str| bound_address(line).map(|address| address.port());
        assert_eq!(
            port("msg=\"Listening on\" address=127.0.0.1:4010"),
            Some(4010)
        );
        assert_eq!(port("open http://127.0.0.1:8000/dashboard"), Some(8000));
        assert_eq!(port("open http://localhost:8000/dashboard"), Some(8000));
        assert_eq!(port("address=127.0.0.1:0"), None);
        assert_eq!(port("address=127.0.0.1:99999"), None);
        assert_eq!(port("nothing"), None);
    }
}
