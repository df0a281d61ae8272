//! Whether the types of a tree fit. What only a checked tree has - no matching between anything
//! but vectors, set operators between many - is put right on the way.

use system_stats_model::labels::METRIC_NAME;

use super::Parsed;
use super::error::Fault;
use crate::ast::{
    Aggregate, AggregateOp, Arity, Binary, Call, Cardinality, Expr, Function, Span, Subquery,
    Unary, ValueType, VectorMatching, VectorSelector,
};
use crate::print::quote;

/// Checks a whole tree and gives its type.
pub(super) fn check(text: &str, expr: &mut Expr) -> Parsed<ValueType> {
    let checker = Checker { text };
    checker.expr(expr)
}

struct Checker<'a> {
    text: &'a str,
}

fn refuse<T>(span: Span, message: impl Into<String>) -> Parsed<T> {
    Err(Fault::new(span, message))
}

impl Checker<'_> {
    fn expr(&self, expr: &mut Expr) -> Parsed<ValueType> {
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Vector(e) => selector(e)?,
            Expr::Matrix(e) => selector(&e.selector)?,
            Expr::Subquery(e) => self.subquery(e)?,
            Expr::Call(e) => self.call(e)?,
            Expr::Aggregate(e) => self.aggregate(e)?,
            Expr::Binary(e) => self.binary(e)?,
            Expr::Unary(e) => self.unary(e)?,
            Expr::Paren(e) => {
                self.expr(&mut e.expr)?;
            }
        }
        Ok(expr.value_type())
    }

    fn expect(&self, expr: &mut Expr, wanted: ValueType, context: &str) -> Parsed<()> {
        let found = self.expr(expr)?;
        if found != wanted {
            let message = format!("expected type {wanted} in {context}, got {found}");
            return refuse(expr.span(), message);
        }
        Ok(())
    }

    fn subquery(&self, subquery: &mut Subquery) -> Parsed<()> {
        let found = self.expr(&mut subquery.expr)?;
        if found != ValueType::Vector {
            let found = found.as_str();
            let message =
                format!("subquery is only allowed on instant vector, got {found} instead");
            return refuse(subquery.span, message);
        }
        Ok(())
    }

    fn unary(&self, unary: &mut Unary) -> Parsed<()> {
        let found = self.expr(&mut unary.expr)?;
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, \
                 got \"{found}\""
            );
            return refuse(unary.span, message);
        }
        Ok(())
    }

    fn aggregate(&self, aggregate: &mut Aggregate) -> Parsed<()> {
        self.expect(
            &mut aggregate.expr,
            ValueType::Vector,
            "aggregation expression",
        )?;
        let Some(param) = &mut aggregate.param else {
            return Ok(());
        };
        let wanted = match aggregate.op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        self.expect(param, wanted, "aggregation parameter")
    }

    fn call(&self, call: &mut Call) -> Parsed<()> {
        let signature = call.function.signature();
        let name = quote(signature.name);
        let (declared, given) = (signature.args.len(), call.args.len());
        let (least, most) = match signature.arity {
            Arity::Exact => (declared, declared),
            Arity::LastOptional => (declared - 1, declared),
            Arity::LastAnyTimes => (declared - 1, usize::MAX),
            Arity::LastTenTimes => (declared, declared + 9),
        };
        if given < least || given > most {
            let bound = match signature.arity {
                Arity::Exact => format!("{declared}"),
                _ if given < least => format!("at least {least}"),
                _ => format!("at most {most}"),
            };
            let message = format!("expected {bound} argument(s) in call to {name}, got {given}");
            return refuse(call.span, message);
        }
        let context = format!("call to function {name}");
        let is_info = call.function == Function::Info;
        for (at, arg) in call.args.iter_mut().enumerate() {
            let wanted = signature.args[at.min(declared - 1)];
            match arg {
                Expr::Vector(labels) if is_info && at == 1 => label_selector(labels)?,
                Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) => {
                    self.expect(arg, wanted, &context)?;
                }
                _ if is_info && at == 1 && arg.value_type() == ValueType::Vector => {
                    return refuse(arg.span(), "expected label selectors only");
                }
                _ => self.expect(arg, wanted, &context)?,
            }
        }
        Ok(())
    }

    fn binary(&self, binary: &mut Binary) -> Parsed<()> {
        let lhs = self.expr(&mut binary.lhs)?;
        let rhs = self.expr(&mut binary.rhs)?;
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return refuse(self.operator(binary), message);
        }
        let are_scalars = lhs == ValueType::Scalar && rhs == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && are_scalars {
            let message = "comparisons between scalars must use BOOL modifier";
            return refuse(self.operator(binary), message);
        }
        self.include(binary)?;
        for (operand, found) in [(&binary.lhs, lhs), (&binary.rhs, rhs)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return refuse(operand.span(), message);
            }
        }
        let span = binary.span();
        if lhs == ValueType::Vector && rhs == ValueType::Vector {
            return set_operation(binary);
        }
        if let Some(matching) = binary.matching.take()
            && (!matching.labels.is_empty() || has_fill(&matching))
        {
            let message = "vector matching only allowed between instant vectors";
            return refuse(span, message);
        }
        if op.is_set() {
            let message = format!("set operator \"{op}\" not allowed in binary scalar expression");
            return refuse(span, message);
        }
        Ok(())
    }

    fn include(&self, binary: &Binary) -> Parsed<()> {
        let Some(matching) = binary.matching.as_ref().filter(|m| m.on) else {
            return Ok(());
        };
        let twice = matching
            .labels
            .iter()
            .find(|l| matching.include.contains(l));
        if let Some(label) = twice {
            let label = quote(label);
            let message = format!("label {label} must not occur in ON and GROUP clause at once");
            return refuse(self.operator(binary), message);
        }
        Ok(())
    }

    /// Where the operator and its modifiers stand.
    fn operator(&self, binary: &Binary) -> Span {
        let (start, end) = (binary.lhs.span().end, binary.rhs.span().start);
        let between = self.text.get(start..end).unwrap_or_default();
        let blanks = between.len() - between.trim_ascii_start().len();
        Span::new(start + blanks, start + between.trim_ascii_end().len())
    }
}

