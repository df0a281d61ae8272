//! Arrows point down: a module names only what lies on a floor below its own.
//!
//! The table is the architecture. A new module gets its line here in the commit that adds it.

use std::collections::BTreeSet;

use super::Finding;
use super::tokens::Token;
use super::tree::{File, Tree};

/// A program whose modules have floors.
struct Building {
    /// Where its modules lie, with the slash.
    src: &'static str,
    /// Its own name in `use` lines.
    krate: &'static str,
    floors: &'static [(u8, &'static [&'static str])],
    /// Arrows that stay on their floor and are meant to: `(from, to)`.
    level: &'static [(&'static str, &'static str)],
}

const BUILDINGS: [Building; 2] = [
    Building {
        src: "aggregator/src/",
        krate: "system_stats_aggregator",
        floors: &[
            (6, &["main", "cli"]),
            (5, &["app"]),
            (4, &["http", "housekeeping"]),
            (
                3,
                &[
                    "alerting",
                    "scrape",
                    "discovery",
                    "rules",
                    "notify",
                    "query",
                    "inventory",
                    "write",
                ],
            ),
            (2, &["client", "config", "metadata"]),
            (0, &["clock", "telemetry"]),
        ],
        level: &[
            ("main", "cli"),
            ("rules", "query"),
            ("notify", "discovery"),
            ("scrape", "discovery"),
            ("client", "config"),
        ],
    },
    Building {
        src: "exporter/src/",
        krate: "system_stats_exporter",
        floors: &[
            (9, &["main", "cli"]),
            (8, &["server"]),
            (7, &["runner"]),
            (6, &["collect"]),
            (5, &["system"]),
            (4, &["host"]),
            (3, &["portable"]),
            (2, &["mounts", "processes", "hwmon", "interfaces"]),
            (
                1,
                &[
                    "files",
                    "encode",
                    "build_info",
                    "sampler",
                    "netlink",
                    "telemetry",
                ],
            ),
            (
                0,
                &[
                    "config",
                    "clock",
                    "kernel",
                    "family",
                    "statfs",
                    "adjtimex",
                    "local_time",
                ],
            ),
        ],
        level: &[("main", "cli")],
    },
];

/// The workspace's own crates as the aggregator's modules see them. `model` is the ground everybody
/// stands on; the exporter's library is what `app` starts inside the process.
const CRATES: [(&str, i8); 7] = [
    ("system_stats_model", -1),
    ("system_stats_wire", 0),
    ("system_stats_promql", 1),
    ("system_stats_storage", 1),
    ("system_stats_template", 1),
    ("system_stats_sql", 2),
    ("system_stats_exporter", 4),
];

/// Which of the workspace's own packages a package may depend on.
const MANIFESTS: [(&str, &[&str]); 8] = [
    ("exporter/wire/Cargo.toml", &[]),
    ("exporter/Cargo.toml", &["wire"]),
    ("aggregator/crates/model/Cargo.toml", &[]),
    ("aggregator/crates/promql/Cargo.toml", &["model"]),
    ("aggregator/crates/storage/Cargo.toml", &["model"]),
    ("aggregator/crates/template/Cargo.toml", &["model"]),
    ("aggregator/crates/sql/Cargo.toml", &["model", "storage"]),
    (
        "aggregator/Cargo.toml",
        &[
            "model", "promql", "storage", "template", "sql", "wire", "exporter",
        ],
    ),
];

fn check_modules(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for building in &BUILDINGS {
        let inside = || tree.rust().filter(|f| f.path.starts_with(building.src));
        let modules: BTreeSet<&str> = inside().map(|f| building.module(f)).collect();
        let root = inside().find(|f| f.path == format!("{}lib.rs", building.src));
        let tests = root.map(test_modules).unwrap_or_default();
        for file in inside() {
            let from = building.module(file);
            // The root of the library only lists the modules; tests look at whatever they test.
            if from == "lib" || tests.contains(&from) {
                continue;
            }
            let Some(floor) = building.floor(from) else {
                let message = format!("`{from}` has no floor in tests/src/tidy/floors.rs");
                findings.push(Finding::new(&file.path, 1, message));
                continue;
            };
            for reference in building.references(file) {
                let to = reference.name;
                let is_module = modules.contains(to) && to != from;
                let target = if is_module {
                    building.floor(to)
                } else {
                    crate_floor(to)
                };
                let is_level = building.level.contains(&(from, to));
                if let Some(target) = target.filter(|target| *target >= floor && !is_level) {
                    let message =
                        format!("`{from}` is on floor {floor} and names `{to}` on floor {target}");
                    findings.push(Finding::new(&file.path, reference.line, message));
                }
            }
        }
    }
    findings
}

/// The modules that the root declares behind a `#[cfg(…)]` with `test` in it.
fn test_modules(root: &File) -> Vec<&str> {
    let tokens = root.tokens();
    let is_test = |item: &&[Token<'_>]| {
        let has = |word: &str| item.iter().any(|token| token.is_word(word));
        has("cfg") && has("test") && !has("not") && has("mod")
    };
    tokens
        .split(|token| token.is_mark(";"))
        .filter(is_test)
        .filter_map(|item| item.last()?.word())
        .collect()
}

fn crate_floor(name: &str) -> Option<i8> {
    CRATES
        .iter()
        .find(|(krate, _)| *krate == name)
        .map(|(_, floor)| *floor)
}

struct Reference<'a> {
    name: &'a str,
    line: usize,
}

