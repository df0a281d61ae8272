//! `/api/v1/format_query` and `/api/v1/parse_query`: expressions, without a look at samples.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use system_stats_model::matcher::Matcher;
use system_stats_promql::ast::{Arity, At, Call, Duration, Expr, Extent, Subquery, VectorSelector};
use system_stats_promql::print::format_query;
use system_stats_promql::value::write_decimal;

use super::Success;
use super::form::Form;
use crate::http::error::ApiError;
use crate::http::state::Shared;

/// `GET` and `POST /api/v1/format_query?query=`: the expression, broken into lines.
pub(in crate::http) async fn format(
    State(state): Shared,
    form: Form,
) -> Result<Json<Success<String>>, ApiError> {
    let text = state
        .query
        .read(form.get("query"), |expr, _| format_query(expr));
    Ok(Json(Success::new(text.await?)))
}

/// `GET` and `POST /api/v1/parse_query?query=`: the expression's tree.
pub(in crate::http) async fn parse(
    State(state): Shared,
    form: Form,
) -> Result<Json<Success<Value>>, ApiError> {
    let tree = state.query.read(form.get("query"), |expr, _| tree(expr));
    Ok(Json(Success::new(tree.await?)))
}

/// The shapes are those of Prometheus' `translate_ast.go`. The depth of what the parser gives is
/// bounded.
fn tree(expr: &Expr) -> Value {
    match expr {
        Expr::Number(e) => {
            let mut text = String::new();
            write_decimal(&mut text, e.value);
            json!({"type": "numberLiteral", "val": text})
        }
        Expr::String(e) => json!({"type": "stringLiteral", "val": e.value}),
        Expr::Vector(e) => selector("vectorSelector", e),
        Expr::Matrix(e) => {
            let mut found = selector("matrixSelector", &e.selector);
            found["range"] = e.range.millis.into();
            found
        }
        Expr::Subquery(e) => subquery(e),
        Expr::Call(e) => call(e),
        Expr::Aggregate(e) => json!({
            "type": "aggregation",
            "op": e.op.as_str(),
            "expr": tree(&e.expr),
            "param": e.param.as_deref().map(tree),
            "grouping": e.grouping,
            "without": e.without,
        }),
        Expr::Binary(e) => json!({
            "type": "binaryExpr",
            "op": e.op.as_str(),
            "lhs": tree(&e.lhs),
            "rhs": tree(&e.rhs),
            "matching": e.matching.as_ref().map(|matching| json!({
                "card": matching.cardinality.as_str(),
                "labels": matching.labels,
                "on": matching.on,
                "include": matching.include,
                "fillValues": {"lhs": matching.fill.left, "rhs": matching.fill.right},
            })),
            "bool": e.return_bool,
        }),
        Expr::Unary(e) => json!({
            "type": "unaryExpr",
            "op": e.sign.to_string(),
            "expr": tree(&e.expr),
        }),
        Expr::Paren(e) => json!({"type": "parenExpr", "expr": tree(&e.expr)}),
    }
}

fn selector(kind: &str, selector: &VectorSelector) -> Value {
    let (timestamp, bound) = at(selector.at);
    let matcher = |matcher: &Matcher| {
        json!({
            "name": matcher.name(),
            "value": matcher.value(),
            "type": matcher.op().to_string(),
        })
    };
    json!({
        "type": kind,
        "name": selector.name.as_deref().unwrap_or_default(),
        "offset": selector.offset_millis(),
        "matchers": selector.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp,
        "startOrEnd": bound,
        "anchored": selector.extent == Some(Extent::Anchored),
        "smoothed": selector.extent == Some(Extent::Smoothed),
    })
}

fn subquery(subquery: &Subquery) -> Value {
    let (timestamp, bound) = at(subquery.at);
    let millis = |length: &Duration| length.millis;
    json!({
        "type": "subquery",
        "expr": tree(&subquery.expr),
        "range": subquery.range.millis,
        "offset": subquery.offset_millis(),
        "step": subquery.step.as_ref().map_or(0, millis),
        "timestamp": timestamp,
        "startOrEnd": bound,
    })
}

