//! The command line and its environment twins; the one place that reads the environment.

mod alerts;
mod query;
mod rollups;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

pub use alerts::AlertArgs;
use clap::{ArgAction, Args, Parser, Subcommand};
pub use query::QueryArgs;
use reqwest::Url;

use self::rollups::Rollups;
use crate::app::{ConfigSource, Options, StorageLocation};
use crate::config::{parse_bytes, parse_duration};
use crate::http::Origins;
use crate::query::QueryOptions;
use crate::telemetry::logging::{LogFormat, LogLevel};

/// The configuration file that is read when it is there and none was named.
const DEFAULT_CONFIG_FILE: &str = "prometheus.yml";
/// Where samples go when nobody says otherwise.
const DEFAULT_STORAGE_URL: &str = "sqlite://data/system-stats.db";

/// Pulls a fleet of exporters, stores what it pulls in SQL, and serves it.
///
/// Without arguments: monitors this machine, stores in ./data/system-stats.db, serves on port 8000.
#[derive(Debug, Parser)]
#[command(name = "system-stats-aggregator", version, long_version = crate::telemetry::BUILD.text)]
pub struct Cli {
    /// The flags of the server.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a file without starting anything; exit 1 when it has errors.
    #[command(subcommand)]
    Check(Check),
    /// Run unit tests; exit 1 when one fails.
    #[command(subcommand)]
    Test(Test),
    /// Ask a running server whether it is healthy; exit 1 when it does not say so in 3 s.
    Healthcheck {
        /// Whom to ask [default: `/-/healthy` on the first --web.listen-address].
        #[arg(long, value_name = "URL")]
        url: Option<Url>,
    },
    /// Copy the SQLite database into a new file, while it is in use or not. For Postgres: `pg_dump`.
    Backup {
        /// The new file.
        file: PathBuf,
        /// Of which database.
        #[command(flatten)]
        storage: StorageArgs,
    },
    /// Put a backup in the place of the SQLite database, which must not be in use; what was there
    /// is kept as FILE.replaced.
    Restore {
        /// The backup.
        file: PathBuf,
        /// In the place of which database.
        #[command(flatten)]
        storage: StorageArgs,
    },
    /// Write what is built in into files, to be changed.
    #[command(subcommand)]
    Export(Export),
    /// Copy everything into an empty database of either kind, all or nothing. Neither may be in use.
    Migrate {
        /// The database that is there.
        #[arg(long, value_name = "URL")]
        from: String,
        /// The empty one.
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

/// Which database something is done to.
#[derive(Clone, Debug, Args)]
pub struct StorageArgs {
    /// The database [default: that of the server with the same flags and environment].
    #[arg(long = "storage.url", value_name = "URL")]
    storage_url: Option<String>,
}

impl StorageArgs {
    /// The URL of the database, `serve` being what was given before the subcommand.
    #[must_use]
    pub fn url(&self, serve: &ServeArgs) -> String {
        let chosen = self.storage_url.clone();
        chosen.unwrap_or_else(|| serve.storage_location(environment).url())
    }
}

/// What can be written into files.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// The built-in rules; serve with --rules.builtin=false and name them in `rule_files`.
    Rules {
        /// The folder they go to.
        folder: PathBuf,
    },
}

/// What can be checked.
#[derive(Debug, Subcommand)]
pub enum Check {
    /// Check configuration files.
    Config {
        /// The files.
        #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG_FILE)]
        files: Vec<PathBuf>,
    },
    /// Compare the checksums of everything in a database, which may be in use.
    Storage {
        /// Which database.
        #[command(flatten)]
        storage: StorageArgs,
    },
    /// Check rule files.
    Rules {
        /// The files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// What can be tested.
#[derive(Debug, Subcommand)]
pub enum Test {
    /// Run unit tests of rules, in the format of promtool's files.
    Rules {
        /// Run only tests in whose name this regular expression matches something; may be given
        /// several times.
        #[arg(long = "run", value_name = "REGEX")]
        run: Vec<String>,
        /// The files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// The flags of the server.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The configuration, in Prometheus' format [default: ./prometheus.yml if there is one, else
    /// a built-in one that scrapes this machine].
    #[arg(
        long = "config.file",
        value_name = "FILE",
        env = "SYSTEM_STATS_AGGREGATOR_CONFIG_FILE"
    )]
    config_file: Option<PathBuf>,

    /// An address to serve on; may be given several times.
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        default_value = "0.0.0.0:8000",
        value_delimiter = ',',
        env = "SYSTEM_STATS_AGGREGATOR_WEB_LISTEN_ADDRESS",
        value_parser = parse_address
    )]
    listen: Vec<SocketAddr>,

