//! What a case expects besides values.

use regex::Regex;
use system_stats_promql::plan::TimeSpan;

use crate::script::range;

/// A condition on a text.
#[derive(Clone, Debug)]
pub(crate) enum Match {
    Any,
    Text(String),
    Regex(Regex),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Expects {
    pub(crate) ordered: bool,
    pub(crate) fail: Option<Match>,
    pub(crate) string: Option<Match>,
    /// The times of the samples of a range that an instant yields.
    pub(crate) range: Option<TimeSpan>,
    warn: Vec<Match>,
    info: Vec<Match>,
    no_warn: bool,
    no_info: bool,
}

impl Match {
    /// `msg: …`, `regex: …`, a text in quotes, or nothing.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(Self::Any)
        } else if let Some(text) = text.strip_prefix("msg:") {
            Ok(Self::Text(text.trim().to_owned()))
        } else if let Some(pattern) = text.strip_prefix("regex:") {
            Self::regex(pattern)
        } else if let Some(quoted) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            Ok(Self::Text(quoted.to_owned()))
        } else {
            Err(format!("expected `msg: …` or `regex: …`, found {text:?}"))
        }
    }

    fn regex(pattern: &str) -> Result<Self, String> {
        let regex = Regex::new(pattern.trim());
        regex.map(Self::Regex).map_err(|error| error.to_string())
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(expected) => expected == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl Expects {
    /// What the command itself says: `eval_fail` and the like.
    pub(crate) fn of_command(word: &str) -> Result<Self, String> {
        let mut expects = Self::default();
        match word {
            "eval" => {}
            "eval_fail" => expects.fail = Some(Match::Any),
            "eval_warn" => expects.warn.push(Match::Any),
            "eval_info" => expects.info.push(Match::Any),
            "eval_ordered" => expects.ordered = true,
            _ => return Err(format!("unknown command {word:?}")),
        }
        Ok(expects)
    }

    /// A line `expect …` without its first word.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        if let Some(times) = text.strip_prefix("range vector ") {
            self.range = Some(range(times)?);
            return Ok(());
        }
        let (kind, condition) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let condition = Match::parse(condition.trim())?;
        let is_plain = matches!(condition, Match::Any);
        match kind {
            "fail" if self.fail.is_none() => self.fail = Some(condition),
            "string" if !is_plain => self.string = Some(condition),
            "warn" if !self.no_warn => self.warn.push(condition),
            "info" if !self.no_info => self.info.push(condition),
            "ordered" if is_plain => self.ordered = true,
            "no_warn" if is_plain && self.warn.is_empty() => self.no_warn = true,
            "no_info" if is_plain && self.info.is_empty() => self.no_info = true,
            _ => {
                return Err(format!(
                    "`expect {text}` is unknown or contradicts another one"
                ));
            }
        }
        Ok(())
    }

    /// The lines that older scripts have behind `eval_fail`.
    pub(crate) fn add_old(&mut self, line: &str) -> Result<bool, String> {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            self.fail = Some(Match::Text(text.trim().to_owned()));
            return Ok(true);
        }
        if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            self.fail = Some(Match::regex(pattern)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the annotations are those that are expected.
    pub(crate) fn check(&self, warnings: &[String], infos: &[String]) -> Result<(), String> {
        check_kind("warn", &self.warn, self.no_warn, warnings)?;
        check_kind("info", &self.info, self.no_info, infos)
    }
}

fn check_kind(kind: &str, all: &[Match], none: bool, found: &[String]) -> Result<(), String> {
    if none && !found.is_empty() {
        return Err(format!("expected no {kind}, found {found:?}"));
    }
    if all.is_empty() {
        return Ok(());
    }
    let holds = |condition: &Match, text: &String| {
        condition.holds(text) || condition.holds(without_place(text))
    };
    if let Some(missing) = all.iter().find(|c| !found.iter().any(|t| holds(c, t))) {
        return Err(format!("expected {kind} {missing:?}, found {found:?}"));
    }
    match found
        .iter()
        .find(|text| !all.iter().any(|c| holds(c, text)))
    {
        Some(extra) => Err(format!("unexpected {kind}: {extra}")),
        None => Ok(()),
    }
}

/// The text before ` (line:column)`.
fn without_place(text: &str) -> &str {
    text.strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("))
        .filter(|(_, place)| place.chars().all(|c| c.is_ascii_digit() || c == ':'))
        .map_or(text, |(text, _)| text)
}
