//! The aggregator's own metrics: the registry, and the two text formats it is served in.
//!
//! Every component registers its own families; nothing here knows what they are.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::BUILD;

/// What every own metric's name begins with.
pub const PREFIX: &str = "system_stats_aggregator";

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

impl Exposition {
    /// The media type it is served as.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A registry that holds the build and nothing else yet.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let build = [
        ("version", BUILD.version),
        ("revision", BUILD.revision),
        ("rustc", BUILD.rustc),
        ("platform", BUILD.platform),
    ];
    // `Info` appends `_info`.
    registry.register("build", "What the program was built from", Info::new(build));
    registry
}

/// Writes everything in the registry.
///
/// # Errors
/// When a metric cannot be written, which no metric of ours does.
pub fn render(registry: &Registry, exposition: Exposition) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(match exposition {
        Exposition::OpenMetrics => text,
        Exposition::Text => to_text(&text),
    })
}

/// Rewrites OpenMetrics as Prometheus text 0.0.4: metadata is named after the sample, not the
/// family; `unknown` is `untyped`, `info` is a gauge; units, exemplars and `# EOF` do not exist.
///
/// Source: the Prometheus exposition formats document, compared with OpenMetrics 1.0.
fn to_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Written with the TYPE line, which alone knows what the samples are called.
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, text)) = help.take().filter(|(name, _)| *name == family) {
                push_line(&mut out, &["# HELP ", family, suffix, " ", text]);
            }
            push_line(&mut out, &["# TYPE ", family, suffix, " ", kind]);
        } else if !line.starts_with('#') {
            let sample = line.split_once(" # {").map_or(line, |(sample, _)| sample);
            push_line(&mut out, &[sample]);
        }
    }
    out
}

fn push_line(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[test]
    fn both_formats_of_the_same_registry() {
        let mut registry = Registry::with_prefix("x");
        let commits: Counter = Counter::default();
        commits.inc_by(3);
        registry.register("commits", "Batches committed", commits);
        let series: Gauge = Gauge::default();
        series.set(-1);
        registry.register("series", "Series in memory", series);
        registry.register("build", "The build", Info::new([("version", "1\"2")]));
        insta::assert_snapshot!(render(&registry, Exposition::OpenMetrics).unwrap(), @r#"
        # HELP x_commits Batches committed.
        # TYPE x_commits counter
        x_commits_total 3
        # HELP x_series Series in memory.
        # TYPE x_series gauge
        x_series -1
        # HELP x_build The build.
        # TYPE x_build info
        x_build_info{version="1\"2"} 1
        # EOF
        "#);
        insta::assert_snapshot!(render(&registry, Exposition::Text).unwrap(), @r#"
        # HELP x_commits_total Batches committed.
        # TYPE x_commits_total counter
        x_commits_total 3
        # HELP x_series Series in memory.
        # TYPE x_series gauge
        x_series -1
        # HELP x_build_info The build.
        # TYPE x_build_info gauge
        x_build_info{version="1\"2"} 1
        "#);
    }
}