    /// Allow `POST /-/reload`.
    #[arg(
        long = "web.enable-lifecycle",
        env = "SYSTEM_STATS_AGGREGATOR_WEB_ENABLE_LIFECYCLE"
    )]
    enable_lifecycle: bool,

    /// Allow `POST /api/v1/admin/tsdb/delete_series` and `clean_tombstones`.
    #[arg(
        long = "web.enable-admin-api",
        env = "SYSTEM_STATS_AGGREGATOR_WEB_ENABLE_ADMIN_API"
    )]
    enable_admin_api: bool,

    /// The keys that writing clients must present, in YAML: `keys:`, a list of `name` and `key`,
    /// and `exempt:`, the contracts that need none [default: nobody needs a key].
    #[arg(
        long = "web.api-key-file",
        value_name = "FILE",
        env = "SYSTEM_STATS_AGGREGATOR_WEB_API_KEY_FILE"
    )]
    api_key_file: Option<PathBuf>,

    /// The origins whose pages may use the hardware and service monitors' contracts: a regular
    /// expression for the whole origin.
    #[arg(
        long = "web.cors.origin",
        value_name = "REGEX",
        default_value = ".*",
        env = "SYSTEM_STATS_AGGREGATOR_WEB_CORS_ORIGIN",
        value_parser = parse_origins
    )]
    origins: Origins,

    #[arg(
        long = "storage.url",
        value_name = "URL",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_URL",
        help = format!(
            "Where samples are stored: sqlite://FILE, or postgres://USER:PASSWORD@HOST:5432/DATABASE; \
             DATABASE_URL and DATABASE_PATH (a SQLite file) are honoured [default: \
             {DEFAULT_STORAGE_URL}]"
        )
    )]
    storage_url: Option<String>,

    /// How long samples are kept; 0 is for ever.
    #[arg(
        long = "storage.retention.time",
        value_name = "DURATION",
        default_value = "30d",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_RETENTION_TIME",
        value_parser = parse_duration
    )]
    retention: Duration,

    /// How long the history of alerts is kept; 0 is for ever.
    #[arg(
        long = "storage.alert-history.retention",
        value_name = "DURATION",
        default_value = "1y",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_ALERT_HISTORY_RETENTION",
        value_parser = parse_duration
    )]
    history_retention: Duration,

    /// Which rollups are kept once samples are gone, and for how long: 5m, 1h or both, each with a
    /// duration, 0 being for ever; empty for none.
    #[arg(
        long = "storage.rollup.retention",
        value_name = "RESOLUTION:DURATION,…",
        default_value = "5m:180d,1h:3y",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_ROLLUP_RETENTION",
        value_parser = rollups::parse
    )]
    rollups: Rollups,

    /// How much older than the newest sample of its series a sample of a remote write or an
    /// import may be; decades are fine.
    #[arg(
        long = "storage.out-of-order-time-window",
        value_name = "DURATION",
        default_value = "1h",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_OUT_OF_ORDER_TIME_WINDOW",
        value_parser = parse_duration
    )]
    out_of_order_window: Duration,

    #[command(flatten)]
    query: QueryArgs,

    #[command(flatten)]
    alerts: AlertArgs,

    /// Where this server is reached from outside, for links in alerts [default: this machine's
    /// name and the port].
    #[arg(
        long = "web.external-url",
        value_name = "URL",
        env = "SYSTEM_STATS_AGGREGATOR_WEB_EXTERNAL_URL",
        value_parser = parse_external_url
    )]
    external_url: Option<String>,

    /// How much the database may hold before the oldest hours are removed; 0 is any amount.
    #[arg(
        long = "storage.retention.size",
        value_name = "SIZE",
        default_value = "0",
        env = "SYSTEM_STATS_AGGREGATOR_STORAGE_RETENTION_SIZE",
        value_parser = parse_bytes
    )]
    retention_size: u64,

    /// How long nothing may have come for an hour before it is compressed. For tests.
    #[arg(
        long = "storage.fold-after",
        value_name = "DURATION",
        default_value = "10m",
        hide = true,
        value_parser = parse_duration
    )]
    fold_after: Duration,

    /// How long a series had no sample before it leaves memory. For tests.
    #[arg(
        long = "storage.leave-after",
        value_name = "DURATION",
        default_value = "2h",
        hide = true,
        value_parser = parse_duration
    )]
    leave_after: Duration,

    /// Where the exporter for this machine listens; empty for none.
    #[arg(
        long = "local-exporter.listen-address",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:5001",
        env = "SYSTEM_STATS_AGGREGATOR_LOCAL_EXPORTER_LISTEN_ADDRESS",
        value_parser = parse_optional_address
    )]
    local_exporter: OptionalAddress,

    /// Evaluate the rules that are built in: the alerts of every host, and what hosts without our
    /// exporter are described by.
    #[arg(
        long = "rules.builtin",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set,
        env = "SYSTEM_STATS_AGGREGATOR_RULES_BUILTIN"
    )]
    builtin_rules: bool,

    /// How much to log.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true,
        env = "SYSTEM_STATS_AGGREGATOR_LOG_LEVEL"
    )]
    pub log_level: LogLevel,

    /// How log lines look.
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "logfmt",
        ignore_case = true,
        env = "SYSTEM_STATS_AGGREGATOR_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

