//! The notation of series in tests: `name{label="value"} 1 2+3x4 _ stale`.

use system_stats_model::labels::Labels;
use system_stats_model::matcher::MatchOp;
use system_stats_model::sample::STALE;

use super::error::{Fault, ParseError};
use super::parse_selector;
use crate::ast::Span;

/// What stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// `_`: no sample.
    Nothing,
    /// A sample; `stale` is the staleness marker.
    Value(f64),
    /// `{{…}}`: a native histogram, which is not looked into.
    Histogram,
}

/// The longest run that one item may stand for.
const MOST_REPEATS: usize = 1_000_000;

/// Reads a series and its points, one for each moment.
///
/// # Errors
/// [`ParseError`] with the first thing that is wrong.
pub fn parse_series(line: &str) -> Result<(Labels, Vec<Point>), ParseError> {
    let end = end_of_labels(line);
    let labels = parse_labels(&line[..end])?;
    let mut points = Vec::new();
    for span in items(line, end).map_err(|fault| fault.locate(line))? {
        let item = &line[span.start..span.end];
        add_item(item, &mut points)
            .map_err(|reason| Fault::new(span, format!("{item:?}: {reason}")).locate(line))?;
    }
    Ok((labels, points))
}

/// Reads the labels of a series, `name{label="value"}`; no text at all is a series without labels.
///
/// # Errors
/// [`ParseError`] with the first thing that is wrong.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    if text.trim().is_empty() {
        return Ok(Labels::empty());
    }
    let matchers = parse_selector(text)?;
    if let Some(other) = matchers.iter().find(|m| m.op() != MatchOp::Equal) {
        let message = format!("the label {} is not given by =", other.name());
        return Err(Fault::new(Span::new(0, text.len()), message).locate(text));
    }
    let pairs = matchers.iter().map(|m| (m.name(), m.value()));
    Ok(Labels::from_pairs(pairs))
}

fn end_of_labels(line: &str) -> usize {
    let name_end = line
        .find(|c: char| c == '{' || c.is_whitespace())
        .unwrap_or(line.len());
    if !line[name_end..].starts_with('{') {
        return name_end;
    }
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in line[name_end..].char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(open) if c == '\\' && open != '`' => is_escaped = true,
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None if c == '}' => return name_end + at + 1,
            _ => {}
        }
    }
    line.len()
}

/// The items between blanks from `start` on; blanks inside of `{{…}}` do not count.
fn items(line: &str, start: usize) -> Result<Vec<Span>, Fault> {
    let mut items = Vec::new();
    let skip = |from: usize| line.len() - line[from..].trim_start().len();
    let mut from = skip(start);
    while from < line.len() {
        let mut end = from;
        while !line[end..].is_empty() && !line[end..].starts_with(char::is_whitespace) {
            if line[end..].starts_with("{{") {
                let open = Span::new(from, line.len());
                let close = line[end..].find("}}");
                end += close.ok_or_else(|| Fault::new(open, "a histogram is not closed"))? + 2;
            } else {
                end += line[end..].chars().next().map_or(1, char::len_utf8);
            }
        }
        items.push(Span::new(from, end));
        from = skip(end);
    }
    Ok(items)
}

fn add_item(item: &str, points: &mut Vec<Point>) -> Result<(), String> {
    if item == "stale" {
        points.push(Point::Value(STALE));
        return Ok(());
    }
    let is_histogram = item.starts_with("{{");
    let split = if is_histogram {
        let close = item.rfind("}}").unwrap_or_default();
        item[close..].find('x').map(|at| close + at)
    } else {
        item.rfind('x')
    };
    let (what, repeats) = match split {
        None => (item, None),
        Some(at) => {
            let count: usize = item[at + 1..].parse().map_err(|_| "no number behind x")?;
            (&item[..at], Some(count))
        }
    };
    if repeats.is_some_and(|count| count > MOST_REPEATS) {
        return Err(format!("at most {MOST_REPEATS} repetitions are allowed"));
    }
    if what == "_" {
        points.extend(vec![Point::Nothing; repeats.unwrap_or(1)]);
        return Ok(());
    }
    // The first value comes in addition to those that are counted.
    let count = repeats.map_or(1, |count| count + 1);
    if is_histogram {
        points.extend(vec![Point::Histogram; count]);
        return Ok(());
    }
    let (first, step) = match sign_inside(what).filter(|_| repeats.is_some()) {
        Some(at) => (number(&what[..at])?, number(&what[at..])?),
        None => (number(what)?, 0.0),
    };
    let mut value = first;
    for _ in 0..count {
        points.push(Point::Value(value));
        if step != 0.0 {
            value += step;
        }
    }
    Ok(())
}

/// Where the step begins: a sign that is neither in front nor that of an exponent.
fn sign_inside(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len())
        .find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'))
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation() {
        let values = |line: &str| -> Vec<String> {
            let (_, points) = parse_series(line).unwrap();
            let shown = points.iter().map(|point| match point {
                Point::Nothing => "_".to_owned(),
                Point::Value(value) if value.to_bits() == STALE.to_bits() => "stale".to_owned(),
                Point::Value(value) => value.to_string(),
                Point::Histogram => "h".to_owned(),
            });
            shown.collect()
        };
        let cases = [
            ("a 1 2.5 -3 1e3 1e-2", "1 2.5 -3 1000 0.01"),
            ("a{x=\"y\"} 1+2x3", "1 3 5 7"),
            ("a 10-4x2 -1-1x1 1e1+1e0x1", "10 6 2 -1 -2 10 11"),
            ("a 5x2 _x3 _ stale", "5 5 5 _ _ _ _ stale"),
            ("a NaN Inf +Inf -Inf", "NaN inf inf -inf"),
            ("a Infx1 0x2", "inf inf 0 0 0"),
            (
                "a {{sum:1 count:2}} {{}}x1 {{a:1}}+{{b:2 c:3}}x2",
                "h h h h h h",
            ),
            ("{} 1", "1"),
            ("{x=\"} {\"} 1", "1"),
            ("a", ""),
        ];
        for (line, expected) in cases {
            assert_eq!(values(line).join(" "), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_names_its_place() {
        let cases = [
            ("a 1 x", "1:5: parse error: \"x\": no number behind x"),
            ("a 1x", "1:3: parse error: \"1x\": no number behind x"),
            ("a {{", "1:3: parse error: a histogram is not closed"),
            ("a 1+x2", "1:3: parse error: \"1+x2\": \"+\" is no number"),
            ("a y", "1:3: parse error: \"y\": \"y\" is no number"),
            (
                "a 1x9999999999",
                "1:3: parse error: \"1x9999999999\": at most 1000000 repetitions are allowed",
            ),
            (
                "a{x=~\"y\"} 1",
                "1:1: parse error: the label x is not given by =",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_series(line).unwrap_err().to_string(), expected);
        }
        assert!(parse_series("a{x=\"y\" 1").is_err());
    }

    #[test]
    fn labels_alone() {
        assert_eq!(parse_labels(" ").unwrap(), Labels::empty());
        assert_eq!(parse_labels("{}").unwrap(), Labels::empty());
        let labels = Labels::from_pairs([("__name__", "a"), ("x", "y")]);
        assert_eq!(parse_labels("a{x='y'}").unwrap(), labels);
    }
}
