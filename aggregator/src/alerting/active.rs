//! The alerts that history has as pending or firing.
//!
//! They outlive a restart. An alert from before it that comes back goes on where it was; one that
//! does not has ended, as soon as its rule says so.

use std::collections::BTreeMap;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::event::{AlertChange, Phase};

/// By labels, then by file and group: the same labels may be alerts of several groups.
#[derive(Debug, Default)]
pub(super) struct Active(BTreeMap<Labels, BTreeMap<(String, String), Entry>>);

#[derive(Debug)]
struct Entry {
    /// The last change that history has.
    last: AlertChange,
    /// When it was last known to be so.
    confirmed: Millis,
    /// Whether it is from before a restart and has not come back yet.
    is_old: bool,
}

impl Active {
    /// Takes in what history had when the program stopped.
    pub(super) fn restore(&mut self, last: AlertChange, now: Millis) {
        self.put(Entry {
            last,
            confirmed: now,
            is_old: true,
        });
    }

    fn put(&mut self, entry: Entry) {
        let group = (entry.last.file.clone(), entry.last.group.clone());
        let of_labels = self.0.entry(entry.last.labels.clone()).or_default();
        of_labels.insert(group, entry);
    }

    /// Whether an alert with these labels is there.
    pub(super) fn has(&self, labels: &Labels) -> bool {
        self.0.contains_key(labels)
    }

    /// The last change of every alert, and when it was last confirmed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AlertChange, Millis)> {
        let all = self.0.values().flat_map(BTreeMap::values);
        all.map(|entry| (&entry.last, entry.confirmed))
    }

    /// Notes a change. The change as history shall have it; none if it has it already.
    pub(super) fn note(&mut self, mut change: AlertChange) -> Option<AlertChange> {
        let group = (change.file.clone(), change.group.clone());
        let of_labels = self.0.get_mut(&change.labels);
        let before = of_labels.and_then(|groups| groups.get_mut(&group));
        if let Some(before) = before {
            if before.is_old && change.to != Phase::Inactive && change.to <= before.last.to {
                // It waits again, or fires again, as history has it.
                before.confirmed = change.at;
                before.is_old = change.to != before.last.to;
                return None;
            }
            change.from = before.last.to;
            change.active_at = change.active_at.min(before.last.active_at);
            if change.to == Phase::Inactive {
                change.fired_at = before.last.fired_at;
            }
        }
        if change.to == Phase::Inactive {
            if let Some(groups) = self.0.get_mut(&change.labels) {
                groups.remove(&group);
                if groups.is_empty() {
                    self.0.remove(&change.labels);
                }
            }
        } else {
            self.put(Entry {
                confirmed: change.at,
                last: change.clone(),
                is_old: false,
            });
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: Millis, from: Phase, to: Phase) -> AlertChange {
        AlertChange {
            at,
            file: "rules.yml".to_owned(),
            group: "hosts".to_owned(),
            from,
            to,
            labels: Labels::from_pairs([("alertname", "Hot")]),
            annotations: Vec::new(),
            value: 1.0,
            active_at: at,
            fired_at: (to == Phase::Firing).then_some(at),
            is_noticed: false,
        }
    }

    /// What history has after a start that finds the alert in `before`, if in anything, and the
    /// rule's own changes then: `from>to@since when active/since when firing`.
    fn story(before: Option<Phase>, phases: &[Phase]) -> String {
        let mut active = Active::default();
        if let Some(before) = before {
            active.restore(change(1, Phase::Inactive, before), 10);
        }
        let mut last = Phase::Inactive;
        let mut lines = Vec::new();
        for (at, &to) in (11..).zip(phases) {
            if let Some(noted) = active.note(change(at, last, to)) {
                let (from, to) = (noted.from.as_str(), noted.to.as_str());
                let fired = noted.fired_at.unwrap_or_default();
                lines.push(format!("{from}>{to}@{}/{fired}", noted.active_at));
            }
            last = to;
        }
        assert_eq!(
            active.has(&change(0, last, last).labels),
            last != Phase::Inactive
        );
        lines.join(" ")
    }

    #[test]
    fn alerts_over_a_restart() {
        use Phase::{Firing, Inactive, Pending};
        let cases: [(Option<Phase>, &[Phase], &str); 7] = [
            (
                None,
                &[Pending, Firing, Inactive],
                "inactive>pending@11/0 pending>firing@11/12 firing>inactive@11/12",
            ),
            (Some(Firing), &[Firing], ""),
            (Some(Firing), &[Pending, Firing], ""),
            (Some(Firing), &[Pending, Inactive], "firing>inactive@1/1"),
            (
                Some(Firing),
                &[Firing, Inactive, Firing],
                "firing>inactive@1/1 inactive>firing@13/13",
            ),
            (Some(Pending), &[Pending, Firing], "pending>firing@1/12"),
            (Some(Pending), &[Firing], "pending>firing@1/11"),
        ];
        for (before, phases, expected) in cases {
            assert_eq!(story(before, phases), expected, "{before:?} {phases:?}");
        }
    }
}
