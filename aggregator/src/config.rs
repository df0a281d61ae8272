//! The configuration file: Prometheus' own format, as far as we do what it says.
//!
//! Strict: what Prometheus does not know is refused as unknown, what it knows and we do not do is
//! refused as not supported, so that nothing in a file is silently ignored. All defaults are filled
//! in here; whoever reads a [`Config`] sees what is in effect.

mod alerting;
pub mod api_keys;
pub mod builtin;
mod client;
mod discovery;
mod fields;
mod global;
mod relabel;
mod rule_tests;
mod rules;
mod scrape;
mod target_lists;
mod units;
mod yaml;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::relabel::Relabel;

pub use self::alerting::{Alerting, AlertmanagerConfig};
pub(crate) use self::client::is_loopback;
pub use self::client::{Auth, HttpClient, NoProxy, OAuth2, Proxying, Secret, Tls, TlsVersion};
pub use self::discovery::{
    Discoveries, DnsDiscovery, FileDiscovery, HttpDiscovery, RecordKind, StaticConfig,
};
pub use self::fields::Problem;
use self::fields::{Place, Problems};
pub use self::rule_tests::{
    AlertCase, ExpectedAlert, ExpressionCase, InputSeries, Pairs, RuleTest, RuleTestFile,
    load_rule_tests, parse_rule_tests,
};
pub use self::rules::{
    Rule, RuleDefaults, RuleFile, RuleGroup, RuleKind, load_rules, parse_rules, rule_files,
};
pub use self::target_lists::{load_targets, parse_targets_json};
pub use self::units::{format_duration, parse_bytes, parse_duration};

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a configuration file says, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What holds for everything.
    pub global: Global,
    /// Patterns of rule files, relative to the folder of this file.
    pub rule_files: Vec<String>,
    /// Who is told about alerts.
    pub alerting: Alerting,
    /// The scrape jobs, in the order of the file; their names differ.
    pub scrape_configs: Vec<ScrapeConfig>,
}

/// The section `global`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// How often jobs are scraped that do not say it; above 0, 1 minute by default.
    pub scrape_interval: Duration,
    /// How long a scrape may take where the job does not say it; not above the interval.
    pub scrape_timeout: Duration,
    /// How often rules are evaluated; above 0, 1 minute by default.
    pub evaluation_interval: Duration,
    /// How far in the past rules are evaluated whose group does not say it.
    pub rule_query_offset: Duration,
    /// Labels that tell this server apart from others.
    pub external_labels: Labels,
    /// The limits of jobs that do not set their own.
    pub limits: Limits,
    /// The formats that jobs ask for that do not say it.
    pub scrape_protocols: Vec<ScrapeProtocol>,
}

/// One job: how to scrape, and what.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches of the file, by their names"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeConfig {
    /// Its name, and the label `job` of its targets; not empty.
    pub job_name: String,
    /// Time between two scrapes of a target; above 0.
    pub scrape_interval: Duration,
    /// How long a scrape may take; above 0, at most the interval.
    pub scrape_timeout: Duration,
    /// The path of the metrics, `/metrics` by default.
    pub metrics_path: String,
    /// How to connect.
    pub scheme: Scheme,
    /// Query parameters; a name may have several values.
    pub params: Vec<(String, Vec<String>)>,
    /// Whether labels in the exposition win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps in the exposition are kept.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get staleness markers.
    pub track_timestamps_staleness: bool,
    /// Whether compressed answers are asked for.
    pub enable_compression: bool,
    /// How to connect, for the metrics and what else a target is asked for.
    pub client: HttpClient,
    /// The format to assume when an answer does not name one we know.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// The formats that are asked for, the best first; at least one.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// What a scrape may hold at most.
    pub limits: Limits,
    /// Where the targets come from.
    pub discoveries: Discoveries,
    /// Run over the labels of what was found.
    pub relabel_configs: Vec<Relabel>,
    /// Run over the labels of every series.
    pub metric_relabel_configs: Vec<Relabel>,
}

impl ScrapeConfig {
    /// How many targets the job itself lists.
    #[must_use]
    pub fn target_count(&self) -> usize {
        let groups = self.discoveries.lists.iter();
        groups.map(|group| group.targets.len()).sum()
    }

    /// Relative paths start at `folder`.
    fn in_folder(&mut self, folder: &Path) {
        self.client.in_folder(folder);
        self.discoveries.in_folder(folder);
    }
}

/// What a scrape may hold at most. A scrape beyond a limit fails as a whole; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Targets that relabelling dropped and that are shown all the same.
    pub keep_dropped_targets: u64,
    /// Targets of the job; when there are more, the scrapes of all of them fail.
    pub target_limit: u64,
    /// Samples.
    pub sample_limit: u64,
    /// Bytes of the body, decompressed.
    pub body_size_limit: u64,
    /// Labels of a sample, its name and the target's included.
    pub label_limit: u64,
    /// Bytes of a label's name.
    pub label_name_length_limit: u64,
    /// Bytes of a label's value.
    pub label_value_length_limit: u64,
}

/// How to connect to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads `http` or `https`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| scheme.as_str() == name)
    }
}

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics1,
    /// `OpenMetrics` 0.0.1.
    OpenMetrics0,
    /// Prometheus' text format 1.0.0.
    Text1,
    /// Prometheus' text format 0.0.4.
    Text0,
}

