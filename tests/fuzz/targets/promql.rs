//! Any text through the parser of PromQL, its printer and what reads selectors.

#![no_main]

use libfuzzer_sys::fuzz_target;
use system_stats_promql::ast::Expr;
use system_stats_promql::parse::{ParseError, ParseOptions, parse, parse_selector};
use system_stats_promql::print::format_query;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let stable = ParseOptions::default();
    let all = ParseOptions {
        experimental_functions: true,
        fill_modifiers: true,
        extended_selectors: true,
        ..stable
    };
    let low = ParseOptions {
        max_nesting: 3,
        max_depth: 3,
        ..all
    };
    if let Err(error) = parse_selector(text) {
        names_a_place(&error, text);
    }
    for options in [stable, low] {
        if parse(text, &options).is_ok() {
            assert!(parse(text, &all).is_ok(), "more is allowed");
        }
    }
    match parse(text, &all) {
        Err(error) => names_a_place(&error, text),
        Ok(expr) => {
            stands_in_the_text(&expr, text);
            // What is printed is longer and as deep; it means the same.
            let line = expr.to_string();
            for printed in [&line, &format_query(&expr)] {
                let again = parse(printed, &all).expect("what is printed can be read");
                assert_eq!(again.to_string(), line);
            }
        }
    }
});

fn names_a_place(error: &ParseError, text: &str) {
    assert!(error.span.start <= error.span.end && error.span.end <= text.len());
    assert_eq!(error.position.is_none(), text.is_empty());
    assert!(!error.message.is_empty());
}

fn stands_in_the_text(expr: &Expr, text: &str) {
    let outer = expr.span();
    assert!(
        text.get(outer.start..outer.end)
            .is_some_and(|text| !text.is_empty())
    );
    for child in expr.children() {
        let inner = child.span();
        assert!(outer.start <= inner.start && inner.end <= outer.end);
        stands_in_the_text(child, text);
    }
}
