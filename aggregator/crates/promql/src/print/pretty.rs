use super::line::{AggregateHead, Operator, SubquerySuffix};
use crate::ast::Expr;

/// What is longer than this is broken into lines, in bytes.
const LINE_BYTES: usize = 100;

/// The expression with whatever is too long for a line broken at its operands and arguments.
#[must_use]
pub fn format_query(expr: &Expr) -> String {
    pretty(expr, 0)
}

fn pretty(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    if let Expr::Unary(unary) = expr {
        let operand = pretty(&unary.expr, level);
        return format!("{indent}{}{}", unary.sign, operand.trim());
    }
    let line = expr.to_string();
    if line.len() <= LINE_BYTES {
        return format!("{indent}{line}");
    }
    match expr {
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) | Expr::Unary(_) => {
            format!("{indent}{line}")
        }
        Expr::Subquery(e) => format!("{}{}", pretty(&e.expr, level), SubquerySuffix(e)),
        Expr::Paren(e) => format!("{indent}(\n{}\n{indent})", pretty(&e.expr, level + 1)),
        Expr::Binary(e) => {
            let (lhs, rhs) = (pretty(&e.lhs, level + 1), pretty(&e.rhs, level + 1));
            format!("{lhs}\n{indent}{}\n{rhs}", Operator(e))
        }
        Expr::Call(e) => format!("{indent}{}{}", e.function, list(expr, level)),
        Expr::Aggregate(e) => format!("{indent}{}{}", AggregateHead(e), list(expr, level)),
    }
}

/// What is below it in parentheses, each in its own lines.
fn list(expr: &Expr, level: usize) -> String {
    let children = expr.children();
    let children: Vec<String> = children.iter().map(|e| pretty(e, level + 1)).collect();
    format!("(\n{}\n{})", children.join(",\n"), "  ".repeat(level))
}
