//! `/api/v1/rules` and `/api/v1/alerts`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;
use system_stats_promql::parse::parse_selector;
use system_stats_promql::value::write_exponent;
use xxhash_rust::xxh3::xxh3_128;

use super::Success;
use super::form::invalid;
use super::targets::{map, time};
use crate::config::RuleKind;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::state::Shared;
use crate::rules::{Alert, AlertState, GroupView, RuleView};

/// The data of `/api/v1/rules`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Groups {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    file: String,
    rules: Vec<Rule>,
    interval: f64,
    limit: u64,
    evaluation_time: f64,
    last_evaluation: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rule {
    Alerting(AlertingRule),
    Recording(RecordingRule),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertingRule {
    state: &'static str,
    name: String,
    query: String,
    duration: f64,
    keep_firing_for: f64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    alerts: Vec<ApiAlert>,
    #[serde(flatten)]
    progress: Progress,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct RecordingRule {
    name: String,
    query: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(flatten)]
    progress: Progress,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    health: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_error: String,
    evaluation_time: f64,
    last_evaluation: String,
}

/// The data of `/api/v1/alerts`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Alerts {
    alerts: Vec<ApiAlert>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiAlert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    value: String,
}

/// `GET /api/v1/rules?type=&rule_name[]=&rule_group[]=&file[]=&match[]=&exclude_alerts=&group_limit=&group_next_token=`
pub(in crate::http) async fn rules(
    State(state): Shared,
    params: Params,
) -> Result<Json<Success<Groups>>, ApiError> {
    let filter = Filter::read(&params)?;
    Ok(Json(Success::new(filter.page(state.rules.groups())?)))
}

/// `GET /api/v1/alerts`
pub(in crate::http) async fn alerts(State(state): Shared) -> Json<Success<Alerts>> {
    let groups = state.rules.groups();
    let rules = groups.iter().flat_map(|group| &group.rules);
    let alerts = rules.flat_map(|rule| &rule.alerts).map(ApiAlert::from);
    Json(Success::new(Alerts {
        alerts: alerts.collect(),
    }))
}