impl ScrapeProtocol {
    /// All of them, in the order in which they are preferred unless a file says otherwise.
    pub const ALL: [Self; 4] = [
        Self::OpenMetrics1,
        Self::OpenMetrics0,
        Self::Text1,
        Self::Text0,
    ];

    /// As a configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenMetrics1 => "OpenMetricsText1.0.0",
            Self::OpenMetrics0 => "OpenMetricsText0.0.1",
            Self::Text1 => "PrometheusText1.0.0",
            Self::Text0 => "PrometheusText0.0.4",
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}; check the path and who may read it")]
    Read {
        /// The file as it was named.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{file}: larger than {} MiB, the most that is read; is it a configuration?", MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The file as it was named.
        file: String,
    },
    /// A pattern of rule files is none, or names what cannot be read.
    #[error("rule_files: {pattern}: {reason}")]
    Pattern {
        /// The pattern as it is written.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Somebody cannot be connected to as it is asked for.
    #[error("{0}")]
    Unusable(
        /// Where in the configuration, what is wrong, and what to do about it.
        String,
    ),
    /// There are more rules than any server evaluates.
    #[error("rule_files: more than 100000 rules; split them over several servers")]
    TooManyRules,
    /// What it says cannot be used; one line for each problem, at most 20.
    #[error("{}", lines(.0))]
    Invalid(
        /// What is wrong, by line; at least one.
        Vec<Problem>,
    ),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Reads a configuration file.
///
/// # Errors
/// [`ConfigError`]; its text names file, line, place and remedy.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let mut config = parse(&read_text(path)?, &path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for job in &mut config.scrape_configs {
        job.in_folder(folder);
    }
    for alertmanagers in &mut config.alerting.alertmanagers {
        alertmanagers.in_folder(folder);
    }
    Ok(config)
}

/// The text of a file.
fn read_text(path: &Path) -> Result<String, ConfigError> {
    let file = path.display().to_string();
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(source) => return Err(ConfigError::Read { file, source }),
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { file });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            let mut problems = Problems::new(&file);
            problems.add(line, "", "not UTF-8; save the file as UTF-8 text");
            Err(ConfigError::Invalid(problems.into_sorted()))
        }
    }
}

/// Reads a configuration; `file` is what messages call it.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigError> {
    parse_with(text, file, read_config)
}

fn parse_with<T>(
    text: &str,
    file: &str,
    read: impl FnOnce(&Place<'_>, &mut Problems) -> Option<T>,
) -> Result<T, ConfigError> {
    let mut problems = Problems::new(file);
    // Windows' editors put a byte order mark at the start.
    let document = match yaml::parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(error) => {
            problems.add(error.line, "", error.reason);
            return Err(ConfigError::Invalid(problems.into_sorted()));
        }
    };
    let value = read(&Place::root(&document), &mut problems);
    let found = problems.into_sorted();
    match value {
        Some(value) if found.is_empty() => Ok(value),
        _ => Err(ConfigError::Invalid(found)),
    }
}

/// Sections that Prometheus has and we do not.
const UNSUPPORTED: [&str; 7] = [
    "otlp",
    "remote_read",
    "remote_write",
    "runtime",
    "scrape_config_files",
    "storage",
    "tracing",
];

fn read_config(root: &Place<'_>, problems: &mut Problems) -> Option<Config> {
    let mut fields = root.fields(problems)?;
    let global = match fields.take("global") {
        Some(place) => global::read(&place, problems)?,
        None => Global::default(),
    };
    let mut scrape_configs: Vec<ScrapeConfig> = Vec::new();
    let jobs = fields.take("scrape_configs");
    for place in jobs
        .and_then(|jobs| jobs.list(problems))
        .unwrap_or_default()
    {
        let Some(job) = scrape::read(&place, &global, problems) else {
            continue;
        };
        if scrape_configs
            .iter()
            .any(|other| other.job_name == job.job_name)
        {
            let message = format!(
                "a second job is named {:?}; job names must differ",
                job.job_name
            );
            place.problem(problems, message);
        }
        scrape_configs.push(job);
    }
    let patterns = fields.take("rule_files");
    let patterns = patterns.and_then(|place| place.list(problems));
    let rule_files = patterns.unwrap_or_default();
    let rule_files = rule_files
        .iter()
        .filter_map(|place| place.read(problems, pattern));
    let rule_files = rule_files.collect();
    let alerting = match fields.take("alerting") {
        Some(place) => alerting::read(&place, problems)?,
        None => Alerting::default(),
    };
    fields.finish(&UNSUPPORTED, problems);
    Some(Config {
        global,
        rule_files,
        alerting,
        scrape_configs,
    })
}

/// A pattern of rule files; wildcards only in its last part, as in Prometheus.
fn pattern(text: &str) -> Result<String, String> {
    let folder = text.rsplit_once('/').map_or("", |(folder, _)| folder);
    if text.is_empty() {
        return Err("an empty pattern; write the path of a rule file".to_owned());
    }
    if folder.contains(['*', '?', '[']) {
        return Err(format!("wildcards are for the last part of {text:?} only"));
    }
    glob::Pattern::new(text).map_err(|error| format!("{text:?} is not a pattern: {error}"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
