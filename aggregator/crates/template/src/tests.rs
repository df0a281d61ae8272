//! The language and its functions, as tables of text and expansion.

use proptest::prelude::*;
use system_stats_model::labels::Labels;

use super::*;

fn data(value: f64) -> Data {
    Data {
        labels: Labels::from_pairs([("instance", "web-1.example.net:9100"), ("job", "node")]),
        external_labels: Labels::from_pairs([("region", "eu")]),
        external_url: "http://monitor.example.net:8000/stats".to_owned(),
        value,
    }
}

fn sample(instance: &str, value: f64) -> Sample {
    Sample {
        labels: Labels::from_pairs([("__name__", "up"), ("instance", instance)]),
        value,
    }
}

fn answer(expression: &str) -> Result<Vec<Sample>, String> {
    match expression {
        "up" => Ok(vec![sample("b", 21.0), sample("a", 11.5)]),
        "none" => Ok(Vec::new()),
        other => Err(format!("unknown expression {other}")),
    }
}

fn expanded(text: &str, value: f64) -> Result<String, String> {
    expand("t", text, &data(value), &answer).map_err(|error| error.to_string())
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(expanded(text, 95.25).as_deref(), Ok(*expected), "{text}");
    }
}

#[test]
fn variables_fields_and_literals() {
    check_all(&[
        ("plain } text {", "plain } text {"),
        (
            "{{ $labels.instance }} is at {{ $value }}",
            "web-1.example.net:9100 is at 95.25",
        ),
        ("{{ .Labels.job }}/{{ .Value }}", "node/95.25"),
        ("{{ $labels.missing }}|{{ $externalLabels.region }}", "|eu"),
        (
            "{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
            "http://monitor.example.net:8000/stats http://monitor.example.net:8000/stats /stats",
        ),
        (
            "{{ $labels }}",
            "map[instance:web-1.example.net:9100 job:node]",
        ),
        (
            r#"{{ "a\t\"b\" \x41\u00e4" }} {{ `raw \n` }} {{ 'x' }}"#,
            "a\t\"b\" Aä raw \\n 120",
        ),
        (
            "{{ 0x1F }} {{ 017 }} {{ 1_000 }} {{ -2.50 }} {{ 1e3 }} {{ true }}",
            "31 15 1000 -2.5 1000 true",
        ),
        ("a {{- /* left out */ -}} b {{/* this too */}}.", "ab ."),
        ("a\n {{- 1 -}} \n b {{ 2 -}}", "a1b 2"),
        (
            "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 9 }}{{ end }}{{ $x }}",
            "2",
        ),
        ("{{ $.Value }}", "95.25"),
        ("{{ (query \"up\" | first).Value }}", "21"),
        (
            "{{ with $x := 5 }}{{ . }}{{ $x }}{{ else }}no{{ end }}",
            "55",
        ),
    ]);
}

#[test]
fn control() {
    check_all(&[
        (
            "{{ if gt $value 90.0 }}high{{ else if gt $value 50.0 }}middle{{ else }}low{{ end }}",
            "high",
        ),
        ("{{ if eq $labels.job \"x\" \"node\" }}yes{{ end }}", "yes"),
        (
            "{{ if and true 0 }}a{{ else }}b{{ end }}{{ or \"\" \"c\" }}{{ not 1 }}",
            "bcfalse",
        ),
        (
            "{{ if or true (first (query \"none\")) }}short{{ end }}",
            "short",
        ),
        (
            "{{ range query \"up\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}",
            "b=21 a=11.5 ",
        ),
        (
            "{{ range $i, $s := query \"up\" | sortByLabel \"instance\" }}{{ $i }}{{ $s.Labels.instance }} {{ end }}",
            "0a 1b ",
        ),
        (
            "{{ range query \"none\" }}x{{ else }}nothing{{ end }}",
            "nothing",
        ),
        (
            "{{ range $name, $v := $labels }}{{ if eq $name \"job\" }}{{ continue }}{{ end }}{{ $name }}{{ end }}",
            "instance",
        ),
        (
            "{{ range query \"up\" }}{{ .Value }}{{ break }}{{ end }}",
            "21",
        ),
        (
            "{{ with query \"none\" }}x{{ else with query \"up\" }}{{ len . }}{{ end }}",
            "2",
        ),
        (
            "{{ define \"one\" }}<{{ .arg0 }}{{ .arg1 }}>{{ end }}{{ template \"one\" (args 1 \"b\") }}",
            "<1b>",
        ),
        ("{{ block \"two\" $value }}[{{ . }}]{{ end }}", "[95.25]"),
        (
            "{{ if lt 1 2 }}{{ if ge 2.0 2.0 }}{{ ne \"a\" \"b\" }}{{ end }}{{ end }}{{ le 3 2 }}",
            "truefalse",
        ),
    ]);
}

