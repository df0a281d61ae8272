//! `/api/v1/targets` and `/api/v1/scrape_pools`.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::Success;
use crate::config::format_duration;
use crate::http::params::Params;
use crate::http::state::Shared;
use crate::scrape::{DroppedTargets, TargetStatus};

/// The data of `/api/v1/targets`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Targets {
    #[serde(rename = "activeTargets")]
    active: Vec<ActiveTarget>,
    /// Targets that relabelling dropped.
    #[serde(rename = "droppedTargets")]
    dropped: Vec<DroppedTarget>,
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedTarget {
    discovered_labels: BTreeMap<String, String>,
    scrape_pool: String,
}

/// `GET /api/v1/targets?state=active|dropped|any&scrapePool=`
pub(in crate::http) async fn targets(
    State(state): Shared,
    params: Params,
) -> Json<Success<Targets>> {
    let all = (state.scraper.targets(), state.scraper.dropped_targets());
    let data = select(all, params.get("state"), params.get("scrapePool"));
    Json(Success::new(data))
}

/// The data of `/api/v1/scrape_pools`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ScrapePools {
    #[serde(rename = "scrapePools")]
    pools: BTreeSet<String>,
}

/// `GET /api/v1/scrape_pools`: the jobs, those without targets too.
pub(in crate::http) async fn scrape_pools(State(state): Shared) -> Json<Success<ScrapePools>> {
    let pools = state.scraper.dropped_targets().into_keys().collect();
    Json(Success::new(ScrapePools { pools }))
}

/// What there is: targets that are scraped, and those that were dropped.
type All = (Vec<TargetStatus>, BTreeMap<String, DroppedTargets>);

/// What Prometheus does: a state that it does not know selects nothing.
fn select((active, dropped): All, state: Option<&str>, pool: Option<&str>) -> Targets {
    let state = state.unwrap_or_default().to_lowercase();
    let is_any = state.is_empty() || state == "any";
    let (shows_active, shows_dropped) = (is_any || state == "active", is_any || state == "dropped");
    let pool = pool.filter(|pool| !pool.is_empty());
    let is_chosen = |name: &str| pool.is_none_or(|pool| name == pool);

    let active = active.into_iter();
    let chosen = active.filter(|target| shows_active && is_chosen(&target.pool));
    let mut active: Vec<TargetStatus> = chosen.collect();
    active.sort_by(|a, b| a.pool.cmp(&b.pool));

    let counts = dropped.iter();
    let counts = counts.map(|(pool, dropped)| (pool.clone(), dropped.count));
    let dropped_counts = shows_dropped.then(|| counts.collect());
    let dropped = dropped.iter();
    let dropped = dropped.filter(|(pool, _)| shows_dropped && is_chosen(pool));
    let shown = dropped.flat_map(|(pool, dropped)| {
        dropped.discovered.iter().map(|labels| DroppedTarget {
            discovered_labels: map(labels),
            scrape_pool: pool.clone(),
        })
    });
    Targets {
        active: active.into_iter().map(ActiveTarget::from).collect(),
        dropped: shown.collect(),
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
        let dropped = DroppedTargets {
            discovered: vec![Labels::from_pairs([("__address__", "c:1"), ("job", "b")])],
            count: 7,
        };
        let dropped = [("a", DroppedTargets::default()), ("b", dropped)];
        let dropped = dropped.map(|(pool, dropped)| (pool.to_owned(), dropped));
        let all = (vec![up, down], BTreeMap::from(dropped));
        insta::assert_json_snapshot!(select(all, None, None));
    }

    #[test]
    fn states_and_pools_select() {
        let pools = |state, pool| {
            let active = vec![target("b", Health::Up), target("a", Health::Unknown)];
            let dropped = ["a", "b"].map(|pool| {
                let discovered = vec![Labels::from_pairs([("job", pool)])];
                let count = 1;
                (pool.to_owned(), DroppedTargets { discovered, count })
            });
            let selected = select((active, BTreeMap::from(dropped)), state, pool);
            let active = selected.active.iter();
            let active: Vec<&str> = active.map(|target| target.scrape_pool.as_str()).collect();
            let dropped = selected.dropped.iter();
            let dropped: Vec<&str> = dropped.map(|target| target.scrape_pool.as_str()).collect();
            let counts = selected.dropped_counts.map_or(0, |counts| counts.len());
            format!("{} | {} | {counts}", active.join(" "), dropped.join(" "))
        };
        assert_eq!(pools(None, None), "a b | a b | 2");
        assert_eq!(pools(Some(""), Some("")), "a b | a b | 2");
        assert_eq!(pools(Some("any"), Some("b")), "b | b | 2");
        assert_eq!(pools(Some("Active"), None), "a b |  | 0");
        assert_eq!(pools(Some("dropped"), Some("a")), " | a | 2");
        assert_eq!(pools(Some("other"), None), " |  | 0");
    }
}
