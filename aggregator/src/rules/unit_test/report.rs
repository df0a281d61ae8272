//! How a test says what is not as expected.

use std::time::Duration;

use system_stats_promql::value::{Element, write_exponent};

use crate::config::{ExpectedAlert, Pairs, format_duration};

/// Where in a file a case is.
pub(super) struct Place {
    /// The name of the test as a line of its own, if it has one.
    test: String,
    time: String,
}

impl Place {
    pub(super) fn new(test: &str, at: Duration) -> Self {
        let test = if test.is_empty() {
            String::new()
        } else {
            format!("    name: {test},\n")
        };
        let time = format_duration(at);
        Self { test, time }
    }

    pub(super) fn failed(&self, expression: &str, error: &str) -> String {
        let Self { test, time } = self;
        format!("{test}    expr: {expression:?}, time: {time}, err: {error}")
    }
}

/// Whether a result is the expected one: the same labels, and the same values but for the last bit
/// if that may differ. NaN is never what was expected, as in promtool.
pub(super) fn is_same(expected: &[Element], found: &[Element], is_fuzzy: bool) -> bool {
    #[expect(clippy::float_cmp, reason = "the last bit is what the switch is about")]
    let is_equal = |a: f64, b: f64| a == b || is_fuzzy && (a.next_down() == b || a.next_up() == b);
    let (expected, found) = (sorted(expected), sorted(found));
    expected.len() == found.len()
        && (expected.iter().zip(&found))
            .all(|(a, b)| a.labels == b.labels && is_equal(a.value, b.value))
}

fn sorted(elements: &[Element]) -> Vec<&Element> {
    let mut sorted: Vec<_> = elements.iter().collect();
    sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
    sorted
}

pub(super) fn samples_differ(
    place: &Place,
    expression: &str,
    expected: &[Element],
    found: &[Element],
) -> String {
    let Place { test, time } = place;
    let (expected, found) = (samples(expected), samples(found));
    format!(
        "{test}    expr: {expression:?}, time: {time},\n        exp: {expected}\n        got: {found}"
    )
}

fn samples(elements: &[Element]) -> String {
    if elements.is_empty() {
        return "nil".to_owned();
    }
    let shown = sorted(elements).into_iter().map(|element| {
        let mut value = String::new();
        write_exponent(&mut value, element.value);
        format!("{} {value}", element.labels)
    });
    shown.collect::<Vec<_>>().join(", ")
}

pub(super) fn alerts_differ(
    place: &Place,
    alert: &str,
    expected: &[ExpectedAlert],
    found: &[ExpectedAlert],
) -> String {
    let Place { test, time } = place;
    let (expected, found) = (alerts(expected), alerts(found));
    format!(
        "{test}    alertname: {alert}, time: {time},\n        exp:{expected},\n        got:{found}"
    )
}

fn alerts(alerts: &[ExpectedAlert]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let shown = alerts.iter().enumerate().map(|(at, alert)| {
        let (labels, annotations) = (pairs(&alert.labels), pairs(&alert.annotations));
        let indent = " ".repeat(14);
        format!("\n            {at}:\n{indent}Labels:{labels}\n{indent}Annotations:{annotations}")
    });
    let shown: Vec<String> = shown.collect();
    format!("[{}\n            ]", shown.join(","))
}

fn pairs(pairs: &Pairs) -> String {
    let shown = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use system_stats_model::labels::Labels;

    use super::*;

    fn element(name: &str, value: f64) -> Element {
        let labels = Labels::from_pairs([("__name__", name)]);
        Element { labels, value }
    }

    #[test]
    fn values_are_compared_to_the_bit_or_but_for_the_last() {
        let same = |a: f64, b: f64, fuzzy| is_same(&[element("a", a)], &[element("a", b)], fuzzy);
        assert!(same(3.0, 3.0, false));
        assert!(same(0.0, -0.0, false));
        assert!(same(f64::INFINITY, f64::INFINITY, false));
        assert!(!same(3.0, 2.999_999_999_999_999_6, false));
        assert!(same(3.0, 2.999_999_999_999_999_6, true));
        assert!(same(2.999_999_999_999_999_6, 3.0, true));
        assert!(!same(3.0, 2.999_999_999_999_998_7, true));
        assert!(!same(f64::NAN, f64::NAN, true));
        let (a, b) = (element("a", 1.0), element("b", 2.0));
        assert!(is_same(
            &[b.clone(), a.clone()],
            &[a.clone(), b.clone()],
            false
        ));
        assert!(!is_same(std::slice::from_ref(&b), &[a, b.clone()], false));
    }

    #[test]
    fn differences_are_shown() {
        let place = Place::new("disks", Duration::from_mins(90));
        let text = samples_differ(&place, "up", &[element("up", 0.5)], &[]);
        assert_eq!(
            text,
            "    name: disks,\n    expr: \"up\", time: 1h30m,\n        exp: up 5e-01\n        got: nil"
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let alert = ExpectedAlert {
            labels: vec![pair("alertname", "A"), pair("b", "c")],
            annotations: Vec::new(),
        };
        let text = alerts_differ(&Place::new("", Duration::ZERO), "A", &[], &[alert]);
        let expected = "    alertname: A, time: 0s,\n        exp:[],\n        got:[\n            \
                        0:\n              Labels:{alertname=\"A\", b=\"c\"}\n              \
                        Annotations:{}\n            ]";
        assert_eq!(text, expected);
    }
}
