//! Runs a script.

use std::num::NonZeroUsize;

use system_stats_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::sample::Millis;
use system_stats_model::source::FixedSource;
use system_stats_promql::ast::{At, Expr, Function};
use system_stats_promql::eval::{Options, Output, evaluate};
use system_stats_promql::parse::{ParseOptions, Point, parse};
use system_stats_promql::plan::{Plan, TimeSpan};
use system_stats_promql::value::Value;

use crate::compare::{compare, of_columns};
use crate::script::{Command, Eval, Load, parse_script};

/// What came of a script.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) cases: usize,
    /// Cases that could see a native histogram; these are not evaluated.
    pub(crate) apart: usize,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) message: String,
}

/// When the names go that operations drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// With the operation.
    AtOnce,
    /// At the end of the query.
    Late,
}

/// What expressions are evaluated over, and how.
struct Data {
    source: FixedSource,
    /// The series that would have native histograms.
    natives: Vec<Labels>,
    names: Names,
}

/// Runs a script; an error when it cannot be read.
pub(crate) fn run(script: &str, names: Names) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let mut data = Data {
        source: FixedSource::default(),
        natives: Vec::new(),
        names,
    };
    for command in parse_script(script)? {
        match command {
            Command::Clear => {
                data.source = FixedSource::default();
                data.natives.clear();
            }
            Command::Load(load) => data.insert(&load),
            Command::Eval(eval) if data.is_apart(&eval) => outcome.apart += 1,
            Command::Eval(eval) => {
                outcome.cases += 1;
                if let Err(message) = check(&eval, &data) {
                    outcome.failures.push(Failure {
                        line: eval.line,
                        text: eval.text.clone(),
                        message,
                    });
                }
            }
        }
    }
    Ok(outcome)
}

impl Data {
    /// Adds the samples of a block.
    fn insert(&mut self, load: &Load) {
        for (labels, points) in &load.series {
            if points.iter().any(|point| matches!(point, Point::Histogram)) {
                self.natives.push(labels.clone());
                continue;
            }
            let classic = labels.metric_name().strip_suffix("_bucket");
            if let Some(name) = classic.filter(|_| load.makes_native) {
                let mut native = LabelsBuilder::from(labels);
                native.set(METRIC_NAME, name);
                native.remove("le");
                self.natives.push(native.build());
            }
            let mut time = 0;
            for point in points {
                if let Point::Value(value) = point {
                    self.source.insert(labels, time, *value);
                }
                time += load.gap;
            }
        }
    }

    /// Whether a case could see a native histogram, or expects one.
    fn is_apart(&self, eval: &Eval) -> bool {
        let points = eval.series.iter().flat_map(|(_, points)| points);
        let mut is_apart = points.into_iter().any(|p| matches!(p, Point::Histogram));
        if let Ok(expr) = parse(&eval.text, &everything()) {
            expr.for_each_selector(&mut |selector| {
                let selects = |labels: &Labels| {
                    let mut matchers = selector.matchers.iter();
                    matchers.all(|m| m.matches(labels.get(m.name()).unwrap_or_default()))
                };
                is_apart |= self.natives.iter().any(selects);
            });
        }
        is_apart
    }
}

fn everything() -> ParseOptions {
    ParseOptions {
        experimental_functions: true,
        fill_modifiers: true,
        extended_selectors: true,
        ..ParseOptions::default()
    }
}

fn check(eval: &Eval, data: &Data) -> Result<(), String> {
    let expr = match (parse(&eval.text, &everything()), &eval.expects.fail) {
        (Ok(expr), _) => expr,
        (Err(error), Some(expected)) if expected.holds(&error.to_string()) => return Ok(()),
        (Err(error), _) => return Err(error.to_string()),
    };
    check_tree(eval, &expr, data)?;
    if eval.span.step > 0 {
        return Ok(());
    }
    // What is pinned to its time does not depend on the evaluation's any more.
    let mut pinned = expr;
    let time = eval.span.start;
    if !pin(&mut pinned, time) {
        return Ok(());
    }
    let others = if time == 0 {
        [-1000, 0, 1000, 0, 0]
    } else {
        [-10 * time, 0, time / 5, time, 10 * time]
    };
    for other in others {
        let moved = Eval {
            span: TimeSpan::instant(other),
            text: pinned.to_string(),
            ..copy(eval)
        };
        check_tree(&moved, &pinned, data)
            .map_err(|message| format!("as {pinned} at {other}: {message}"))?;
    }
    Ok(())
}

