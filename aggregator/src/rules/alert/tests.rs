use std::fmt::Write as _;

use super::*;

const MINUTE: Millis = 60_000;

fn rule(hold: u64, keep: u64) -> AlertingRule<'static> {
    AlertingRule {
        name: "Hot",
        hold: Duration::from_mins(hold),
        keep_firing_for: Duration::from_mins(keep),
        labels: &[],
        annotations: &[],
    }
}

fn element(instance: &str) -> Element {
    Element {
        labels: Labels::from_pairs([("__name__", "temperature"), ("instance", instance)]),
        value: 1.0,
    }
}

fn found(rule: &AlertingRule<'_>, now: Millis, instances: &str) -> Found {
    let elements = instances.split_whitespace().map(element);
    let elements: Vec<Element> = elements.collect();
    Found::new(rule, now, &elements, |text, _| text.to_owned()).unwrap()
}

/// Evaluates once a minute, with the hosts that each word of `script` names (`-` for none), and
/// writes what became of them: `instance:state@minute since its last change`.
fn run(rule: &AlertingRule<'_>, script: &str) -> String {
    let (mut alerts, mut story) = (Alerts::new(true), String::new());
    for (minute, word) in (0..).zip(script.split_whitespace()) {
        let now = minute * MINUTE;
        let hosts = word.replace('-', "").replace(',', " ");
        let evaluated = alerts
            .advance(rule, 0, now, found(rule, now, &hosts))
            .unwrap();
        for Transition { from, alert, .. } in evaluated.transitions {
            let instance = alert.labels.get("instance").unwrap_or_default();
            let (from, to) = (from.as_str(), alert.state.as_str());
            let _ = write!(story, "{minute}:{instance}:{from}>{to} ");
        }
    }
    story.trim_end().to_owned()
}

/// Of each transition: the instance, the states, and the minute of its end.
fn story(transitions: &[Transition]) -> String {
    let tell = |Transition { from, alert, .. }: &Transition| {
        let instance = alert.labels.get("instance").unwrap_or_default();
        let minute = alert.resolved_at.map(|at| at / MINUTE);
        let minute = minute.map_or("-".to_owned(), |minute| minute.to_string());
        let (from, to) = (from.as_str(), alert.state.as_str());
        format!("{instance}:{from}>{to}@{minute}")
    };
    transitions.iter().map(tell).collect::<Vec<_>>().join(" ")
}

#[test]
fn lives_of_alerts() {
    let cases = [
        (0, 0, "a a - -", "0:a:inactive>firing 2:a:firing>inactive"),
        (
            2,
            0,
            "a a a a -",
            "0:a:inactive>pending 2:a:pending>firing 4:a:firing>inactive",
        ),
        (
            2,
            0,
            "a a - a a a",
            "0:a:inactive>pending 2:a:pending>inactive 3:a:inactive>pending 5:a:pending>firing",
        ),
        (0, 2, "a - - - -", "0:a:inactive>firing 3:a:firing>inactive"),
        (
            0,
            2,
            "a - a - - - -",
            "0:a:inactive>firing 5:a:firing>inactive",
        ),
        (
            1,
            2,
            "a - a",
            "0:a:inactive>pending 1:a:pending>inactive 2:a:inactive>pending",
        ),
        (
            0,
            0,
            "a - a",
            "0:a:inactive>firing 1:a:firing>inactive 2:a:inactive>firing",
        ),
        (
            0,
            0,
            "a,b b a,b",
            "0:a:inactive>firing 0:b:inactive>firing 1:a:firing>inactive 2:a:inactive>firing",
        ),
    ];
    for (hold, keep, script, expected) in cases {
        assert_eq!(
            run(&rule(hold, keep), script),
            expected,
            "{hold} {keep} {script}"
        );
    }
}

#[test]
fn labels_of_the_rule_name_the_alert() {
    let labels = [
        ("instance".to_owned(), String::new()),
        ("severity".to_owned(), "<severity>".to_owned()),
    ];
    let annotations = [("summary".to_owned(), "text".to_owned())];
    let rule = AlertingRule {
        labels: &labels,
        annotations: &annotations,
        ..rule(0, 0)
    };
    let expand = |text: &str, element: &Element| format!("{text}{}", element.labels.len());
    let found = Found::new(&rule, 5, &[element("a")], expand).unwrap();
    let alert = found.0.values().next().unwrap();
    // Templates see the element's own labels; an empty text takes a label away only if the
    // template stays empty.
    let expected = [
        ("alertname", "Hot"),
        ("instance", "2"),
        ("severity", "<severity>2"),
    ];
    assert_eq!(alert.labels.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        alert.annotations,
        [("summary".to_owned(), "text2".to_owned())]
    );

    let same = Found::new(&rule, 5, &[element("a"), element("b")], |_, _| {
        String::new()
    });
    assert_eq!(same, Err(RuleError::SameAlert));
}

