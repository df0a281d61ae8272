//! The repository stands alone: no path of somebody's machine and no package registry's address.

use super::Finding;
use super::tree::Tree;

/// Folders under which people keep their checkouts; what comes next is a name of theirs. Split so
/// that this file is not its own first finding.
const PRIVATE: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
];

/// Parts of the host names of package registries and their mirrors.
const REGISTRIES: [&str; 5] = [
    concat!("crates", ".io/"),
    concat!("deb.deb", "ian.org"),
    concat!("npm", "js.org"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
];

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The lock file names its registry by design.
    for file in tree.files.iter().filter(|f| f.name() != "Cargo.lock") {
        for (number, line) in file.lines() {
            for word in PRIVATE.iter().filter(|word| has_path(line, word)) {
                let message = format!("`{word}…` is a path of somebody's machine");
                findings.push(Finding::new(&file.path, number, message));
            }
            for word in REGISTRIES.iter().filter(|word| line.contains(**word)) {
                let message = format!("`{word}`: leave the choice of a registry to the machine");
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}

/// Whether an absolute path starts with `prefix` and goes on below it.
fn has_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + prefix.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}*/".contains(c))
            && after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    #[test]
    fn repository_stands_alone() {
        assert_none(check(&Tree::of_repository()));
    }

    #[test]
    fn machines_and_registries_are_found() {
        let tree = Tree::sample(&[
            (
                "README.md",
                concat!("see /ho", "me/ann/src\nwith /ho", "me as a mount point"),
            ),
            (
                "a.rs",
                concat!("\"/Us", "ers/ann\"\n\"tests/wo", "rk/a\"\n\"/wo", "rk/a\""),
            ),
            ("b.sh", concat!("curl https://static.crates", ".io/a\n")),
            ("Cargo.lock", concat!("https://static.crates", ".io/a\n")),
        ]);
        assert_places(
            &check(&tree),
            &["README.md:1", "a.rs:1", "a.rs:3", "b.sh:1"],
        );
    }
}
