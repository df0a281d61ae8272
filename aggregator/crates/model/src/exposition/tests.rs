use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn tight() -> Limits {
    Limits {
        line_bytes: 200,
        labels: 3,
        name_bytes: 20,
        value_bytes: 30,
        series: 6,
    }
}

/// One line per entry, the way a reader would like to compare them.
fn shown(body: &[u8], format: Format, limits: Limits) -> String {
    let mut out = String::new();
    let mut parser = Parser::new(body, format, limits);
    let mut pairs = Vec::new();
    while let Some(entry) = parser.next() {
        match entry {
            Ok(Entry::Series(series)) => {
                if let Err(error) = parser.labels(&series, &mut pairs) {
                    writeln!(out, "{error}").unwrap();
                    return out;
                }
                let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
                write!(out, "{} {:?}", pairs.join(" "), series.value).unwrap();
                if let Some(timestamp) = series.timestamp {
                    write!(out, " @{timestamp}").unwrap();
                }
                writeln!(out).unwrap();
            }
            Ok(entry) => writeln!(out, "{entry:?}").unwrap(),
            Err(error) => writeln!(out, "{error}").unwrap(),
        }
    }
    out
}

/// Cases of a data file: a body, and what comes of it. What an editor would spoil is written out:
/// tabs and the like by name, `<CUT>` where the last line break is missing.
fn check(cases: &str, format: Format) -> usize {
    let mut count = 0;
    for case in cases
        .split("=====\n")
        .filter(|case| !case.trim().is_empty())
    {
        let (body, expected) = case.split_once("-----\n").unwrap();
        let body = body
            .replace("<TAB>", "\t")
            .replace("<CR>", "\r")
            .replace("<NUL>", "\0");
        let body = body.strip_suffix("<CUT>\n").unwrap_or(&body);
        assert_eq!(
            shown(body.as_bytes(), format, tight()),
            expected,
            "for\n{body}"
        );
        count += 1;
    }
    count
}

#[test]
fn text() {
    assert!(check(include_str!("tests/text.txt"), Format::Text) > 40);
}

#[test]
fn open_metrics() {
    assert!(check(include_str!("tests/openmetrics.txt"), Format::OpenMetrics) > 30);
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_line() {
    for format in [Format::Text, Format::OpenMetrics] {
        assert_eq!(
            shown(b"a 1\nb{c=\"d\xffe\"} 2\n", format, tight()),
            "line 2: not UTF-8 after: \"b{c=\\\"d\"; expose UTF-8 text\n"
        );
    }
    assert_eq!(
        shown(b"\xff", Format::Text, tight()),
        "line 1: not UTF-8 after; expose UTF-8 text\n"
    );
}

#[test]
fn long_lines_are_shown_around_the_place() {
    let body = format!("{}{{{}=\"x\" ~}} 1\n", "n".repeat(70), "l".repeat(60));
    let error = shown(body.as_bytes(), Format::Text, Limits::default());
    assert_eq!(
        error,
        format!(
            "line 1: no label's name where one should be: \"…{}=\\\"x\\\" ~}} 1\"; write: {{name=\"value\",…}}\n",
            "l".repeat(35)
        )
    );
    let body = format!("{}é", "x".repeat(300));
    let error = shown(body.as_bytes(), Format::Text, Limits::default());
    assert!(error.contains(&format!("…{}é", "x".repeat(40))), "{error}");
}

#[test]
fn nothing_comes_after_an_error() {
    let mut parser = Parser::new(b"~\na 1\n", Format::Text, Limits::default());
    assert!(parser.next().unwrap().is_err());
    assert!(parser.next().is_none());
    assert!(parser.next().is_none());
}

#[test]
fn raw_texts_are_slices_of_the_body() {
    let body = b" a{b=\"}\"} 1\nc 2\n{\"d\"} 3\n";
    let raw: Vec<&str> = Parser::new(body, Format::Text, Limits::default())
        .map(|entry| match entry {
            Ok(Entry::Series(series)) => series.raw,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(raw, ["a{b=\"}\"}", "c", "{\"d\"}"]);
}

#[test]
fn numbers_of_buckets_and_quantiles_are_written_one_way() {
    let body = b"# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"1e6\"} 0\nh_bucket{le=\"+Inf\"} 0\n\
        # TYPE s summary\ns{quantile=\"0.90\",le=\"1\"} 0\n# TYPE g gauge\ng{le=\"1\",quantile=\"1\"} 0\n# EOF\n";
    for format in [Format::Text, Format::OpenMetrics] {
        let mut limits = tight();
        limits.series = 9;
        let lines = shown(body, format, limits);
        let lines: Vec<&str> = lines
            .lines()
            .filter(|line| line.starts_with("__"))
            .collect();
        assert_eq!(
            lines,
            [
                "__name__=\"h_bucket\" le=\"1.0\" 0.0",
                "__name__=\"h_bucket\" le=\"1e+06\" 0.0",
                "__name__=\"h_bucket\" le=\"+Inf\" 0.0",
                "__name__=\"s\" le=\"1\" quantile=\"0.9\" 0.0",
                "__name__=\"g\" le=\"1\" quantile=\"1\" 0.0",
            ]
        );
    }
}

/// Writes a series as an exporter would.
fn exposed(name: &str, labels: &[(String, String)], value: f64) -> String {
    let escape = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        text.replace('\n', "\\n")
    };
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("\"{}\"=\"{}\"", escape(name), escape(value)))
        .collect();
    format!("{{\"{}\",{}}} {value}\n", escape(name), labels.join(","))
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Text, Format::OpenMetrics] {
            shown(&body, format, tight());
        }
    }

    #[test]
    fn nearly_right_bodies_are_read_or_refused(
        body in "(#|# HELP|# TYPE|# UNIT|# EOF|[ae_:]|counter|\\{|\\}|\"|\\\\|=|,|[ \t\n]|1|\\.5|-|NaN|é|\u{0}|a\\{b=\"c\"\\} 1\n){0,30}"
    ) {
        for format in [Format::Text, Format::OpenMetrics] {
            shown(body.as_bytes(), format, tight());
        }
    }

    #[test]
    fn what_is_exposed_comes_back(
        name in "\\PC{1,20}",
        labels in prop::collection::btree_map("[\\PC\n\\\\\"]{1,10}", "[\\PC\n\\\\\"]{0,20}", 0..5),
        value in any::<f64>().prop_filter("a number", |value| value.is_finite()),
    ) {
        let mut labels: Vec<(String, String)> = labels.into_iter().collect();
        let body = exposed(&name, &labels, value) + "# EOF\n";
        labels.push((crate::labels::METRIC_NAME.to_owned(), name));
        labels.sort();
        for format in [Format::Text, Format::OpenMetrics] {
            let mut parser = Parser::new(body.as_bytes(), format, Limits::default());
            let Some(Ok(Entry::Series(series))) = parser.next() else {
                panic!("{body}");
            };
            let mut pairs = Vec::new();
            parser.labels(&series, &mut pairs).unwrap();
            let pairs: Vec<(String, String)> =
                pairs.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            prop_assert_eq!(&pairs, &labels);
            prop_assert_eq!(series.value.to_bits(), value.to_bits());
            prop_assert_eq!(parser.next(), None);
        }
    }
}
