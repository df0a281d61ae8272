use std::fmt;

/// A stretch of the text, in bytes; the end is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The stretch `start..end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of this one to the end of another one.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start, other.end)
    }

    /// Where it starts, for people.
    #[must_use]
    pub fn position(self, text: &str) -> Position {
        let before = &text.as_bytes()[..self.start.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        Position {
            line: before.split(|b| *b == b'\n').count(),
            column: before.len() - line_start + 1,
        }
    }
}

/// A place in a text, shown as `line:column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_bytes() {
        let text = "ab\n\ncd";
        let cases = [
            (0, "1:1"),
            (1, "1:2"),
            (2, "1:3"),
            (3, "2:1"),
            (5, "3:2"),
            (99, "3:3"),
        ];
        for (start, expected) in cases {
            assert_eq!(Span::new(start, start).position(text).to_string(), expected);
        }
    }
}
