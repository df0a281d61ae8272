//! From text to tree.
//!
//! A Pratt parser over tokens that are cut on demand, then a check of types over the whole tree.
//! The first thing that is wrong ends it; messages and places are those of Prometheus. How deep a
//! tree may become is checked before anything recurses.

mod aggregate;
mod binary;
mod call;
mod check;
mod duration;
mod error;
mod expression;
mod lexer;
mod literal;
mod modifier;
mod range;
mod selector;
mod series;
#[cfg(test)]
mod tests;
mod token;

use system_stats_model::matcher::Matcher;

use crate::ast::{Expr, Span};
use lexer::Lexer;
use token::{Kind, Token};

pub(crate) use error::Fault;
pub use error::ParseError;
pub use series::{Point, parse_labels, parse_series};

/// What the language offers beyond its stable core, and how much nesting it bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature of its own"
)]
pub struct ParseOptions {
    /// Whether experimental functions and aggregations may be used; off by default.
    pub experimental_functions: bool,
    /// Whether durations may be computed (`[5m * 2]`, `offset (1h - 5m)`); on by default.
    pub duration_expressions: bool,
    /// Whether `fill`, `fill_left` and `fill_right` may follow an operator; off by default.
    pub fill_modifiers: bool,
    /// Whether selectors may be `anchored` or `smoothed`; off by default.
    pub extended_selectors: bool,
    /// How many parentheses, signs, calls and the like may be open at once.
    pub max_nesting: usize,
    /// How many nodes may lie on the way from the root of the tree to a leaf. A chain of operators
    /// has one for each.
    pub max_depth: usize,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            experimental_functions: false,
            duration_expressions: true,
            fill_modifiers: false,
            extended_selectors: false,
            max_nesting: 100,
            max_depth: 256,
        }
    }
}

/// Reads an expression.
///
/// # Errors
/// [`ParseError`] with the first thing that is wrong.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    let read = || {
        let mut parser = Parser::new(text, options);
        let mut expr = parser.whole_expression()?;
        check::check(text, &mut expr)?;
        Ok(expr)
    };
    read().map_err(|fault: Fault| fault.locate(text))
}

/// Reads a selector without modifiers, as `match[]` has it, and gives its matchers. Unlike in an
/// expression, all of them may match the empty value.
///
/// # Errors
/// [`ParseError`] with the first thing that is wrong.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let options = ParseOptions::default();
    let mut parser = Parser::new(text, &options);
    parser.whole_selector().map_err(|fault| fault.locate(text))
}

/// A part of the tree, and how many nodes lie on its longest way down.
struct Tree {
    expr: Expr,
    depth: usize,
}

struct Parser<'a> {
    text: &'a str,
    options: &'a ParseOptions,
    lexer: Lexer<'a>,
    /// The token that has been looked at and not been taken.
    peeked: Option<Token>,
    /// Where the last token taken ends.
    last_end: usize,
    /// How many calls of [`Parser::nested`] are open.
    nesting: usize,
    /// How many aggregations are open: what is wrong inside is reported as theirs.
    aggregations: usize,
}

type Parsed<T> = Result<T, Fault>;

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: &'a ParseOptions) -> Self {
        Self {
            text,
            options,
            lexer: Lexer::new(text),
            peeked: None,
            last_end: 0,
            nesting: 0,
            aggregations: 0,
        }
    }

    fn peek(&mut self) -> Parsed<Token> {
        if let Some(token) = self.peeked {
            return Ok(token);
        }
        let token = self.lexer.next()?;
        self.peeked = Some(token);
        Ok(token)
    }

    fn next(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.peeked = None;
        self.last_end = token.span.end;
        Ok(token)
    }

    /// The token behind the next one.
    fn peek_second(&mut self) -> Parsed<Token> {
        self.peek()?;
        let mut ahead = self.lexer;
        ahead.next()
    }

    /// Takes the next token if it is of this kind.
    fn take(&mut self, kind: Kind) -> Parsed<Option<Token>> {
        if self.peek()?.kind == kind {
            return self.next().map(Some);
        }
        Ok(None)
    }

    fn value(&self, token: Token) -> &'a str {
        &self.text[token.span.start..token.span.end]
    }

    /// What a string token stands for; the bytes too, if they are not UTF-8.
    fn unquoted(&self, token: Token) -> (String, Option<Vec<u8>>) {
        match String::from_utf8(literal::unquote(self.value(token))) {
            Ok(text) => (text, None),
            Err(error) => {
                let bytes = error.into_bytes();
                (String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
            }
        }
    }

    /// The seconds or the number that a token stands for.
    fn number(&self, token: Token) -> Parsed<f64> {
        let value = self.value(token);
        let read = match token.kind {
            Kind::Duration => literal::duration_seconds(value),
            _ => literal::number(value),
        };
        read.map_err(|message| Fault::new(token.span, message))
    }

    /// The complaint about a token where an expression cannot go on.
    fn unexpected(&self, token: Token) -> Fault {
        let found = token.describe(self.text);
        let context = if self.aggregations > 0 {
            " in aggregation"
        } else {
            ""
        };
        Fault::new(token.span, format!("unexpected {found}{context}"))
    }

    /// The complaint about a token where only something else could be.
    fn unexpected_in(&self, token: Token, context: &str, expected: &str) -> Fault {
        let found = token.describe(self.text);
        let message = format!("unexpected {found} in {context}, expected {expected}");
        Fault::new(token.span, message)
    }

    /// Runs `read` one level down.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let span = self.peek()?.span;
        bounded(self.nesting + 1, self.options.max_nesting, span)?;
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// A part that lies one level above parts of these depths.
    fn tree_above(&self, expr: Expr, depths: impl IntoIterator<Item = usize>) -> Parsed<Tree> {
        let depth = depths.into_iter().max().unwrap_or_default() + 1;
        bounded(depth, self.options.max_depth, expr.span())?;
        Ok(Tree { expr, depth })
    }
}

fn bounded(depth: usize, most: usize, span: Span) -> Parsed<()> {
    if depth > most {
        let message = format!("expression is nested too deeply, at most {most} levels are allowed");
        return Err(Fault::new(span, message));
    }
    Ok(())
}
