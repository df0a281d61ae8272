//! The walk over a body.

use super::labels::{self, LabelPair, is_blank, is_name, is_name_start, unescape};
use super::{Entry, ExpositionError, Format, Limits, MetricType, Problem, Series, number};
use crate::sample::Millis;

/// Walks over a body; ends after the first error.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    body: &'a str,
    format: Format,
    limits: Limits,
    /// Where the next entry starts.
    at: usize,
    /// How many series there were.
    series: usize,
    /// The type in effect: that of the last `# TYPE`.
    kind: MetricType,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The body stops being UTF-8 where the valid part ends.
    NotUtf8,
    Running,
    Ended,
}

type Parsed<T> = Result<T, ExpositionError>;

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], format: Format, limits: Limits) -> Self {
        let (body, state) = match std::str::from_utf8(body) {
            Ok(body) => (body, State::Running),
            Err(error) => {
                let valid = body.get(..error.valid_up_to()).unwrap_or_default();
                (
                    std::str::from_utf8(valid).unwrap_or_default(),
                    State::NotUtf8,
                )
            }
        };
        Self {
            body,
            format,
            limits,
            at: 0,
            series: 0,
            kind: MetricType::Unknown,
            state,
        }
    }

    /// Takes metric and labels of the series that was returned last apart. `pairs` is cleared, and
    /// then holds them sorted by name, the metric as `__name__`, empty values included; `le` of
    /// histograms and `quantile` of summaries are written as `OpenMetrics` writes numbers.
    ///
    /// # Errors
    /// [`ExpositionError`] when they are malformed, too many or too long, when a name is missing,
    /// empty or repeated.
    pub fn labels(&self, series: &Series<'a>, pairs: &mut Vec<LabelPair<'a>>) -> Parsed<()> {
        labels::read(series.raw, self.format, &self.limits, self.kind, pairs)
            .map_err(|(at, problem)| self.error(series.offset, series.offset + at, problem))
    }

    fn error(&self, start: usize, at: usize, problem: Problem) -> ExpositionError {
        ExpositionError::new(self.body, start, at, problem)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.body.as_bytes().get(at).copied()
    }

    /// The first position from `at` on whose byte is not one of `bytes`.
    fn skip(&self, at: usize, is_skipped: impl Fn(u8) -> bool) -> usize {
        let rest = self.body.as_bytes().get(at..).unwrap_or_default();
        at + rest
            .iter()
            .position(|byte| !is_skipped(*byte))
            .unwrap_or(rest.len())
    }

    fn skip_blanks(&self, at: usize) -> usize {
        match self.format {
            Format::Text => self.skip(at, is_blank),
            Format::OpenMetrics => at,
        }
    }

    fn line_end(&self, at: usize) -> usize {
        self.skip(at, |byte| byte != b'\n')
    }

    fn entry(&mut self) -> Parsed<Option<Entry<'a>>> {
        loop {
            let start = self.skip_blanks(self.at);
            match (self.byte(start), self.format) {
                (None, Format::Text) => return Ok(None),
                (None, Format::OpenMetrics) => {
                    return Err(self.error(start, start, Problem::NoEof));
                }
                (Some(b'\n'), Format::Text) => self.at = start + 1,
                (Some(b'#'), Format::Text) => {
                    if let Some(entry) = self.text_comment(start)? {
                        return Ok(Some(entry));
                    }
                }
                (Some(b'#'), Format::OpenMetrics) => return self.open_metrics_comment(start),
                (Some(byte), _) if byte == b'{' || is_name_start(byte) => {
                    return self.sample(start).map(|series| Some(Entry::Series(series)));
                }
                (Some(_), _) => return Err(self.error(start, start, Problem::Start)),
            }
        }
    }

    /// `# HELP …` and `# TYPE …`; anything else after `#` is a comment.
    fn text_comment(&mut self, start: usize) -> Parsed<Option<Entry<'a>>> {
        let end = self.line_end(start);
        self.at = end + 1;
        self.check_line(start, end)?;
        let Some(line) = self.body[start..end].strip_prefix(['#']) else {
            return Ok(None);
        };
        let words = line.trim_start_matches([' ', '\t']);
        let keyword = words.get(..4).unwrap_or_default();
        let rest = words.get(4..).unwrap_or_default();
        let name = rest.trim_start_matches([' ', '\t']);
        if words.len() == line.len() || name.len() == rest.len() {
            return Ok(None);
        }
        match keyword {
            "HELP" | "TYPE" => self
                .metadata(start, end - name.len(), end, keyword)
                .map(Some),
            _ => Ok(None),
        }
    }

    /// `# HELP …`, `# TYPE …`, `# UNIT …`, `# EOF`; there are no other comments.
    fn open_metrics_comment(&mut self, start: usize) -> Parsed<Option<Entry<'a>>> {
        let end = self.line_end(start);
        self.at = end + 1;
        self.check_line(start, end)?;
        let line = &self.body[start..end];
        if line == "# EOF" {
            return match self.byte(end + 1) {
                None => Ok(None),
                Some(_) => Err(self.error(end + 1, end + 1, Problem::AfterEof)),
            };
        }
        let keyword = line.get(2..6).unwrap_or_default();
        let is_keyword = matches!(keyword, "HELP" | "TYPE" | "UNIT");
        if !(is_keyword && line.starts_with("# ") && line[6..].starts_with(' ')) {
            return Err(self.error(start, start, Problem::Comment));
        }
        if self.byte(end).is_none() {
            return Err(self.error(end, end, Problem::NoEof));
        }
        self.metadata(start, start + 7, end, keyword).map(Some)
    }

    /// What stands after the keyword: the name from `at` on, and a text up to `end`.
    fn metadata(
        &mut self,
        start: usize,
        at: usize,
        end: usize,
        keyword: &str,
    ) -> Parsed<Entry<'a>> {
        let rest = &self.body[at..end];
        let Some(name_end) = labels::name_end(rest) else {
            return Err(self.error(start, at, Problem::MetadataName));
        };
        if name_end > self.limits.name_bytes {
            return Err(self.error(start, at, Problem::NameTooLong(self.limits.name_bytes)));
        }
        let name = labels::unquote(&rest[..name_end]);
        // One separating character, whatever it is: that is how Prometheus reads it.
        let mut text = rest[name_end..].chars();
        let separator = text.next();
        let text = text.as_str();
        if self.format == Format::OpenMetrics && separator != Some(' ') {
            return Err(self.error(start, at + name_end, Problem::MetadataText));
        }
        let name_text = &rest[..name_end];
        Ok(match keyword {
            "HELP" => Entry::Help {
                name,
                text: unescape(text, self.format == Format::OpenMetrics),
            },
            "TYPE" => {
                let Some(kind) = metric_type(text, self.format) else {
                    return Err(self.error(start, end - text.len(), Problem::Type(self.format)));
                };
                self.kind = kind;
                Entry::Type { name, kind }
            }
            _ => {
                let name_text = name_text.trim_matches('"');
                let before = name_text.strip_suffix(text);
                if !text.is_empty() && !before.is_some_and(|before| before.ends_with('_')) {
                    return Err(self.error(start, at, Problem::Unit));
                }
                Entry::Unit { name, unit: text }
            }
        })
    }

    fn sample(&mut self, start: usize) -> Parsed<Series<'a>> {
        if self.series >= self.limits.series {
            return Err(self.error(start, start, Problem::TooManySeries(self.limits.series)));
        }
        self.series += 1;
        let raw_end = self.metric_end(start)?;
        let (value, at) = self.value(start, raw_end)?;
        let (timestamp, at) = match self.format {
            Format::Text => self.text_timestamp(start, at)?,
            Format::OpenMetrics => self.open_metrics_tail(start, at)?,
        };
        self.check_line(start, at)?;
        self.at = at + 1;
        Ok(Series {
            raw: &self.body[start..raw_end],
            value,
            timestamp,
            offset: start,
        })
    }

    /// Where metric and labels end: at the end of the name, or after the closing brace.
    fn metric_end(&self, start: usize) -> Parsed<usize> {
        let name_end = self.skip(start, is_name);
        let brace = self.skip_blanks(name_end);
        if self.byte(brace) == Some(b'{') {
            self.brace_end(start, brace)
        } else {
            Ok(name_end)
        }
    }

    /// The position after the brace that closes the one at `brace`; those in quotes do not count.
    fn brace_end(&self, start: usize, brace: usize) -> Parsed<usize> {
        let mut at = brace + 1;
        let mut quoted = false;
        loop {
            at = match (self.byte(at), quoted) {
                (Some(b'"'), _) => {
                    quoted = !quoted;
                    at + 1
                }
                (Some(b'\\'), true) if self.byte(at + 1) != Some(b'\n') => at + 2,
                (Some(b'}'), false) => return Ok(at + 1),
                (Some(b'\n'), true) if self.format == Format::Text => at + 1,
                (None | Some(b'\n'), true) => return Err(self.error(start, start, Problem::Quote)),
                (None | Some(b'\n'), false) => {
                    return Err(self.error(start, start, Problem::Brace));
                }
                (Some(_), _) => at + 1,
            };
        }
    }

    /// The number after the metric that ends at `at`, and where the number ends.
    fn value(&self, start: usize, at: usize) -> Parsed<(f64, usize)> {
        let from = match self.format {
            Format::Text => self.skip_blanks(at),
            Format::OpenMetrics if self.byte(at) == Some(b' ') => at + 1,
            Format::OpenMetrics => return Err(self.error(start, at, Problem::Value)),
        };
        let end = match self.format {
            Format::Text => self.skip(from, |byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'{')),
            Format::OpenMetrics => self.skip(from, |byte| !matches!(byte, b' ' | b'\n')),
        };
        // Without a blank in between it is the name that is wrong.
        if end == from || (from == at && self.byte(at - 1) != Some(b'}')) {
            return Err(self.error(start, from, Problem::Value));
        }
        match number::value(&self.body[from..end]) {
            Some(value) => Ok((value, end)),
            None => Err(self.error(start, from, Problem::Number)),
        }
    }

    /// An optional time in milliseconds, and where the line ends.
    fn text_timestamp(&self, start: usize, at: usize) -> Parsed<(Option<Millis>, usize)> {
        let from = self.skip_blanks(at);
        let end = self.skip(from, |byte| byte.is_ascii_digit());
        let line_end = self.skip_blanks(end);
        if !matches!(self.byte(line_end), None | Some(b'\n')) {
            return Err(self.error(start, from, Problem::Timestamp));
        }
        if from == end {
            return Ok((None, line_end));
        }
        match self.body[from..end].parse() {
            Ok(timestamp) => Ok((Some(timestamp), line_end)),
            Err(_) => Err(self.error(start, from, Problem::Timestamp)),
        }
    }

    /// An optional time in seconds, an optional exemplar, and where the line ends.
    fn open_metrics_tail(&self, start: usize, at: usize) -> Parsed<(Option<Millis>, usize)> {
        let (timestamp, mut at) = self.seconds(start, at)?;
        if self.body[at..].starts_with(" # {") {
            let value_end = self.value(start, self.brace_end(start, at + 3)?)?.1;
            at = self.seconds(start, value_end)?.1;
        }
        match self.byte(at) {
            Some(b'\n') => Ok((timestamp, at)),
            None => Err(self.error(at, at, Problem::NoEof)),
            Some(_) => Err(self.error(start, at, Problem::AfterTimestamp)),
        }
    }

    fn seconds(&self, start: usize, at: usize) -> Parsed<(Option<Millis>, usize)> {
        if self.byte(at) != Some(b' ') || self.body[at..].starts_with(" # {") {
            return Ok((None, at));
        }
        let end = self.skip(at + 1, |byte| !matches!(byte, b' ' | b'\n'));
        match number::seconds(&self.body[at + 1..end]) {
            Some(timestamp) => Ok((Some(timestamp), end)),
            None => Err(self.error(start, at + 1, Problem::Seconds)),
        }
    }

    fn check_line(&self, start: usize, end: usize) -> Parsed<()> {
        if end - start > self.limits.line_bytes {
            let problem = Problem::LineTooLong(self.limits.line_bytes);
            return Err(self.error(start, start, problem));
        }
        Ok(())
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Parsed<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.state {
            State::Running => self.entry(),
            State::NotUtf8 => {
                let end = self.body.len();
                let line_start = self.body.rfind('\n').map_or(0, |at| at + 1);
                Err(self.error(line_start, end, Problem::NotUtf8))
            }
            State::Ended => return None,
        };
        if !matches!(entry, Ok(Some(_))) {
            self.state = State::Ended;
        }
        entry.transpose()
    }
}

fn metric_type(text: &str, format: Format) -> Option<MetricType> {
    Some(match (text, format) {
        ("counter", _) => MetricType::Counter,
        ("gauge", _) => MetricType::Gauge,
        ("histogram", _) => MetricType::Histogram,
        ("summary", _) => MetricType::Summary,
        ("untyped", Format::Text) | ("unknown", Format::OpenMetrics) => MetricType::Unknown,
        ("gaugehistogram", Format::OpenMetrics) => MetricType::GaugeHistogram,
        ("info", Format::OpenMetrics) => MetricType::Info,
        ("stateset", Format::OpenMetrics) => MetricType::StateSet,
        _ => return None,
    })
}
