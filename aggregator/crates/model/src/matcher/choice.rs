//! Expressions that are no more than a choice of texts, `a|b|c`: what dashboards write for many
//! selected values. As a list they cost nothing to compile and can be as long as they like.

use std::sync::Arc;

/// The texts that `pattern` matches, ascending, if it is a choice of texts.
pub(super) fn choices(pattern: &str) -> Option<Arc<[String]>> {
    let mut choices = vec![String::new()];
    let mut chars = without_group(pattern).chars();
    while let Some(c) = chars.next() {
        let text = choices.last_mut()?;
        match c {
            '|' => choices.push(String::new()),
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | '{' | '^' | '$' => return None,
            _ => text.push(c),
        }
    }
    choices.sort_unstable();
    choices.dedup();
    Some(choices.into())
}

/// What is inside of one group around everything. Another one inside is found by the caller.
fn without_group(pattern: &str) -> &str {
    let inner = pattern.strip_prefix("(?:").or(pattern.strip_prefix('('));
    let inner = inner.and_then(|inner| inner.strip_suffix(')'));
    inner
        .filter(|inner| !inner.ends_with('\\'))
        .unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_of_texts() {
        let cases: [(&str, Option<&[&str]>); 19] = [
            ("a", Some(&["a"])),
            ("", Some(&[""])),
            ("b|a|b", Some(&["a", "b"])),
            ("a|", Some(&["", "a"])),
            ("(a|b)", Some(&["a", "b"])),
            ("(?:a|b)", Some(&["a", "b"])),
            (
                r"host\.example\.org:9100|x\-y",
                Some(&["host.example.org:9100", "x-y"]),
            ),
            (r"a\|b\\", Some(&[r"a|b\"])),
            ("é|日\n", Some(&["é", "日\n"])),
            ("a]|}", Some(&["a]", "}"])),
            (r"(a\)", None),
            ("a.b", None),
            ("(a)|(b)", None),
            ("(?i)a", None),
            ("(?i:a)", None),
            ("^a$", None),
            (r"\d|a", None),
            (r"\Qa\E", None),
            (r"a\", None),
        ];
        for (pattern, expected) in cases {
            let found = choices(pattern);
            let expected = expected.map(|texts| texts.iter().map(ToString::to_string).collect());
            assert_eq!(found, expected, "{pattern}");
        }
    }
}