#[test]
fn functions_of_prometheus() {
    check_all(&[
        (
            "{{ query \"up\" | first | value }} {{ query \"up\" | first | label \"instance\" }}",
            "21 b",
        ),
        ("{{ query \"up\" | first | strvalue }}", ""),
        (
            "{{ reReplaceAll \"(.*)-(\\\\d)\\\\..*\" \"$2/${1}x\" $labels.instance }}",
            "1/webx",
        ),
        (
            "{{ match \"^web\" $labels.instance }} {{ match \"^db\" \"x\" }}",
            "true false",
        ),
        (
            "{{ title \"disk is full: o'neill aBC\" }} {{ toUpper \"aß\" }} {{ toLower \"ABC\" }}",
            "Disk Is Full: O'neill ABC ASS abc",
        ),
        (
            "{{ stripPort $labels.instance }} {{ stripPort \"[::1]:90\" }} {{ stripPort \"[::1]::9\" }}",
            "web-1.example.net ::1 [::1]::9",
        ),
        (
            "{{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripDomain \"a.b\" }}",
            "web-1:9100 10.0.0.1:80 a",
        ),
        (
            "{{ graphLink \"up == 0\" }} {{ tableLink \"a{b=\\\"c\\\"}\" }}",
            "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=a%7Bb%3D%22c%22%7D&g0.tab=1",
        ),
        (
            "{{ parseDuration \"1h30m\" }} {{ parseDuration \"15ms\" }}",
            "5400 0.015",
        ),
        (
            "{{ humanizePercentage 0.12345 }} {{ humanizePercentage \"1.1\" }}",
            "12.35% 110%",
        ),
        (
            "{{ humanizeTimestamp 1435065584.128 }}",
            "2015-06-23 13:19:44.128 +0000 UTC",
        ),
        (
            "{{ (toTime 60.5).Unix }} {{ safeHtml \"<b>\" }} {{ html \"<b>\" }} {{ urlquery \"a b\" }}",
            "60 <b> &lt;b&gt; a+b",
        ),
    ]);
}

