//! What is asked of both, and whether two answers are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use e2e::http;
use e2e::random::Random;
use serde_json::Value;

use super::data::{END, START};

/// A difference of this size, relative or absolute, is none.
const TOLERANCE: f64 = 1e-9;

/// Two answers beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are the same values.
    Same,
    /// They are the same and say nothing: errors of a kind, or no value.
    Silent,
    /// They are not; where.
    Different(String),
}

/// An expression at a time or at several.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    expression: String,
    /// Seconds since 1970.
    start: i64,
    /// The end and the step in seconds, for a range.
    range: Option<(i64, i64)>,
}

impl Asked {
    /// The expression at one time and over a range.
    ///
    /// Of version 2 nothing is asked at whole minutes: there the two see the left end of a
    /// subquery differently.
    pub(super) fn both(random: &mut Random, expression: &str, is_old: bool) -> [Asked; 2] {
        let length = END - START;
        let mut time = || {
            let at = START + random.below(length.unsigned_abs() / 15).cast_signed() * 15;
            if is_old { at + 7 } else { at }
        };
        let (at, one, other) = (time(), time(), time());
        let step = if is_old {
            120
        } else {
            15 + 41 * random.below(3).cast_signed()
        };
        let (start, end) = (one.min(other), one.max(other));
        let expression = expression.to_owned();
        let instant = Asked {
            expression: expression.clone(),
            start: at,
            range: None,
        };
        let range = Asked {
            expression,
            start,
            range: Some((end, step)),
        };
        [instant, range]
    }

    /// The same for another expression.
    pub(super) fn with(&self, expression: String) -> Asked {
        Asked {
            expression,
            ..self.clone()
        }
    }

    pub(super) fn path(&self) -> String {
        let (query, start) = (http::percent(&self.expression), self.start);
        match self.range {
            None => format!("/api/v1/query?query={query}&time={start}"),
            Some((end, step)) => {
                format!("/api/v1/query_range?query={query}&start={start}&end={end}&step={step}")
            }
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.start - START;
        match self.range {
            None => write!(f, "{} at +{from}s", self.expression),
            Some((end, step)) => {
                write!(
                    f,
                    "{} from +{from}s to +{}s by {step}s",
                    self.expression,
                    end - START
                )
            }
        }
    }
}

/// Series that a new label makes alike, and that are never there at the same time, are one in the
/// newest Prometheus; versions of 3 before it refuse them over a range.
fn joins_where_others_refuse(expected: &Value, found: &Value) -> bool {
    const REFUSED: &str = "vector cannot contain metrics with the same labelset";
    expected["error"] == REFUSED && found["data"]["resultType"] == "matrix"
}

/// Whether two answers are the same.
pub(super) fn judge(expected: &Value, found: &Value, with_notes: bool) -> Verdict {
    let (data, found_data) = (&expected["data"], &found["data"]);
    let kinds = |answer: &Value| {
        [&answer["errorType"], &answer["data"]["resultType"]].map(Value::to_string)
    };
    if with_notes && joins_where_others_refuse(expected, found) {
        return Verdict::Silent;
    }
    if kinds(expected) != kinds(found) {
        let (expected, found) = (head(expected), head(found));
        return Verdict::Different(format!("expected {expected}, found {found}"));
    }
    if expected["errorType"].is_string() {
        return Verdict::Silent;
    }
    if let Some(difference) = different_notes(expected, found).filter(|_| with_notes) {
        return Verdict::Different(difference);
    }
    let (expected, found) = (points(data), points(found_data));
    for key in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(key), found.get(key));
        let is_same = match (expected, found) {
            (Some(expected), Some(found)) => same(expected, found),
            _ => false,
        };
        if !is_same {
            return Verdict::Different(format!("{key}: expected {expected:?}, found {found:?}"));
        }
    }
    if expected.is_empty() {
        Verdict::Silent
    } else {
        Verdict::Same
    }
}

