use super::token::{Keyword, Kind, Token};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{Aggregate, AggregateOp, Expr, Span};
use crate::print::quote_bytes;

/// `by (…)` or `without (…)`.
struct Grouping {
    labels: Vec<String>,
    without: bool,
}

impl Parser<'_> {
    /// Whether what follows the word of an aggregation makes it one.
    pub(super) fn begins_aggregate(&mut self) -> Parsed<bool> {
        let second = self.peek_second_kind()?;
        let by_or_without = [Keyword::By, Keyword::Without].map(Kind::Keyword);
        Ok(second.is_some_and(|kind| kind == Kind::LeftParen || by_or_without.contains(&kind)))
    }

    pub(super) fn aggregate(&mut self, op: AggregateOp) -> Parsed<Tree> {
        let word = self.next()?;
        self.aggregations += 1;
        let mut grouping = self.grouping()?;
        let (args, close) = self.arguments()?;
        let mut span = word.span.to(close.span);
        if grouping.is_none() {
            grouping = self.grouping()?;
            if grouping.is_some() {
                span.end = self.last_end;
            }
        }
        self.aggregations -= 1;
        let grouping = grouping.unwrap_or(Grouping {
            labels: Vec::new(),
            without: false,
        });
        self.assemble(op, args, grouping, span)
    }

    fn assemble(
        &self,
        op: AggregateOp,
        args: Vec<Tree>,
        grouping: Grouping,
        span: Span,
    ) -> Parsed<Tree> {
        let fault = |message: String| Err(Fault::new(span, message));
        if args.is_empty() {
            return fault("no arguments for aggregate expression provided".to_owned());
        }
        if op.is_experimental() && !self.options.experimental_functions {
            return fault(format!(
                "{op}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions"
            ));
        }
        let (expected, got) = (if op.takes_parameter() { 2 } else { 1 }, args.len());
        let depths: Vec<usize> = args.iter().map(|arg| arg.depth).collect();
        let mut args = args.into_iter().map(|arg| Box::new(arg.expr));
        let param = if op.takes_parameter() {
            args.next()
        } else {
            None
        };
        let (Some(expr), None) = (args.next(), args.next()) else {
            return fault(format!(
                "wrong number of arguments for aggregate expression provided, \
                 expected {expected}, got {got}"
            ));
        };
        let aggregate = Aggregate {
            op,
            expr,
            param,
            grouping: grouping.labels,
            without: grouping.without,
            span,
        };
        self.tree_above(Expr::Aggregate(aggregate), depths)
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let without = match self.peek()?.kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.next()?;
        let labels = self.grouping_labels()?;
        Ok(Some(Grouping { labels, without }))
    }

    /// Label names in parentheses.
    pub(super) fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        const CONTEXT: &str = "grouping opts";
        let open = self.next()?;
        if open.kind != Kind::LeftParen {
            return Err(self.unexpected_in(open, CONTEXT, "\"(\""));
        }
        let mut labels = Vec::new();
        // A comma may come behind the last one.
        while labels.is_empty() || self.peek()?.kind != Kind::RightParen {
            let token = self.next()?;
            if token.kind == Kind::RightParen {
                return Ok(labels);
            }
            labels.push(self.grouping_label(token)?);
            let behind = self.peek()?;
            match behind.kind {
                Kind::Comma => self.next()?,
                Kind::RightParen => break,
                _ => return Err(self.unexpected_in(behind, CONTEXT, "\",\" or \")\"")),
            };
        }
        self.next()?;
        Ok(labels)
    }

    fn grouping_label(&self, token: Token) -> Parsed<String> {
        let label = match token.kind {
            Kind::String => self.unquoted(token),
            kind if kind.is_word() => (self.value(token).to_owned(), None),
            _ => return Err(self.unexpected_in(token, "grouping opts", "label")),
        };
        let (label, raw) = label;
        if label.is_empty() || raw.is_some() {
            let shown = quote_bytes(raw.as_deref().unwrap_or_default());
            let message = format!("invalid label name for grouping: {shown}");
            return Err(Fault::new(token.span, message));
        }
        Ok(label)
    }
}
