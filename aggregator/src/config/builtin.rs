//! The rule files that are part of the program.

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

/// All of them.
pub const BUILT_IN: [BuiltInFile; 1] = [HOSTS];

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
