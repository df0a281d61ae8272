use proptest::prelude::*;

use super::*;

const ABC: [(&str, &str); 3] = [("a", "foo"), ("b", "bar"), ("c", "baz")];

/// A rule from `field=value` words; lists have commas.
fn definition(text: &str) -> Definition {
    let mut definition = Definition::default();
    for word in text.split_whitespace() {
        let (field, value) = word.split_once('=').unwrap();
        let value = value.to_owned();
        match field {
            "action" => definition.action = Action::from_name(&value).unwrap(),
            "source" => definition.source_labels = value.split(',').map(str::to_owned).collect(),
            "separator" => definition.separator = Some(value),
            "regex" => definition.regex = Some(value),
            "modulus" => definition.modulus = value.parse().unwrap(),
            "target" => definition.target_label = value,
            "replacement" => definition.replacement = Some(value),
            _ => panic!("{field}"),
        }
    }
    definition
}

fn after(rules: &[&str], pairs: &[(&str, &str)]) -> String {
    let rules = rules
        .iter()
        .map(|rule| Relabel::new(definition(rule)).unwrap());
    let rules: Vec<Relabel> = rules.collect();
    let labels = Labels::from_pairs(pairs.iter().copied());
    let result = relabel(&rules, &labels);
    result.map_or_else(|| "refused".to_owned(), |labels| labels.to_string())
}

