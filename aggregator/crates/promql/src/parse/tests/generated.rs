use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use system_stats_model::labels::METRIC_NAME;
use system_stats_model::matcher::MatchOp;

use super::*;
use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, Duration, Extent, Fill,
    Function, MatrixSelector, NumberLiteral, Paren, Sign, StringLiteral, Subquery, Unary,
    ValueType, VectorMatching, VectorSelector,
};
use crate::print::format_query;

proptest! {
    #[test]
    fn a_tree_survives_being_printed(expr in vector()) {
        for text in [expr.to_string(), format_query(&expr)] {
            let parsed = parse(&text, &everything());
            let mut again = parsed.map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
            forget_spans(&mut again);
            prop_assert_eq!(format!("{again:?}"), format!("{expr:?}"), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        read(&text)?;
    }

    #[test]
    fn any_tokens_are_read_or_refused(
        tokens in vec(prop::sample::select(TOKENS), 0..24),
        glue in prop::sample::select(&["", " ", "\n"]),
    ) {
        read(&tokens.join(glue))?;
    }
}

const TOKENS: &[&str] = &[
    "a",
    "b:c",
    "sum",
    "topk",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "atan2",
    "start",
    "end",
    "step",
    "range",
    "min_of",
    "max",
    "anchored",
    "smoothed",
    "rate",
    "abs",
    "info",
    "fill",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "@",
    "=",
    "!=",
    "=~",
    "!~",
    "==",
    ">",
    "+",
    "-",
    "*",
    "^",
    "%",
    "/",
    "5m",
    "1",
    "0x1F",
    "1_0",
    ".5",
    "1e3",
    "inf",
    "NaN",
    "\"x\"",
    "'y'",
    "`z`",
    "\"\\n\"",
    "#",
    "\n",
    "é",
];

/// Whatever is read is printed so that it is read again.
fn read(text: &str) -> Result<(), TestCaseError> {
    let _ = parse_selector(text);
    if let Ok(expr) = parse(text, &everything()) {
        let printed = expr.to_string();
        let again = parse(&printed, &everything());
        let again = again.map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
        prop_assert_eq!(again.to_string(), printed);
    }
    Ok(())
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,6}",
        Just("by".to_owned()),
        Just("inf".to_owned()),
        "[a-z.é \"\\\\]{1,5}",
    ]
}

fn metric() -> impl Strategy<Value = String> {
    let words = [
        "sum", "by", "topk", "offset", "start", "step", "smoothed", "unless",
    ];
    prop_oneof![
        "[a-z_:][a-z0-9_:]{0,8}".prop_filter("no name", |name| {
            !["inf", "nan", "on", "bool", "atan2", "ignoring"].contains(&name.as_str())
        }),
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
    ]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop::sample::select(&[
        MatchOp::Equal,
        MatchOp::NotEqual,
        MatchOp::Regex,
        MatchOp::NotRegex,
    ]);
    let name = label().prop_filter("the name's own", |l| l != METRIC_NAME);
    (name, op, "[a-z.|é\n\"]{0,6}")
        .prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

fn positive() -> impl Strategy<Value = Duration> {
    (1..10_000_000_000_i64).prop_map(Duration::from_millis)
}

fn offset() -> impl Strategy<Value = Option<Duration>> {
    let millis = (-10_000_000_i64..10_000_000).prop_filter("none", |millis| *millis != 0);
    option::of(millis.prop_map(Duration::from_millis))
}

fn at() -> impl Strategy<Value = Option<At>> {
    let time = (-10_000_000_000_i64..10_000_000_000).prop_map(At::Time);
    option::of(prop_oneof![time, Just(At::Start), Just(At::End)])
}

fn selector() -> impl Strategy<Value = VectorSelector> {
    let extent = option::of(prop::sample::select(&[Extent::Anchored, Extent::Smoothed]));
    (metric(), vec(matcher(), 0..3), offset(), at(), extent).prop_map(
        |(name, mut matchers, offset, at, extent)| {
            // The canonical order is that of the printed matchers.
            matchers.sort_by_key(printed_matcher);
            matchers.push(Matcher::equal(METRIC_NAME, name.clone()));
            VectorSelector {
                name: Some(name),
                matchers,
                offset,
                at,
                extent,
                span: Span::default(),
            }
        },
    )
}

fn printed_matcher(matcher: &Matcher) -> String {
    let selector = VectorSelector {
        name: None,
        matchers: vec![matcher.clone()],
        offset: None,
        at: None,
        extent: None,
        span: Span::default(),
    };
    selector.to_string()
}

fn number() -> impl Strategy<Value = Expr> {
    let plain = prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::ZERO,
        Just(f64::INFINITY),
        (-1000_i32..1000).prop_map(f64::from),
    ];
    let plain = plain.prop_map(|value| (value, false));
    let duration = (1_i32..1_000_000).prop_map(|millis| (f64::from(millis) / 1000.0, true));
    prop_oneof![plain, duration].prop_map(|(value, is_duration)| {
        let span = Span::default();
        Expr::Number(NumberLiteral {
            value,
            is_duration,
            span,
        })
    })
}

fn text() -> impl Strategy<Value = Expr> {
    "\\PC{0,6}|[\n\t\\\\\"]{0,3}".prop_map(|value| {
        let span = Span::default();
        Expr::String(StringLiteral {
            value,
            raw: None,
            span,
        })
    })
}

fn paren(expr: Expr) -> Box<Expr> {
    Box::new(Expr::Paren(Paren {
        expr: Box::new(expr),
        span: Span::default(),
    }))
}

