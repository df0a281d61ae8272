//! Parameters as Alertmanager reads them.

use std::borrow::Cow;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};

use crate::http::error::ApiError;
use crate::http::params::Params;

/// More conditions than this are not looked at.
const MAX_CONDITIONS: usize = 32;

/// A switch that is on unless it says otherwise.
pub(super) fn is_on(params: &Params, name: &str) -> bool {
    let on = [
        "true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled",
    ];
    let value = params.get(name).map(str::to_ascii_lowercase);
    value.is_none_or(|value| on.contains(&value.as_str()))
}

/// The matchers of all `filter` parameters.
pub(super) fn conditions(params: &Params) -> Result<Vec<Matcher>, ApiError> {
    if params.all("filter").count() > MAX_CONDITIONS {
        let text = format!("more than {MAX_CONDITIONS} filters");
        return Err(ApiError::BadRequest(text));
    }
    let matchers = params.all("filter").map(parse);
    matchers
        .collect::<Result<_, _>>()
        .map_err(ApiError::BadRequest)
}

/// Reads a matcher as Alertmanager's `labels.ParseMatcher`: quotes may be left out.
pub(super) fn parse(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let (name, rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = rest.trim_start();
    let ops = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let found = ops.into_iter().find_map(|(sign, op)| {
        let value = rest.strip_prefix(sign)?;
        Some((op, value.trim()))
    });
    let (op, value) = found.ok_or_else(bad)?;
    let value = unquoted(value)
        .ok_or_else(|| format!("matcher value contains unescaped double quote: {value}"))?;
    Matcher::new(name, op, value).map_err(|error| error.reason)
}

/// A value with its quotes and escapes taken off, if there are any.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let (inner, is_quoted) = match value.strip_prefix('"') {
        Some(rest) => (rest.strip_suffix('"')?, true),
        None => (value, false),
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(plain @ ('"' | '\\')) => out.push(plain),
                Some(other) => out.extend(['\\', other]),
                // The quote that was taken for the last one was escaped.
                None if is_quoted => return None,
                None => out.push('\\'),
            },
            '"' => return None,
            plain => out.push(plain),
        }
    }
    Some(out.into())
}

/// Whether labels satisfy all conditions; of one that asks for nothing it counts whether the label
/// is there (Alertmanager's `matchFilterLabels`).
pub(super) fn picks(conditions: &[Matcher], labels: &Labels) -> bool {
    conditions.iter().all(|matcher| {
        let value = labels.get(matcher.name());
        let is_negative = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        let is_settled = matcher.value().is_empty() && value.is_some() == is_negative;
        is_settled || matcher.matches(value.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_as_alertmanager_reads_them() {
        let cases = [
            ("a=b", r#"a="b""#),
            (" a != \"b c\" ", r#"a!="b c""#),
            ("a=~b|c", r#"a=~"b|c""#),
            ("a!~\".*\"", r#"a!~".*""#),
            (
                "a:b_1=\"x\\\"y\\\\z\\n\\t\"",
                "a:b_1=\"x\\\"y\\\\z\\n\\\\t\"",
            ),
            ("a=", r#"a="""#),
            ("a", "bad matcher format: a"),
            ("1a=b", "bad matcher format: 1a=b"),
            ("=b", "bad matcher format: =b"),
            ("", "bad matcher format: "),
            (
                "a=\"b",
                "matcher value contains unescaped double quote: \"b",
            ),
            (
                "a=b\"c",
                "matcher value contains unescaped double quote: b\"c",
            ),
            (
                "a=\"b\\\"",
                "matcher value contains unescaped double quote: \"b\\\"",
            ),
        ];
        for (text, expected) in cases {
            let read = parse(text).map_or_else(|error| error, |matcher| matcher.to_string());
            assert_eq!(read, expected, "{text}");
        }
        assert!(parse("a=~(").is_err());
    }

    #[test]
    fn what_conditions_pick() {
        let labels = Labels::from_pairs([("a", "1"), ("b", "")]);
        let picked = |text: &str| picks(&[parse(text).unwrap()], &labels);
        for (text, expected) in [
            ("a=1", true),
            ("a=2", false),
            ("a!=2", true),
            ("a=~1|2", true),
            ("a!=", true),
            ("c=", true),
            ("c!=", false),
            ("a=", false),
            ("c!=1", true),
        ] {
            assert_eq!(picked(text), expected, "{text}");
        }
    }
}
