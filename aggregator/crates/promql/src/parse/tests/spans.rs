use super::*;
use crate::ast::Position;

#[test]
fn every_node_knows_where_it_stands() {
    let text = "sum by (x) (rate(a{b=\"c\"}[5m] offset 1m)) > on (x) -(1 + d @ 5) [1h:]";
    let text = text.replace(" [1h:]", "");
    let mut found = Vec::new();
    collect(&parse(&text, &everything()).unwrap(), &text, &mut found);
    let expected = [
        text.as_str(),
        "sum by (x) (rate(a{b=\"c\"}[5m] offset 1m))",
        "rate(a{b=\"c\"}[5m] offset 1m)",
        "a{b=\"c\"}[5m] offset 1m",
        "-(1 + d @ 5)",
        "(1 + d @ 5)",
        "1 + d @ 5",
        "1",
        "d @ 5",
    ];
    assert_eq!(found, expected);
}

fn collect<'a>(expr: &Expr, text: &'a str, into: &mut Vec<&'a str>) {
    let span = expr.span();
    into.push(&text[span.start..span.end]);
    for child in expr.children() {
        collect(child, text, into);
    }
}

#[test]
fn trailing_modifiers_belong_to_the_node() {
    let cases = [
        "sum(a) by (x)",
        "sum(a)[5m:1m] @ end()",
        "a{x=\"y\"} offset -5m",
        "- 5m",
    ];
    for text in cases {
        let span = parse(text, &everything()).unwrap().span();
        assert_eq!(span, Span::new(0, text.len()), "{text}");
    }
}

#[test]
fn places_count_lines() {
    let error = parse("sum(\n  a\n)\n+ é é", &everything()).unwrap_err();
    assert_eq!(error.position, Some(Position { line: 4, column: 3 }));
    assert_eq!(
        error.to_string(),
        "4:3: parse error: unexpected character: 'é'"
    );
}