/// What of all rules is asked for.
struct Filter<'a> {
    /// `alert` or `record`; all if absent.
    kind: Option<&'a str>,
    names: Vec<&'a str>,
    groups: Vec<&'a str>,
    files: Vec<&'a str>,
    /// One of them has to hold; all rules if there is none.
    matchers: Vec<Vec<Matcher>>,
    without_alerts: bool,
    limit: Option<usize>,
    from: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn read(params: &'a Params) -> Result<Self, ApiError> {
        let kind = params.get("type").map(str::to_ascii_lowercase);
        let kind = match kind.as_deref() {
            None => None,
            Some("alert") => Some("alert"),
            Some("record") => Some("record"),
            Some(_) => {
                let value = params.get("type").unwrap_or_default();
                return Err(invalid("type", &format!("not supported value {value:?}")));
            }
        };
        let without_alerts = match params.get("exclude_alerts") {
            None | Some("false" | "0" | "f" | "F" | "False" | "FALSE") => false,
            Some("true" | "1" | "t" | "T" | "True" | "TRUE") => true,
            Some(other) => {
                let reason = format!("error converting exclude_alerts: {other:?} is no boolean");
                return Err(invalid("exclude_alerts", &reason));
            }
        };
        let limit = match params.get("group_limit").map(str::parse::<usize>) {
            None => None,
            Some(Ok(limit)) if limit > 0 => Some(limit),
            Some(_) => {
                let reason = "group_limit needs to be a valid number and greater than 0";
                return Err(invalid("group_limit", reason));
            }
        };
        let from = params.get("group_next_token");
        if from.is_some() && limit.is_none() {
            let reason = "group_limit needs to be present in order to paginate over the groups";
            return Err(invalid("group_next_token", reason));
        }
        let matchers = params.all("match[]").map(parse_selector);
        let matchers = matchers.collect::<Result<_, _>>();
        Ok(Self {
            kind,
            names: params.all("rule_name[]").collect(),
            groups: params.all("rule_group[]").collect(),
            files: params.all("file[]").collect(),
            matchers: matchers.map_err(|error| invalid("match[]", &error.to_string()))?,
            without_alerts,
            limit,
            from,
        })
    }

    fn page(&self, groups: Vec<GroupView>) -> Result<Groups, ApiError> {
        let mut found = Vec::new();
        let mut skips = self.from.is_some();
        for group in groups {
            let token = token(&group);
            if skips && self.from == Some(&token) {
                skips = false;
            }
            if skips || !self.takes_group(&group) {
                continue;
            }
            let rules = group.rules.iter().filter(|rule| self.takes(rule));
            let rules: Vec<Rule> = rules.map(|rule| self.rule(rule)).collect();
            if rules.is_empty() {
                continue;
            }
            if self.limit == Some(found.len()) {
                return Ok(Groups {
                    groups: found,
                    group_next_token: Some(token),
                });
            }
            found.push(Group {
                name: group.name,
                file: group.file,
                rules,
                interval: group.interval.as_secs_f64(),
                limit: group.limit,
                evaluation_time: group.duration.as_secs_f64(),
                last_evaluation: time(group.last_evaluation),
            });
        }
        if skips {
            let token = self.from.unwrap_or_default();
            let reason = format!("invalid group_next_token '{token}'. were rule groups changed?");
            return Err(invalid("group_next_token", &reason));
        }
        Ok(Groups {
            groups: found,
            group_next_token: None,
        })
    }

    fn takes_group(&self, group: &GroupView) -> bool {
        let is_in = |list: &[&str], value: &str| list.is_empty() || list.contains(&value);
        is_in(&self.groups, &group.name) && is_in(&self.files, &group.file)
    }

    fn takes(&self, view: &RuleView) -> bool {
        let kind = match view.rule.kind {
            RuleKind::Alerting { .. } => "alert",
            RuleKind::Recording { .. } => "record",
        };
        let labels = || Labels::from_pairs(view.rule.labels.iter().map(|(n, v)| (n, v)));
        let matches = |set: &Vec<Matcher>| {
            let labels = labels();
            set.iter().all(|matcher| matcher.matches_labels(&labels))
        };
        self.kind.is_none_or(|wanted| wanted == kind)
            && (self.names.is_empty() || self.names.contains(&view.rule.name()))
            && (self.matchers.is_empty() || self.matchers.iter().any(matches))
    }

    fn rule(&self, view: &RuleView) -> Rule {
        let name = view.rule.name().to_owned();
        let query = view.query.clone();
        let labels = view.rule.labels.iter().cloned().collect();
        let progress = Progress {
            health: view.progress.health.as_str(),
            last_error: view.progress.last_error.clone(),
            evaluation_time: view.progress.duration.as_secs_f64(),
            last_evaluation: time(view.progress.last_evaluation),
        };
        let RuleKind::Alerting {
            hold,
            keep_firing_for,
            annotations,
            ..
        } = &view.rule.kind
        else {
            return Rule::Recording(RecordingRule {
                name,
                query,
                labels,
                progress,
                kind: "recording",
            });
        };
        let state = view.alerts.iter().map(|alert| alert.state).max();
        let alerts = view.alerts.iter().filter(|_| !self.without_alerts);
        Rule::Alerting(AlertingRule {
            state: state.unwrap_or(AlertState::Inactive).as_str(),
            name,
            query,
            duration: hold.as_secs_f64(),
            keep_firing_for: keep_firing_for.as_secs_f64(),
            labels,
            annotations: annotations.iter().cloned().collect(),
            alerts: alerts.map(ApiAlert::from).collect(),
            progress,
            kind: "alerting",
        })
    }
}

/// Names a group in `group_next_token`.
fn token(group: &GroupView) -> String {
    let key = format!("{};{}", group.file, group.name);
    format!("{:032x}", xxh3_128(key.as_bytes()))
}

impl From<&Alert> for ApiAlert {
    fn from(alert: &Alert) -> Self {
        let mut value = String::new();
        write_exponent(&mut value, alert.value);
        Self {
            labels: map(&alert.labels),
            annotations: alert.annotations.iter().cloned().collect(),
            state: alert.state.as_str(),
            active_at: moment(alert.active_at),
            keep_firing_since: alert.keep_firing_since.map(moment),
            value,
        }
    }
}

fn moment(at: Millis) -> String {
    time(Some(at))
}
