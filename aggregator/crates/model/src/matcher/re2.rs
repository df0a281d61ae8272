//! Regular expressions as Go's RE2 reads them, written for the `regex` crate.
//!
//! The crate knows more and takes some of the same text differently: `\d` means every script's
//! digits, `{` has to be escaped, `[a[b]` nests, `a**` repeats twice. What RE2 refuses is refused
//! here too where the crate would not.

mod class;
mod escape;

/// The most that RE2 repeats.
const MOST_REPEATS: u32 = 1000;

/// `pattern` in the syntax of the `regex` crate, or what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        last_repeat: None,
    };
    while let Some(c) = translator.rest.chars().next() {
        translator.step(c)?;
    }
    Ok(translator.out)
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    /// The repetition that ends where `rest` begins.
    last_repeat: Option<&'a str>,
}

impl<'a> Translator<'a> {
    fn step(&mut self, c: char) -> Result<(), String> {
        let before = self.last_repeat.take();
        match c {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            '*' | '+' | '?' => self.repeat(1, before),
            '{' => match counted(self.rest) {
                None => {
                    self.out.push('\\');
                    self.copy(1);
                    Ok(())
                }
                Some(Counted { text, is_valid }) if is_valid => self.repeat(text.len(), before),
                Some(Counted { text, .. }) => Err(format!("invalid repeat count: `{text}`")),
            },
            _ => {
                self.copy(c.len_utf8());
                Ok(())
            }
        }
    }

    /// Takes so many bytes over as they are.
    fn copy(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn repeat(&mut self, bytes: usize, before: Option<&'a str>) -> Result<(), String> {
        let is_lazy = self.rest[bytes..].starts_with('?');
        let text = &self.rest[..bytes + usize::from(is_lazy)];
        if let Some(before) = before {
            return Err(format!(
                "invalid nested repetition operator: `{before}{text}`"
            ));
        }
        self.copy(text.len());
        self.last_repeat = Some(text);
        Ok(())
    }

    /// An opening parenthesis and what makes the group special.
    fn group(&mut self) -> Result<(), String> {
        let Some(flags) = self.rest.strip_prefix("(?") else {
            self.copy(1);
            return Ok(());
        };
        if flags.starts_with("P<") || flags.starts_with('<') {
            self.copy(flags.find('>').map_or(2, |at| at + 3));
            return Ok(());
        }
        let end = flags.find(|c| !"imsU-".contains(c)).unwrap_or(flags.len());
        let closes = flags[end..].starts_with([':', ')']);
        if !closes {
            let shown: String = self.rest.chars().take(end + 3).collect();
            return Err(format!("invalid or unsupported Perl syntax: `{shown}`"));
        }
        self.copy(end + 3);
        Ok(())
    }
}

/// What looks like `{2}`, `{2,}` or `{2,3}`.
struct Counted<'a> {
    text: &'a str,
    is_valid: bool,
}

