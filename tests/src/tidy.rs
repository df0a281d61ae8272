//! The rules of the repository that no compiler checks.
//!
//! Every rule is a function from a [`tree::Tree`] (paths and texts) to findings. It runs once on the
//! repository, where it must find nothing, and once on a sample that breaks it, where it must find
//! exactly that: a rule that cannot fail protects nothing.

mod floors;
mod homes;
mod layout;
mod migrations;
mod names;
mod size;
mod tokens;
mod tree;
mod words;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

/// Panics with every finding, one `file:line: message` each.
#[track_caller]
fn assert_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings
        .iter()
        .map(|f| format!("{}:{}: {}", f.path, f.line, f.message))
        .collect();
    assert!(
        lines.is_empty(),
        "{} finding(s)\n{}",
        lines.len(),
        lines.join("\n")
    );
}

/// Panics unless the findings are at exactly these `file:line` places, in order of the tree.
#[track_caller]
fn assert_places(findings: &[Finding], expected: &[&str]) {
    let mut places: Vec<String> = findings
        .iter()
        .map(|f| format!("{}:{}", f.path, f.line))
        .collect();
    places.sort();
    let mut expected: Vec<&str> = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(places, expected, "{findings:#?}");
}
