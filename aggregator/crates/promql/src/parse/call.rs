use super::token::{Kind, Token};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{Call, Expr, Function};
use crate::print::quote;

impl Parser<'_> {
    pub(super) fn call(&mut self) -> Parsed<Tree> {
        let word = self.next()?;
        let (args, close) = self.arguments()?;
        let name = quote(self.value(word));
        let Some(function) = Function::named(self.value(word)) else {
            let message = format!("unknown function with name {name}");
            return Err(Fault::new(word.span, message));
        };
        if function.signature().experimental && !self.options.experimental_functions {
            let message = format!("function {name} is not enabled");
            return Err(Fault::new(word.span, message));
        }
        let depths: Vec<usize> = args.iter().map(|arg| arg.depth).collect();
        let call = Call {
            function,
            args: args.into_iter().map(|arg| arg.expr).collect(),
            span: word.span.to(close.span),
        };
        self.tree_above(Expr::Call(call), depths)
    }

    /// Expressions in parentheses, and the parenthesis that closes them.
    pub(super) fn arguments(&mut self) -> Parsed<(Vec<Tree>, Token)> {
        let open = self.next()?;
        if open.kind != Kind::LeftParen {
            return Err(self.unexpected(open));
        }
        if let Some(close) = self.take(Kind::RightParen)? {
            return Ok((Vec::new(), close));
        }
        let mut args = vec![self.expression(0)?];
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::RightParen => return Ok((args, token)),
                Kind::Comma if self.peek()?.kind.begins_expression() => {
                    args.push(self.expression(0)?);
                }
                Kind::Comma => {
                    let message = "trailing commas not allowed in function call args";
                    return Err(Fault::new(token.span, message));
                }
                _ => return Err(self.unexpected(token)),
            }
        }
    }
}