#[test]
fn humanized_numbers() {
    let cases: &[(f64, &str, &str, &str)] = &[
        (0.0, "0", "0", "0s"),
        (1.0, "1", "1", "1s"),
        (-1.0, "-1", "-1", "-1s"),
        (1_234_567.0, "1.235M", "1.177Mi", "14d 6h 56m 7s"),
        (0.12, "120m", "0.12", "120ms"),
        (-0.000_12, "-120u", "-0.00012", "-120us"),
        (61.5, "61.5", "61.5", "1m 1s"),
        (59.987_65, "59.99", "59.99", "59.99s"),
        (999.99, "1000", "1000", "16m 39s"),
        (5_400.0, "5.4k", "5.273ki", "1h 30m 0s"),
        (1e25, "10Y", "8.272Yi", "106751991167300d 15h 30m 7s"),
        (1e-30, "1e-06y", "1e-30", "1e-06ys"),
        (f64::NAN, "NaN", "NaN", "NaN"),
        (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
    ];
    for (value, decimal, binary, duration) in cases {
        let text = "{{ humanize $value }}|{{ humanize1024 $value }}|{{ humanizeDuration $value }}";
        let expected = format!("{decimal}|{binary}|{duration}");
        assert_eq!(expanded(text, *value), Ok(expected), "{value}");
    }
}

#[test]
fn printed_as_go_prints() {
    check_all(&[
        (
            "{{ 1234567.0 }} {{ 123456.0 }} {{ 0.00001 }} {{ 1e21 }} {{ 2.5 }}",
            "1.234567e+06 123456 1e-05 1e+21 2.5",
        ),
        (
            "{{ printf \"%.2f %5.1f|%-6s|%6s|%q\" $value 1.25 \"ab\" \"cd\" \"e\\\"\" }}",
            "95.25   1.2|ab    |    cd|\"e\\\"\"",
        ),
        (
            "{{ printf \"%d %05d %+d %x %t %v\" 7 42 3 255 true \"s\" }}",
            "7 00042 +3 ff true s",
        ),
        (
            "{{ printf \"%g %e %.3g %G\" 1000000.0 1234.5 1234.5 1e-7 }}",
            "1e+06 1.234500e+03 1.23e+03 1E-07",
        ),
        (
            "{{ printf \"%d\" 1.5 }} {{ printf \"%s\" 3 }}",
            "%!d(float64=1.5) %!s(int=3)",
        ),
        (
            "{{ printf \"%d %d\" 1 }} {{ printf \"a\" 1 }} {{ printf \"100%%\" }} {{ printf \"%\" }}",
            "1 %!d(MISSING) a%!(EXTRA int=1) 100% %!(NOVERB)",
        ),
        ("{{ printf \"%*d|%.*f\" 5 42 1 2.55 }}", "   42|2.5"),
        (
            "{{ print 1 2 \"a\" 3 4 }}|{{ println 1 \"b\" }}",
            "1 2a3 4|1 b\n",
        ),
        (
            "{{ index $labels \"job\" }} {{ (index (query \"up\") 1).Value }} {{ slice \"abcd\" 1 3 }} {{ len \"abc\" }}",
            "node 11.5 bc 3",
        ),
    ]);
}

/// The error of an action that begins at the first column.
fn execute(column: usize, context: &str, text: &str) -> String {
    let byte = VARIABLES.len() + column;
    format!(
        "error executing template t: template: t:1:{byte}: executing \"t\" at <{context}>: {text}"
    )
}

#[test]
fn errors_say_where() {
    let parse = |text: &str| format!("error parsing template t: template: t:1: {text}");
    let cases = [
        (
            "{{ nofunction 1 }}",
            parse("function \"nofunction\" not defined"),
        ),
        ("{{ $nothing }}", parse("undefined variable \"$nothing\"")),
        ("{{ if true }}", parse("unexpected EOF")),
        ("{{ end }}", parse("unexpected {{end}}")),
        ("{{ }}", parse("missing value for command")),
        ("{{ \"open }}", parse("unterminated quoted string")),
        ("{{ $labels.a", parse("unclosed action")),
        ("{{ (1 }}", parse("unclosed left paren")),
        (
            "{{ 1 | 2 }}",
            parse("non executable command in pipeline stage 2"),
        ),
        ("{{ break }}", parse("{{break}} outside {{range}}")),
        ("{{ 12x }}", parse("bad number syntax: \"12x\"")),
        (
            "{{ first (query \"none\") }}",
            execute(
                3,
                "first (query \"none\")",
                "error calling first: first() called on vector with no elements",
            ),
        ),
        (
            "{{ query \"bad\" }}",
            execute(
                3,
                "query \"bad\"",
                "error calling query: unknown expression bad",
            ),
        ),
        (
            "{{ query \"none\" | first }}",
            execute(
                18,
                "first",
                "error calling first: first() called on vector with no elements",
            ),
        ),
        (
            "{{ toUpper }}",
            execute(
                3,
                "toUpper",
                "wrong number of args for toUpper: want 1 got 0",
            ),
        ),
        (
            "{{ $value.Foo }}",
            execute(9, "$value.Foo", "can't evaluate field Foo in type float64"),
        ),
        ("{{ nil }}", execute(3, "nil", "nil is not a command")),
        (
            "{{ lt 1 2.0 }}",
            execute(
                3,
                "lt 1 2.0",
                "error calling lt: incompatible types for comparison",
            ),
        ),
        (
            "{{ humanize \"x\" }}",
            execute(
                3,
                "humanize \"x\"",
                "error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax",
            ),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(expanded(text, 1.0), Err(expected), "{text}");
    }
    let later = expanded("one\ntwo {{ $value.Foo }}", 1.0).unwrap_err();
    assert!(later.contains("t:2:13:"), "{later}");
}

/// The words and the columns are those of promtool.
#[test]
fn errors_name_the_argument() {
    let cases = [
        (
            "{{ toUpper $value }}",
            execute(
                11,
                "$value",
                "wrong type for value; expected string; got float64",
            ),
        ),
        (
            "{{ $value | toUpper }}",
            execute(
                12,
                "toUpper",
                "wrong type for value; expected string; got float64",
            ),
        ),
        (
            "{{ 1 | match \"a\" }}",
            execute(
                13,
                "\"a\"",
                "wrong type for value; expected string; got int",
            ),
        ),
        (
            "{{ toUpper 1 }}",
            execute(11, "1", "expected string; found 1"),
        ),
        (
            "{{ toUpper nil }}",
            execute(11, "nil", "cannot assign nil to string"),
        ),
        (
            "{{ toUpper (len \"a\") }}",
            execute(
                16,
                "\"a\"",
                "wrong type for value; expected string; got int",
            ),
        ),
        (
            "{{ first 1 }}",
            execute(
                9,
                "1",
                "can't handle 1 for arg of type template.queryResult",
            ),
        ),
        (
            "{{ printf $value }}",
            execute(
                10,
                "$value",
                "wrong type for value; expected string; got float64",
            ),
        ),
        (
            "{{ eq 1 }}",
            execute(
                3,
                "eq 1",
                "error calling eq: missing argument for comparison",
            ),
        ),
        (
            "{{ call $value 1 }}",
            execute(
                3,
                "call $value 1",
                "error calling call: non-function $value of type float64",
            ),
        ),
        (
            "{{ match \"(\" \"a\" }}",
            execute(
                3,
                "match \"(\" \"a\"",
                "error calling match: error parsing regexp: missing closing ): `(`",
            ),
        ),
        (
            "{{ reReplaceAll \"*\" \"\" \"a\" }}",
            execute(
                3,
                "reReplaceAll \"*\" \"\" \"a\"",
                "error calling reReplaceAll: regexp: Compile(`*`): error parsing regexp: missing argument to repetition operator: `*`",
            ),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(expanded(text, 1.0), Err(expected), "{text}");
    }
}

#[test]
fn hostile_templates_end() {
    let cases = [
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}".to_owned(),
        "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}".to_owned(),
        "{{ range 1000000 }}{{ $labels }}{{ end }}".to_owned(),
        format!("{}1{}", "{{ (".repeat(5000), ") }}".repeat(5000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000)),
        "{{ if true }}".repeat(20_000),
        "{{ printf \"%999999999999d\" 1 }}".repeat(10_000),
        "{{ reReplaceAll \"(a{1000}){1000}\" \"\" \"\" }}".to_owned(),
    ];
    for text in cases {
        let start: String = text.chars().take(40).collect();
        assert!(expanded(&text, 1.0).is_err(), "{start}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,60}") {
        let _ = expanded(&text, 1.0);
        let _ = expanded(&format!("{{{{ {text} }}}}"), 1.0);
    }

    #[test]
    fn nothing_made_of_its_parts_panics(parts in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{{-", "-}}", " ", "if", "range", "end", "else", "with", "define", "\"a\"", "$x",
        ":=", "=", ",", "(", ")", "|", ".", ".A", "$labels", "query", "printf", "1", "'c'", "`r`", "/*",
        "*/", "index", "and", "nil", "%d", "template", "block", "break", "\n",
    ]), 0..24)) {
        let _ = expanded(&parts.concat(), 1.0);
        let _ = check("t", &parts.join(" "));
    }

    #[test]
    fn floats_read_back(value in any::<f64>()) {
        let text = expanded("{{ $value }}", value).unwrap();
        let read: f64 = text.parse().unwrap();
        prop_assert!(read.to_bits() == value.to_bits() || value.is_nan());
    }
}
