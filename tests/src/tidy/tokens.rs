//! As much of Rust's lexer as the rules need: comments and literals are told from code.

/// A token of code with the lines it covers, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) line: usize,
    pub(crate) last_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// An identifier or a keyword.
    Word(&'a str),
    /// `::`, or one character of any other punctuation.
    Mark(&'a str),
    /// A string, character, number or lifetime.
    Literal(&'a str),
}

impl<'a> Token<'a> {
    pub(crate) fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word(word)
    }

    pub(crate) fn word(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Splits a source into tokens; comments and white space are left out.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if let Some(length) = literal(rest) {
            (length, Some(Kind::Literal(&rest[..length])))
        } else if first.is_alphabetic() || first == '_' {
            let length = word(rest);
            (length, Some(Kind::Word(&rest[..length])))
        } else {
            let length = if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            (length, Some(Kind::Mark(&rest[..length])))
        };
        let last_line = line + rest[..length].matches('\n').count();
        if let Some(kind) = kind {
            found.push(Token {
                kind,
                line,
                last_line,
            });
        }
        line = last_line;
        rest = &rest[length..];
    }
    found
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the literal at the start of `text`, if one starts there.
fn literal(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - after_prefix.len();
    if prefix <= 1 {
        if let Some(length) = raw_string(after_prefix) {
            return Some(prefix + length);
        }
        if after_prefix.starts_with('"') {
            return Some(prefix + quoted(after_prefix, '"'));
        }
        if after_prefix.starts_with('\'') {
            return Some(prefix + character_or_lifetime(after_prefix));
        }
    }
    // The dot is left out: `1..2` and `0.5` then fall into parts, which no rule minds.
    text.starts_with(|c: char| c.is_ascii_digit())
        .then(|| word(text))
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?;
    let body = hashes.trim_start_matches('#');
    let count = hashes.len() - body.len();
    let inner = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(1 + count + 1 + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

fn character_or_lifetime(text: &str) -> usize {
    let mut after_quote = text.chars().skip(1);
    let first = after_quote.next();
    if first == Some('\\') || after_quote.next() == Some('\'') {
        quoted(text, '\'')
    } else {
        1 + word(&text[1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).iter().filter_map(Token::word).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        for (source, expected) in [
            ("a // b\nc", vec!["a", "c"]),
            ("a /* b /* c */ d */ e", vec!["a", "e"]),
            (r#"a "b \" c" d"#, vec!["a", "d"]),
            ("a r#\"b \" c\"# d", vec!["a", "d"]),
            ("a br\"\\\" d", vec!["a", "d"]),
            ("a b\"x\" c\"y\" d", vec!["a", "d"]),
            ("a 'b' c", vec!["a", "c"]),
            ("a '\\'' c", vec!["a", "c"]),
            ("fn f<'x>(y: &'x str)", vec!["fn", "f", "y", "str"]),
            ("bring cold raw", vec!["bring", "cold", "raw"]),
            ("0x1f_u8 + b", vec!["b"]),
        ] {
            assert_eq!(words(source), expected, "{source}");
        }
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let source = "/*\n*/ a \"\n\n\" b\nc::d";
        let lines: Vec<(usize, usize)> = tokens(source)
            .iter()
            .map(|t| (t.line, t.last_line))
            .collect();
        assert_eq!(lines, [(2, 2), (2, 4), (4, 4), (5, 5), (5, 5), (5, 5)]);
        assert!(tokens(source)[4].is_mark("::"));
    }

    #[test]
    fn unfinished_text_ends() {
        for source in ["\"a", "r#\"a", "/* a", "'", "b'", "'\\", "r#", "é'é"] {
            tokens(source);
        }
    }
}
