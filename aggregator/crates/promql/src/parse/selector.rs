use system_stats_model::labels::METRIC_NAME;
use system_stats_model::matcher::{InvalidMatcher, MatchOp, Matcher};

use super::token::{Kind, Token};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{BinaryOp, Expr, VectorSelector};

const CONTEXT: &str = "label matching";

impl Parser<'_> {
    /// The whole text as a selector.
    pub(super) fn whole_selector(&mut self) -> Parsed<Vec<Matcher>> {
        let first = self.peek()?;
        if !first.kind.is_metric_name() && first.kind != Kind::LeftBrace {
            return Err(self.unexpected(first));
        }
        let selector = self.selector()?;
        let behind = self.peek()?;
        if behind.kind != Kind::End {
            return Err(self.unexpected(behind));
        }
        Ok(selector.matchers)
    }

    /// A name, matchers in braces, or both.
    pub(super) fn vector_selector(&mut self) -> Parsed<Tree> {
        let selector = self.selector()?;
        self.tree_above(Expr::Vector(selector), [])
    }

    fn selector(&mut self) -> Parsed<VectorSelector> {
        let first = self.peek()?;
        let mut span = first.span;
        let mut name = None;
        if first.kind != Kind::LeftBrace {
            self.next()?;
            name = Some(self.value(first).to_owned());
        }
        let mut matchers = Vec::new();
        if self.peek()?.kind == Kind::LeftBrace {
            let close = self.matchers(&mut matchers)?;
            span.end = close.span.end;
        }
        if let Some(name) = &name {
            matchers.push(Matcher::equal(METRIC_NAME, name));
        }
        Ok(VectorSelector {
            name,
            matchers,
            offset: None,
            at: None,
            extent: None,
            span,
        })
    }

    /// What stands in braces; gives the brace that closes them.
    fn matchers(&mut self, into: &mut Vec<Matcher>) -> Parsed<Token> {
        self.next()?;
        loop {
            let token = self.next()?;
            if token.kind == Kind::RightBrace {
                return Ok(token);
            }
            into.push(self.matcher(token)?);
            let behind = self.next()?;
            match behind.kind {
                Kind::RightBrace => return Ok(behind),
                Kind::Comma => {}
                _ => return Err(self.unexpected_in(behind, CONTEXT, "\",\" or \"}\"")),
            }
        }
    }

    fn matcher(&mut self, label: Token) -> Parsed<Matcher> {
        let name = match label.kind {
            Kind::Identifier => self.value(label).to_owned(),
            Kind::String => self.unquoted(label).0,
            _ => return Err(self.unexpected_in(label, CONTEXT, "identifier or \"}\"")),
        };
        let operator = self.peek()?;
        let op = match operator.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Operator(BinaryOp::NotEqual) => MatchOp::NotEqual,
            Kind::EqualRegex => MatchOp::Regex,
            Kind::NotRegex => MatchOp::NotRegex,
            // A quoted text by itself is the metric's name.
            _ if label.kind == Kind::String => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.unexpected_in(operator, CONTEXT, "label matching operator")),
        };
        self.next()?;
        let value = self.next()?;
        if value.kind != Kind::String {
            return Err(self.unexpected_in(value, CONTEXT, "string"));
        }
        // No label has bytes that are no text, nor anything in their place.
        let (text, raw) = self.unquoted(value);
        if let Some(raw) = raw.filter(|_| matches!(op, MatchOp::Regex | MatchOp::NotRegex)) {
            let pattern = String::from_utf8_lossy(&raw);
            let message = format!("error parsing regexp: invalid UTF-8: `{pattern}`");
            return Err(Fault::new(label.span.to(value.span), message));
        }
        Matcher::new(name, op, text).map_err(|error| {
            let message = format!("error parsing regexp: {}", complaint(&error));
            Fault::new(label.span.to(value.span), message)
        })
    }
}

/// What is wrong with a regular expression, as Go says it.
fn complaint(error: &InvalidMatcher) -> String {
    let InvalidMatcher {
        pattern, reason, ..
    } = error;
    match reason.as_str() {
        "unclosed group" => format!("missing closing ): `{pattern}`"),
        "unopened group" => format!("unexpected ): `{pattern}`"),
        "unclosed character class" => {
            let from = pattern.rfind('[').unwrap_or_default();
            format!("missing closing ]: `{}`", &pattern[from..])
        }
        "repetition operator missing expression" => {
            let is_operator = |c: char| "*+?".contains(c);
            let operator = pattern.find(is_operator).map(|at| &pattern[at..=at]);
            let operator = operator.unwrap_or(pattern);
            format!("missing argument to repetition operator: `{operator}`")
        }
        // It shows the part that is wrong.
        reason if reason.contains('`') => reason.to_owned(),
        reason => format!("{reason}: `{pattern}`"),
    }
}