/// An address, or none when the flag was given empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OptionalAddress(Option<SocketAddr>);

impl ServeArgs {
    /// How the server shall run, from flags and environment.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            config: self.config_source(),
            listen: self.listen.clone(),
            enable_lifecycle: self.enable_lifecycle,
            enable_admin_api: self.enable_admin_api,
            api_key_file: self.api_key_file.clone(),
            origins: self.origins.clone(),
            storage: self.storage_location(environment),
            retention: self.retention,
            history_retention: self.history_retention,
            fold_after: self.fold_after,
            leave_after: self.leave_after,
            rollups: self.rollups.0.clone(),
            out_of_order_window: self.out_of_order_window,
            query: self.query.options(),
            rules: self.alerts.rules(),
            notify: self.alerts.notify(),
            external_url: self.external_url.clone(),
            retention_bytes: self.retention_size,
            local_exporter: self.local_exporter.0,
            builtin_rules: self.builtin_rules,
        }
    }

    /// Where a server with these flags says whether it is healthy, as this machine reaches it.
    #[must_use]
    pub fn health_url(&self) -> Option<Url> {
        let mut address = *self.listen.first()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        Url::parse(&format!("http://{address}/-/healthy")).ok()
    }

    /// How queries are answered by a server with these flags.
    #[must_use]
    pub fn query_options(&self) -> QueryOptions {
        self.query.options()
    }

    fn config_source(&self) -> ConfigSource {
        match &self.config_file {
            Some(file) => ConfigSource::File(file.clone()),
            None => ConfigSource::FileOrBuiltIn(PathBuf::from(DEFAULT_CONFIG_FILE)),
        }
    }

    /// The flag and its twin win over `DATABASE_URL`, that over `DATABASE_PATH`.
    fn storage_location(&self, environment: impl Fn(&str) -> Option<String>) -> StorageLocation {
        if let Some(url) = self
            .storage_url
            .clone()
            .or_else(|| environment("DATABASE_URL"))
        {
            return StorageLocation::Url(url);
        }
        match environment("DATABASE_PATH") {
            Some(path) => StorageLocation::File(PathBuf::from(path)),
            None => StorageLocation::Url(DEFAULT_STORAGE_URL.to_owned()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the home of the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads `host:port`, and `:port` as Go programs take it (every address of the machine).
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} is not a port from 0 to 65535"))?;
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; use host:port, for example 127.0.0.1:8000 or :8000"))?;
    found
        .next()
        .ok_or_else(|| format!("{text:?} has no address"))
}

/// The URL without a slash at the end.
fn parse_external_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write http://HOST:PORT/"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it begins with neither http:// nor https://".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn parse_origins(text: &str) -> Result<Origins, String> {
    Origins::matching(text).map_err(|error| error.to_string())
}

