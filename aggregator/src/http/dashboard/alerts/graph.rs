//! Links to the expression of an alert, as they are sent with it.

use axum::extract::State;
use axum::response::Redirect;

use super::asked::{MAX_FILTER, label_filter};
use super::rules::EXPRESSION;
use crate::config::RuleKind;
use crate::http::params::Params;
use crate::http::state::Shared;
use crate::rules::{GroupView, RuleView};

/// `GET /graph?g0.expr=`: leads to the rules with this expression; to all rules where there are none.
pub(in super::super::super) async fn graph(State(state): Shared, params: Params) -> Redirect {
    let expression = params.get("g0.expr").unwrap_or_default();
    let filter = filter(&state.rules.groups(), expression);
    // Relative: whatever stands before the path stays.
    let page = "dashboard/alerts?tab=rules";
    let filter = filter.map_or_else(String::new, |filter| format!("&q={filter}"));
    Redirect::to(&format!("{page}{filter}"))
}

/// The filter that picks the rules with an expression, as a parameter's value.
fn filter(groups: &[GroupView], expression: &str) -> Option<String> {
    let mut rules = groups.iter().flat_map(|group| &group.rules);
    let rule: &RuleView = rules.find(|rule| rule.query == expression)?;
    let unquoted = expression.replace('"', "");
    // The name of the label, the sign and two quotes.
    let length = unquoted.chars().count() + EXPRESSION.len() + 3;
    if length <= MAX_FILTER && !unquoted.is_empty() {
        return Some(label_filter(EXPRESSION, &unquoted));
    }
    match rule.rule.kind {
        RuleKind::Alerting { .. } => Some(label_filter("alertname", rule.rule.name())),
        RuleKind::Recording { .. } => None,
    }
}
