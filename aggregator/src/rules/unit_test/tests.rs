//! Files of unit tests, good and failing ones.

use super::*;

const RULES: &str = "groups:\n- name: second\n  rules:\n  - {record: doubled, expr: 'single * 2'}\n\
                     - name: first\n  rules:\n  - {record: single, expr: 'sum by (host) (a)'}\n  \
                     - alert: Hot\n    expr: a > 2\n    for: 1m\n    labels: {tier: '{{ \
                     $externalLabels.tier }}'}\n    annotations: {text: '{{ $labels.host }} {{ \
                     $value }} {{ $externalURL }}'}\n  - {record: untwinned, expr: 'label_replace(twin, \
                     \"n\", \"\", \"n\", \".*\")'}\n";

/// Runs a file of tests that stands beside `RULES`.
async fn run(tests: &str, only: &[&str]) -> Result<UnitTestReport, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.rules.yml"), RULES).unwrap();
    let file = folder.path().join("t.yml");
    std::fs::write(&file, tests).unwrap();
    let only: Vec<String> = only.iter().map(|&text| text.to_owned()).collect();
    let all = UnitTests::new(QueryOptions::default());
    let report = all.only(&only).unwrap().run(&file).await;
    let here = format!("{}/", folder.path().display());
    let mut report = report.map_err(|error| error.to_string().replace(&here, ""))?;
    for warning in &mut report.warnings {
        *warning = warning.replace(&here, "");
    }
    Ok(report)
}

async fn failures(tests: &str) -> Vec<String> {
    run(tests, &[]).await.unwrap().failures
}

fn test(cases: &str) -> String {
    let input = "  input_series:\n  - {series: 'a{host=\"x\"}', values: '1 2 3 4 5'}\n";
    format!(
        "rule_files: ['*.rules.yml']\ngroup_eval_order: [first, second]\ntests:\n- name: t\n{input}  \
         external_labels: {{tier: top}}\n  external_url: http://here\n{cases}"
    )
}

#[tokio::test]
async fn alerts_are_those_that_fire() {
    let hot = |at: &str, alerts: &str| {
        test(&format!(
            "  alert_rule_test:\n  - {{eval_time: {at}, alertname: Hot, exp_alerts: [{alerts}]}}\n"
        ))
    };
    let alert = |value: u8| {
        format!(
            "{{exp_labels: {{host: x, tier: top}}, exp_annotations: {{text: x {value} http://here}}}}"
        )
    };
    // Pending is not firing yet.
    assert_eq!(failures(&hot("2m", "")).await, [""; 0]);
    // Between two evaluations it is as at the one before.
    assert_eq!(failures(&hot("2m59s", "")).await, [""; 0]);
    assert_eq!(failures(&hot("3m", &alert(4))).await, [""; 0]);
    assert_eq!(failures(&hot("3m30s", &alert(4))).await, [""; 0]);

    let missing = failures(&hot("2m", &alert(3))).await;
    let expected = "    name: t,\n    alertname: Hot, time: 2m,\n        exp:[\n            0:\n";
    assert!(missing[0].starts_with(expected), "{missing:?}");
    assert!(missing[0].ends_with("got:[]"), "{missing:?}");
    for wrong in ["", &alert(3), "{}", &format!("{0}, {0}", alert(4))] {
        assert_eq!(failures(&hot("3m", wrong)).await.len(), 1, "{wrong}");
    }
}

#[tokio::test]
async fn expressions_see_what_rules_gave_in_the_order_of_groups() {
    let asks = |at: &str, expr: &str, samples: &str| {
        test(&format!(
            "  promql_expr_test:\n  - {{eval_time: {at}, expr: '{expr}', exp_samples: [{samples}]}}\n"
        ))
    };
    let doubled = "{labels: 'doubled{host=\"x\"}', value: 6}";
    assert_eq!(failures(&asks("2m", "doubled", doubled)).await, [""; 0]);
    let unordered = asks("2m", "doubled", doubled).replace("[first, second]", "[]");
    assert_eq!(
        failures(&unordered).await,
        [
            "    name: t,\n    expr: \"doubled\", time: 2m,\n        exp: doubled{host=\"x\"} 6e+00\n        \
             got: doubled{host=\"x\"} 4e+00"
        ],
        "in the order of the file it sees the value of the evaluation before"
    );
    // No moment knows what comes later, not even the last one.
    let later = asks("90s", "a offset -1m", "{labels: 'a{host=\"x\"}', value: 2}");
    assert_eq!(failures(&later).await, [""; 0]);
    assert_eq!(
        failures(&asks("2m", "time()", "{value: 120}")).await,
        [""; 0]
    );
    let from = asks("2m", "time()", "{value: 1609459320}").replace(
        "- name: t\n",
        "- name: t\n  start_timestamp: 2021-01-01T00:00:00Z\n",
    );
    assert_eq!(failures(&from).await, [""; 0]);
    let subquery = asks(
        "4m",
        "count_over_time(a[4m:])",
        "{labels: '{host=\"x\"}', value: 4}",
    );
    assert_eq!(failures(&subquery).await, [""; 0], "one step an evaluation");

    let wrong = failures(&asks("2m", "sum(", "")).await;
    assert!(
        wrong[0].contains("expr: \"sum(\", time: 2m, err: 1:5: parse error"),
        "{wrong:?}"
    );
    let wrong = failures(&asks("2m", "a[5m]", "")).await;
    assert!(
        wrong[0].ends_with("rule result is not a vector or scalar"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn only_what_is_selected_runs() {
    let wrong = "  promql_expr_test: [{expr: vector(1)}]\n";
    let both = format!("tests:\n- name: disks\n{wrong}- name: hosts\n{wrong}");
    let names = |only: &'static [&str]| {
        let both = both.clone();
        async move {
            let failures = run(&both, only).await.unwrap().failures;
            let names = failures.iter().filter_map(|text| text.lines().next());
            names.map(str::to_owned).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(&[]).await, ["    name: disks,", "    name: hosts,"]);
    assert_eq!(names(&["sks$"]).await, ["    name: disks,"]);
    assert_eq!(names(&["h", "d"]).await.len(), 2);
    assert_eq!(names(&["other"]).await, [""; 0]);
    assert!(UnitTests::default().only(&["(".to_owned()]).is_err());
}

#[tokio::test]
async fn what_cannot_be_run_is_told() {
    let folder = "rule_files: [none.yml, 'x*.yml']\ntests: [{}]\n";
    let report = run(folder, &[]).await.unwrap();
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(
        report.warnings,
        [
            "no file match pattern none.yml",
            "no file match pattern x*.yml"
        ]
    );
    let error = run("tests:\n- x: 1\n", &[]).await.unwrap_err();
    assert!(
        error.starts_with("t.yml:2: tests[0].x: unknown key"),
        "{error}"
    );
    let error = run("rule_files: [t.yml]\ntests: [{}]\n", &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("t.yml:1: rule_files: unknown key"),
        "{error}"
    );

    // A rule that fails ends its test, not the others.
    let series = |n: u8| format!("  - {{series: 'twin{{n=\"{n}\"}}', values: '_ 1'}}\n");
    let two = series(1) + &series(2) + "  external_labels";
    let broken = test("  promql_expr_test: [{expr: vector(1), eval_time: 9m}]\n")
        .replace("  external_labels", &two)
        + "- promql_expr_test: [{expr: vector(1), exp_samples: [{value: 2}]}]\n";
    let found = failures(&broken).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let expected =
        "    rule: untwinned, time: 1m, err: vector cannot contain metrics with the same";
    assert!(found[0].starts_with(expected), "{found:?}");
}