fn call(call: &Call) -> Value {
    let signature = call.function.signature();
    let variadic = match signature.arity {
        Arity::Exact => 0,
        Arity::LastOptional => 1,
        Arity::LastTenTimes => 10,
        Arity::LastAnyTimes => -1,
    };
    let types: Vec<&str> = signature.args.iter().map(|kind| kind.as_str()).collect();
    json!({
        "type": "call",
        "func": {
            "name": signature.name,
            "argTypes": types,
            "variadic": variadic,
            "returnType": signature.returns.as_str(),
        },
        "args": call.args.iter().map(tree).collect::<Vec<_>>(),
    })
}

/// A fixed time, or which end of the query.
fn at(at: Option<At>) -> (Option<i64>, Option<&'static str>) {
    match at {
        None => (None, None),
        Some(At::Time(time)) => (Some(time), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    }
}

#[cfg(test)]
mod tests {
    use system_stats_promql::parse::{ParseOptions, parse};

    use super::*;

    #[test]
    fn trees_are_those_of_prometheus() {
        let selector = |name: &str| {
            json!({
                "type": "vectorSelector", "name": name, "offset": 0, "timestamp": null,
                "startOrEnd": null, "anchored": false, "smoothed": false,
                "matchers": [{"name": "__name__", "type": "=", "value": name}],
            })
        };
        let cases = [
            (
                "-a",
                json!({"type": "unaryExpr", "op": "-", "expr": selector("a")}),
            ),
            (
                "(\"s\")",
                json!({"type": "parenExpr", "expr": {"type": "stringLiteral", "val": "s"}}),
            ),
            (
                "topk without(x) (2, a)",
                json!({
                    "type": "aggregation", "op": "topk", "without": true, "grouping": ["x"],
                    "param": {"type": "numberLiteral", "val": "2"}, "expr": selector("a"),
                }),
            ),
            (
                "a + on(x) group_left(y) fill_right(0) b",
                json!({
                    "type": "binaryExpr", "op": "+", "bool": false,
                    "lhs": selector("a"), "rhs": selector("b"),
                    "matching": {
                        "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
                        "fillValues": {"lhs": null, "rhs": 0.0},
                    },
                }),
            ),
            (
                "1e21 > bool +Inf",
                json!({
                    "type": "binaryExpr", "op": ">", "bool": true, "matching": null,
                    "lhs": {"type": "numberLiteral", "val": "1000000000000000000000"},
                    "rhs": {"type": "numberLiteral", "val": "+Inf"},
                }),
            ),
            (
                "rate(a{l!~\"x\"}[5m] smoothed @ 10 offset 1m)",
                json!({
                    "type": "call",
                    "func": {
                        "name": "rate", "argTypes": ["matrix"], "variadic": 0,
                        "returnType": "vector",
                    },
                    "args": [{
                        "type": "matrixSelector", "name": "a", "range": 300_000,
                        "offset": 60_000, "timestamp": 10_000, "startOrEnd": null,
                        "anchored": false, "smoothed": true,
                        "matchers": [
                            {"name": "l", "type": "!~", "value": "x"},
                            {"name": "__name__", "type": "=", "value": "a"},
                        ],
                    }],
                }),
            ),
            (
                "a[5m:1m] @ start()",
                json!({
                    "type": "subquery", "expr": selector("a"), "range": 300_000, "step": 60_000,
                    "offset": 0, "timestamp": null, "startOrEnd": "start",
                }),
            ),
        ];
        let options = ParseOptions {
            extended_selectors: true,
            fill_modifiers: true,
            ..ParseOptions::default()
        };
        for (text, expected) in cases {
            let found = parse(text, &options).map(|expr| tree(&expr));
            assert_eq!(found.unwrap_or_default(), expected, "{text}");
        }
    }
}
