use system_stats_model::sample::Millis;

use super::token::{Keyword, Kind};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{At, Duration, Expr, Extent, Span};

/// What modifiers change in a selector or a subquery.
struct Modified<'a> {
    offset: &'a mut Option<Duration>,
    at: &'a mut Option<At>,
    /// Where it stands, modifiers included.
    span: &'a mut Span,
}

impl<'a> Modified<'a> {
    fn of(expr: &'a mut Expr) -> Option<Self> {
        let (offset, at, span) = match expr {
            Expr::Vector(e) => (&mut e.offset, &mut e.at, &mut e.span),
            Expr::Matrix(e) => (&mut e.selector.offset, &mut e.selector.at, &mut e.span),
            Expr::Subquery(e) => (&mut e.offset, &mut e.at, &mut e.span),
            _ => return None,
        };
        Some(Self { offset, at, span })
    }
}

impl Parser<'_> {
    /// Reads what may follow an operand: ranges, offsets, `@`.
    pub(super) fn modifiers(&mut self, mut tree: Tree) -> Parsed<Tree> {
        loop {
            match self.peek()?.kind {
                Kind::LeftBracket => tree = self.range(tree)?,
                Kind::Keyword(Keyword::Offset) => self.offset(&mut tree.expr)?,
                Kind::At => self.at(&mut tree.expr)?,
                Kind::Keyword(Keyword::Anchored) => {
                    self.extent(&mut tree.expr, Extent::Anchored)?;
                }
                Kind::Keyword(Keyword::Smoothed) => {
                    self.extent(&mut tree.expr, Extent::Smoothed)?;
                }
                _ => return Ok(tree),
            }
        }
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let offset = self.offset_duration()?;
        let span = expr.span();
        let Some(modified) = Modified::of(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector \
                           or range vector selector or a subquery";
            return Err(Fault::new(span, message));
        };
        if modified.offset.is_some() {
            return Err(Fault::new(span, "offset may not be set multiple times"));
        }
        // Zero is none.
        *modified.offset = Some(offset).filter(|o| o.millis != 0 || o.expr.is_some());
        modified.span.end = self.last_end;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let span = expr.span();
        let at = self.at_time(span)?;
        let Some(modified) = Modified::of(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector \
                           or range vector selector or a subquery";
            return Err(Fault::new(span, message));
        };
        if modified.at.is_some() {
            let message = "@ <timestamp> may not be set multiple times";
            return Err(Fault::new(span, message));
        }
        *modified.at = Some(at);
        modified.span.end = self.last_end;
        Ok(())
    }

    fn extent(&mut self, expr: &mut Expr, extent: Extent) -> Parsed<()> {
        self.next()?;
        let (span, word) = (expr.span(), extent.as_str());
        let refuse = |what: &str| Err(Fault::new(span, format!("{word} modifier {what}")));
        if !self.options.extended_selectors {
            return refuse("is experimental and not enabled");
        }
        let (selector, span) = match expr {
            Expr::Vector(selector) => (selector, None),
            Expr::Matrix(matrix) => (&mut matrix.selector, Some(&mut matrix.span)),
            Expr::Subquery(_) => return refuse("is not supported for subqueries"),
            _ => return refuse("not implemented"),
        };
        if selector.extent.is_some_and(|other| other != extent) {
            let message = "anchored and smoothed modifiers cannot be used together";
            return Err(Fault::new(expr.span(), message));
        }
        selector.extent = Some(extent);
        span.unwrap_or(&mut selector.span).end = self.last_end;
        Ok(())
    }

    /// What stands behind `@`; a time that cannot be is the fault of what it is applied to.
    fn at_time(&mut self, modified: Span) -> Parsed<At> {
        const CONTEXT: &str = "@";
        const EXPECTED: &str = "timestamp";
        let token = self.peek()?;
        let word = self.value(token).to_ascii_lowercase();
        if token.kind != Kind::Special || !matches!(word.as_str(), "start" | "end") {
            let seconds = self.signed_number(CONTEXT, EXPECTED)?;
            return Ok(At::Time(millis_of(seconds, modified)?));
        }
        self.next()?;
        for wanted in [Kind::LeftParen, Kind::RightParen] {
            let parenthesis = self.next()?;
            if parenthesis.kind != wanted {
                return Err(self.unexpected_in(parenthesis, CONTEXT, EXPECTED));
            }
        }
        Ok(if word == "start" { At::Start } else { At::End })
    }
}

/// The furthest time either way: ranges and offsets can be added to it.
const FURTHEST_MILLIS: f64 = 4e18;

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded, and the bound above fits"
)]
fn millis_of(seconds: f64, span: Span) -> Parsed<Millis> {
    let millis = (seconds * 1000.0).round();
    if millis.abs() <= FURTHEST_MILLIS {
        return Ok(millis as Millis);
    }
    let shown = match seconds {
        s if s.is_nan() => "NaN".to_owned(),
        s if s.is_infinite() && s > 0.0 => "+Inf".to_owned(),
        s if s.is_infinite() => "-Inf".to_owned(),
        s => format!("{s:.6}"),
    };
    let message = format!("timestamp out of bounds for @ modifier: {shown}");
    Err(Fault::new(span, message))
}