#[test]
fn replacing() {
    let cases: [(&[&str], &str); 12] = [
        (&[], r#"{a="foo",b="bar",c="baz"}"#),
        (
            &["source=a regex=f(.*) target=d replacement=ch${1}-ch${1}"],
            r#"{a="foo",b="bar",c="baz",d="choo-choo"}"#,
        ),
        (
            &["source=a,b regex=f(.*);(.*)r target=a replacement=b${1}${2}m"],
            r#"{a="boobam",b="bar",c="baz"}"#,
        ),
        (
            &["source=a,b separator=- target=d"],
            r#"{a="foo",b="bar",c="baz",d="foo-bar"}"#,
        ),
        (
            &["source=a regex=o target=d"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (
            &["target=d replacement=x"],
            r#"{a="foo",b="bar",c="baz",d="x"}"#,
        ),
        (&["target=a replacement="], r#"{b="bar",c="baz"}"#),
        (&["source=missing target=a"], r#"{b="bar",c="baz"}"#),
        (
            &["source=missing target=d regex=.+"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (
            &["source=a regex=(?P<all>.*) target=${all}_x replacement=$all"],
            r#"{a="foo",b="bar",c="baz",foo_x="foo"}"#,
        ),
        (
            &["source=a regex=x*(.*) target=$2 replacement=y"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (
            &["source=a target=d replacement=$1x$$-${1}x$-${-}$"],
            r#"{a="foo",b="bar",c="baz",d="$-foox$-${-}$"}"#,
        ),
    ];
    for (rules, expected) in cases {
        assert_eq!(after(rules, &ABC), expected, "{rules:?}");
    }
}

#[test]
fn every_other_action() {
    let cases: [(&[&str], &str); 20] = [
        (
            &["action=keep source=a regex=foo"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (&["action=Keep source=a regex=fo"], "refused"),
        (&["action=drop source=a regex=.*o.*"], "refused"),
        (
            &["action=drop source=a regex=o"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (&["action=keepequal source=a target=b"], "refused"),
        (
            &["action=keepequal source=a target=a"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (&["action=dropequal source=a target=a"], "refused"),
        (
            &["action=dropequal source=a target=b"],
            r#"{a="foo",b="bar",c="baz"}"#,
        ),
        (&["action=dropequal source=x target=y"], "refused"),
        (
            &["action=hashmod source=c target=d modulus=1000"],
            r#"{a="foo",b="bar",c="baz",d="976"}"#,
        ),
        (
            &["action=hashmod source=a,b target=d modulus=1000"],
            r#"{a="foo",b="bar",c="baz",d="750"}"#,
        ),
        (
            &["action=labelmap regex=(a|b) replacement=new_$1"],
            r#"{a="foo",b="bar",c="baz",new_a="foo",new_b="bar"}"#,
        ),
        (&["action=labeldrop regex=a|b"], r#"{c="baz"}"#),
        (&["action=labeldrop regex=.+"], "{}"),
        (&["action=labelkeep regex=a"], r#"{a="foo"}"#),
        (&["action=labelkeep"], r#"{a="foo",b="bar",c="baz"}"#),
        (
            &["action=uppercase source=a target=a"],
            r#"{a="FOO",b="bar",c="baz"}"#,
        ),
        (
            &[
                "target=a replacement=ÄßΣ",
                "action=lowercase source=a target=b",
            ],
            r#"{a="ÄßΣ",b="äßσ",c="baz"}"#,
        ),
        (
            &[
                "target=a replacement=äß",
                "action=uppercase source=a target=b",
            ],
            r#"{a="äß",b="Äß",c="baz"}"#,
        ),
        (
            &[
                "action=drop source=a regex=x",
                "action=keep source=b regex=x",
                "target=d",
            ],
            "refused",
        ),
    ];
    for (rules, expected) in cases {
        assert_eq!(after(rules, &ABC), expected, "{rules:?}");
    }
}

#[test]
fn hashes_are_those_of_prometheus() {
    // Sums taken with `md5sum`: the last 16 digits of d41d8cd98f00b204e9800998ecf8427e and of
    // acbd18db4cc2f85cedef654fccc4a4d8.
    assert_eq!(hash(""), 0xe980_0998_ecf8_427e);
    assert_eq!(hash("foo"), 0xedef_654f_ccc4_a4d8);
}

#[test]
fn contradictions_are_refused() {
    let cases = [
        ("source=a", "replace needs a target_label"),
        (
            "action=lowercase source=a",
            "lowercase needs a target_label",
        ),
        (
            "action=hashmod source=a target=b",
            "hashmod needs a modulus above 0",
        ),
        (
            "action=hashmod source=a modulus=2",
            "hashmod needs a target_label",
        ),
        (
            "regex=( target=a",
            "invalid regular expression \"(\": unclosed group",
        ),
        (
            "action=keepequal source=a target=b regex=(.*)",
            "keepequal has no regex; remove it",
        ),
        (
            "action=dropequal source=a target=b modulus=1",
            "dropequal has no modulus; remove it",
        ),
        (
            "action=dropequal source=a target=b separator=-",
            "dropequal has no separator; remove it",
        ),
        (
            "action=labeldrop source=a",
            "labeldrop has no source_labels; remove it",
        ),
        (
            "action=labelkeep target=a",
            "labelkeep has no target_label; remove it",
        ),
        (
            "action=labelkeep replacement=a",
            "labelkeep has no replacement; remove it",
        ),
        (
            "action=uppercase target=a replacement=b",
            "uppercase has no replacement; remove it",
        ),
        (
            "action=labelmap replacement=",
            "labelmap needs a replacement that is a name",
        ),
    ];
    for (text, expected) in cases {
        let error = Relabel::new(definition(text)).unwrap_err().to_string();
        assert_eq!(error, expected, "{text}");
    }
    let defaults = "action=labeldrop separator=; replacement=$1";
    assert!(Relabel::new(definition(defaults)).is_ok());
}

#[test]
fn a_rule_is_the_same_when_it_is_written_alike() {
    let rule = |text: &str| Relabel::new(definition(text)).unwrap();
    assert_eq!(
        rule("target=a replacement=b"),
        rule("target=a replacement=b")
    );
    assert_ne!(
        rule("target=a replacement=b"),
        rule("target=a replacement=c")
    );
}

fn any_definition() -> impl Strategy<Value = Definition> {
    let text = "[ab$1{}_]{0,4}";
    let parts = (
        prop::sample::select(&Action::ALL[..]),
        prop::collection::vec("[abc]", 0..3),
        prop::option::of("[a-c.*|()+]{0,6}"),
        0u64..4,
        text,
        prop::option::of(text),
    );
    parts.prop_map(
        |(action, source_labels, regex, modulus, target_label, replacement)| Definition {
            action,
            source_labels,
            separator: None,
            regex,
            modulus,
            target_label,
            replacement,
        },
    )
}

proptest! {
    #[test]
    fn labels_stay_labels(
        definitions in prop::collection::vec(any_definition(), 0..4),
        pairs in prop::collection::vec(("[abc]", "[abc]{0,3}"), 0..4),
    ) {
        let rules = definitions.into_iter().filter_map(|one| Relabel::new(one).ok());
        let rules: Vec<Relabel> = rules.collect();
        let labels = Labels::from_pairs(pairs);
        if let Some(result) = relabel(&rules, &labels) {
            prop_assert_eq!(Labels::decode(result.encoded()), Ok(result));
        }
    }

    #[test]
    fn keep_and_drop_are_opposites(regex in "[a-c.*|]{0,6}", value in "[a-c]{0,4}") {
        let labels = Labels::from_pairs([("a", value)]);
        let is_kept = |action| {
            let definition = Definition {
                action,
                source_labels: vec!["a".to_owned()],
                regex: Some(regex.clone()),
                ..Definition::default()
            };
            Relabel::new(definition).map(|rule| relabel(&[rule], &labels).is_some())
        };
        if let (Ok(keep), Ok(drop)) = (is_kept(Action::Keep), is_kept(Action::Drop)) {
            prop_assert_ne!(keep, drop);
        }
    }

    #[test]
    fn what_refers_to_nothing_is_itself(text in "[^$]{0,20}") {
        let definition = Definition {
            target_label: "x".to_owned(),
            replacement: Some(text.clone()),
            ..Definition::default()
        };
        let rule = Relabel::new(definition).unwrap();
        let result = relabel(&[rule], &Labels::empty()).unwrap();
        prop_assert_eq!(result.get("x").unwrap_or_default(), text);
    }
}
