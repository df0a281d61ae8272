//! The flags of queries.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::parse_duration;
use crate::query::QueryOptions;

/// The flags of queries.
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// How old the newest sample of a series may be for queries to see it.
    #[arg(
        long = "query.lookback-delta",
        value_name = "DURATION",
        default_value = "5m",
        env = "SYSTEM_STATS_AGGREGATOR_QUERY_LOOKBACK_DELTA",
        value_parser = positive_duration
    )]
    lookback: Duration,

    /// How long a query may take, its waiting included.
    #[arg(
        long = "query.timeout",
        value_name = "DURATION",
        default_value = "2m",
        env = "SYSTEM_STATS_AGGREGATOR_QUERY_TIMEOUT",
        value_parser = positive_duration
    )]
    timeout: Duration,

    /// How many samples a query may hold in memory at once.
    #[arg(
        long = "query.max-samples",
        value_name = "NUMBER",
        default_value_t = 50_000_000,
        env = "SYSTEM_STATS_AGGREGATOR_QUERY_MAX_SAMPLES"
    )]
    max_samples: usize,

    /// How many queries run at the same time; further ones wait.
    #[arg(
        long = "query.max-concurrency",
        value_name = "NUMBER",
        default_value_t = 20,
        env = "SYSTEM_STATS_AGGREGATOR_QUERY_MAX_CONCURRENCY",
        value_parser = positive_number
    )]
    max_concurrency: usize,

    /// Features that are off by default; several with commas between them.
    #[arg(
        long = "enable-feature",
        value_name = "FEATURE",
        value_delimiter = ',',
        env = "SYSTEM_STATS_AGGREGATOR_ENABLE_FEATURE"
    )]
    features: Vec<Feature>,
}

/// What is off by default, under Prometheus' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Feature {
    /// Functions and aggregations that may still change.
    #[value(name = "promql-experimental-functions")]
    ExperimentalFunctions,
    /// Names that an operation drops are visible until the end of the query.
    #[value(name = "promql-delayed-name-removal")]
    DelayedNameRemoval,
    /// Computed durations: on in any case, the name is taken for the sake of Prometheus.
    #[value(name = "promql-duration-expr")]
    DurationExpressions,
    /// `fill`, `fill_left` and `fill_right` after an operator.
    #[value(name = "promql-binop-fill-modifiers")]
    FillModifiers,
    /// `anchored` and `smoothed` behind a selector.
    #[value(name = "promql-extended-range-selectors")]
    ExtendedSelectors,
}

impl QueryArgs {
    /// How queries shall be answered.
    pub(super) fn options(&self) -> QueryOptions {
        let has = |feature| self.features.contains(&feature);
        QueryOptions {
            lookback: self.lookback,
            timeout: self.timeout,
            max_samples: self.max_samples,
            max_concurrency: self.max_concurrency,
            experimental_functions: has(Feature::ExperimentalFunctions),
            delayed_name_removal: has(Feature::DelayedNameRemoval),
            fill_modifiers: has(Feature::FillModifiers),
            extended_selectors: has(Feature::ExtendedSelectors),
        }
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("it must be above 0".to_owned()),
        duration => Ok(duration),
    }
}

pub(super) fn positive_number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number above 0".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        query: QueryArgs,
    }

    fn options(arguments: &[&str]) -> Result<QueryOptions, String> {
        let line = Line::try_parse_from([&["program"], arguments].concat());
        line.map(|line| line.query.options())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn no_flags_are_the_defaults() {
        assert_eq!(options(&[]), Ok(QueryOptions::default()));
    }

    #[test]
    fn flags_as_users_of_prometheus_write_them() {
        let flags = [
            "--query.lookback-delta=1m",
            "--query.timeout=30s",
            "--query.max-samples=1000",
            "--query.max-concurrency=2",
            "--enable-feature=promql-experimental-functions,promql-delayed-name-removal",
            "--enable-feature=promql-binop-fill-modifiers,promql-duration-expr",
            "--enable-feature=promql-extended-range-selectors",
        ];
        let expected = QueryOptions {
            lookback: Duration::from_mins(1),
            timeout: Duration::from_secs(30),
            max_samples: 1000,
            max_concurrency: 2,
            experimental_functions: true,
            delayed_name_removal: true,
            fill_modifiers: true,
            extended_selectors: true,
        };
        assert_eq!(options(&flags), Ok(expected));
    }

    #[test]
    fn mistakes_are_explained() {
        let cases = [
            ("--query.timeout=0", "above 0"),
            ("--query.lookback-delta=5x", "unknown unit"),
            ("--query.max-concurrency=0", "above 0"),
            (
                "--enable-feature=exemplar-storage",
                "promql-experimental-functions",
            ),
        ];
        for (flag, expected) in cases {
            let text = options(&[flag]).unwrap_err();
            assert!(text.contains(expected), "{flag}: {text}");
        }
    }
}
