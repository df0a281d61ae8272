//! Expressions of every kind, well typed, and smaller ones to replace them by.

use std::fmt;

use e2e::random::Random;

use super::data::{END, START};

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Vector,
    Range,
}

/// An expression: texts, and the expressions between them.
#[derive(Clone, Debug)]
pub(super) struct Node {
    kind: Kind,
    /// One more than there are children.
    texts: Vec<String>,
    children: Vec<Node>,
    /// Whether the children may be replaced by others of their kind.
    is_open: bool,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.texts.iter().enumerate() {
            f.write_str(text)?;
            if let Some(child) = self.children.get(at) {
                write!(f, "{child}")?;
            }
        }
        Ok(())
    }
}

impl Node {
    fn leaf(kind: Kind, text: impl Into<String>) -> Node {
        Node {
            kind,
            texts: vec![text.into()],
            children: Vec::new(),
            is_open: true,
        }
    }

    /// `template` with `$` where the children go.
    fn of(kind: Kind, template: &str, children: Vec<Node>) -> Node {
        let texts: Vec<String> = template.split('$').map(str::to_owned).collect();
        assert_eq!(texts.len(), children.len() + 1, "{template}");
        Node {
            kind,
            texts,
            children,
            is_open: true,
        }
    }

    fn closed(mut self) -> Node {
        self.is_open = false;
        self
    }

    /// Expressions of the same kind that have less in them, the smallest first.
    pub(super) fn smaller(&self) -> Vec<Node> {
        let mut found = Vec::new();
        self.descendants(&mut |node| {
            if node.kind == self.kind {
                found.push(node.clone());
            }
        });
        for (at, child) in self.children.iter().enumerate() {
            if !self.is_open {
                break;
            }
            for smaller in child.smaller() {
                let mut node = self.clone();
                node.children[at] = smaller;
                found.push(node);
            }
        }
        found.sort_by_key(|node| node.to_string().len());
        found
    }

    fn descendants(&self, visit: &mut dyn FnMut(&Node)) {
        for child in &self.children {
            visit(child);
            child.descendants(visit);
        }
    }
}

/// Makes expressions.
pub(super) struct Grammar<'r> {
    random: &'r mut Random,
    /// Whether only what version 2 understands in the same way is made.
    is_old: bool,
    /// Whether what is made lies in a subquery.
    is_inside: bool,
}

const OF_VECTOR: [&str; 25] = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "round",
    "sgn",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "timestamp",
    "sort",
    "sort_desc",
    "absent",
    "-",
];
const OF_TIME: [&str; 8] = [
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "year",
];
const OF_RANGE: [&str; 18] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
];
const OF_RANGE_NEW: [&str; 5] = [
    "mad_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
    "avg_over_time",
];
const AGGREGATIONS: [&str; 8] = [
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
];
const GROUPINGS: [&str; 9] = [
    "",
    "by (job)",
    "by (instance)",
    "by (job, instance)",
    "by (path)",
    "by (none)",
    "without (instance)",
    "without (job, path)",
    "by (__name__)",
];
const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", ">", "<=", ">="];
const SETS: [&str; 3] = ["and", "or", "unless"];
const MATCHERS: [&str; 12] = [
    "",
    "",
    "",
    r#"job="api""#,
    r#"job!="api""#,
    r#"instance=~"i[12]""#,
    r#"instance!~"i.""#,
    r#"zone="""#,
    r#"zone!="",job="db""#,
    r#"job=~".*",instance="i1""#,
    r#"none="x""#,
    r#"path=~"/.+""#,
];
const SAME_LABELS: [&str; 5] = [
    "load",
    "gaps",
    "info",
    "load",
    "sum by (job, instance) (requests_total)",
];

impl<'r> Grammar<'r> {
    pub(super) fn new(random: &'r mut Random, is_old: bool) -> Self {
        Self {
            random,
            is_old,
            is_inside: false,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(end as u64)).expect("it is below end")
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let at = self.below(texts.len());
        texts[at]
    }