#[test]
fn series_say_state_and_since_when() {
    let (rule, mut alerts) = (rule(1, 0), Alerts::new(true));
    let series = |alerts: &mut Alerts, now, hosts| -> Vec<String> {
        let evaluated = alerts
            .advance(&rule, 0, now, found(&rule, now, hosts))
            .unwrap();
        let shown = |element: &Element| format!("{} {}", element.labels, element.value);
        evaluated.series.iter().map(shown).collect()
    };
    let since = r#"ALERTS_FOR_STATE{alertname="Hot",instance="a"} 60"#;
    assert_eq!(
        series(&mut alerts, MINUTE, "a"),
        [
            r#"ALERTS{alertname="Hot",alertstate="pending",instance="a"} 1"#,
            since
        ]
    );
    assert_eq!(
        series(&mut alerts, 2 * MINUTE, "a"),
        [
            r#"ALERTS{alertname="Hot",alertstate="firing",instance="a"} 1"#,
            since
        ]
    );
    assert!(series(&mut alerts, 3 * MINUTE, "").is_empty());
    assert_eq!(alerts.iter().count(), 1, "remembered, to tell its end");
    assert!(series(&mut alerts, 19 * MINUTE, "").is_empty());
    assert_eq!(
        alerts.iter().count(),
        0,
        "forgotten a quarter of an hour later"
    );
    alerts.restored = false;
    assert!(
        series(&mut alerts, 20 * MINUTE, "a").is_empty(),
        "nothing before it is restored"
    );
}

#[test]
fn too_many_alerts_are_none() {
    let (rule, mut alerts) = (rule(1, 0), Alerts::new(true));
    for (minute, hosts) in [(0, "a b"), (1, "a b"), (2, "b c"), (3, "b d"), (4, "b d")] {
        let now = minute * MINUTE;
        alerts
            .advance(&rule, 2, now, found(&rule, now, hosts))
            .unwrap();
    }
    // b fires, a has resolved long ago, d would begin to fire now; e and f are new.
    let now = 5 * MINUTE;
    let mut before = alerts.clone();
    let exceeded = alerts
        .advance(&rule, 2, now, found(&rule, now, "b e f"))
        .unwrap_err();
    let error = exceeded.error.to_string();
    assert_eq!(error, "exceeded limit of 2 with 3 alerts");
    assert_eq!(alerts.iter().count(), 0);
    assert_eq!(
        story(&exceeded.ended),
        "b:firing>inactive@5 d:firing>inactive@5"
    );

    // What would have changed in the evaluation that failed ends as what it was before.
    before
        .advance(&rule, 0, now, found(&rule, now, "b g"))
        .unwrap();
    let now = 6 * MINUTE;
    let exceeded = before.advance(&rule, 2, now, found(&rule, now, "b g h"));
    let ended = exceeded.unwrap_err().ended;
    assert_eq!(story(&ended), "b:firing>inactive@6 g:pending>inactive@-");
}

#[test]
fn restored_after_a_stop() {
    let grace = Duration::from_mins(10);
    // (for, seen last at, active since, now) in minutes, and when it fires.
    let cases = [
        ("was firing", (30, 100, 60, 120), 90),
        ("goes on waiting where it was", (30, 100, 95, 120), 145),
        ("waits for the grace at least", (30, 100, 75, 120), 130),
    ];
    for (name, (hold, seen, since, now), fires) in cases {
        let (rule, mut alerts) = (rule(hold, 0), Alerts::new(false));
        let now = now * MINUTE;
        alerts
            .advance(&rule, 0, now, found(&rule, now, "a b"))
            .unwrap();
        alerts.restore(rule.hold, now, grace, |labels| {
            let value = f64::from(since * 60);
            (labels.get("instance") == Some("a")).then_some((seen * MINUTE, value))
        });
        let active: Vec<Millis> = alerts.iter().map(|alert| alert.active_at).collect();
        let hold = Millis::try_from(hold).unwrap();
        assert_eq!(active, [(fires - hold) * MINUTE, now], "{name}");
    }
}
