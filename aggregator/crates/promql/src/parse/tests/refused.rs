use super::*;

#[test]
fn messages_and_places() {
    for line in include_str!("refused.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (text, expected) = line.split_once("  =>  ").unwrap();
        match parse(text, &everything()) {
            Ok(expr) => panic!("{text} was read as {expr}"),
            Err(error) => {
                let found = error.to_string();
                assert_eq!(found.replacen(": parse error", "", 1), expected, "{text}");
            }
        }
    }
}

#[test]
fn nothing_at_all() {
    let cases = [
        (
            "",
            "unknown position: parse error: no expression found in input",
        ),
        (" \n", "1:1: parse error: no expression found in input"),
        (
            "# only a comment",
            "1:1: parse error: no expression found in input",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text, &everything()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
    }
}

#[test]
fn what_ends_too_early() {
    let cases = [
        ("\"a\nb\"", "1:1: parse error: unterminated quoted string"),
        ("'\\", "1:1: parse error: escape sequence not terminated"),
        ("`a", "1:1: parse error: unterminated raw string"),
        (
            "a #\n)",
            "2:2: parse error: unexpected right parenthesis ')'",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text, &everything()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
    }
}