    /// An instant vector.
    pub(super) fn vector(&mut self, depth: usize) -> Node {
        if depth == 0 {
            return self.selector();
        }
        match self.below(20) {
            0 | 1 => self.selector(),
            2 => {
                // What no calendar has is another date on every kind of machine.
                let function = self.pick(&OF_TIME);
                Node::leaf(Kind::Vector, format!("{function}(requests_total * 123457)"))
            }
            3 | 4 => {
                let function = self.pick(&OF_VECTOR);
                let inner = self.vector(depth - 1);
                Node::of(Kind::Vector, &format!("{function}($)"), vec![inner])
            }
            5..=8 => self.over_range(depth),
            9..=12 => self.aggregation(depth),
            13 | 14 => self.with_scalar(depth),
            15 | 16 => self.with_vector(depth),
            17 => self.labels(depth),
            18 => self.histogram(),
            _ => {
                let inner = self.scalar(depth - 1);
                Node::of(Kind::Vector, "vector($)", vec![inner])
            }
        }
    }

    fn metric(&mut self) -> &'static str {
        const ALL: [&str; 10] = [
            "requests_total",
            "requests_total",
            "load",
            "gaps",
            "info",
            "latency_sum",
            "latency_bucket",
            "odd",
            "young_total",
            "aligned",
        ];
        let count = if self.is_old { 7 } else { ALL.len() };
        ALL[self.below(count)]
    }

    /// A selector without `offset` and `@`.
    fn bare(&mut self) -> String {
        let (metric, matchers) = (self.metric(), self.pick(&MATCHERS));
        if matchers.is_empty() {
            return metric.to_owned();
        }
        format!("{metric}{{{matchers}}}")
    }

    fn modifiers(&mut self) -> String {
        let mut text = String::new();
        if self.below(6) == 0 {
            text.push_str(" offset ");
            text.push_str(self.pick(&["1m", "90s", "5m", "-1m", "11s"]));
        }
        if self.below(10) == 0 {
            let length = (END - START).unsigned_abs();
            let time = START + self.random.below(length / 60).cast_signed() * 60 + 7;
            let fixed = format!(" @ {time}");
            text.push_str(match self.below(3) {
                0 => " @ start()",
                1 => " @ end()",
                _ => &fixed,
            });
        }
        text
    }

    fn selector(&mut self) -> Node {
        let text = self.bare() + &self.modifiers();
        Node::leaf(Kind::Vector, text)
    }

    fn range(&mut self, depth: usize) -> Node {
        let modifiers = self.modifiers();
        // One subquery in another has steps at the left end of its range, which version 2 sees.
        let may_nest = !(self.is_old && self.is_inside);
        if depth > 0 && self.below(4) == 0 && may_nest {
            let window = self.pick(&["[5m:1m]", "[10m:30s]", "[7m:]", "[3m:15s]"]);
            let before = std::mem::replace(&mut self.is_inside, true);
            let inner = self.vector(depth - 1);
            self.is_inside = before;
            let template = format!("($){window}{modifiers}");
            return Node::of(Kind::Range, &template, vec![inner]);
        }
        let window = self.pick(&["[1m]", "[90s]", "[5m]", "[10m]", "[20s]", "[15s]"]);
        Node::leaf(Kind::Range, self.bare() + window + &modifiers)
    }

    fn over_range(&mut self, depth: usize) -> Node {
        if self.is_old && self.below(3) == 0 {
            return self.old_range();
        }
        let range = self.range(depth - 1);
        let template = match self.below(12) {
            0 => {
                let quantile = self.pick(&["0.5", "0.9", "0", "1", "-1", "2"]);
                format!("quantile_over_time({quantile}, $)")
            }
            1 if !self.is_old => "predict_linear($, 60)".to_owned(),
            2 if !self.is_old => "double_exponential_smoothing($, 0.3, 0.6)".to_owned(),
            3 if !self.is_old => format!("{}($)", self.pick(&OF_RANGE_NEW)),
            _ => {
                let functions = if self.is_old {
                    &OF_RANGE[3..]
                } else {
                    &OF_RANGE[..]
                };
                format!("{}($)", self.pick(functions))
            }
        };
        Node::of(Kind::Vector, &template, vec![range])
    }

    /// Version 2 sees counters near nothing, and predictions at a fixed time, in its own way.
    fn old_range(&mut self) -> Node {
        let function = self.pick(&[
            "rate($)",
            "increase($)",
            "delta($)",
            "predict_linear($, 60)",
        ]);
        let (matchers, window) = (self.pick(&MATCHERS), self.pick(&["[1m]", "[5m]", "[10m]"]));
        let range = Node::leaf(Kind::Range, format!("requests_total{{{matchers}}}{window}"));
        Node::of(Kind::Vector, function, vec![range]).closed()
    }

    fn aggregation(&mut self, depth: usize) -> Node {
        let grouping = self.pick(&GROUPINGS);
        match self.below(10) {
            0 => {
                let quantile = self.pick(&["0.5", "0.25", "1", "-0.5"]);
                let inner = self.vector(depth - 1);
                let template = format!("quantile {grouping} ({quantile}, $)");
                Node::of(Kind::Vector, &template, vec![inner])
            }
            1 => {
                // Equal values come in any order: of these there are none.
                let (operator, count) = (self.pick(&["topk", "bottomk"]), self.below(4));
                let leaf = self.pick(&["load", "rate(load[5m])", "load * 1.01"]);
                let inner = Node::leaf(Kind::Vector, leaf);
                let template = format!("{operator} {grouping} ({count}, $)");
                Node::of(Kind::Vector, &template, vec![inner]).closed()
            }
            2 => {
                // A value becomes a label to its last digit: none of those that differ there.
                let leaf = self.pick(&["round(load)", "requests_total", "floor(gaps)", "info"]);
                Node::leaf(
                    Kind::Vector,
                    format!("count_values {grouping} (\"v\", {leaf})"),
                )
            }
            _ => {
                let operator = self.pick(&AGGREGATIONS);
                let template = format!("{operator} {grouping} ($)");
                if operator.starts_with("std") {
                    // Of large numbers that are nearly equal the last digits are anybody's.
                    let leaf = self.pick(&["load", "gaps", "rate(requests_total[5m])", "odd"]);
                    let inner = Node::leaf(Kind::Vector, leaf);
                    return Node::of(Kind::Vector, &template, vec![inner]).closed();
                }
                let inner = self.vector(depth - 1);
                Node::of(Kind::Vector, &template, vec![inner])
            }
        }
    }

    fn operator(&mut self) -> String {
        match self.below(3) {
            0 => self.pick(&COMPARISONS).to_owned(),
            1 => format!("{} bool", self.pick(&COMPARISONS)),
            _ => self.pick(&ARITHMETIC).to_owned(),
        }
    }

    fn with_scalar(&mut self, depth: usize) -> Node {
        let operator = self.operator();
        let (vector, scalar) = (self.vector(depth - 1), self.scalar(depth - 1));
        match self.below(4) {
            0 => Node::of(
                Kind::Vector,
                &format!("($) {operator} ($)"),
                vec![scalar, vector],
            ),
            1 => Node::of(Kind::Vector, "clamp_min($, $)", vec![vector, scalar]),
            2 => Node::of(Kind::Vector, "clamp_max($, $)", vec![vector, scalar]),
            _ => Node::of(
                Kind::Vector,
                &format!("($) {operator} ($)"),
                vec![vector, scalar],
            ),
        }
    }

    fn with_vector(&mut self, depth: usize) -> Node {
        let operator = self.operator();
        match self.below(8) {
            0 | 1 => {
                let set = self.pick(&SETS);
                let matching = self.pick(&["", "on (job)", "ignoring (path)", "on ()"]);
                let sides = vec![self.vector(depth - 1), self.vector(depth - 1)];
                Node::of(Kind::Vector, &format!("($) {set} {matching} ($)"), sides)
            }
            2 => {
                let inner = self.vector(depth - 1);
                let sides = vec![inner.clone(), inner];
                Node::of(Kind::Vector, &format!("($) {operator} ($)"), sides)
            }
            3 => {
                // Many on the left, one on the right, and the other way about.
                let many = Node::leaf(Kind::Vector, self.pick(&["requests_total", "load", "gaps"]));
                let one = Node::leaf(Kind::Vector, "info");
                let include = self.pick(&["", "(version)", "(version, zone)"]);
                let on = "on (job, instance)";
                if self.below(2) == 0 {
                    let template = format!("($) {operator} {on} group_left {include} ($)");
                    return Node::of(Kind::Vector, &template, vec![many, one]);
                }
                let template = format!("($) {operator} {on} group_right {include} ($)");
                Node::of(Kind::Vector, &template, vec![one, many])
            }
            4 | 5 => {
                let sides = vec![self.vector(depth - 1), self.vector(depth - 1)];
                let matching =
                    self.pick(&["", "on (job, instance)", "ignoring (path)", "on (job)"]);
                Node::of(
                    Kind::Vector,
                    &format!("($) {operator} {matching} ($)"),
                    sides,
                )
            }
            _ => {
                let (left, right) = (self.pick(&SAME_LABELS), self.pick(&SAME_LABELS));
                let sides = [left, right]
                    .map(|text| Node::leaf(Kind::Vector, text))
                    .to_vec();
                let template = format!("($) {operator} on (job, instance) ($)");
                Node::of(Kind::Vector, &template, sides)
            }
        }
    }

    fn labels(&mut self, depth: usize) -> Node {
        let inner = self.vector(depth - 1);
        let template = self.pick(&[
            r#"label_replace($, "new", "$1-$2", "instance", "(i)(.*)")"#,
            r#"label_replace($, "job", "", "job", "api")"#,
            r#"label_replace($, "job", "x", "none", "")"#,
            r#"label_replace($, "__name__", "renamed", "job", ".+")"#,
            r#"label_join($, "joined", "-", "job", "none", "instance")"#,
        ]);
        // The first `$` is the child's; those of the replacement stay.
        let (before, after) = template.split_once('$').unwrap_or((template, ""));
        Node {
            kind: Kind::Vector,
            texts: vec![before.to_owned(), after.to_owned()],
            children: vec![inner],
            is_open: true,
        }
    }

    fn histogram(&mut self) -> Node {
        let quantile = self.pick(&["0.5", "0.99", "0", "1", "-1", "NaN"]);
        let buckets = self.pick(&[
            "latency_bucket",
            "rate(latency_bucket[5m])",
            "sum by (le) (rate(latency_bucket[2m]))",
            "sum by (job, le) (increase(latency_bucket[10m]))",
        ]);
        Node::leaf(
            Kind::Vector,
            format!("histogram_quantile({quantile}, {buckets})"),
        )
    }

    fn scalar(&mut self, depth: usize) -> Node {
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0 => Node::leaf(Kind::Scalar, "time()"),
            1..=3 => {
                let number = self.pick(&["0", "1", "-2", "0.5", "3", "100", "1e3", "Inf", "5m"]);
                Node::leaf(
                    Kind::Scalar,
                    if self.is_old && number == "5m" {
                        "300"
                    } else {
                        number
                    },
                )
            }
            4 => {
                let inner = self.vector(depth - 1);
                Node::of(Kind::Scalar, "scalar($)", vec![inner])
            }
            5 => {
                let operator = self.pick(&ARITHMETIC);
                let sides = vec![self.scalar(depth - 1), self.scalar(depth - 1)];
                Node::of(Kind::Scalar, &format!("($) {operator} ($)"), sides)
            }
            _ => Node::leaf(Kind::Scalar, "pi()"),
        }
    }
}

#[test]
fn smaller_ones_are_of_the_same_kind_and_end() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut node = Grammar::new(&mut random, false).vector(4);
        while let Some(smaller) = node.smaller().into_iter().next() {
            assert_eq!(smaller.kind, node.kind);
            assert!(
                smaller.to_string().len() < node.to_string().len(),
                "{smaller} of {node}"
            );
            node = smaller;
        }
    }
}
