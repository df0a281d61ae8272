//! The log: one line an event, on standard error.

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// How much is logged: `info` is what a person wants once per change, `debug` once per scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What went wrong and needs somebody.
    Error,
    /// What went wrong and was dealt with.
    #[value(alias = "warning")]
    Warn,
    /// What changed.
    Info,
    /// What happened.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `ts=… level=info target=… message="…" key=value`
    Logfmt,
    /// One JSON object.
    Json,
}

/// Starts logging; to be called once.
///
/// # Errors
/// When the process logs already.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), TryInitError> {
    let level = LevelFilter::from(level);
    // The libraries' own chatter is wanted from `debug` on only.
    let others = if level > LevelFilter::INFO {
        level
    } else {
        level.min(LevelFilter::WARN)
    };
    let ours = [
        "system_stats_aggregator",
        "system_stats_exporter",
        "system_stats_storage",
    ];
    let filter = ours
        .into_iter()
        .chain(["system_stats_sql"])
        .fold(Targets::new().with_default(others), |targets, name| {
            targets.with_target(name, level)
        });
    let lines = match format {
        LogFormat::Logfmt => tracing_logfmt::builder()
            .with_target(true)
            .layer()
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
}
