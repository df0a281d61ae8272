use std::collections::HashMap;

use system_stats_model::labels::METRIC_NAME;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::Millis;

use super::fetch::TimeSpan;
use super::node::{Kind, Node, RangeNode, SelectNode, SubqueryNode};
use crate::ast::{
    Aggregate, Binary, Call, Duration, DurationFault, Expr, Function, QueryTimes, Sign, Subquery,
    ValueType, VectorSelector,
};
use crate::eval::binary_operation;

/// The name of the series that `info` joins with when it is not told.
const TARGET_INFO: &str = "target_info";

/// Which series it joins with when it is only told which not.
const ANY_INFO: &str = ".+_info";

/// What is made of an expression for queries of some times.
pub(super) struct Built {
    pub(super) root: Node,
    /// How often each selector occurs in it.
    pub(super) uses: Vec<usize>,
    /// Whether queries of other times have another plan.
    pub(super) is_timed: bool,
    /// The first duration that makes no sense at these times.
    pub(super) fault: Option<DurationFault>,
}

pub(super) fn build(expr: &Expr, span: TimeSpan) -> Built {
    let mut builder = Builder {
        span,
        ids: HashMap::new(),
        uses: Vec::new(),
        is_timed: false,
        fault: None,
    };
    let root = builder.node(expr);
    Built {
        root,
        uses: builder.uses,
        is_timed: builder.is_timed,
        fault: builder.fault,
    }
}

struct Builder {
    span: TimeSpan,
    ids: HashMap<String, usize>,
    uses: Vec<usize>,
    is_timed: bool,
    fault: Option<DurationFault>,
}

impl Builder {
    /// The length of a range or a step.
    fn length(&mut self, duration: &Duration) -> Millis {
        self.millis(duration, true)
    }

    fn offset(&mut self, offset: Option<&Duration>) -> Millis {
        offset.map_or(0, |offset| self.millis(offset, false))
    }

    fn millis(&mut self, duration: &Duration, must_be_positive: bool) -> Millis {
        let Some(expr) = duration.timed() else {
            return duration.millis;
        };
        self.is_timed = true;
        let times = |which| self.span.seconds(which);
        let millis = if must_be_positive {
            expr.positive_millis(&times)
        } else {
            expr.millis(&times)
        };
        millis.unwrap_or_else(|fault| {
            self.fault.get_or_insert(fault);
            0
        })
    }

    fn node(&mut self, expr: &Expr) -> Node {
        let (kind, is_invariant) = match expr {
            Expr::Paren(paren) => return self.node(&paren.expr),
            Expr::Number(number) => (Kind::Number(number.value), true),
            Expr::String(text) => (Kind::Text(text.clone()), true),
            Expr::Vector(selector) => self.vector(selector),
            Expr::Matrix(matrix) => {
                let select = self.select(&matrix.selector);
                let is_invariant = select.at.is_some();
                let range = self.length(&matrix.range);
                (Kind::Range(RangeNode { select, range }), is_invariant)
            }
            Expr::Subquery(subquery) => self.subquery(subquery),
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => {
                let node = self.node(&unary.expr);
                match (unary.sign, &node.kind) {
                    (Sign::Plus, _) => return node,
                    (Sign::Minus, Kind::Number(value)) => (Kind::Number(-value), true),
                    (Sign::Minus, _) => {
                        let is_invariant = node.is_invariant;
                        (Kind::Negate(Box::new(node)), is_invariant)
                    }
                }
            }
        };
        Node {
            kind,
            is_invariant,
            value_type: expr.value_type(),
            span: expr.span(),
        }
    }

    fn vector(&mut self, selector: &VectorSelector) -> (Kind, bool) {
        let select = self.select(selector);
        let is_invariant = select.at.is_some();
        (Kind::Select(select), is_invariant)
    }

    fn select(&mut self, selector: &VectorSelector) -> SelectNode {
        let mut select = SelectNode {
            matchers: selector.matchers.clone(),
            offset: self.offset(selector.offset.as_ref()),
            at: selector.at,
            extent: selector.extent,
            id: 0,
        };
        select.id = self.id_of(&select);
        select
    }

    fn id_of(&mut self, select: &SelectNode) -> usize {
        let mut conditions: Vec<String> = select.matchers.iter().map(ToString::to_string).collect();
        conditions.sort_unstable();
        let key = format!(
            "{conditions:?} {} {:?} {:?}",
            select.offset, select.at, select.extent
        );
        let next = self.ids.len();
        let id = *self.ids.entry(key).or_insert(next);
        self.uses.resize(self.ids.len(), 0);
        self.uses[id] += 1;
        id
    }