fn set_operation(binary: &mut Binary) -> Parsed<()> {
    let (op, span) = (binary.op, binary.span());
    let Some(matching) = binary.matching.as_mut().filter(|_| op.is_set()) else {
        return Ok(());
    };
    if matching.cardinality != Cardinality::OneToOne {
        return refuse(span, format!("no grouping allowed for \"{op}\" operation"));
    }
    if has_fill(matching) {
        return refuse(span, format!("no fill allowed for \"{op}\" operation"));
    }
    matching.cardinality = Cardinality::ManyToMany;
    Ok(())
}

fn has_fill(matching: &VectorMatching) -> bool {
    matching.fill.left.is_some() || matching.fill.right.is_some()
}

/// The second argument of `info`: labels of whatever metrics.
fn label_selector(selector: &VectorSelector) -> Parsed<()> {
    if selector.name.is_some() {
        let message = "expected label selectors only, got vector selector instead";
        return refuse(selector.span, message);
    }
    Ok(())
}

fn selector(selector: &VectorSelector) -> Parsed<()> {
    let Some(name) = &selector.name else {
        if selector.matchers.iter().all(|matcher| matcher.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher";
            return refuse(selector.span, message);
        }
        return Ok(());
    };
    // The last one is the name's own.
    let (_, others) = selector
        .matchers
        .split_last()
        .unwrap_or((&selector.matchers[0], &[]));
    if let Some(other) = others.iter().find(|m| m.name() == METRIC_NAME) {
        let (name, other) = (quote(name), quote(other.value()));
        let message = format!("metric name must not be set twice: {name} or {other}");
        return refuse(selector.span, message);
    }
    Ok(())
}
