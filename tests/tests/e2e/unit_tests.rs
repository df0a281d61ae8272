//! Unit tests of rules: the files that promtool takes, with its verdict on each.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::folder::{self, Folder};
use e2e::peers::PROMTOOL;
use e2e::process::{self, Finished};
use e2e::programs::aggregator;

fn ours(arguments: &[&str]) -> Finished {
    process::run(aggregator().args(["test", "rules"]).args(arguments))
}

fn promtool(file: &str) -> Finished {
    process::run(PROMTOOL.command().args(["test", "rules", file]))
}

/// The files of a folder of the repository, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder::repository().join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

fn text(path: &Path) -> &str {
    path.to_str().expect("names are text")
}

#[test]
fn the_verdict_is_that_of_promtool() {
    for (folder, code) in [("good", 0), ("failing", 1)] {
        for file in files(&format!("tests/data/unit_tests/{folder}")) {
            let (theirs, own) = (promtool(text(&file)), ours(&[text(&file)]));
            assert_eq!(theirs.code, Some(code), "{}: {theirs:?}", file.display());
            assert_eq!(own.code, Some(code), "{}: {own:?}", file.display());
            assert!(
                own.stdout
                    .starts_with(&format!("Unit Testing:  {}\n", file.display()))
            );
            let is_told = |finished: &Finished| finished.stdout.contains("  SUCCESS\n");
            assert_eq!(is_told(&own), is_told(&theirs), "{own:?}");
        }
    }
}

/// Each rule that is built in has a test that names it.
#[test]
fn built_in_rules_pass_their_unit_tests() {
    let rules = folder::repository().join("aggregator/rules");
    let tests = files("aggregator/rules/tests");
    for file in &tests {
        for finished in [promtool(text(file)), ours(&[text(file)])] {
            assert_eq!(finished.code, Some(0), "{}: {finished:?}", file.display());
        }
    }
    let tests: Vec<String> = tests
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let tests = tests.concat();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let tested: Vec<&str> = tests.split(|c| !is_word(c)).collect();
    let files = files("aggregator/rules");
    let files = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "yml"));
    for file in files {
        let checked = process::run(PROMTOOL.command().args(["check", "rules", text(file)]));
        assert_eq!(checked.code, Some(0), "{checked:?}");
        for line in fs::read_to_string(file).unwrap().lines() {
            let line = line.trim_start_matches([' ', '-']);
            let name = line
                .strip_prefix("alert: ")
                .or(line.strip_prefix("record: "));
            if let Some(name) = name {
                let place = file.strip_prefix(&rules).unwrap().display();
                assert!(tested.contains(&name), "{place}: {name} has no unit test");
            }
        }
    }
}

#[test]
fn failures_are_told_as_promtool_tells_them() {
    let folder = Folder::new();
    let file = folder.write(
        "t.yml",
        "tests:\n- name: one\n  interval: 1m\n  input_series: [{series: a, values: 1}]\n  \
         promql_expr_test: [{expr: a, eval_time: 90s, exp_samples: [{labels: a, value: 2}]}]\n\
         - name: two\n",
    );
    let failed = "  FAILED:\n    name: one,\n    expr: \"a\", time: 1m30s,\n        exp: a 2e+00\n        \
                  got: a 1e+00\n\n";
    let file = text(&file);
    let finished = ours(&[file]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(1), failed));
    assert_eq!(ours(&["--run=tw", file]).code, Some(0));
    assert_eq!(ours(&["--run", "other|ne$", file]).code, Some(1));

    let good = folder.write("good.yml", "fuzzy_compare: true\ntests: [{}]\n");
    let both = ours(&[file, text(&good)]);
    assert_eq!(both.code, Some(1));
    assert!(both.stdout.ends_with("good.yml\n  SUCCESS\n\n"), "{both:?}");
    let wrong = folder.write("wrong.yml", "tests:\n- intervall: 1m\n");
    let finished = ours(&[text(&wrong)]);
    assert_eq!(finished.code, Some(1));
    let place = format!("{}:2: tests[0].intervall: unknown key", wrong.display());
    assert!(finished.stderr.contains(&place), "{finished:?}");
    let finished = ours(&["--run=(", file]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("--run"), "{finished:?}");
}
