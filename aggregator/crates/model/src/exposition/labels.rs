//! Metric and labels of a series, taken apart.

use std::borrow::Cow;

use super::{Format, Limits, MetricType, Problem, number};
use crate::labels::METRIC_NAME;

/// A label's name and its value, borrowed where nothing is escaped.
pub type LabelPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What is wrong, and at which byte of the series' text.
type Failed = (usize, Problem);

/// Reads `name{label="value",…}` or `{"name",label="value",…}` into `pairs`, sorted by name.
pub(super) fn read<'a>(
    raw: &'a str,
    format: Format,
    limits: &Limits,
    kind: MetricType,
    pairs: &mut Vec<LabelPair<'a>>,
) -> Result<(), Failed> {
    pairs.clear();
    let mut cursor = Cursor {
        raw,
        at: 0,
        format,
        limits,
    };
    let mut has_metric = false;
    if cursor.byte().is_some_and(is_name_start) {
        let name = cursor.bare(is_name)?;
        pairs.push((METRIC_NAME.into(), name.into()));
        has_metric = true;
    }
    cursor.skip_blanks();
    if cursor.eat(b'{') {
        cursor.braces(&mut has_metric, pairs)?;
    }
    if !has_metric {
        return Err((0, Problem::NoMetric));
    }
    for (name, value) in pairs.iter_mut() {
        if is_number(kind, name)
            && let Some(canonical) = number::canonical(value)
        {
            *value = canonical.into();
        }
    }
    pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err((0, Problem::Repeated));
    }
    Ok(())
}

/// Whether a label's value is a number, which may be written in several ways.
fn is_number(kind: MetricType, label: &str) -> bool {
    matches!(
        (kind, label),
        (MetricType::Histogram, "le") | (MetricType::Summary, "quantile")
    )
}

struct Cursor<'a, 'l> {
    raw: &'a str,
    at: usize,
    format: Format,
    limits: &'l Limits,
}

impl<'a> Cursor<'a, '_> {
    fn byte(&self) -> Option<u8> {
        self.raw.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.byte() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_blanks(&mut self) {
        while self.format == Format::Text && self.byte().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn braces(
        &mut self,
        has_metric: &mut bool,
        pairs: &mut Vec<LabelPair<'a>>,
    ) -> Result<(), Failed> {
        let mut count = 0;
        loop {
            self.skip_blanks();
            if self.eat(b'}') {
                return Ok(());
            }
            let start = self.at;
            let is_quoted = self.byte() == Some(b'"');
            let name = self.name()?;
            self.skip_blanks();
            if is_quoted && matches!(self.byte(), Some(b',' | b'}')) {
                if *has_metric {
                    return Err((start, Problem::SecondMetric));
                }
                *has_metric = true;
                pairs.push((METRIC_NAME.into(), name));
                self.eat(b',');
                continue;
            }
            count += 1;
            if count > self.limits.labels {
                return Err((start, Problem::TooManyLabels(self.limits.labels)));
            }
            pairs.push((name, self.value()?));
            self.skip_blanks();
            // Prometheus' text format lets blanks, or nothing, stand for the comma.
            let is_separated = self.eat(b',') || self.byte() == Some(b'}');
            if !is_separated && self.format == Format::OpenMetrics {
                return Err((self.at, Problem::Comma));
            }
        }
    }

    /// A label's name, or the metric's if it is in quotes.
    fn name(&mut self) -> Result<Cow<'a, str>, Failed> {
        let start = self.at;
        match self.byte() {
            Some(b'"') => {
                let name = self.quoted(self.limits.name_bytes, Problem::NameTooLong)?;
                if name.is_empty() {
                    return Err((start, Problem::EmptyName));
                }
                Ok(name)
            }
            Some(byte) if is_name_start(byte) && byte != b':' => self
                .bare(|byte| is_name(byte) && byte != b':')
                .map(Cow::from),
            _ => Err((start, Problem::LabelName)),
        }
    }

    fn value(&mut self) -> Result<Cow<'a, str>, Failed> {
        if !self.eat(b'=') {
            return Err((self.at, Problem::Equals));
        }
        self.skip_blanks();
        if self.byte() != Some(b'"') {
            return Err((self.at, Problem::LabelValue));
        }
        self.quoted(self.limits.value_bytes, Problem::ValueTooLong)
    }

    fn bare(&mut self, is_part: impl Fn(u8) -> bool) -> Result<&'a str, Failed> {
        let start = self.at;
        while self.byte().is_some_and(&is_part) {
            self.at += 1;
        }
        if self.at - start > self.limits.name_bytes {
            return Err((start, Problem::NameTooLong(self.limits.name_bytes)));
        }
        Ok(&self.raw[start..self.at])
    }

    fn quoted(
        &mut self,
        limit: usize,
        too_long: fn(usize) -> Problem,
    ) -> Result<Cow<'a, str>, Failed> {
        let start = self.at;
        let Some(length) = quoted_len(&self.raw[start..]) else {
            return Err((start, Problem::Quote));
        };
        self.at += length;
        let inside = &self.raw[start + 1..self.at - 1];
        if inside.len() > limit {
            return Err((start, too_long(limit)));
        }
        Ok(unescape(inside, true))
    }
}

/// The length of the quoted text at the start, quotes included.
fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the metric's name at the start of a metadata line's rest ends, quotes included.
pub(super) fn name_end(rest: &str) -> Option<usize> {
    match rest.as_bytes().first()? {
        b'"' => quoted_len(rest),
        byte if is_name_start(*byte) => Some(
            rest.bytes()
                .position(|byte| !is_name(byte))
                .unwrap_or(rest.len()),
        ),
        _ => None,
    }
}

/// The name that [`name_end`] found.
pub(super) fn unquote(name: &str) -> Cow<'_, str> {
    let inside = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    inside.map_or(name.into(), |inside| unescape(inside, true))
}

/// Replaces `\\`, `\n` and, inside of quotes, `\"`; any other backslash stands for itself.
pub(super) fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let next = chars.as_str().chars().next();
        let replaced = match (char, next) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('\\')) => '\\',
            ('\\', Some('"')) if quotes => '"',
            _ => {
                out.push(char);
                continue;
            }
        };
        out.push(replaced);
        chars.next();
    }
    out.into()
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':')
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')
}