impl Building {
    /// The module of the program that a file belongs to.
    fn module<'a>(&self, file: &'a File) -> &'a str {
        let inside = &file.path[self.src.len()..];
        inside
            .split('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs")
    }

    fn floor(&self, module: &str) -> Option<i8> {
        let row = self
            .floors
            .iter()
            .find(|(_, modules)| modules.contains(&module));
        row.map(|(floor, _)| floor.cast_signed())
    }

    /// The program's modules and the workspace's crates that the file's paths start with.
    fn references<'a>(&self, file: &'a File) -> Vec<Reference<'a>> {
        let tokens = file.tokens();
        let inside = &file.path[self.src.len()..];
        let is_root = ["main.rs", "lib.rs"].contains(&inside);
        let depth = if is_root {
            0
        } else {
            inside.matches('/').count() + 1
        };
        let mut inline = InlineModules::default();
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            inline.pass(&tokens, at);
            let is_first = at == 0 || !tokens[at - 1].is_mark("::");
            let leads_on = tokens.get(at + 1).is_some_and(|t| t.is_mark("::"));
            let Some(word) = tokens[at].word().filter(|_| is_first && leads_on) else {
                continue;
            };
            if word == "crate" || word == self.krate {
                names_after(&tokens[at + 2..], &mut found);
            } else if word == "super" {
                let chain = tokens[at..]
                    .chunks(2)
                    .take_while(|pair| pair[0].is_word("super"));
                let up = chain.count();
                if up == depth + inline.open.len() {
                    names_after(tokens.get(at + 2 * up..).unwrap_or_default(), &mut found);
                }
            } else if crate_floor(word).is_some() {
                found.push(Reference {
                    name: word,
                    line: tokens[at].line,
                });
            }
        }
        found
    }
}

/// The names that stand directly behind `crate::`: one, or the heads of a `{…}` list.
fn names_after<'a>(tokens: &[Token<'a>], found: &mut Vec<Reference<'a>>) {
    let Some(first) = tokens.first() else { return };
    if let Some(name) = first.word() {
        found.push(Reference {
            name,
            line: first.line,
        });
    }
    if !first.is_mark("{") {
        return;
    }
    let mut depth = 0;
    for pair in tokens.windows(2) {
        match (
            pair[0].is_mark("{"),
            pair[0].is_mark("}"),
            pair[0].is_mark(","),
        ) {
            (true, ..) => depth += 1,
            (_, true, _) => depth -= 1,
            (.., true) => {}
            _ => continue,
        }
        if depth == 0 {
            return;
        }
        let opens_element = pair[0].is_mark(",") || (pair[0].is_mark("{") && depth == 1);
        if let Some(name) = pair[1].word().filter(|_| depth == 1 && opens_element) {
            found.push(Reference {
                name,
                line: pair[1].line,
            });
        }
    }
}

/// Follows `mod name { … }` blocks, each of which takes one `super` more to leave.
#[derive(Default)]
struct InlineModules {
    braces: usize,
    /// For each open block, the braces that were open around it.
    open: Vec<usize>,
}

