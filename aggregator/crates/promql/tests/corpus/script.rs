//! The grammar of scripts: blocks of `load`, `clear` and `eval` that end at an empty line.

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::ast::Expr;
use system_stats_promql::parse::{ParseOptions, Point, parse, parse_series};
use system_stats_promql::plan::TimeSpan;

use crate::expect::Expects;

#[derive(Debug)]
pub(crate) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

#[derive(Debug)]
pub(crate) struct Load {
    /// The distance of the points.
    pub(crate) gap: Millis,
    /// Whether classic histograms are native ones, too.
    pub(crate) makes_native: bool,
    pub(crate) series: Vec<(Labels, Vec<Point>)>,
}

#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// An instant where the step is 0.
    pub(crate) span: TimeSpan,
    pub(crate) expects: Expects,
    pub(crate) scalar: Option<f64>,
    pub(crate) series: Vec<(Labels, Vec<Point>)>,
}

/// Reads a script; an error names its line.
pub(crate) fn parse_script(text: &str) -> Result<Vec<Command>, String> {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        // A comment ends a block like an empty line.
        if line.starts_with('#') { "" } else { line }
    });
    let lines: Vec<&str> = lines.collect();
    let mut reader = Reader { lines, at: 0 };
    let mut commands = Vec::new();
    while let Some(command) = reader.command() {
        commands.push(command.map_err(|reason| format!("line {}: {reason}", reader.at))?);
    }
    Ok(commands)
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    /// How many lines have been read.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line of the block, if it has one.
    fn line(&mut self) -> Option<&'a str> {
        let line = *self.lines.get(self.at)?;
        if line.is_empty() {
            return None;
        }
        self.at += 1;
        Some(line)
    }

    fn command(&mut self) -> Option<Result<Command, String>> {
        while self.lines.get(self.at)?.is_empty() {
            self.at += 1;
        }
        let line = self.line()?;
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Some(match word {
            "clear" => Ok(Command::Clear),
            "load" => self.load(rest, false),
            "load_with_nhcb" => self.load(rest, true),
            _ if word.starts_with("eval") => self.eval(word, rest.trim()),
            _ => Err(format!("unknown command {word:?}")),
        })
    }

    fn load(&mut self, gap: &str, makes_native: bool) -> Result<Command, String> {
        let gap = duration(gap)?;
        let mut series: Vec<(Labels, Vec<Point>)> = Vec::new();
        while let Some(text) = self.line() {
            let (labels, points) = parse_series(text).map_err(|error| error.to_string())?;
            // Within one block the last one counts.
            series.retain(|(other, _)| *other != labels);
            series.push((labels, points));
        }
        Ok(Command::Load(Load {
            gap,
            makes_native,
            series,
        }))
    }

    fn eval(&mut self, word: &str, rest: &str) -> Result<Command, String> {
        let (span, text) = when(rest)?;
        let mut eval = Eval {
            line: self.at,
            text: text.to_owned(),
            span,
            expects: Expects::of_command(word)?,
            scalar: None,
            series: Vec::new(),
        };
        while let Some(line) = self.line() {
            if let Some(expectation) = line.strip_prefix("expect ") {
                eval.expects.add(expectation.trim())?;
            } else if eval.expects.add_old(line)? {
                break;
            } else if let Ok(value) = line.parse() {
                eval.scalar = Some(value);
                break;
            } else {
                let (labels, points) = parse_series(line).map_err(|error| error.to_string())?;
                eval.series.retain(|(other, _)| *other != labels);
                eval.series.push((labels, points));
            }
        }
        let is_instant = span.step == 0 && eval.expects.range.is_none();
        if is_instant && eval.series.iter().any(|(_, points)| points.len() != 1) {
            return Err("an instant has exactly one value for each series".to_owned());
        }
        Ok(Command::Eval(Box::new(eval)))
    }
}

/// `instant at 5m up` or `range from 0 to 1h step 5m up`.
fn when(rest: &str) -> Result<(TimeSpan, &str), String> {
    let mut rest = rest;
    if let Some(at) = keyword(&mut rest, "instant").and_then(|()| value(&mut rest, "at")) {
        return Ok((TimeSpan::instant(duration(at)?), rest));
    }
    let range = keyword(&mut rest, "range").and_then(|()| span(&mut rest));
    let Some((start, end, step)) = range else {
        return Err("expected `instant at TIME` or `range from TIME to TIME step TIME`".to_owned());
    };
    let (start, end, step) = (duration(start)?, duration(end)?, duration(step)?);
    Ok((TimeSpan { start, end, step }, rest))
}

/// `from … to … step …`.
fn span<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    Some((
        value(rest, "from")?,
        value(rest, "to")?,
        value(rest, "step")?,
    ))
}

/// The times of an expected range.
pub(crate) fn range(text: &str) -> Result<TimeSpan, String> {
    let mut rest = text;
    let (start, end, step) = span(&mut rest).ok_or("expected `from TIME to TIME step TIME`")?;
    let (start, end, step) = (duration(start)?, duration(end)?, duration(step)?);
    Ok(TimeSpan { start, end, step })
}

fn keyword(rest: &mut &str, word: &str) -> Option<()> {
    let behind = rest.strip_prefix(word)?;
    *rest = behind.strip_prefix(char::is_whitespace)?.trim_start();
    Some(())
}

fn value<'a>(rest: &mut &'a str, word: &str) -> Option<&'a str> {
    keyword(rest, word)?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (value, behind) = rest.split_at(end);
    *rest = behind.trim_start();
    Some(value)
}

/// Milliseconds of a duration or of seconds, with or without a sign.
#[expect(clippy::cast_possible_truncation, reason = "scripts stay within hours")]
fn duration(text: &str) -> Result<Millis, String> {
    match parse(text, &ParseOptions::default()) {
        Ok(Expr::Number(number)) => Ok((number.value * 1000.0).round() as Millis),
        _ => Err(format!("{text:?} is no duration")),
    }
}
