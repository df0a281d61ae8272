use super::Translator;
use super::escape::perl_class;

/// The names that may stand in `[:…:]`.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl Translator<'_> {
    /// A class in brackets. Each member is written so that it cannot be taken for anything else.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("missing closing ]: `{whole}`");
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut is_first = true;
        loop {
            let next = self.rest.chars().next().ok_or_else(missing)?;
            if next == ']' && !is_first {
                self.copy(1);
                return Ok(());
            }
            is_first = false;
            if !self.named_member()? {
                self.range(missing)?;
            }
        }
    }

    /// `[:alpha:]`, `\d` or `\pN` as a member.
    fn named_member(&mut self) -> Result<bool, String> {
        if let Some(text) = self.rest.strip_prefix("[:")
            && let Some(end) = text.find(":]")
        {
            let name = &text[..end];
            if !POSIX.contains(&name.trim_start_matches('^')) {
                return Err(format!("invalid character class range: `[:{name}:]`"));
            }
            self.copy(end + 4);
            return Ok(true);
        }
        let Some(text) = self.rest.strip_prefix('\\') else {
            return Ok(false);
        };
        if text.starts_with(['p', 'P']) {
            self.unicode_class()?;
            return Ok(true);
        }
        let Some(class) = text.chars().next().and_then(perl_class) else {
            return Ok(false);
        };
        self.out.push_str(class);
        self.rest = &text[1..];
        Ok(true)
    }

    /// One character, or two with a hyphen between them.
    fn range(&mut self, missing: impl Fn() -> String) -> Result<(), String> {
        let text = self.rest;
        let low = self.member(&missing)?;
        self.push_char(low);
        let Some(behind) = self.rest.strip_prefix('-').filter(|t| !t.starts_with(']')) else {
            return Ok(());
        };
        self.rest = behind;
        let high = self.member(&missing)?;
        if high < low {
            let shown = &text[..text.len() - self.rest.len()];
            return Err(format!("invalid character class range: `{shown}`"));
        }
        self.out.push('-');
        self.push_char(high);
        Ok(())
    }

    fn member(&mut self, missing: &impl Fn() -> String) -> Result<char, String> {
        let c = self.rest.chars().next().ok_or_else(missing)?;
        if c == '\\' {
            return self.escaped_char();
        }
        self.rest = &self.rest[c.len_utf8()..];
        Ok(c)
    }
}