    fn subquery(&mut self, subquery: &Subquery) -> (Kind, bool) {
        let node = SubqueryNode {
            expr: self.node(&subquery.expr),
            range: self.length(&subquery.range),
            step: subquery.step.as_ref().map(|step| self.length(step)),
            offset: self.offset(subquery.offset.as_ref()),
            at: subquery.at,
        };
        let is_invariant = node.at.is_some();
        (Kind::Subquery(Box::new(node)), is_invariant)
    }

    fn call(&mut self, call: &Call) -> (Kind, bool) {
        if let Some(seconds) = self.of_query(call.function) {
            self.is_timed = true;
            return (Kind::Number(seconds), true);
        }
        let info = (call.function == Function::Info).then(|| self.info(call));
        // The second argument of `info` is no value but a description of what it looks up.
        let values = if info.is_some() { 1 } else { call.args.len() };
        let args = call.args.iter().take(values);
        let mut args: Vec<Node> = args.map(|arg| self.node(arg)).collect();
        let is_invariant = !depends_on_time(call.function) && args.iter().all(|a| a.is_invariant);
        if !is_invariant {
            // Notes on what is evaluated once name the place with its parentheses.
            for (node, arg) in args.iter_mut().zip(&call.args) {
                if node.is_invariant {
                    node.span = arg.span();
                }
            }
        }
        let function = call.function;
        let kind = Kind::Call {
            function,
            args,
            info,
        };
        (kind, is_invariant)
    }

    /// The value of a function that names one of the query's times, in seconds.
    fn of_query(&self, function: Function) -> Option<f64> {
        let TimeSpan { start, .. } = self.span;
        let seconds = |millis: Millis| millis as f64 / 1000.0;
        match function {
            Function::Start => Some(seconds(start)),
            Function::End => Some(seconds(self.span.last())),
            Function::Step => Some(self.span.seconds(QueryTimes::Step)),
            Function::Range => Some(self.span.seconds(QueryTimes::Range)),
            _ => None,
        }
    }

    /// What `info` looks up: the series of its second argument, `target_info` unless that names
    /// others.
    fn info(&mut self, call: &Call) -> SelectNode {
        let mut matchers = match call.args.get(1).map(Expr::unwrap_parens) {
            Some(Expr::Vector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let names = matchers.iter().filter(|m| m.name() == METRIC_NAME);
        let names: Vec<MatchOp> = names.map(Matcher::op).collect();
        let is_negated = |op: &MatchOp| matches!(op, MatchOp::NotEqual | MatchOp::NotRegex);
        if names.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, TARGET_INFO));
        } else if names.iter().all(is_negated)
            && let Ok(any) = Matcher::new(METRIC_NAME, MatchOp::Regex, ANY_INFO)
        {
            matchers.push(any);
        }
        let mut select = SelectNode {
            matchers,
            offset: 0,
            at: None,
            extent: None,
            id: 0,
        };
        select.id = self.id_of(&select);
        select
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> (Kind, bool) {
        let expr = self.node(&aggregate.expr);
        // The parameter does not count, as in Prometheus.
        let is_invariant = expr.is_invariant;
        let kind = Kind::Aggregate {
            op: aggregate.op,
            expr: Box::new(expr),
            param: aggregate.param.as_ref().map(|p| Box::new(self.node(p))),
            grouping: aggregate.grouping.clone(),
            without: aggregate.without,
        };
        (kind, is_invariant)
    }

    fn binary(&mut self, binary: &Binary) -> (Kind, bool) {
        let (lhs, rhs) = (self.node(&binary.lhs), self.node(&binary.rhs));
        if let (Kind::Number(a), Kind::Number(b)) = (&lhs.kind, &rhs.kind) {
            return (Kind::Number(binary_operation(binary.op, *a, *b)), true);
        }
        let is_invariant = lhs.is_invariant && rhs.is_invariant;
        debug_assert!(lhs.value_type != ValueType::String && rhs.value_type != ValueType::String);
        let kind = Kind::Binary {
            op: binary.op,
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
            matching: binary.matching.clone(),
            return_bool: binary.return_bool,
        };
        (kind, is_invariant)
    }
}

/// Whether a function looks at the evaluation's time itself.
fn depends_on_time(function: Function) -> bool {
    matches!(
        function,
        Function::DaysInMonth
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
            | Function::PredictLinear
            | Function::Time
            | Function::Timestamp
    )
}
