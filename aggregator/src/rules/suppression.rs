//! What a dead host explains: its other alerts say nothing that is not known already.
//!
//! This is for people who look, on the pages and in `/api/v2/alerts`: states, series, Prometheus'
//! API and what is sent to others do not change by it.

use std::collections::HashMap;

use system_stats_model::labels::{INSTANCE, Labels};

use super::alert::{ALERT_NAME, Alert, AlertState};

/// The annotation of alerts that explain others, and what it says of those by which a host is dead.
const SUPPRESSES: (&str, &str) = ("suppresses", "host");

/// The hosts of which a firing alert says that they are dead, by `instance`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadHosts(HashMap<String, Labels>);

impl DeadHosts {
    /// What these alerts say.
    pub fn said_by<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Self {
        let mut dead: HashMap<String, Labels> = HashMap::new();
        for alert in alerts {
            let instance = alert.labels.get(INSTANCE).filter(|name| !name.is_empty());
            let Some(instance) = instance else { continue };
            if alert.state != AlertState::Firing || !is_about_death(&alert.annotations) {
                continue;
            }
            let is_first = dead
                .get(instance)
                .is_none_or(|known| alert.name() < name_in(known));
            if is_first {
                dead.insert(instance.to_owned(), alert.labels.clone());
            }
        }
        Self(dead)
    }

    /// The name of the alert by which that host is dead; the first by name where there are several.
    #[must_use]
    pub fn explain(&self, instance: &str) -> Option<&str> {
        self.0.get(instance).map(name_in)
    }

    /// The name of the alert by which another one is explained. One that says itself that a host
    /// is dead is explained by nothing.
    #[must_use]
    pub fn suppressor(&self, labels: &Labels, annotations: &[(String, String)]) -> Option<&str> {
        self.suppressing(labels, annotations).map(name_in)
    }

    /// The labels of that alert.
    #[must_use]
    pub fn suppressing(
        &self,
        labels: &Labels,
        annotations: &[(String, String)],
    ) -> Option<&Labels> {
        let explained = self.0.get(labels.get(INSTANCE)?);
        explained.filter(|_| !is_about_death(annotations))
    }
}

fn name_in(labels: &Labels) -> &str {
    labels.get(ALERT_NAME).unwrap_or_default()
}

fn is_about_death(annotations: &[(String, String)]) -> bool {
    annotations
        .iter()
        .any(|(name, text)| (name.as_str(), text.as_str()) == SUPPRESSES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use system_stats_promql::value::Element;

    use super::super::alert::{AlertingRule, Alerts, Found};
    use super::*;

    fn alert(name: &str, instance: &str, hold: Duration, annotation: &str) -> Alert {
        let annotation = annotation.split_once('=');
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let annotations: Vec<(String, String)> = annotation.map(owned).into_iter().collect();
        let rule = AlertingRule {
            name,
            hold,
            keep_firing_for: Duration::ZERO,
            labels: &[],
            annotations: &annotations,
        };
        let element = Element {
            labels: Labels::from_pairs([(INSTANCE, instance)]),
            value: 1.0,
        };
        let found = Found::new(&rule, 0, &[element], |text, _| text.to_owned()).unwrap();
        let mut alerts = Alerts::new(true);
        alerts.advance(&rule, 0, 0, found).unwrap();
        alerts.iter().next().unwrap().clone()
    }

    #[test]
    fn a_dead_host_explains_its_other_alerts() {
        let (firing, pending) = (Duration::ZERO, Duration::from_mins(1));
        let dead = "suppresses=host";
        let alerts = [
            alert("TargetDown", "a", firing, dead),
            alert("HostMissing", "a", firing, dead),
            alert("Hot", "a", firing, "summary=hot"),
            alert("Full", "a", pending, ""),
            alert("HostMissing", "b", pending, dead),
            alert("Hot", "b", firing, ""),
            alert("Hot", "c", firing, "suppresses=rack"),
            alert("Hot", "", firing, ""),
            alert("Everything", "", firing, dead),
        ];
        let hosts = DeadHosts::said_by(&alerts);
        let explained: Vec<Option<&str>> = alerts
            .iter()
            .map(|alert| hosts.suppressor(&alert.labels, &alert.annotations))
            .collect();
        let by = Some("HostMissing");
        let no = None;
        assert_eq!(explained, [no, no, by, by, no, no, no, no, no]);
        assert_eq!(hosts.explain("a"), by, "for what has no labels");
        assert_eq!(hosts.explain("b"), None, "it is not sure yet");
        assert_eq!(hosts.explain(""), None);
    }
}
