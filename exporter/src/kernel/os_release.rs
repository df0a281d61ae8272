//! `os-release(5)`: assignments as a shell would read them.

use std::collections::BTreeMap;

/// Every assignment of the file.
pub(crate) fn parse(text: &str) -> BTreeMap<&str, String> {
    let assignments = text.lines().filter_map(|line| {
        let line = line.trim();
        let (name, value) = line.split_once('=')?;
        (!line.starts_with('#')).then(|| (name, unquote(value)))
    });
    assignments.collect()
}

fn unquote(value: &str) -> String {
    let single = value
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    if let Some(inner) = single {
        return inner.to_owned();
    }
    let double = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let mut out = String::new();
    let mut chars = double.unwrap_or(value).chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.extend(chars.next()),
            other => out.push(other),
        }
    }
    out
}

/// The leading `major.minor` of a version, as a number.
pub(crate) fn version_number(version: &str) -> Option<f64> {
    let end = version
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(version.len());
    let mut parts = version[..end].split('.');
    let major = parts.next()?;
    let number = match parts.next().filter(|minor| !minor.is_empty()) {
        Some(minor) => format!("{major}.{minor}"),
        None => major.to_owned(),
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_are_those_of_a_shell() {
        let text = "ID=toy\nNAME=\"Toy \\\"OS\\\"\"\nVARIANT='a b'\n# ID=no\nodd\n";
        let found = parse(text);
        assert_eq!(found["ID"], "toy");
        assert_eq!(found["NAME"], "Toy \"OS\"");
        assert_eq!(found["VARIANT"], "a b");
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn versions_become_numbers() {
        assert_eq!(version_number("20.04.2"), Some(20.04));
        assert_eq!(version_number("12"), Some(12.0));
        assert_eq!(version_number("3.18_alpha"), Some(3.18));
        assert_eq!(version_number("rolling"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([A-Z]{0,3}=?[\"'\\\\a-z]{0,6}\n){0,6}|.*", version in ".*") {
            parse(&text);
            version_number(&version);
        }
    }
}