/// The counted repetition that `text` begins with; any other brace stands for itself.
fn counted(text: &str) -> Option<Counted<'_>> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    let (least, most) = match inner.split_once(',') {
        None => (inner, Some(inner)),
        Some((least, "")) => (least, None),
        Some((least, most)) => (least, Some(most)),
    };
    let is_number = |digits: &str| {
        let is_plain = digits.len() == 1 || !digits.starts_with('0');
        !digits.is_empty() && is_plain && digits.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_number(least) || !most.is_none_or(is_number) {
        return None;
    }
    let count = |digits: &str| digits.parse().ok().filter(|n: &u32| *n <= MOST_REPEATS);
    let is_valid = match (count(least), most.map(count)) {
        (Some(least), Some(Some(most))) => least <= most,
        (Some(_), None) => true,
        _ => false,
    };
    let text = &text[..=end];
    Some(Counted { text, is_valid })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn what_both_read_alike_stays() {
        for pattern in [
            "",
            "a|b",
            "(a.*)",
            "(?i:x)",
            "(?P<n>a)b",
            "(?<n>a)",
            "^a$",
            "a{2}",
            "a{2,}?",
            "a{0,3}",
            "x*?",
            "(?s).",
            "(?-s:.)",
            "é+",
            "}",
            "]",
            "(a*)*",
            "(?U)a+",
        ] {
            assert_eq!(translate(pattern).as_deref(), Ok(pattern));
        }
    }

    #[test]
    fn the_same_text_matches_what_re2_matches() {
        // (pattern, matches, does not)
        let cases = [
            (r"\d+", "12", "٣"),
            (r"\D", "٣", "3"),
            (r"\w", "_", "é"),
            (r"\W", "é", "a"),
            (r"\s", "\t", "\u{b}"),
            (r"\S", "\u{a0}", " "),
            (r"[\d\s]+", "1 2", "٣"),
            (r"[^\W]", "a", "é"),
            (r"[\D]", "٣", "3"),
            (r"a\b.", "a-", "aé-"),
            (r"\Qa.b\E.", "a.bx", "axbx"),
            (r"\Qa.b", "a.b", "axb"),
            (r"\Q\E", "", "Q"),
            ("/users/{id}", "/users/{id}", "/users/"),
            ("a{,5}", "a{,5}", "aa"),
            ("a{01}", "a{01}", "a"),
            ("{", "{", ""),
            ("[[]", "[", "]"),
            ("[a[b]+", "a[b", "]"),
            ("[]a]", "]", "["),
            ("[^]a]", "b", "]"),
            ("[a&&b]+", "a&b", "c"),
            ("[+--]+", "+,-", "."),
            ("[a~~b]+", "a~b", "c"),
            ("[a-]+", "a-", "b"),
            ("[-a]+", "a-", "b"),
            ("[[:alpha:]-]+", "a-", "1"),
            ("[[:^digit:]]", "a", "1"),
            ("[[:x]+", "[:x", "]"),
            (r"[\x41-\x{43}]+", "ABC", "D"),
            (r"\101\07", "A\x07", "A7"),
            (r"[\101]", "A", "1"),
            (r"\<\>\_\ \-", "<>_ -", "<>"),
            (r"\pL", "é", "1"),
            (r"\p{^Greek}", "a", "α"),
            (r"[\p{Greek}\PN]", "α", "1"),
            (r"\a\f\t\n\r\v", "\x07\x0C\t\n\r\x0B", ""),
            (r"(?i)k", "K", "x"),
            (r"a\B.", "ab", "a-"),
            (r"\Aa\z", "a", "b"),
        ];
        for (pattern, matching, other) in cases {
            let translated = translate(pattern).unwrap();
            let regex = Regex::new(&format!("^(?s:{translated})$"))
                .unwrap_or_else(|error| panic!("{pattern} became {translated}: {error}"));
            assert!(
                regex.is_match(matching),
                "{pattern} ({translated}) against {matching:?}"
            );
            assert!(
                !regex.is_match(other),
                "{pattern} ({translated}) against {other:?}"
            );
        }
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        let cases = [
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+?+", "invalid nested repetition operator: `+?+`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?u:a)", "invalid or unsupported Perl syntax: `(?u`"),
            (r"\C", r"invalid escape sequence: `\C`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"\é", r"invalid escape sequence: `\é`"),
            (r"\E", r"invalid escape sequence: `\E`"),
            (r"[\b]", r"invalid escape sequence: `\b`"),
            (r"a\", "trailing backslash at end of expression"),
            ("[a", "missing closing ]: `[a`"),
            ("[]", "missing closing ]: `[]`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            (r"[a-\d]", r"invalid escape sequence: `\d`"),
            ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
            (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
            (r"\xg1", r"invalid escape sequence: `\xg`"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern), Err(expected.to_owned()), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_translated_or_refused(
            pattern in r"[a\[\](){}*+?^$|.,:0-9QExpPdbBz&~<>_ éΩ=-]{0,24}|\PC{0,16}"
        ) {
            // A translation that the crate refuses is an error too, but never a panic.
            if let Ok(translated) = translate(&pattern) {
                let _ = Regex::new(&translated);
            }
        }

        #[test]
        fn quoted_text_matches_itself(text in "\\PC{0,12}") {
            prop_assume!(!text.contains("\\E"));
            let translated = translate(&format!("\\Q{text}\\E")).unwrap();
            let regex = Regex::new(&format!("^(?s:{translated})$")).unwrap();
            prop_assert!(regex.is_match(&text), "{translated}");
        }
    }
}
