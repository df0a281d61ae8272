//! The rule files that are part of the program.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{ConfigError, RuleDefaults, RuleFile, parse_rules};

/// What the path of a built-in file begins with, where files are named.
const FOLDER: &str = "(built in)";

/// A rule file that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltInFile {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The twelve alerts of every host.
pub const HOSTS: BuiltInFile = BuiltInFile {
    name: "hosts.yml",
    text: include_str!("../../rules/hosts.yml"),
};

/// What describes hosts that only `node_exporter` speaks for.
pub const VOCABULARY: BuiltInFile = BuiltInFile {
    name: "vocabulary.yml",
    text: include_str!("../../rules/vocabulary.yml"),
};

/// Alerts about the fleet and the aggregator itself.
pub const FLEET: BuiltInFile = BuiltInFile {
    name: "fleet.yml",
    text: include_str!("../../rules/fleet.yml"),
};

/// All of them.
pub const BUILT_IN: [BuiltInFile; 3] = [VOCABULARY, HOSTS, FLEET];

/// The built-in rules, read.
///
/// # Errors
/// [`ConfigError`] when one is wrong, which a test excludes.
pub fn built_in_rules(defaults: &RuleDefaults) -> Result<Vec<RuleFile>, ConfigError> {
    let files = BUILT_IN.iter();
    files
        .map(|file| parse_rules(file.text, &format!("{FOLDER}/{}", file.name), defaults))
        .collect()
}

/// Writes the built-in files into a folder, which is made if need be; files that are there already
/// stay as they are.
///
/// # Errors
/// With the path that could not be written, or that is there.
pub fn export(folder: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    std::fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
    let write = |file: &BuiltInFile| {
        let path = folder.join(file.name);
        let new = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = new.and_then(|mut new| new.write_all(file.text.as_bytes()));
        written.map_err(|error| (path.clone(), error))?;
        Ok(path)
    };
    BUILT_IN.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Rule, RuleKind};

    fn rules() -> Vec<Rule> {
        let files = built_in_rules(&RuleDefaults::default()).unwrap();
        let groups = files.into_iter().flat_map(|file| file.groups);
        groups.flat_map(|group| group.rules).collect()
    }

    #[test]
    fn files_that_are_exported_are_those_that_are_built_in() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("rules");
        let files = export(&folder).unwrap();
        let read = crate::config::load_rules(&files, &RuleDefaults::default()).unwrap();
        let built_in = built_in_rules(&RuleDefaults::default()).unwrap();
        let groups = |files: Vec<RuleFile>| files.into_iter().flat_map(|file| file.groups);
        assert!(groups(read).eq(groups(built_in)));
        let (path, error) = export(&folder).unwrap_err();
        assert_eq!(
            (path, error.kind()),
            (files[0].clone(), io::ErrorKind::AlreadyExists)
        );
    }

    #[test]
    fn every_alert_says_what_why_how_bad_and_what_to_do() {
        let mut alerts = 0;
        for rule in rules() {
            let RuleKind::Alerting { annotations, .. } = &rule.kind else {
                continue;
            };
            alerts += 1;
            let name = rule.name();
            let of = |pairs: &[(String, String)], key: &str| {
                let mut found = pairs.iter().filter(|(have, _)| have == key);
                let found = found.next().map(|(_, text)| text.clone());
                found.unwrap_or_else(|| panic!("{name} has no {key}"))
            };
            let severity = of(&rule.labels, "severity");
            assert!(
                ["critical", "warning", "info"].contains(&severity.as_str()),
                "{name}"
            );
            assert!(
                !of(annotations, "summary").contains("{{"),
                "{name}: not static"
            );
            assert!(
                of(annotations, "description").contains("{{"),
                "{name}: not about anything"
            );
            let page = format!("{{{{ $externalURL }}}}/dashboard/runbooks#{name}");
            assert_eq!(of(annotations, "runbook_url"), page);
        }
        assert_eq!(alerts, 24);
    }

    #[test]
    fn what_is_recorded_leaves_out_hosts_with_our_exporter() {
        let others = "unless on (instance) system_stats_exporter_build_info";
        let rules = rules();
        let recorded = rules
            .iter()
            .filter(|rule| matches!(rule.kind, RuleKind::Recording { .. }));
        let recorded: Vec<&Rule> = recorded.collect();
        assert_eq!(recorded.len(), 18);
        for rule in recorded {
            assert!(rule.name().starts_with("system_"), "{}", rule.name());
            assert!(rule.expr.trim_end().ends_with(others), "{}", rule.name());
        }
    }
}
