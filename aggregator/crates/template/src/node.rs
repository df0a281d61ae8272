//! A parsed template. Nodes print as they are quoted in messages.

use std::fmt;

use crate::value::Value;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        name: String,
        at: usize,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) at: usize,
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `$a, $b := first | second`.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// With their dollars.
    pub(crate) variables: Vec<String>,
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// At least one.
    pub(crate) words: Vec<Word>,
}

#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) at: usize,
    pub(crate) kind: WordKind,
}

#[derive(Clone, Debug)]
pub(crate) enum WordKind {
    Dot,
    Nil,
    /// A literal, and how it was written.
    Literal(Value, String),
    /// `.A.B`.
    Fields(Vec<String>),
    /// `$x.A.B`: the name with its dollar first.
    Variable(Vec<String>),
    Function(String),
    /// `(pipeline)`.
    Group(Box<Pipe>),
    /// Fields of something in parentheses or of the dot.
    Chain(Box<Word>, Vec<String>),
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let operator = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {operator} ", self.variables.join(", "))?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words.iter().enumerate() {
            write!(f, "{}{word}", if at > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            WordKind::Dot => f.write_str("."),
            WordKind::Nil => f.write_str("nil"),
            WordKind::Literal(_, written) => f.write_str(written),
            WordKind::Fields(names) => write!(f, ".{}", names.join(".")),
            WordKind::Variable(names) => f.write_str(&names.join(".")),
            WordKind::Function(name) => f.write_str(name),
            WordKind::Group(pipe) => write!(f, "({pipe})"),
            WordKind::Chain(word, names) => write!(f, "{word}.{}", names.join(".")),
        }
    }
}