fn vector() -> impl Strategy<Value = Expr> {
    selector()
        .prop_map(Expr::Vector)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|e| Expr::Paren(Paren {
                    expr: Box::new(e),
                    span: Span::default(),
                })),
                (inner.clone(), prop::bool::ANY).prop_map(|(e, plus)| Expr::Unary(Unary {
                    sign: if plus { Sign::Plus } else { Sign::Minus },
                    expr: paren(e),
                    span: Span::default(),
                })),
                aggregate(inner.clone()),
                call(inner.clone()),
                binary(inner),
            ]
        })
}

fn aggregate(inner: impl Strategy<Value = Expr>) -> impl Strategy<Value = Expr> {
    let op = prop::sample::select(&AggregateOp::ALL[..]);
    let grouping = (vec(label(), 0..3), prop::bool::ANY);
    (op, inner, number(), text(), grouping).prop_map(|(op, expr, number, text, grouping)| {
        let param = match op {
            AggregateOp::CountValues => Some(Box::new(text)),
            _ => op.takes_parameter().then(|| Box::new(number)),
        };
        Expr::Aggregate(Aggregate {
            op,
            expr: Box::new(expr),
            param,
            grouping: grouping.0,
            without: grouping.1,
            span: Span::default(),
        })
    })
}

fn matrix(inner: impl Strategy<Value = Expr>) -> impl Strategy<Value = Expr> {
    let span = Span::default();
    let range = (selector(), positive()).prop_map(move |(selector, range)| {
        Expr::Matrix(MatrixSelector {
            selector,
            range,
            span,
        })
    });
    let subquery = (inner, positive(), option::of(positive()), offset(), at()).prop_map(
        move |(expr, range, step, offset, at)| {
            let expr = paren(expr);
            Expr::Subquery(Subquery {
                expr,
                range,
                step,
                offset,
                at,
                span,
            })
        },
    );
    prop_oneof![range, subquery]
}

/// `info` takes no expression for its second argument.
fn call(inner: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Expr> {
    let functions: Vec<Function> = Function::ALL.to_vec();
    let function = prop::sample::select(functions)
        .prop_filter("a selector", |f| *f != Function::Info)
        .prop_filter("no scalar", |f| f.signature().returns == ValueType::Vector);
    (function, inner.clone(), matrix(inner), number(), text()).prop_map(
        |(function, vector, matrix, number, text)| {
            let args = function.signature().args.iter().map(|arg| match arg {
                ValueType::Scalar => number.clone(),
                ValueType::String => text.clone(),
                ValueType::Vector => vector.clone(),
                ValueType::Matrix => matrix.clone(),
            });
            Expr::Call(Call {
                function,
                args: args.collect(),
                span: Span::default(),
            })
        },
    )
}

fn binary(inner: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Expr> {
    let op = prop::sample::select(&[
        BinaryOp::Add,
        BinaryOp::Pow,
        BinaryOp::Atan2,
        BinaryOp::Mod,
        BinaryOp::LessEqual,
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Unless,
    ]);
    let labels = (
        prop::bool::ANY,
        vec("[a-m]{1,3}", 0..3),
        vec("[n-z]{1,3}", 0..3),
    );
    let fill = (option::of(-9..9_i8), option::of(-9..9_i8));
    let sides = (inner.clone(), inner, number(), 0..4_u8);
    (op, sides, labels, fill, prop::bool::ANY).prop_map(
        |(op, (lhs, rhs, scalar, shape), (on, labels, include), fill, flag)| {
            let is_vector = shape < 3 || op.is_set();
            let mut matching = VectorMatching {
                on,
                labels,
                ..VectorMatching::default()
            };
            if op.is_set() {
                matching.cardinality = Cardinality::ManyToMany;
            } else {
                matching.fill = Fill {
                    left: fill.0.map(f64::from),
                    right: fill.1.map(f64::from),
                };
                if shape > 0 {
                    let is_left = shape == 1;
                    let (left, right) = (Cardinality::ManyToOne, Cardinality::OneToMany);
                    matching.cardinality = if is_left { left } else { right };
                    matching.include = include;
                }
            }
            Expr::Binary(Binary {
                op,
                lhs: paren(lhs),
                rhs: if is_vector { paren(rhs) } else { paren(scalar) },
                matching: is_vector.then_some(matching),
                return_bool: op.is_comparison() && flag,
            })
        },
    )
}

fn forget_spans(expr: &mut Expr) {
    let nowhere = Span::default();
    match expr {
        Expr::Number(e) => e.span = nowhere,
        Expr::String(e) => e.span = nowhere,
        Expr::Vector(e) => e.span = nowhere,
        Expr::Matrix(e) => {
            e.span = nowhere;
            e.selector.span = nowhere;
        }
        Expr::Subquery(e) => {
            e.span = nowhere;
            forget_spans(&mut e.expr);
        }
        Expr::Call(e) => {
            e.span = nowhere;
            e.args.iter_mut().for_each(forget_spans);
        }
        Expr::Aggregate(e) => {
            e.span = nowhere;
            e.param.iter_mut().for_each(|param| forget_spans(param));
            forget_spans(&mut e.expr);
        }
        Expr::Binary(e) => {
            forget_spans(&mut e.lhs);
            forget_spans(&mut e.rhs);
        }
        Expr::Unary(e) => {
            e.span = nowhere;
            forget_spans(&mut e.expr);
        }
        Expr::Paren(e) => {
            e.span = nowhere;
            forget_spans(&mut e.expr);
        }
    }
}
