//! A file has at most 600 lines of code: beyond that it has two subjects.

use super::Finding;
use super::tree::{File, Tree};

const MOST: usize = 600;

/// What is ours and written by hand; data, fixtures and vendored files are not.
const WRITTEN: [&str; 7] = ["rs", "js", "css", "html", "sql", "py", "sh"];

fn check(tree: &Tree) -> Vec<Finding> {
    let ours = tree.files.iter().filter(|f| {
        WRITTEN.iter().any(|extension| f.has_extension(extension)) && !f.path.contains("/vendor/")
    });
    ours.filter_map(|file| {
        let lines = code_lines(file);
        let message = format!("{lines} lines of code, at most {MOST}: give each subject its file");
        (lines > MOST).then(|| Finding::new(&file.path, 1, message))
    })
    .collect()
}

/// Lines with code on them: neither blank nor only a comment.
fn code_lines(file: &File) -> usize {
    if file.has_extension("rs") {
        let mut count = 0;
        let mut last = 0;
        for token in file.tokens() {
            let from = token.line.max(last + 1);
            count += (token.last_line + 1).saturating_sub(from);
            last = token.last_line;
        }
        return count;
    }
    let comment = ["//", "/*", "*", "#", "--", "<!--", "{#"];
    let is_code = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !comment.iter().any(|mark| line.starts_with(mark))
    };
    file.lines().filter(|(_, line)| is_code(line)).count()
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    #[test]
    fn repository_has_no_file_over_the_wall() {
        assert_none(check(&Tree::of_repository()));
    }

    #[test]
    fn only_code_counts() {
        let long = "let a = 1;\n".repeat(601);
        let exact = "let a = 1; // why\n\n// note\n/* more\n*/\n".repeat(600);
        let script = "run();\n// note\n\n".repeat(601);
        let style = "a { b: c }\n".repeat(601);
        let tree = Tree::sample(&[
            ("exporter/src/long.rs", &long),
            ("exporter/src/exact.rs", &exact),
            ("dashboards/static/long.js", &script),
            ("dashboards/static/vendor/foreign.css", &style),
            ("exporter/tests/fixtures/long.txt", &long),
        ]);
        assert_places(
            &check(&tree),
            &["exporter/src/long.rs:1", "dashboards/static/long.js:1"],
        );
    }

    #[test]
    fn a_string_over_several_lines_counts_them_all() {
        let tree = Tree::sample(&[("a.rs", "let a = \"1\n2\n3\"; let b = 2;\n\nc();\n")]);
        assert_eq!(code_lines(&tree.files[0]), 4);
    }
}
