mod generated;
mod refused;
mod spans;

use super::*;

fn everything() -> ParseOptions {
    ParseOptions {
        experimental_functions: true,
        fill_modifiers: true,
        extended_selectors: true,
        ..ParseOptions::default()
    }
}

/// The lines of a list that hold an expression.
fn expressions(list: &'static str) -> impl Iterator<Item = &'static str> {
    let is_expression = |line: &&str| !line.is_empty() && !line.starts_with('#');
    list.lines().filter(is_expression)
}

/// Each line is an expression in its canonical form; `=>` leads to another canonical form.
#[test]
fn expressions_are_printed_canonically() {
    for line in expressions(include_str!("tests/valid.txt")) {
        let (text, expected) = line.split_once("  =>  ").unwrap_or((line, line));
        let expr = parse(text, &everything()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expr.to_string(), expected, "{text}");
        let again = parse(expected, &everything());
        let again = again.unwrap_or_else(|error| panic!("{expected}: {error}"));
        assert_eq!(again.to_string(), expected, "printed again");
    }
}

/// Another parser reads every expression of the list as the same one, apart from what it cannot.
#[test]
fn another_parser_agrees() {
    let differs: Vec<&str> = expressions(include_str!("tests/only_here.txt")).collect();
    let mut surprises = Vec::new();
    for line in expressions(include_str!("tests/valid.txt")) {
        let (text, expected) = line.split_once("  =>  ").unwrap_or((line, line));
        let theirs = promql_parser::parser::parse(text)
            .map(|expr| expr.to_string())
            .and_then(|theirs| parse(&theirs, &everything()).map_err(|e| e.to_string()))
            .map(|expr| expr.to_string());
        let agrees = theirs.as_deref() == Ok(expected);
        if agrees == differs.contains(&text) {
            surprises.push(format!("{text}: the other parser has {theirs:?}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn operators_bind_as_tight_as_documented() {
    let cases = [
        ("1 + 2 * 3 ^ 4", "(1 + (2 * (3 ^ 4)))"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("-a ^ 2", "-(a ^ 2)"),
        ("-a * b", "(-a * b)"),
        ("2 ^ -a ^ b * c", "((2 ^ -(a ^ b)) * c)"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a == b + c > d", "((a == (b + c)) > d)"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("-a offset 5m", "-a offset 5m"),
        ("a + b offset 1m * 2", "(a + (b offset 1m * 2))"),
    ];
    for (text, expected) in cases {
        let expr = parse(text, &ParseOptions::default()).unwrap();
        assert_eq!(grouped(&expr), expected, "{text}");
    }
}

fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(e) => format!("({} {} {})", grouped(&e.lhs), e.op, grouped(&e.rhs)),
        Expr::Unary(e) => format!("{}{}", e.sign, grouped(&e.expr)),
        other => other.to_string(),
    }
}

#[test]
fn what_is_not_enabled_is_refused() {
    let stable = ParseOptions {
        duration_expressions: false,
        ..ParseOptions::default()
    };
    let cases = [
        (
            "mad_over_time(a[5m])",
            "1:1: parse error: function \"mad_over_time\" is not enabled",
        ),
        (
            "sum(limitk(1, a))",
            "1:5: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
        (
            "a[5m + 1m]",
            "1:3: parse error: experimental duration expression is not enabled",
        ),
        (
            "a offset (5m)",
            "1:11: parse error: experimental duration expression is not enabled",
        ),
        (
            "a offset -step()",
            "1:11: parse error: experimental duration expression is not enabled",
        ),
        (
            "rate(a[5m] smoothed)",
            "1:6: parse error: smoothed modifier is experimental and not enabled",
        ),
        (
            "1 + (a anchored)",
            "1:6: parse error: anchored modifier is experimental and not enabled",
        ),
        (
            "vector(step())",
            "1:8: parse error: function \"step\" is not enabled",
        ),
        (
            "a + fill(0) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text, &stable).unwrap_err().to_string(), expected);
        assert!(parse(text, &everything()).is_ok(), "{text}");
    }
    // The words of the modifiers are names like any other.
    assert!(parse("fill + fill_left", &stable).is_ok());
    assert!(parse("a[-(-5m)]", &everything()).is_ok());
}

#[test]
fn depth_is_bounded_before_anything_recurses() {
    let options = ParseOptions::default();
    let many = 100_000;
    let deep = [
        "(".repeat(many),
        "-".repeat(many) + "a",
        "sum(".repeat(many),
        "abs(".repeat(many),
        format!("1{}", "+1".repeat(many)),
        format!("1{}", "^1".repeat(many)),
        format!("a{}", "[1m:]".repeat(many)),
        format!("a[{}1m]", "(".repeat(many)),
        format!("a[{}1m]", "-".repeat(many)),
        format!("a[1m{}]", "+1m".repeat(many)),
        format!("a offset ({}", "(".repeat(many)),
        format!("{{a=~\"{}\"}}", "(".repeat(many)),
    ];
    for text in deep {
        let message = parse(&text, &options).unwrap_err().to_string();
        let is_bounded = message.contains("nested too deeply, at most ");
        assert!(
            is_bounded || message.contains("parsing regexp"),
            "{}",
            &message[..80]
        );
    }
    // Up to the bound everything works, printing and dropping included.
    let text = format!("{}a{}", "(".repeat(99), ")".repeat(99));
    assert_eq!(parse(&text, &options).unwrap().to_string(), text);
    let text = format!("a{}", " or a".repeat(250));
    assert_eq!(parse(&text, &options).unwrap().to_string(), text);
}

#[test]
fn durations_are_computed() {
    let cases = [
        ("a[5m]", 300_000),
        ("a[300]", 300_000),
        ("a[0x10]", 16_000),
        ("a[1_000]", 1_000_000),
        ("a[1.5]", 1500),
        ("a[97d5h37m53s904ms]", 8_401_073_904),
        ("a[2m * 15]", 1_800_000),
        ("a[1h - 2 * 10m]", 2_400_000),
        ("a[2 ^ 3 ^ 1]", 8000),
        ("a[-(1m - 2m)]", 60_000),
        ("a[1h30m % 1h]", 1_800_000),
        ("a[(1m + 1m) / 4]", 30_000),
        ("a[+5m]", 300_000),
    ];
    for (text, expected) in cases {
        let Expr::Matrix(matrix) = parse(text, &everything()).unwrap() else {
            panic!("{text} is no range");
        };
        assert_eq!(matrix.range.millis, expected, "{text}");
    }
    let offsets = [
        ("a offset 5m", 300_000),
        ("a offset -5m", -300_000),
        ("a offset +7", 7000),
        ("a offset (1m * 2)", 120_000),
        ("a offset -(1m * 2)", -120_000),
        ("a offset (1m) * 2", 120_000),
        ("a offset --5m", 300_000),
        ("a offset 0s", 0),
    ];
    for (text, expected) in offsets {
        let Expr::Vector(selector) = parse(text, &everything()).unwrap() else {
            panic!("{text} is no selector");
        };
        assert_eq!(selector.offset_millis(), expected, "{text}");
    }
}

#[test]
fn selectors_are_found_in_order() {
    let text = "sum(a{x=\"1\"}) / on (y) b offset 5m + rate(c[5m]) + max_over_time(sum(d)[1h:])";
    let expr = parse(text, &ParseOptions::default()).unwrap();
    let mut names = Vec::new();
    expr.for_each_selector(&mut |selector| names.push(selector.name.clone().unwrap_or_default()));
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[test]
fn a_selector_by_itself() {
    let cases = [
        ("up", "[__name__=\"up\"]"),
        ("{a=\"b\", c!~\"d\"}", "[a=\"b\", c!~\"d\"]"),
        (" up { job = 'x' , } ", "[job=\"x\", __name__=\"up\"]"),
        (
            "{\"with.dot\", \"a b\"=\"c\"}",
            "[__name__=\"with.dot\", a b=\"c\"]",
        ),
        ("{}", "[]"),
        ("by", "[__name__=\"by\"]"),
    ];
    for (text, expected) in cases {
        let matchers = parse_selector(text).unwrap();
        let shown: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        assert_eq!(format!("[{}]", shown.join(", ")), expected, "{text}");
    }
    for text in [
        "",
        "on",
        "up[5m]",
        "up offset 5m",
        "1",
        "sum(up)",
        "up{",
        "-up",
    ] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
}
