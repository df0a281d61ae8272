//! Regular expressions, and what Go says of those that are none.

use regex::{Error, Regex, RegexBuilder};

/// Bytes that a compiled pattern may take.
const REGEX_BYTES: usize = 1 << 20;

/// A compiled pattern, or Go's text for what is wrong with it.
pub(super) fn compiled(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
    built.map_err(|error| {
        let reason = reason(pattern).unwrap_or_else(|| otherwise(&error));
        format!("error parsing regexp: {reason}")
    })
}

/// The same in the words of Go's `regexp.MustCompile`.
pub(super) fn must_be_compiled(pattern: &str) -> Result<Regex, String> {
    compiled(pattern).map_err(|error| {
        let is_plain = |c: char| c != '`' && (c == '\t' || !c.is_control());
        let quoted = if pattern.chars().all(is_plain) {
            format!("`{pattern}`")
        } else {
            format!("{pattern:?}")
        };
        format!("regexp: Compile({quoted}): {error}")
    })
}

/// The mistakes that people make, in Go's words and in the order in which Go meets them.
fn reason(pattern: &str) -> Option<String> {
    let mut open = 0_usize;
    // Whether there is nothing that could be repeated.
    let mut is_start = true;
    let mut letters = pattern.char_indices();
    while let Some((at, letter)) = letters.next() {
        let was_start = std::mem::replace(&mut is_start, matches!(letter, '(' | '|'));
        match letter {
            '\\' if letters.next().is_none() => {
                return Some("trailing backslash at end of expression: ``".to_owned());
            }
            '[' => {
                let length = class(&pattern[at..]);
                let Some(length) = length else {
                    return Some(format!("missing closing ]: `{}`", &pattern[at..]));
                };
                letters = pattern.char_indices();
                letters.by_ref().find(|(own, _)| *own + 1 == at + length);
            }
            '(' => {
                open += 1;
                // `(?i)` and the like; what is wrong in them is said otherwise.
                if pattern[at..].starts_with("(?") {
                    letters.next();
                }
            }
            ')' if open == 0 => return Some(format!("unexpected ): `{pattern}`")),
            ')' => open -= 1,
            '*' | '+' | '?' if was_start => {
                let message = "missing argument to repetition operator";
                return Some(format!("{message}: `{letter}`"));
            }
            _ => {}
        }
    }
    (open > 0).then(|| format!("missing closing ): `{pattern}`"))
}

/// How many bytes a class has that `text` begins with.
fn class(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("[^").or_else(|| text.strip_prefix('['))?;
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            // As the first of them it stands for itself.
            ']' if at > 0 => return Some(text.len() - inner.len() + at + 1),
            '[' if inner[at..].starts_with("[:") => {
                let end = inner[at..].find(":]")?;
                letters.by_ref().find(|(own, _)| *own == at + end + 1);
            }
            _ => {}
        }
    }
    None
}

/// The last line of the library's words: those before draw a picture.
fn otherwise(error: &Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_the_words_of_go() {
        let cases = [
            ("(", "missing closing ): `(`"),
            ("a(b|(c)", "missing closing ): `a(b|(c)`"),
            ("a)b", "unexpected ): `a)b`"),
            ("x[a-", "missing closing ]: `[a-`"),
            ("[]a", "missing closing ]: `[]a`"),
            ("[[:alpha:", "missing closing ]: `[[:alpha:`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+", "missing argument to repetition operator: `+`"),
            ("(?i)(*)", "missing argument to repetition operator: `*`"),
            (
                "[)]\\)[[:alpha:])](",
                "missing closing ): `[)]\\)[[:alpha:])](`",
            ),
        ];
        for (pattern, expected) in cases {
            let expected = format!("error parsing regexp: {expected}");
            assert_eq!(compiled(pattern).unwrap_err(), expected, "{pattern}");
        }
        let quoted = must_be_compiled("`(").unwrap_err();
        let expected = "regexp: Compile(\"`(\"): error parsing regexp: missing closing ): ``(`";
        assert_eq!(quoted, expected);
        let other = compiled("\\p{Nonsense}").unwrap_err();
        assert!(!other.contains('\n'), "{other}");
        for pattern in [
            "[]a]",
            "[^]]",
            "(?P<a>b)?",
            "a**?",
            "[[:alpha:]]+",
            "\\(",
            "é[ä]ö",
        ] {
            assert_eq!(reason(pattern), None, "{pattern}");
        }
    }
}
