//! How files and modules are called, and that nothing unfinished is left in them.

use super::Finding;
use super::tokens::Token;
use super::tree::Tree;

/// Names that say nothing: what is in such a module belongs to a subject.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

fn check_modules(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if file.name() == "mod.rs" {
            let message = "a module `foo` is `foo.rs` beside the folder `foo`, never `foo/mod.rs`";
            findings.push(Finding::new(&file.path, 1, message));
        }
        let parts = file.path.trim_end_matches(".rs").split('/');
        if let Some(name) = parts.into_iter().find(|part| EMPTY_NAMES.contains(part)) {
            let message = format!("`{name}` names no subject");
            findings.push(Finding::new(&file.path, 1, message));
        }
        for pair in file.tokens().windows(2) {
            let name = pair[1].word().filter(|_| pair[0].is_word("mod"));
            if let Some(name) = name.filter(|name| EMPTY_NAMES.contains(name)) {
                let message = format!("`mod {name}` names no subject");
                findings.push(Finding::new(&file.path, pair[1].line, message));
            }
        }
    }
    findings
}

fn check_finished(tree: &Tree) -> Vec<Finding> {
    // Put together here so that this file is not its own first finding.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let macros = ["unimplemented", "todo"];
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|f| f.name() != "Cargo.lock") {
        for (number, line) in file.lines() {
            let is_word = |word: &str| !word.contains(|c: char| c.is_alphanumeric() || c == '_');
            for mark in marks {
                let bare = line.match_indices(mark).any(|(at, _)| {
                    let before = line[..at].chars().next_back().map(String::from);
                    let after = line[at + mark.len()..].chars().next().map(String::from);
                    before.is_none_or(|c| is_word(&c)) && after.is_none_or(|c| is_word(&c))
                });
                if bare {
                    let message = format!("`{mark}`: finish it or leave it out");
                    findings.push(Finding::new(&file.path, number, message));
                }
            }
        }
        if file.has_extension("rs") {
            let unfinished = |pair: &[Token<'_>]| {
                pair[1].is_mark("!") && macros.iter().any(|name| pair[0].is_word(name))
            };
            let tokens = file.tokens();
            for pair in tokens.windows(2).filter(|pair| unfinished(pair)) {
                findings.push(Finding::new(&file.path, pair[0].line, "unfinished code"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    #[test]
    fn repository_names_every_module_by_its_subject() {
        assert_none(check_modules(&Tree::of_repository()));
    }

    #[test]
    fn repository_is_finished() {
        assert_none(check_finished(&Tree::of_repository()));
    }

    #[test]
    fn modules_without_a_subject_are_found() {
        let tree = Tree::sample(&[
            ("exporter/src/collect/mod.rs", ""),
            ("exporter/src/utils.rs", ""),
            ("exporter/src/common/time.rs", ""),
            (
                "exporter/src/cpu.rs",
                "fn f() {}\nmod helpers {}\nlet common = 1;",
            ),
        ]);
        let expected = [
            "exporter/src/collect/mod.rs:1",
            "exporter/src/utils.rs:1",
            "exporter/src/common/time.rs:1",
            "exporter/src/cpu.rs:2",
        ];
        assert_places(&check_modules(&tree), &expected);
    }

    #[test]
    fn unfinished_work_is_found() {
        let note = concat!(
            "// TO",
            "DO later\n// a TO",
            "DOS list\nfix(); // FIX",
            "ME"
        );
        let tree = Tree::sample(&[
            ("a.rs", note),
            ("b.rs", "fn f() {\n    unimplemented!()\n}\nlet todo = 1;"),
            ("c.html", concat!("<p>\n<!-- XX", "X -->")),
            ("d.sh", concat!("mktemp a.XX", "XXXX")),
        ]);
        assert_places(
            &check_finished(&tree),
            &["a.rs:1", "a.rs:3", "b.rs:2", "c.html:2"],
        );
    }
}