/// Warnings and infos, as far as all of them are shown. Their places are left out: of several that
/// say the same Prometheus keeps any one, and of what comes out of a subquery none.
fn different_notes(expected: &Value, found: &Value) -> Option<String> {
    let notes = |answer: &Value, kind: &str| -> BTreeSet<String> {
        let notes = answer[kind].as_array().into_iter().flatten();
        let notes = notes.map(|note| note.as_str().unwrap_or_default());
        let bare = notes.map(|note| note.rsplit_once(" (").map_or(note, |(text, _)| text));
        bare.map(str::to_owned).collect()
    };
    ["warnings", "infos"].into_iter().find_map(|kind| {
        let (expected, found) = (notes(expected, kind), notes(found, kind));
        let is_different = expected.len() <= 10 && expected != found;
        is_different.then(|| format!("{kind}: expected {expected:?}, found {found:?}"))
    })
}

/// Every value by the series and the time that it belongs to.
fn points(data: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or("no text").to_owned();
    let result = &data["result"];
    if ["scalar", "string"]
        .iter()
        .any(|kind| data["resultType"] == *kind)
    {
        return BTreeMap::from([(result[0].to_string(), text(&result[1]))]);
    }
    let mut points = BTreeMap::new();
    for series in result.as_array().into_iter().flatten() {
        let metric = series["metric"].to_string();
        let one = series.get("value").into_iter();
        let many = series["values"].as_array().into_iter().flatten();
        for point in one.chain(many) {
            let twice = points.insert(format!("{metric} @{}", point[0]), text(&point[1]));
            assert_eq!(twice, None, "{metric} is there twice");
        }
    }
    points
}

fn same(expected: &str, found: &str) -> bool {
    if expected == found {
        return true;
    }
    match (expected.parse::<f64>(), found.parse::<f64>()) {
        (Ok(expected), Ok(found)) if expected.is_finite() && found.is_finite() => {
            let size = expected.abs().max(found.abs()).max(1.0);
            (expected - found).abs() <= TOLERANCE * size
        }
        _ => false,
    }
}

fn head(answer: &Value) -> String {
    answer.to_string().chars().take(300).collect()
}

#[test]
fn differences_are_found() {
    let vector = |value: &str| {
        serde_json::json!({"data": {"resultType": "vector",
            "result": [{"metric": {"a": "b"}, "value": [1, value]}]}})
    };
    let is_different = |expected: &Value, found: &Value| {
        matches!(judge(expected, found, true), Verdict::Different(_))
    };
    assert_eq!(
        judge(&vector("1"), &vector("1.0000000001"), true),
        Verdict::Same
    );
    assert_eq!(judge(&vector("NaN"), &vector("NaN"), true), Verdict::Same);
    for other in ["1.00000001", "NaN", "+Inf", ""] {
        assert!(is_different(&vector("1"), &vector(other)), "{other}");
    }
    let empty = serde_json::json!({"data": {"resultType": "vector", "result": []}});
    assert!(is_different(&vector("1"), &empty));
    assert!(is_different(&empty, &vector("1")));
    assert_eq!(judge(&empty, &empty, true), Verdict::Silent);
    let error = serde_json::json!({"errorType": "execution", "error": "x"});
    assert!(is_different(&error, &empty));
    assert_eq!(judge(&error, &error, true), Verdict::Silent);
    let refused = serde_json::json!({
        "errorType": "execution",
        "error": "vector cannot contain metrics with the same labelset",
    });
    let range = serde_json::json!({"data": {"resultType": "matrix", "result": []}});
    assert_eq!(judge(&refused, &range, true), Verdict::Silent);
    assert!(is_different(&refused, &empty));
    assert!(is_different(&range, &refused));
    let noted = |infos: &[&str]| {
        let mut vector = vector("1");
        vector["infos"] = serde_json::json!(infos);
        vector
    };
    assert!(is_different(&vector("1"), &noted(&["x (1:2)"])));
    assert!(is_different(&noted(&["y (1:2)"]), &noted(&["x (1:2)"])));
    assert!(!is_different(&noted(&["x (1:1)"]), &noted(&["x (1:2)"])));
}
