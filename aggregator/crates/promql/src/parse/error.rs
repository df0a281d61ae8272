use crate::ast::{DurationFault, Position, Span};

/// An expression cannot be read; the message begins with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: parse error: {message}", place(*position))]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// Where it begins; absent when there is no text at all.
    pub position: Option<Position>,
}

fn place(position: Option<Position>) -> String {
    position.map_or_else(|| "unknown position".to_owned(), |p| p.to_string())
}

/// What the stages of the parser raise: they know the span only.
#[derive(Debug)]
pub(crate) struct Fault {
    span: Span,
    message: String,
}

impl From<DurationFault> for Fault {
    fn from(fault: DurationFault) -> Self {
        Self::new(fault.span, fault.message)
    }
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { span, message }
    }

    pub(crate) fn locate(self, text: &str) -> ParseError {
        ParseError {
            position: (!text.is_empty()).then(|| self.span.position(text)),
            message: self.message,
            span: self.span,
        }
    }
}