/// Evaluates at the times of the case, and an instant also as the middle of a range.
fn check_tree(eval: &Eval, expr: &Expr, data: &Data) -> Result<(), String> {
    let output = match (evaluate_at(eval, expr, eval.span, data), &eval.expects.fail) {
        (Ok(output), None) => output,
        (Ok(output), Some(_)) => return Err(format!("did not fail: {:?}", output.value)),
        (Err(message), Some(expected)) if expected.holds(&message) => return Ok(()),
        (Err(message), Some(expected)) => {
            return Err(format!("failed with {message:?} instead of {expected:?}"));
        }
        (Err(message), None) => return Err(message),
    };
    eval.expects.check(&output.warnings, &output.infos)?;
    compare(eval, &output.value)?;
    let is_plain = matches!(output.value, Value::Vector { .. } | Value::Scalar { .. });
    let is_timed = !matches!(Plan::new(expr, "").timed(&eval.span), Ok(None));
    if eval.span.step > 0 || !is_plain || eval.expects.ordered || is_timed {
        return Ok(());
    }
    let middle = eval.span.start;
    let around = TimeSpan {
        start: middle - 60_000,
        end: middle + 60_000,
        step: 60_000,
    };
    let output = evaluate_at(eval, expr, around, data)
        .map_err(|message| format!("over a range around it: {message}"))?;
    let Value::Range(columns) = &output.value else {
        return Err(format!("a range around it gives {:?}", output.value));
    };
    let found = of_columns(columns)?;
    let at_middle = found.into_iter().filter_map(|(labels, samples)| {
        let sample = samples.into_iter().find(|(time, _)| *time == middle)?;
        Some((labels, sample.1))
    });
    let value = match output_of(eval, at_middle) {
        Ok(value) => value,
        Err(found) => return Err(format!("over a range around it: found {found}")),
    };
    compare(eval, &value).map_err(|message| format!("over a range around it: {message}"))
}

/// What an evaluation of the middle alone would have given.
fn output_of(eval: &Eval, elements: impl Iterator<Item = (Labels, f64)>) -> Result<Value, String> {
    use system_stats_promql::value::Element;
    let timestamp = eval.span.start;
    let elements: Vec<Element> = elements
        .map(|(labels, value)| Element { labels, value })
        .collect();
    match (eval.scalar, elements.as_slice()) {
        (None, _) => Ok(Value::Vector {
            timestamp,
            elements,
        }),
        (Some(_), [one]) if one.labels.is_empty() => Ok(Value::Scalar {
            timestamp,
            value: one.value,
        }),
        (Some(_), others) => Err(format!("{others:?}")),
    }
}

/// Evaluates with one thread and with two, which must make no difference.
fn evaluate_at(eval: &Eval, expr: &Expr, span: TimeSpan, data: &Data) -> Result<Output, String> {
    let plan = Plan::new(expr, &eval.text);
    let run = |threads| {
        let options = Options {
            delayed_name_removal: data.names == Names::Late,
            threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
            ..Options::new(span)
        };
        evaluate(&plan, &data.source, &options).map_err(|error| error.to_string())
    };
    let (one, two) = (run(1), run(2));
    let value = |result: &Result<Output, String>| match result {
        Ok(output) => format!("{:?}", output.value),
        Err(message) => message.clone(),
    };
    if value(&one) != value(&two) {
        return Err(format!("two threads find {}", value(&two)));
    }
    one
}

fn copy(eval: &Eval) -> Eval {
    Eval {
        line: eval.line,
        text: String::new(),
        span: eval.span,
        expects: eval.expects.clone(),
        scalar: eval.scalar,
        series: eval.series.clone(),
    }
}

/// Fixes the time of every selector that is not below a subquery, and of the subqueries. False
/// when something in it asks for the time of the evaluation by itself.
fn pin(expr: &mut Expr, time: Millis) -> bool {
    use Function::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, End, Hour, Info, Minute, Month,
        PredictLinear, Start, Time, Timestamp, Year,
    };
    let fix = |at: &mut Option<At>| {
        if !matches!(at, Some(At::Time(_))) {
            *at = Some(At::Time(time));
        }
    };
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(e) => {
            fix(&mut e.at);
            true
        }
        Expr::Matrix(e) => {
            fix(&mut e.selector.at);
            true
        }
        Expr::Subquery(e) => {
            fix(&mut e.at);
            is_timeless(&e.expr)
        }
        Expr::Call(e) => {
            let asks = matches!(
                e.function,
                DayOfMonth
                    | DayOfWeek
                    | DayOfYear
                    | DaysInMonth
                    | End
                    | Hour
                    | Info
                    | Minute
                    | Month
                    | PredictLinear
                    | Start
                    | Time
                    | Timestamp
                    | Year
            );
            !asks && e.args.iter_mut().all(|arg| pin(arg, time))
        }
        Expr::Aggregate(e) => {
            e.param.iter_mut().all(|param| pin(param, time)) && pin(&mut e.expr, time)
        }
        Expr::Binary(e) => pin(&mut e.lhs, time) && pin(&mut e.rhs, time),
        Expr::Unary(e) => pin(&mut e.expr, time),
        Expr::Paren(e) => pin(&mut e.expr, time),
    }
}

/// Whether everything below a subquery that is fixed stays as it is: `start()` and `end()` do not.
fn is_timeless(expr: &Expr) -> bool {
    let is_fixed = |at: Option<At>| !matches!(at, Some(At::Start | At::End));
    let mut fixed = true;
    expr.for_each_selector(&mut |selector| fixed &= is_fixed(selector.at));
    fixed && subqueries_are_fixed(expr)
}

fn subqueries_are_fixed(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Subquery(e) => !matches!(e.at, Some(At::Start | At::End)),
        _ => true,
    };
    own && expr.children().into_iter().all(subqueries_are_fixed)
}
