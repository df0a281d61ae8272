//! The runner itself: a script that is wrong has to fail.

use crate::run::{Names, run};

const LOAD: &str = "load 1m\n  a{x=\"1\"} 1 2 3\n  a{x=\"2\"} 10 NaN stale\n\n";

fn failures(script: &str) -> Vec<String> {
    let outcome = run(&format!("{LOAD}{script}"), Names::Late).unwrap();
    outcome.failures.into_iter().map(|f| f.message).collect()
}

#[test]
fn what_holds_holds() {
    let scripts = [
        "eval instant at 0 a\n  a{x=\"2\"} 10\n  a{x=\"1\"} 1",
        "eval instant at 1m a\n  a{x=\"1\"} 2.0000001\n  a{x=\"2\"} NaN",
        "eval range from 0 to 2m step 1m a\n  a{x=\"1\"} 1 2 3\n  a{x=\"2\"} 10 NaN",
        "eval instant at 0 1 + 1\n  2",
        "eval instant at 0 \"text\"\n  expect string \"text\"",
        "eval instant at 2m a{x=\"1\"}[3m]\n  expect range vector from 0 to 2m step 1m\n  a{x=\"1\"} 1 2 3",
        "eval_ordered instant at 0 sort_desc(a)\n  a{x=\"2\"} 10\n  a{x=\"1\"} 1",
        "eval instant at 0 sort(a)\n  expect ordered\n  a{x=\"1\"} 1\n  a{x=\"2\"} 10",
        "eval_fail instant at 0 label_replace(a, \"x\", \"\", \"x\", \".*\")",
        "eval instant at 0 abs(1)\n  expect fail regex: expected type",
        "eval instant at 1m rate(a{x=\"1\"}[90s])\n  expect info\n  expect no_warn\n  {x=\"1\"} 0.01666667",
        "eval instant at 5m a offset 5m\n  a{x=\"1\"} 1\n  a{x=\"2\"} 10\n\nclear\neval instant at 0 a",
    ];
    for script in scripts {
        assert_eq!(failures(script), [""; 0], "{script}");
    }
}

#[test]
fn what_is_wrong_fails() {
    let scripts = [
        "eval instant at 0 a\n  a{x=\"1\"} 1",
        "eval instant at 0 a{x=\"1\"}\n  a{x=\"1\"} 1\n  a{x=\"2\"} 10",
        "eval instant at 0 a{x=\"1\"}\n  a{x=\"1\"} 1.0001",
        "eval instant at 0 a{x=\"1\"}\n  b{x=\"1\"} 1",
        "eval instant at 1m a{x=\"2\"}\n  a{x=\"2\"} stale",
        "eval instant at 2m a{x=\"2\"}\n  a{x=\"2\"} NaN",
        "eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 1 2 3",
        "eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 1",
        "eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 1 _",
        "eval instant at 0 1 + 1\n  3",
        "eval instant at 0 vector(1)\n  1",
        "eval instant at 0 1\n  {} 1",
        "eval instant at 0 \"text\"\n  expect string \"other\"",
        "eval instant at 2m a{x=\"1\"}[3m]\n  expect range vector from 1m to 2m step 1m\n  a{x=\"1\"} 2 3",
        "eval_ordered instant at 0 sort(a)\n  a{x=\"2\"} 10\n  a{x=\"1\"} 1",
        "eval_fail instant at 0 a",
        "eval instant at 0 abs(1)",
        "eval instant at 0 abs(1)\n  expect fail msg: something else",
        "eval instant at 1m rate(a[5m])\n  expect no_info",
        "eval_warn instant at 0 1\n  1",
        "eval instant at 0 1\n  expect info regex: anything\n  1",
    ];
    for script in scripts {
        assert_eq!(failures(script).len(), 1, "{script}");
    }
}

#[test]
fn what_cannot_be_read_names_its_line() {
    let scripts = [
        ("nothing", "line 1: unknown command \"nothing\""),
        (
            "eval_maybe instant at 0 a",
            "line 1: unknown command \"eval_maybe\"",
        ),
        ("\neval instant at x a", "line 2: \"x\" is no duration"),
        (
            "eval instant at 0 a\n  a 1 2",
            "line 2: an instant has exactly one value for each series",
        ),
        (
            "eval instant at 0 a\n  expect maybe",
            "line 2: `expect maybe` is unknown or contradicts another one",
        ),
        (
            "eval instant at 0 a\n  expect warn\n  expect no_warn",
            "line 3: `expect no_warn` is unknown or contradicts another one",
        ),
    ];
    for (script, expected) in scripts {
        assert_eq!(run(script, Names::Late).unwrap_err(), expected, "{script}");
    }
}

#[test]
fn what_could_see_native_histograms_stands_apart() {
    let script = "load_with_nhcb 1m\n  c_bucket{le=\"1\"} 1\n\nload 1m\n  b{x=\"1\"} {{sum:1}}\n  b{x=\"2\"} 1\n\n";
    let cases = [
        ("b\n  b{x=\"2\"} 1", 1),
        ("b{x=\"2\"}\n  b{x=\"2\"} 1", 0),
        ("{x=~\"1|3\"} * 2\n  {x=\"1\"} 2", 1),
        ("c\n", 1),
        ("c_bucket\n  c_bucket{le=\"1\"} 1", 0),
        ("a{x=\"1\"}\n  {} {{sum:1}}", 1),
    ];
    for (case, expected) in cases {
        let outcome = run(
            &format!("{LOAD}{script}eval instant at 0 {case}\n"),
            Names::Late,
        );
        let outcome = outcome.unwrap();
        assert_eq!(outcome.apart, expected, "{case}");
        assert_eq!(outcome.cases, 1 - expected, "{case}");
        assert!(
            outcome.failures.is_empty(),
            "{case}: {:?}",
            outcome.failures
        );
    }
}
