//! The notation of series: `name{label="value"} 1 2+3x4 _ stale`.

use system_stats_model::labels::Labels;
use system_stats_model::sample::STALE;
use system_stats_promql::parse::parse_selector;

/// What stands at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point {
    /// `_`
    Nothing,
    Value(f64),
    /// `{{…}}`
    Histogram,
}

/// The longest run that one item may stand for.
const MOST_REPEATS: usize = 1_000_000;

/// A series and its points.
pub(crate) fn parse_series(line: &str) -> Result<(Labels, Vec<Point>), String> {
    let (head, rest) = line.split_at(end_of_labels(line));
    let matchers = parse_selector(head).map_err(|error| error.to_string())?;
    let labels = Labels::from_pairs(matchers.iter().map(|m| (m.name(), m.value())));
    let mut points = Vec::new();
    for item in items(rest)? {
        add_item(item, &mut points).map_err(|reason| format!("{item:?}: {reason}"))?;
    }
    Ok((labels, points))
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

/// The items between blanks; blanks inside of `{{…}}` do not count.
fn items(text: &str) -> Result<Vec<&str>, String> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut end = 0;
        while !rest[end..].is_empty() && !rest[end..].starts_with(char::is_whitespace) {
            if rest[end..].starts_with("{{") {
                let close = rest[end..].find("}}").ok_or("a histogram is not closed")?;
                end += close + 2;
            } else {
                end += rest[end..].chars().next().map_or(1, char::len_utf8);
            }
        }
        items.push(&rest[..end]);
        rest = rest[end..].trim_start();
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

/// A number as values are written.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

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
    for line in [
        "a x",
        "a 1x",
        "a {{",
        "a{x=\"y\" 1",
        "a 1+x2",
        "a 1x9999999999",
    ] {
        assert!(parse_series(line).is_err(), "{line}");
    }
}
