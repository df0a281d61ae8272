//! Where the configuration comes from, and how it is read again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Clock;
use crate::config::builtin::built_in_rules;
use crate::config::{self, Config, ConfigError, RuleDefaults, RuleFile};
use crate::discovery::Discovery;
use crate::notify::Notifier;
use crate::query::QueryService;
use crate::rules::{External, RuleManager, RuleSet};
use crate::scrape::Scraper;

/// The configuration that is used where there is no file; it scrapes [`SHIPPED_TARGET`].
const BUILT_IN: &str = include_str!("../../../prometheus.yml");
/// The target that the built-in configuration names.
const SHIPPED_TARGET: &str = "\"127.0.0.1:5001\"";

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// A file that must be there.
    File(PathBuf),
    /// A file if it is there, what is built in otherwise.
    FileOrBuiltIn(PathBuf),
}

impl ConfigSource {
    /// Reads the configuration; what is built in scrapes the exporter for this machine at
    /// `local_exporter`, if there is one.
    ///
    /// # Errors
    /// [`ConfigError`], with file, line and remedy.
    pub fn load(&self, local_exporter: Option<SocketAddr>) -> Result<Config, ConfigError> {
        match self {
            Self::File(path) => config::load(path),
            Self::FileOrBuiltIn(path) if path.exists() => config::load(path),
            Self::FileOrBuiltIn(_) => built_in(local_exporter),
        }
    }

    /// Reads the rule files that `config` names, relative to the folder it is from.
    fn rules(
        &self,
        config: &Config,
        defaults: &RuleDefaults,
    ) -> Result<Vec<RuleFile>, ConfigError> {
        let (Self::File(path) | Self::FileOrBuiltIn(path)) = self;
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = config::rule_files(&config.rule_files, folder)?;
        config::load_rules(&files, defaults)
    }
}

fn built_in(local_exporter: Option<SocketAddr>) -> Result<Config, ConfigError> {
    let target = local_exporter.map_or_else(String::new, |address| format!("\"{address}\""));
    config::parse(&BUILT_IN.replacen(SHIPPED_TARGET, &target, 1), "(built in)")
}

/// What the own metrics say about reading the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadMetrics {
    successful: Gauge,
    success_time: Gauge,
}

impl LoadMetrics {
    /// Registers the families.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "config_last_reload_successful",
            "Whether the last attempt to read the configuration succeeded",
            self.successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration was last read successfully, in seconds since 1970",
            Unit::Seconds,
            self.success_time.clone(),
        );
    }

    /// Notes how an attempt ended.
    pub(super) fn note(&self, is_successful: bool, clock: &Clock) {
        self.successful.set(i64::from(is_successful));
        if is_successful {
            self.success_time.set(clock.now() / 1000);
        }
    }
}

/// What a configuration is given to.
pub(super) struct Fed {
    pub(super) scraper: Arc<Scraper>,
    pub(super) query: Arc<QueryService>,
    pub(super) rules: Arc<RuleManager>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) discovery: Arc<Discovery>,
    /// Where this server is reached, for the templates of alerts.
    pub(super) external_url: String,
    /// Whether the rules that are built in are evaluated, too.
    pub(super) builtin_rules: bool,
}

/// Reads the configuration and puts it into effect, all or nothing.
pub(super) struct Reloader {
    source: ConfigSource,
    local_exporter: Option<SocketAddr>,
    fed: Fed,
    metrics: LoadMetrics,
    clock: Clock,
    /// Whether there are rules in effect: the first ones take up the state before the start.
    has_rules: AtomicBool,
}

impl Reloader {
    pub(super) fn new(
        source: &ConfigSource,
        local_exporter: Option<SocketAddr>,
        fed: Fed,
        clock: Clock,
    ) -> Self {
        Self {
            source: source.clone(),
            local_exporter,
            fed,
            metrics: LoadMetrics::default(),
            clock,
            has_rules: AtomicBool::new(false),
        }
    }

    /// The scraper that the configuration is given to.
    pub(super) fn scraper(&self) -> &Arc<Scraper> {
        &self.fed.scraper
    }

    /// The service for queries that the configuration is given to.
    pub(super) fn query(&self) -> &Arc<QueryService> {
        &self.fed.query
    }

    /// The rules that the configuration names.
    pub(super) fn rules(&self) -> &Arc<RuleManager> {
        &self.fed.rules
    }

    /// Who tells the Alertmanagers that the configuration names.
    pub(super) fn notifier(&self) -> &Arc<Notifier> {
        &self.fed.notifier
    }

    /// Who finds what the configuration does not name itself.
    pub(super) fn discovery(&self) -> &Arc<Discovery> {
        &self.fed.discovery
    }

    /// What happened at the last attempts.
    pub(super) fn metrics(&self) -> &LoadMetrics {
        &self.metrics
    }

    /// Reads the configuration; a bad one changes nothing.
    pub(super) fn reload(&self) -> Result<(), ConfigError> {
        let fed = &self.fed;
        let loaded = self.source.load(self.local_exporter);
        let loaded = loaded.and_then(|config| {
            let defaults = RuleDefaults::new(&config.global, fed.query.parse_options());
            let mut files = self.source.rules(&config, &defaults)?;
            if fed.builtin_rules {
                files.extend(built_in_rules(&defaults)?);
            }
            let scraped = fed.scraper.prepare(&config);
            let scraped = scraped.map_err(|error| ConfigError::Unusable(error.to_string()))?;
            let told = fed.notifier.prepare(&config);
            let told = told.map_err(|error| ConfigError::Unusable(error.to_string()))?;
            Ok((config, files, scraped, told))
        });
        self.metrics.note(loaded.is_ok(), &self.clock);
        let (config, files, scraped, told) = loaded?;
        fed.query
            .set_subquery_step(config.global.evaluation_interval);
        fed.scraper.apply(scraped);
        let labels = config.global.external_labels.clone();
        let url = fed.external_url.clone();
        let (rule_files, external) = (files.len(), External { labels, url });
        let restores = !self.has_rules.swap(true, Ordering::Relaxed);
        fed.notifier.apply(told);
        fed.rules.apply(&RuleSet { files, external }, restores);
        tracing::info!(
            jobs = config.scrape_configs.len(),
            rule_files,
            "the configuration is in effect"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_scrapes_the_local_exporter() {
        let targets = |address: Option<&str>| -> Vec<String> {
            let config = built_in(address.map(|text| text.parse().unwrap())).unwrap();
            let groups = config
                .scrape_configs
                .iter()
                .flat_map(|job| &job.discoveries.lists);
            groups.flat_map(|group| group.targets.clone()).collect()
        };
        assert_eq!(targets(Some("127.0.0.1:5001")), ["127.0.0.1:5001"]);
        assert_eq!(targets(Some("[::1]:7")), ["[::1]:7"]);
        assert!(targets(None).is_empty());
    }

    #[test]
    fn a_default_file_need_not_be_there_a_named_one_must() {
        let missing = PathBuf::from("/nonexistent/prometheus.yml");
        assert!(
            ConfigSource::FileOrBuiltIn(missing.clone())
                .load(None)
                .is_ok()
        );
        assert!(ConfigSource::File(missing).load(None).is_err());
    }
}