fn parse_optional_address(text: &str) -> Result<OptionalAddress, String> {
    if text.is_empty() {
        return Ok(OptionalAddress(None));
    }
    parse_address(text).map(|address| OptionalAddress(Some(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Cli, clap::Error> {
        let program = std::iter::once("system-stats-aggregator");
        Cli::try_parse_from(program.chain(arguments.iter().copied()))
    }

    #[test]
    fn no_arguments_are_the_documented_defaults() {
        let options = parsed(&[]).unwrap().serve.options();
        assert_eq!(options.listen, ["0.0.0.0:8000".parse().unwrap()]);
        assert_eq!(
            options.local_exporter,
            Some("127.0.0.1:5001".parse().unwrap())
        );
        assert_eq!(options.retention, Duration::from_hours(24 * 30));
        assert!(!options.enable_lifecycle);
    }

    #[test]
    fn flags_as_their_users_write_them() {
        let arguments = [
            "--web.listen-address=:9000",
            "--web.listen-address",
            "127.0.0.1:5050",
            "--local-exporter.listen-address=",
            "--storage.retention.time=0",
            "--storage.retention.size=2GB",
            "--log.level=WARN",
        ];
        let options = parsed(&arguments).unwrap().serve.options();
        let addresses: Vec<_> = options.listen.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["0.0.0.0:9000", "127.0.0.1:5050"]);
        assert_eq!(options.local_exporter, None);
        assert_eq!(options.retention, Duration::ZERO);
        assert_eq!(options.retention_bytes, 2 << 30);
    }

    #[test]
    fn health_is_asked_where_the_server_listens() {
        let url = |flags: &[&str]| {
            parsed(flags)
                .unwrap()
                .serve
                .health_url()
                .unwrap()
                .to_string()
        };
        assert_eq!(url(&[]), "http://127.0.0.1:8000/-/healthy");
        let two = ["--web.listen-address=[::]:9000", "--web.listen-address=:1"];
        assert_eq!(url(&two), "http://[::1]:9000/-/healthy");
        let one = ["--web.listen-address=192.0.2.1:80", "healthcheck"];
        assert_eq!(url(&one), "http://192.0.2.1/-/healthy");
    }

    #[test]
    fn where_samples_go() {
        let location = |flag: &[&str], environment: &[(&str, &str)]| {
            let find = |name: &str| {
                environment
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_owned())
            };
            parsed(flag).unwrap().serve.storage_location(find)
        };
        let url = |text: &str| StorageLocation::Url(text.to_owned());
        let both = [
            ("DATABASE_URL", "sqlite://u.db"),
            ("DATABASE_PATH", "/p.db"),
        ];
        assert_eq!(location(&[], &[]), url(DEFAULT_STORAGE_URL));
        assert_eq!(
            location(&["--storage.url=sqlite://f.db"], &both),
            url("sqlite://f.db")
        );
        assert_eq!(location(&[], &both), url("sqlite://u.db"));
        assert_eq!(
            location(&[], &both[1..]),
            StorageLocation::File("/p.db".into())
        );
    }

    #[test]
    fn mistakes_are_explained() {
        let cases: [(&[&str], &str); 5] = [
            (&["--web.listen-adress=:1"], "--web.listen-address"),
            (
                &["--web.listen-address=:70000"],
                "not a port from 0 to 65535",
            ),
            (&["--storage.retention.time=15x"], "15x"),
            (&["--storage.retention.size=15x"], "15x"),
            (&["--log.level=loud"], "info"),
        ];
        for (arguments, expected) in cases {
            let text = parsed(arguments).unwrap_err().to_string();
            assert!(text.contains(expected), "{arguments:?}: {text}");
        }
    }
}
