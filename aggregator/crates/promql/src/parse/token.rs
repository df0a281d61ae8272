use crate::ast::{AggregateOp, BinaryOp, Span};
use crate::print::quote;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    At,
    /// `=`, which is no operator outside of braces
    Assign,
    EqualRegex,
    NotRegex,
    Identifier,
    /// An identifier with a colon in it
    MetricIdentifier,
    Number,
    Duration,
    String,
    Operator(BinaryOp),
    Aggregator(AggregateOp),
    Keyword(Keyword),
    /// A word that means something with parentheses behind it: `start`, `step` and the like
    Special,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// A kind and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

impl Kind {
    /// The kind of a word outside of braces, in any case.
    pub(super) fn of_word(word: &str) -> Self {
        // No keyword is longer; identifiers may be.
        if word.len() > "count_values".len() {
            return Self::plain_word(word);
        }
        let lower = word.to_ascii_lowercase();
        let aggregator = || AggregateOp::ALL.into_iter().find(|op| op.as_str() == lower);
        match lower.as_str() {
            "and" => Self::Operator(BinaryOp::And),
            "or" => Self::Operator(BinaryOp::Or),
            "unless" => Self::Operator(BinaryOp::Unless),
            "atan2" => Self::Operator(BinaryOp::Atan2),
            "anchored" => Self::Keyword(Keyword::Anchored),
            "bool" => Self::Keyword(Keyword::Bool),
            "by" => Self::Keyword(Keyword::By),
            "group_left" => Self::Keyword(Keyword::GroupLeft),
            "group_right" => Self::Keyword(Keyword::GroupRight),
            "ignoring" => Self::Keyword(Keyword::Ignoring),
            "offset" => Self::Keyword(Keyword::Offset),
            "on" => Self::Keyword(Keyword::On),
            "smoothed" => Self::Keyword(Keyword::Smoothed),
            "without" => Self::Keyword(Keyword::Without),
            "start" | "end" | "step" | "range" | "min_of" | "max_of" => Self::Special,
            "inf" | "nan" => Self::Number,
            _ => aggregator().map_or_else(|| Self::plain_word(word), Self::Aggregator),
        }
    }

    fn plain_word(word: &str) -> Self {
        if word.contains(':') {
            Self::MetricIdentifier
        } else {
            Self::Identifier
        }
    }

    /// Whether it is a word, and so may be a name where no keyword is possible.
    pub(super) fn is_word(self) -> bool {
        match self {
            Self::Identifier
            | Self::MetricIdentifier
            | Self::Aggregator(_)
            | Self::Keyword(_)
            | Self::Special => true,
            Self::Operator(op) => op.is_set() || op == BinaryOp::Atan2,
            _ => false,
        }
    }

    /// Whether a metric may be called so: the words of matching are those of labels only.
    pub(super) fn is_metric_name(self) -> bool {
        use Keyword::{Bool, GroupLeft, GroupRight, Ignoring, On};
        let is_of_labels = matches!(
            self,
            Self::Keyword(Bool | GroupLeft | GroupRight | Ignoring | On)
                | Self::Operator(BinaryOp::Atan2)
        );
        self.is_word() && !is_of_labels
    }

    /// Whether an expression can begin with it.
    pub(super) fn begins_expression(self) -> bool {
        let is_sign = matches!(self, Self::Operator(BinaryOp::Add | BinaryOp::Sub));
        let is_literal = matches!(self, Self::Number | Self::Duration | Self::String);
        let opens = matches!(self, Self::LeftParen | Self::LeftBrace);
        is_sign || is_literal || opens || self.is_metric_name()
    }
}

impl Token {
    /// The token as messages show it.
    pub(super) fn describe(self, text: &str) -> String {
        let value = &text[self.span.start..self.span.end];
        match self.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Keyword(_) => format!("<{value}>"),
            Kind::Operator(_) | Kind::EqualRegex | Kind::NotRegex | Kind::At => {
                format!("<op:{value}>")
            }
            Kind::Aggregator(_) => format!("<aggr:{value}>"),
            Kind::Identifier => format!("identifier {}", quote(value)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(value)),
            Kind::Number => format!("number {}", shortened(value)),
            Kind::Duration => format!("duration {}", shortened(value)),
            Kind::String => format!("string {}", shortened(value)),
            _ => shortened(value),
        }
    }
}

fn shortened(value: &str) -> String {
    if value.len() <= 10 {
        return quote(value);
    }
    let head: String = value.chars().take(10).collect();
    format!("{}...", quote(&head))
}
