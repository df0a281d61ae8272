//! Migrations of the two databases go side by side, numbered without a gap, and never change.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

const FOLDER: &str = "aggregator/crates/sql/migrations/";
const DIALECTS: [&str; 2] = ["sqlite", "postgres"];

/// What each migration's text hashes to. A database out there has run it as it was: whatever is to
/// be different is a new migration, and a new line here.
const SEALED: [(&str, &str); 6] = [
    ("sqlite/0001_journal.sql", "d4d63ef715daf1a4"),
    ("sqlite/0002_blocks.sql", "1cc2822e8223c4b6"),
    ("sqlite/0003_alert_event.sql", "80d8a81480a2ef0c"),
    ("postgres/0001_journal.sql", "8cd5a9ead6fb28b3"),
    ("postgres/0002_blocks.sql", "bbaf0ccee8dbbef6"),
    ("postgres/0003_alert_event.sql", "c1e61d3f21bff61d"),
];

fn check_sealed(tree: &Tree, sealed: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let migrations = tree.files.iter().filter(|f| f.path.starts_with(FOLDER));
    for file in migrations {
        let name = &file.path[FOLDER.len()..];
        let digest = format!("{:016x}", fnv1a(&file.text));
        let message = match sealed.iter().find(|(sealed, _)| *sealed == name) {
            Some((_, sealed)) if *sealed == digest => continue,
            Some(_) => "is sealed: undo the change and add a migration that makes it".to_owned(),
            None => format!("is not sealed: (\"{name}\", {digest:?}) goes into migrations.rs"),
        };
        findings.push(Finding::new(&file.path, 1, message));
    }
    for (name, _) in sealed {
        let path = format!("{FOLDER}{name}");
        if !tree.files.iter().any(|f| f.path == path) {
            findings.push(Finding::new(&path, 1, "is sealed, and gone"));
        }
    }
    findings
}

/// FNV-1a with 64 bits: it guards against mistakes, not against attackers.
fn fnv1a(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbered: BTreeMap<&str, BTreeMap<u32, &str>> = BTreeMap::new();
    for file in tree.files.iter().filter(|f| f.path.starts_with(FOLDER)) {
        let inside = &file.path[FOLDER.len()..];
        let parsed = inside.split_once('/').and_then(|(dialect, name)| {
            let (number, rest) = name.strip_suffix(".sql")?.split_once('_')?;
            let is_known = DIALECTS.contains(&dialect) && number.len() == 4 && !rest.is_empty();
            Some((dialect, number.parse().ok()?)).filter(|_| is_known)
        });
        let Some((dialect, number)) = parsed else {
            let message = "a migration is called DIALECT/NNNN_what_it_does.sql";
            findings.push(Finding::new(&file.path, 1, message));
            continue;
        };
        let taken = numbered
            .entry(dialect)
            .or_default()
            .insert(number, &file.path);
        if taken.is_some() {
            findings.push(Finding::new(&file.path, 1, format!("{number} is taken")));
        }
    }
    for migrations in numbered.values() {
        for (expected, (number, path)) in (1..).zip(migrations) {
            if *number != expected {
                findings.push(Finding::new(path, 1, format!("{expected} comes next")));
                break;
            }
        }
    }
    // A dialect that has none yet is not missing its pairs: it arrives with its first migration.
    if numbered.len() == DIALECTS.len() {
        for (dialect, migrations) in &numbered {
            for other in numbered.values() {
                let unpaired = other
                    .iter()
                    .filter(|(number, _)| !migrations.contains_key(number));
                findings.extend(unpaired.map(|(number, path)| {
                    Finding::new(path, 1, format!("{dialect} has no migration {number}"))
                }));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::{assert_none, assert_places};
    use super::*;

    fn sample(names: &[&str]) -> Vec<Finding> {
        let paths: Vec<String> = names.iter().map(|name| format!("{FOLDER}{name}")).collect();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        check(&Tree::sample(&files))
    }

    #[track_caller]
    fn assert_names(findings: &[Finding], expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|e| format!("{FOLDER}{e}:1")).collect();
        assert_places(
            findings,
            &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }

    #[test]
    fn repository_migrations_are_numbered_and_paired() {
        assert_none(check(&Tree::of_repository()));
    }

    #[test]
    fn repository_migrations_are_as_they_were() {
        assert_none(check_sealed(&Tree::of_repository(), &SEALED));
    }

    #[test]
    fn changed_missing_and_unsealed_migrations_are_found() {
        let path = |name: &str| format!("{FOLDER}sqlite/{name}.sql");
        let (kept, changed, fresh) = (path("0001_a"), path("0002_b"), path("0003_c"));
        let tree = Tree::sample(&[(&kept, "a"), (&changed, "changed"), (&fresh, "c")]);
        // The digests of "a" and "b", from the algorithm's own test vectors.
        let sealed = [
            ("sqlite/0001_a.sql", "af63dc4c8601ec8c"),
            ("sqlite/0002_b.sql", "af63df4c8601f1a5"),
            ("sqlite/0004_d.sql", ""),
        ];
        let found = check_sealed(&tree, &sealed);
        assert_names(
            &found,
            &[
                "sqlite/0002_b.sql",
                "sqlite/0003_c.sql",
                "sqlite/0004_d.sql",
            ],
        );
    }

    #[test]
    fn one_dialect_alone_needs_no_pairs() {
        assert_names(
            &sample(&["sqlite/0001_start.sql", "sqlite/0002_more.sql"]),
            &[],
        );
    }

    #[test]
    fn gaps_doubles_and_odd_names_are_found() {
        let names = [
            "sqlite/0001_start.sql",
            "sqlite/0001_twice.sql",
            "sqlite/0003_gap.sql",
            "sqlite/4_short.sql",
            "mysql/0001_start.sql",
            "sqlite/notes.txt",
        ];
        let expected = [
            "sqlite/0001_twice.sql",
            "sqlite/0003_gap.sql",
            "sqlite/4_short.sql",
            "mysql/0001_start.sql",
            "sqlite/notes.txt",
        ];
        assert_names(&sample(&names), &expected);
    }

    #[test]
    fn unpaired_migrations_are_found() {
        let names = [
            "sqlite/0001_start.sql",
            "sqlite/0002_more.sql",
            "postgres/0001_start.sql",
        ];
        assert_names(&sample(&names), &["sqlite/0002_more.sql"]);
        let names = [
            "postgres/0001_a.sql",
            "postgres/0002_b.sql",
            "sqlite/0001_a.sql",
        ];
        assert_names(&sample(&names), &["postgres/0002_b.sql"]);
    }
}
