//! What the built-in alerts mean and what to do about them.

use axum::http::HeaderMap;
use axum::response::Response;

use super::super::error::ApiError;
use super::page;

/// `GET /dashboard/runbooks`: a section for each alert, under its name.
pub(in super::super) async fn runbooks(headers: HeaderMap) -> Result<Response, ApiError> {
    page("runbooks.html", (), &headers).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::templates;
    use crate::config::builtin::built_in_rules;
    use crate::config::{Rule, RuleDefaults, RuleKind};

    #[test]
    fn every_built_in_alert_has_a_section_and_no_section_is_left_over() {
        let page = templates::render("runbooks.html", &()).unwrap();
        let sections = page.split("<section id=\"").skip(1);
        let sections: BTreeSet<&str> = sections.filter_map(|rest| rest.split('"').next()).collect();
        let files = built_in_rules(&RuleDefaults::default()).unwrap();
        let rules = files.iter().flat_map(|file| &file.groups);
        let rules = rules.flat_map(|group| &group.rules);
        let alerts = rules.filter(|rule| matches!(rule.kind, RuleKind::Alerting { .. }));
        let alerts: BTreeSet<&str> = alerts.map(Rule::name).collect();
        assert_eq!(sections, alerts);
    }
}
