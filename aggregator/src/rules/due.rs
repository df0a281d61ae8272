//! Which alerts have to be told, and when again.

use std::time::Duration;

use system_stats_model::sample::Millis;

use super::alert::{Alert, AlertState, Alerts, millis};

impl Alerts {
    /// The alerts that have to be told now: those that fire or have ended and were not told so
    /// yet, or not for `resend_delay`. Marks them as told; what is told holds for four times the
    /// `resend_delay` or `interval`, so that two failures in a row end nothing.
    pub(crate) fn due(
        &mut self,
        now: Millis,
        resend_delay: Duration,
        interval: Duration,
    ) -> Vec<Alert> {
        let valid = millis(resend_delay.max(interval)).saturating_mul(4);
        let mut due = Vec::new();
        for alert in self.iter_mut() {
            if alert.is_due(now, millis(resend_delay)) {
                alert.last_sent_at = Some(now);
                alert.valid_until = Some(now.saturating_add(valid));
                due.push(alert.clone());
            }
        }
        due
    }
}

impl Alert {
    fn is_due(&self, now: Millis, resend_delay: Millis) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        let Some(last) = self.last_sent_at else {
            return true;
        };
        let has_ended = self.resolved_at.is_some_and(|at| at > last);
        has_ended || last.saturating_add(resend_delay) < now
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use system_stats_model::labels::Labels;
    use system_stats_promql::value::Element;

    use super::super::alert::{AlertingRule, Found};
    use super::*;

    const MINUTE: Millis = 60_000;

    /// Evaluates an alert that is there (`a`) or not (`-`) once a minute, and writes when it was
    /// told, `!` for its end, and until when that holds.
    fn told(hold: u64, resend: u64, interval: u64, script: &str) -> String {
        let rule = AlertingRule {
            name: "Hot",
            hold: Duration::from_mins(hold),
            keep_firing_for: Duration::ZERO,
            labels: &[],
            annotations: &[],
        };
        let (mut alerts, mut story) = (Alerts::new(true), String::new());
        for (minute, letter) in (0..).zip(script.chars()) {
            let now = minute * MINUTE;
            let element = Element {
                labels: Labels::empty(),
                value: 1.0,
            };
            let elements: &[Element] = if letter == 'a' { &[element] } else { &[] };
            let found = Found::new(&rule, now, elements, |text, _| text.to_owned()).unwrap();
            alerts.advance(&rule, 0, now, found).unwrap();
            let (resend, interval) = (Duration::from_mins(resend), Duration::from_mins(interval));
            for alert in alerts.due(now, resend, interval) {
                let end = if alert.resolved_at.is_some() { "!" } else { "" };
                let until = alert.valid_until.unwrap() / MINUTE;
                let _ = write!(story, "{minute}{end}>{until} ");
            }
        }
        story.trim_end().to_owned()
    }

    #[test]
    fn told_at_once_then_again_after_a_while() {
        let cases = [
            ((0, 1, 1), "aaaaa", "0>4 2>6 4>8"),
            ((0, 2, 1), "aaaaaaa", "0>8 3>11 6>14"),
            ((0, 1, 5), "aa", "0>20"),
            ((2, 1, 1), "aaaa", "2>6"),
            ((2, 1, 1), "aa--", ""),
            ((0, 5, 1), "a-", "0>20 1!>21"),
            ((0, 5, 1), "a-a", "0>20 1!>21 2>22"),
            (
                (0, 5, 1),
                "a--------------------",
                "0>20 1!>21 7!>27 13!>33",
            ),
        ];
        for ((hold, resend, interval), script, expected) in cases {
            assert_eq!(told(hold, resend, interval, script), expected, "{script}");
        }
    }
}
