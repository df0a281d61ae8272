//! `/api/v1/targets`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::Success;
use crate::config::format_duration;
use crate::http::params::Params;
use crate::http::state::Shared;
use crate::scrape::TargetStatus;

/// The data of `/api/v1/targets`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Targets {
    #[serde(rename = "activeTargets")]
    active: Vec<ActiveTarget>,
    /// Targets that relabelling dropped: there is no relabelling.
    #[serde(rename = "droppedTargets")]
    dropped: [(); 0],
    #[serde(rename = "droppedTargetCounts")]
    dropped_counts: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget {
    discovered_labels: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    scrape_pool: String,
    scrape_url: String,
    global_url: String,
    last_error: String,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

/// `GET /api/v1/targets?state=active|dropped|any&scrapePool=`
pub(in crate::http) async fn targets(
    State(state): Shared,
    params: Params,
) -> Json<Success<Targets>> {
    let data = select(
        state.scraper.targets(),
        params.get("state"),
        params.get("scrapePool"),
    );
    Json(Success::new(data))
}

/// What Prometheus does: a state that it does not know selects nothing.
fn select(mut targets: Vec<TargetStatus>, state: Option<&str>, pool: Option<&str>) -> Targets {
    let state = state.map_or_else(|| "any".to_owned(), str::to_lowercase);
    let is_any = state == "any";
    let pools = targets.iter().map(|target| (target.pool.clone(), 0));
    let dropped_counts = (is_any || state == "dropped").then(|| pools.collect());
    targets.retain(|target| pool.is_none_or(|pool| target.pool == pool));
    targets.retain(|_| is_any || state == "active");
    targets.sort_by(|a, b| a.pool.cmp(&b.pool));
    Targets {
        active: targets.into_iter().map(ActiveTarget::from).collect(),
        dropped: [],
        dropped_counts,
    }
}

impl From<TargetStatus> for ActiveTarget {
    fn from(target: TargetStatus) -> Self {
        Self {
            discovered_labels: map(&target.discovered),
            labels: map(&target.labels),
            scrape_pool: target.pool,
            global_url: target.url.clone(),
            scrape_url: target.url,
            last_error: target.last_error,
            last_scrape: time(target.last_scrape),
            last_scrape_duration: target.last_duration.as_secs_f64(),
            health: target.health.as_str(),
            scrape_interval: format_duration(target.interval),
            scrape_timeout: format_duration(target.timeout),
        }
    }
}

pub(super) fn map(labels: &Labels) -> BTreeMap<String, String> {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    labels.iter().map(own).collect()
}

/// A time as RFC 3339; none is the first moment of the year 1, as Go writes it.
pub(super) fn time(at: Option<Millis>) -> String {
    let time = at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    time.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |time| time.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scrape::Health;

    fn target(pool: &str, health: Health) -> TargetStatus {
        TargetStatus {
            pool: pool.to_owned(),
            labels: Labels::from_pairs([("instance", "a:1"), ("job", pool)]),
            discovered: Labels::from_pairs([("__address__", "a:1"), ("job", pool)]),
            url: "http://a:1/metrics".to_owned(),
            interval: Duration::from_secs(90),
            timeout: Duration::from_secs(10),
            health,
            last_error: String::new(),
            last_scrape: None,
            last_duration: Duration::ZERO,
            samples: 0,
        }
    }

    #[test]
    fn the_shape_is_that_of_prometheus() {
        let up = TargetStatus {
            last_scrape: Some(1_780_000_000_123),
            last_duration: Duration::from_micros(1500),
            ..target("b", Health::Up)
        };
        let down = TargetStatus {
            last_error: "connection refused".to_owned(),
            ..target("a", Health::Down)
        };
        insta::assert_json_snapshot!(select(vec![up, down], None, None));
    }

    #[test]
    fn states_and_pools_select() {
        let pools = |state, pool| {
            let targets = vec![target("b", Health::Up), target("a", Health::Unknown)];
            let selected = select(targets, state, pool);
            let pools = selected
                .active
                .iter()
                .map(|target| target.scrape_pool.as_str());
            let pools: Vec<&str> = pools.collect();
            (pools.join(" "), selected.dropped_counts.is_some())
        };
        assert_eq!(pools(None, None), ("a b".to_owned(), true));
        assert_eq!(pools(Some("any"), Some("b")), ("b".to_owned(), true));
        assert_eq!(pools(Some("Active"), None), ("a b".to_owned(), false));
        assert_eq!(pools(Some("dropped"), None), (String::new(), true));
        assert_eq!(pools(Some("other"), None), (String::new(), false));
    }
}
