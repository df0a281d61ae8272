//! What is wrong with a body, where, and what to do about it.

use std::fmt;

use super::Format;

/// Characters of a line that a message shows.
const SHOWN_CHARS: usize = 80;
/// Bytes shown before the offending place when the line is longer than that.
const SHOWN_BEFORE: usize = 40;

/// A body that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpositionError {
    /// The line, from 1.
    pub line: usize,
    /// What the line says around the offending place, shortened.
    pub text: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A line that starts with neither a metric nor `#`.
    Start,
    /// A line that is too long; the bound in bytes.
    LineTooLong(usize),
    /// A brace that is not closed.
    Brace,
    /// A quote that is not closed.
    Quote,
    /// No value.
    Value,
    /// A value that is not a number.
    Number,
    /// Something that is no time in milliseconds.
    Timestamp,
    /// Something that is no time in seconds.
    Seconds,
    /// Something after everything a line can hold.
    AfterTimestamp,
    /// Metadata without a metric.
    MetadataName,
    /// Metadata without a text.
    MetadataText,
    /// A type that the format does not have.
    Type(Format),
    /// A unit that is not the end of the name.
    Unit,
    /// A comment where there are none.
    Comment,
    /// The end is missing.
    NoEof,
    /// Something after the end.
    AfterEof,
    /// No label where one should be.
    LabelName,
    /// A label without `=`.
    Equals,
    /// A label whose value is not in quotes.
    LabelValue,
    /// Two labels without a comma.
    Comma,
    /// Braces without a metric's name before or in them.
    NoMetric,
    /// Two names of the metric.
    SecondMetric,
    /// A name in quotes that is empty.
    EmptyName,
    /// A label that is there twice.
    Repeated,
    /// A name that is too long; the bound in bytes.
    NameTooLong(usize),
    /// A value that is too long; the bound in bytes.
    ValueTooLong(usize),
    /// Too many labels; the bound.
    TooManyLabels(usize),
    /// Too many series; the bound.
    TooManySeries(usize),
}

impl Problem {
    /// What is wrong, and what the exporter should do instead.
    fn words(self) -> (String, &'static str) {
        let fixed = |what: &str, remedy| (what.to_owned(), remedy);
        match self {
            Self::NotUtf8 => fixed("not UTF-8 after", "expose UTF-8 text"),
            Self::Start => fixed(
                "neither a metric nor a comment",
                "start a line with a metric's name or #",
            ),
            Self::LineTooLong(bound) => (
                format!("a line of more than {bound} bytes"),
                "shorten its labels",
            ),
            Self::Brace => fixed("a brace that is not closed", "end the labels with }"),
            Self::Quote => fixed(
                "a quote that is not closed",
                "end the label's value with \" in the same line",
            ),
            Self::Value => fixed(
                "no value after the metric",
                "write: name{label=\"value\"} number",
            ),
            Self::Number => fixed(
                "the value is not a number",
                "write a decimal number, NaN, +Inf or -Inf",
            ),
            Self::Timestamp => fixed(
                "no timestamp after the value",
                "write whole milliseconds since 1970, or nothing",
            ),
            Self::Seconds => fixed(
                "no timestamp after the value",
                "write seconds since 1970, or nothing",
            ),
            Self::AfterTimestamp => fixed(
                "something follows the sample",
                "end the line after the timestamp or the exemplar",
            ),
            Self::MetadataName => fixed(
                "no metric's name after the keyword",
                "write: # HELP name text",
            ),
            Self::MetadataText => fixed(
                "no text after the metric's name",
                "write: # HELP name text, single spaces between",
            ),
            Self::Type(Format::Text) => fixed(
                "unknown type",
                "use counter, gauge, histogram, summary or untyped",
            ),
            Self::Type(Format::OpenMetrics) => fixed(
                "unknown type",
                "use counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown",
            ),
            Self::Unit => fixed(
                "the metric's name does not end with its unit",
                "write: # UNIT name_unit unit",
            ),
            Self::Comment => fixed(
                "a comment that OpenMetrics does not have",
                "use # HELP, # TYPE, # UNIT or # EOF, single spaces between",
            ),
            Self::NoEof => fixed(
                "the body does not end with # EOF",
                "write # EOF as the last line; the answer may have been cut off",
            ),
            Self::AfterEof => fixed(
                "something follows # EOF",
                "write # EOF once, as the last line",
            ),
            Self::LabelName => fixed(
                "no label's name where one should be",
                "write: {name=\"value\",…}",
            ),
            Self::Equals => fixed("no = after the label's name", "write: {name=\"value\",…}"),
            Self::LabelValue => fixed(
                "a label's value that is not in quotes",
                "write: {name=\"value\",…}",
            ),
            Self::Comma => fixed("no comma between two labels", "write: {name=\"value\",…}"),
            Self::NoMetric => fixed(
                "labels without a metric's name",
                "write: name{label=\"value\"} number",
            ),
            Self::SecondMetric => fixed(
                "a second name of the metric",
                "write the name before the braces or in them",
            ),
            Self::EmptyName => fixed("an empty name", "give every metric and label a name"),
            Self::Repeated => fixed("a label that is there twice", "expose every label once"),
            Self::NameTooLong(bound) => {
                (format!("a name of more than {bound} bytes"), "shorten it")
            }
            Self::ValueTooLong(bound) => (
                format!("a label's value of more than {bound} bytes"),
                "shorten it",
            ),
            Self::TooManyLabels(bound) => (format!("more than {bound} labels"), "expose fewer"),
            Self::TooManySeries(bound) => (format!("more than {bound} series"), "expose fewer"),
        }
    }
}

impl ExpositionError {
    /// An error at byte `at` of the entry that starts at byte `start`.
    pub(super) fn new(body: &str, start: usize, at: usize, problem: Problem) -> Self {
        let start = start.min(body.len());
        let at = at.clamp(start, body.len());
        let before = &body.as_bytes()[..start];
        Self {
            line: before.split(|byte| *byte == b'\n').count(),
            text: shortened(body, start, at),
            problem,
        }
    }
}

impl fmt::Display for ExpositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, remedy) = self.problem.words();
        write!(f, "line {}: {what}", self.line)?;
        if !self.text.is_empty() {
            write!(f, ": {:?}", self.text)?;
        }
        write!(f, "; {remedy}")
    }
}

impl std::error::Error for ExpositionError {}

/// The line from `start` on, cut to what fits a message and still shows `at`.
fn shortened(body: &str, start: usize, at: usize) -> String {
    let from = if at - start > SHOWN_CHARS - SHOWN_BEFORE / 2 {
        body.floor_char_boundary(at - SHOWN_BEFORE)
    } else {
        start
    };
    let mut text = String::new();
    if from > start {
        text.push('…');
    }
    let line = body[from..].split('\n').next().unwrap_or_default();
    text.extend(line.chars().take(SHOWN_CHARS));
    if line.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    text
}
