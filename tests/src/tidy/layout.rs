//! The top level of the repository is fixed.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

const TOP_LEVEL: [&str; 15] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "aggregator",
    "clippy.toml",
    "dashboards",
    "deny.toml",
    "exporter",
    "prometheus.yml",
    "rustfmt.toml",
    "service",
    "tests",
];

fn check(tree: &Tree) -> Vec<Finding> {
    let present: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|f| f.path.split('/').next())
        .collect();
    let is_known = |name: &str| TOP_LEVEL.contains(&name) || name.starts_with('.');
    let unknown = present.iter().filter(|name| !is_known(name)).map(|name| {
        Finding::new(
            name,
            1,
            "the top level is fixed: this belongs into one of its folders",
        )
    });
    let missing = TOP_LEVEL.iter().filter(|name| !present.contains(*name));
    unknown
        .chain(missing.map(|name| Finding::new(name, 1, "missing at the top level")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    #[test]
    fn repository_has_the_fixed_top_level() {
        assert_none(check(&Tree::of_repository()));
    }

    #[test]
    fn strangers_and_gaps_are_found() {
        let mut files: Vec<(&str, &str)> = vec![
            (".ci/run", ""),
            ("fuzz/Cargo.toml", ""),
            ("notes.md", ""),
            ("aggregator/notes.md", ""),
        ];
        let there = TOP_LEVEL
            .iter()
            .filter(|n| **n != "README.md" && **n != "aggregator");
        files.extend(there.map(|name| (*name, "")));
        assert_places(
            &check(&Tree::sample(&files)),
            &["fuzz:1", "notes.md:1", "README.md:1"],
        );
    }
}
