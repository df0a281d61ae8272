//! What may be named in one place only: the database, the HTTP server, `unsafe`.

use super::Finding;
use super::tree::{File, Tree};

/// A crate and the folders or files whose code may name it.
struct Home {
    name: &'static str,
    paths: &'static [&'static str],
}

const HOMES: [Home; 2] = [
    Home {
        name: "sqlx",
        paths: &["aggregator/crates/sql/"],
    },
    Home {
        name: "axum",
        paths: &[
            "aggregator/src/http.rs",
            "aggregator/src/http/",
            "exporter/src/server.rs",
            "exporter/src/server/",
        ],
    },
];

/// The modules that call the C library themselves; each carries its reason and `SAFETY` lines.
const UNSAFE: [&str; 3] = [
    "aggregator/crates/storage/src/allocator.rs",
    "exporter/src/adjtimex.rs",
    "exporter/src/local_time.rs",
];

fn check_crates(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for home in &HOMES {
        for file in tree
            .rust()
            .filter(|f| !home.paths.iter().any(|p| f.path.starts_with(p)))
        {
            for token in file.tokens().iter().filter(|t| t.is_word(home.name)) {
                let message = format!("`{}` is named in {} only", home.name, home.paths.join(", "));
                findings.push(Finding::new(&file.path, token.line, message));
            }
        }
    }
    findings
}

fn check_unsafe(tree: &Tree, listed: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let line_of_unsafe = |file: &File| {
        file.tokens()
            .iter()
            .find(|t| t.is_word("unsafe"))
            .map(|t| t.line)
    };
    for file in tree.rust().filter(|f| !listed.contains(&f.path.as_str())) {
        if let Some(line) = line_of_unsafe(file) {
            let message = "`unsafe` outside the modules listed in tests/src/tidy/homes.rs";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    for path in listed {
        let file = tree.files.iter().find(|f| f.path == *path);
        if file.and_then(line_of_unsafe).is_none() {
            findings.push(Finding::new(
                path,
                1,
                "listed as `unsafe`, but has none: strike it off",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    #[test]
    fn repository_names_crates_at_home_only() {
        assert_none(check_crates(&Tree::of_repository()));
    }

    #[test]
    fn repository_has_unsafe_code_in_listed_modules_only() {
        assert_none(check_unsafe(&Tree::of_repository(), &UNSAFE));
    }

    #[test]
    fn crates_away_from_home_are_found() {
        let tree = Tree::sample(&[
            ("aggregator/crates/sql/src/sqlite.rs", "use sqlx::Row;"),
            (
                "aggregator/crates/storage/src/head.rs",
                "// like sqlx::Row\nuse sqlx::Row;",
            ),
            ("aggregator/src/http.rs", "use axum::Router;"),
            ("aggregator/src/http/legacy.rs", "use axum::Json;"),
            (
                "aggregator/src/app.rs",
                "fn f() {\n    axum::serve(\"axum\")\n}",
            ),
            ("exporter/src/server.rs", "use axum::Router;"),
            ("exporter/src/server_list.rs", "use {axum as web};"),
        ]);
        let expected = [
            "aggregator/crates/storage/src/head.rs:2",
            "aggregator/src/app.rs:2",
            "exporter/src/server_list.rs:1",
        ];
        assert_places(&check_crates(&tree), &expected);
    }

    #[test]
    fn unlisted_unsafe_and_idle_list_entries_are_found() {
        let tree = Tree::sample(&[
            (
                "exporter/src/clock.rs",
                "#[expect(unsafe_code)]\nfn f() { unsafe { g() } }",
            ),
            ("exporter/src/other.rs", "fn f() {}\n\nunsafe fn g() {}"),
            ("exporter/src/idle.rs", "// unsafe\nfn f() { \"unsafe\" }"),
        ]);
        let listed = [
            "exporter/src/clock.rs",
            "exporter/src/idle.rs",
            "exporter/src/gone.rs",
        ];
        let expected = [
            "exporter/src/other.rs:3",
            "exporter/src/idle.rs:1",
            "exporter/src/gone.rs:1",
        ];
        assert_places(&check_unsafe(&tree, &listed), &expected);
    }
}