impl InlineModules {
    fn pass(&mut self, tokens: &[Token<'_>], at: usize) {
        if tokens[at].is_mark("{") {
            let is_module = at >= 2 && tokens[at - 2].is_word("mod");
            if is_module {
                self.open.push(self.braces);
            }
            self.braces += 1;
        } else if tokens[at].is_mark("}") {
            self.braces = self.braces.saturating_sub(1);
            if self.open.last() == Some(&self.braces) {
                self.open.pop();
            }
        }
    }
}

fn check_manifests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The root manifest and this package see everything; fuzz targets stand outside the workspace.
    let unruled = |path: &str| {
        ["Cargo.toml", "tests/Cargo.toml"].contains(&path) || path.starts_with("tests/fuzz/")
    };
    for manifest in tree.manifests().filter(|f| !unruled(&f.path)) {
        let Some((_, allowed)) = MANIFESTS.iter().find(|(path, _)| *path == manifest.path) else {
            let message = "this package has no line in tests/src/tidy/floors.rs";
            findings.push(Finding::new(&manifest.path, 1, message));
            continue;
        };
        let mut binding = false;
        for (number, line) in manifest.lines() {
            if let Some(section) = line.strip_prefix('[') {
                // Tests may look at more than the code may.
                let name = section.trim_end_matches(']');
                binding = name.ends_with("dependencies") && !name.contains("dev-dependencies");
            }
            let name = line
                .split(|c: char| !c.is_alphanumeric() && c != '-')
                .next();
            let ours = name.and_then(|name| name.strip_prefix("system-stats-"));
            if let Some(name) = ours.filter(|name| binding && !allowed.contains(name)) {
                let message = format!("this package may not depend on system-stats-{name}");
                findings.push(Finding::new(&manifest.path, number, message));
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
    fn repository_modules_point_down() {
        assert_none(check_modules(&Tree::of_repository()));
    }

    #[test]
    fn repository_packages_point_down() {
        assert_none(check_manifests(&Tree::of_repository()));
    }

    #[test]
    fn upward_and_level_arrows_are_found() {
        let tree = Tree::sample(&[
            (
                "aggregator/src/lib.rs",
                "pub mod app;\npub use crate::app::run;",
            ),
            (
                "aggregator/src/app.rs",
                "use crate::http;\nuse system_stats_exporter::serve;",
            ),
            (
                "aggregator/src/config.rs",
                "use crate::clock::Clock;\nuse system_stats_sql::Store;",
            ),
            (
                "aggregator/src/config/parse.rs",
                "use super::Config;\nuse super::super::app::run;",
            ),
            (
                "aggregator/src/http.rs",
                "use crate::{\n    scrape::{Target, app},\n    query,\n    app,\n};\nuse super::app;",
            ),
            (
                "aggregator/src/query.rs",
                "// crate::http\nlet a = \"crate::http\";",
            ),
            (
                "aggregator/src/rules.rs",
                "use crate::query;\nuse crate::notify;",
            ),
            (
                "aggregator/src/notify.rs",
                "fn f() {\n    macro_call!(crate::rules::x)\n}",
            ),
            (
                "aggregator/src/clock.rs",
                "use system_stats_model::sample::Millis;",
            ),
            (
                "aggregator/src/scrape.rs",
                "use crate::scrape::Loop; use system_stats_exporter as e;",
            ),
            (
                "aggregator/src/scrape/loop.rs",
                "system_stats_exporter::serve();",
            ),
            (
                "aggregator/src/main.rs",
                "use system_stats_aggregator::{cli, telemetry};",
            ),
            ("aggregator/src/cli.rs", "use crate::app;"),
        ]);
        let expected = [
            "aggregator/src/config.rs:2",
            "aggregator/src/config/parse.rs:2",
            "aggregator/src/http.rs:4",
            "aggregator/src/http.rs:6",
            "aggregator/src/rules.rs:2",
            "aggregator/src/notify.rs:2",
            "aggregator/src/scrape/loop.rs:1",
        ];
        assert_places(&check_modules(&tree), &expected);
    }

    #[test]
    fn super_in_an_inline_module_is_counted_from_there() {
        let source = "mod tests {\n    use super::app;\n    fn f() { if a { b() } }\n    \
                      use super::super::app;\n}\nuse super::app;";
        let tree = Tree::sample(&[
            ("aggregator/src/app.rs", ""),
            ("aggregator/src/http.rs", source),
        ]);
        let expected = ["aggregator/src/http.rs:4", "aggregator/src/http.rs:6"];
        assert_places(&check_modules(&tree), &expected);
    }

    #[test]
    fn a_module_without_a_floor_is_found() {
        let tree = Tree::sample(&[
            ("exporter/src/attic.rs", ""),
            ("exporter/src/golden.rs", "use crate::server;"),
            (
                "exporter/src/lib.rs",
                "mod attic;\n#[cfg(all(test, unix))]\nmod golden;\nmod server;",
            ),
        ]);
        assert_places(&check_modules(&tree), &["exporter/src/attic.rs:1"]);
    }

    #[test]
    fn upward_dependencies_are_found() {
        let storage = "[package]\nname = \"system-stats-storage\"\n[dependencies]\n\
                       system-stats-model = { workspace = true }\nsystem-stats-sql.workspace = true\n\
                       [dev-dependencies]\nsystem-stats-sql = { workspace = true }\n\
                       [target.'cfg(unix)'.dependencies]\nsystem-stats-exporter = \"1\"\n";
        let tree = Tree::sample(&[
            ("aggregator/crates/storage/Cargo.toml", storage),
            ("aggregator/crates/attic/Cargo.toml", "[package]"),
            (
                "Cargo.toml",
                "[workspace.dependencies]\nsystem-stats-sql = \"1\"",
            ),
        ]);
        let expected = [
            "aggregator/crates/storage/Cargo.toml:5",
            "aggregator/crates/storage/Cargo.toml:9",
            "aggregator/crates/attic/Cargo.toml:1",
        ];
        assert_places(&check_manifests(&tree), &expected);
    }
}
