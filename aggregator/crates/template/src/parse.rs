//! From tokens to nodes.

use std::collections::BTreeMap;

use crate::functions;
use crate::lex::{Kind, Token, tokens};
use crate::literal;
use crate::node::{Branch, Command, Node, Pipe, Word, WordKind};

/// Blocks and parentheses inside each other.
const MAX_DEPTH: usize = 100;
/// Bytes of a template.
const MAX_BYTES: usize = 1 << 20;

/// A template that cannot be used; reads as Go's own message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The template's name.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(name: &str, text: &str, at: usize, message: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            line: 1 + text[..at].matches('\n').count(),
            message: message.into(),
        }
    }
}

/// A template and the ones it defines.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) body: Vec<Node>,
    pub(crate) defined: BTreeMap<String, Vec<Node>>,
}

pub(crate) fn parse(name: &str, text: &str) -> Result<Tree, ParseError> {
    if text.len() > MAX_BYTES {
        let message = format!("longer than {MAX_BYTES} bytes");
        return Err(ParseError::new(name, text, 0, message));
    }
    let mut parser = Parser {
        name,
        text,
        tokens: tokens(name, text)?,
        next: 0,
        depth: 0,
        loops: 0,
        variables: vec!["$".to_owned()],
        defined: BTreeMap::new(),
    };
    let (body, end) = parser.list()?;
    match end {
        Stop::Input => Ok(Tree {
            body,
            defined: parser.defined,
        }),
        Stop::End => Err(parser.error("unexpected {{end}}")),
        Stop::Else(_) => Err(parser.error("unexpected {{else}}")),
    }
}

/// What a list of nodes ended with.
enum Stop {
    Input,
    End,
    /// `{{else}}`; of `{{else if …}}` and `{{else with …}}` the second word.
    Else(Option<&'static str>),
}

struct Parser<'a> {
    name: &'a str,
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
    /// How many `range` are around.
    loops: usize,
    variables: Vec<String>,
    defined: BTreeMap<String, Vec<Node>>,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        // The last token is the end, and nothing goes beyond it.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip_spaces(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn peek_word(&mut self) -> &Token<'a> {
        self.skip_spaces();
        self.peek()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        let at = self.tokens[self.next.saturating_sub(1).min(self.tokens.len() - 1)].at;
        ParseError::new(self.name, self.text, at, message)
    }

    fn unexpected(&self, token: &Token<'_>, context: &str) -> ParseError {
        let message = match token.kind {
            Kind::End => "unexpected EOF".to_owned(),
            Kind::Keyword => format!("unexpected <{}> in {context}", token.text),
            _ => format!("unexpected {:?} in {context}", token.text),
        };
        ParseError::new(self.name, self.text, token.at, message)
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} blocks inside each other")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::Text => nodes.push(Node::Text(token.text.to_owned())),
                Kind::End => return Ok((nodes, Stop::Input)),
                // Only texts and actions are on this level.
                _ => match self.action()? {
                    Action::Node(node) => nodes.push(node),
                    Action::Defined => {}
                    Action::Stop(end) => return Ok((nodes, end)),
                },
            }
        }
    }

    fn action(&mut self) -> Parsed<Action> {
        let token = self.peek_word().clone();
        if token.kind != Kind::Keyword || token.text == "nil" || token.text == "dot" {
            let pipe = self.pipeline("command", &Kind::RightDelim)?;
            return Ok(Action::Node(Node::Action(pipe)));
        }
        self.next += 1;
        let node = match token.text {
            "if" => Node::If(self.deeper(|parser| parser.branch("if", token.at))?),
            "with" => Node::With(self.deeper(|parser| parser.branch("with", token.at))?),
            "range" => Node::Range(self.deeper(|parser| parser.branch("range", token.at))?),
            "break" | "continue" if self.loops == 0 => {
                return Err(self.error(format!("{{{{{}}}}} outside {{{{range}}}}", token.text)));
            }
            "break" | "continue" => {
                self.right_delim(token.text)?;
                if token.text == "break" {
                    Node::Break
                } else {
                    Node::Continue
                }
            }
            "end" => {
                self.right_delim("end")?;
                return Ok(Action::Stop(Stop::End));
            }
            "else" => return self.else_action(),
            "template" => self.template(token.at)?,
            "block" => self.deeper(|parser| parser.block(token.at))?,
            _ => {
                if self.depth > 0 {
                    return Err(self.unexpected(&token, "command"));
                }
                self.deeper(Self::define)?;
                return Ok(Action::Defined);
            }
        };
        Ok(Action::Node(node))
    }

    fn right_delim(&mut self, context: &str) -> Parsed<()> {
        let token = self.peek_word().clone();
        self.next += 1;
        match token.kind {
            Kind::RightDelim => Ok(()),
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn else_action(&mut self) -> Parsed<Action> {
        let token = self.peek_word().clone();
        let chained = match (&token.kind, token.text) {
            (Kind::Keyword, "if") => Some("if"),
            (Kind::Keyword, "with") => Some("with"),
            _ => None,
        };
        if chained.is_some() {
            self.next += 1;
        } else {
            self.right_delim("else")?;
        }
        Ok(Action::Stop(Stop::Else(chained)))
    }

    /// The rest of an `if`, `with` or `range` after the keyword.
    fn branch(&mut self, keyword: &'static str, at: usize) -> Parsed<Branch> {
        let variables = self.variables.len();
        let pipe = self.pipeline(keyword, &Kind::RightDelim)?;
        let is_loop = usize::from(keyword == "range");
        self.loops += is_loop;
        let (body, end) = self.list()?;
        self.loops -= is_loop;
        let otherwise = match end {
            Stop::Input => return Err(self.unexpected(&self.peek().clone(), keyword)),
            Stop::End => None,
            Stop::Else(None) => match self.list()? {
                (nodes, Stop::End) => Some(nodes),
                (_, Stop::Input) => return Err(self.unexpected(&self.peek().clone(), keyword)),
                (_, Stop::Else(_)) => return Err(self.error("expected end; found {{else}}")),
            },
            Stop::Else(Some(chained)) => {
                let here = self.peek().at;
                if chained != keyword {
                    return Err(self.error(format!("unexpected <{chained}> in {keyword}")));
                }
                let inner = self.deeper(|parser| parser.branch(chained, here))?;
                Some(vec![match chained {
                    "if" => Node::If(inner),
                    _ => Node::With(inner),
                }])
            }
        };
        self.variables.truncate(variables);
        Ok(Branch {
            at,
            pipe,
            body,
            otherwise,
        })
    }

    fn name_of_template(&mut self, context: &str) -> Parsed<String> {
        let token = self.peek_word().clone();
        self.next += 1;
        match token.kind {
            Kind::String | Kind::RawString => {
                literal::string(token.text).ok_or_else(|| self.error("invalid syntax"))
            }
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn template(&mut self, at: usize) -> Parsed<Node> {
        let name = self.name_of_template("template clause")?;
        let pipe = if self.peek_word().kind == Kind::RightDelim {
            self.next += 1;
            None
        } else {
            Some(self.pipeline("template clause", &Kind::RightDelim)?)
        };
        Ok(Node::Template { name, at, pipe })
    }

    fn block(&mut self, at: usize) -> Parsed<Node> {
        let name = self.name_of_template("block clause")?;
        let pipe = self.pipeline("block clause", &Kind::RightDelim)?;
        self.body_of(&name, "block clause")?;
        let pipe = Some(pipe);
        Ok(Node::Template { name, at, pipe })
    }

    fn define(&mut self) -> Parsed<()> {
        let name = self.name_of_template("define clause")?;
        self.right_delim("define clause")?;
        self.body_of(&name, "define clause")
    }

    /// What stands between here and `{{end}}`, as a template of its own.
    fn body_of(&mut self, name: &str, context: &str) -> Parsed<()> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, end) = self.list()?;
        if !matches!(end, Stop::End) {
            return Err(self.error(format!(
                "unexpected {{{{else}}}} or end of text in {context}"
            )));
        }
        self.variables = variables;
        self.loops = loops;
        self.defined.insert(name.to_owned(), body);
        Ok(())
    }

    fn pipeline(&mut self, context: &str, end: &Kind) -> Parsed<Pipe> {
        self.deeper(|parser| {
            let at = parser.peek_word().at;
            let (variables, assigns) = parser.declaration(context)?;
            let mut commands = Vec::new();
            loop {
                let token = parser.peek_word().clone();
                if token.kind == *end {
                    parser.next += 1;
                    parser.check_pipeline(&commands, context)?;
                    if !assigns {
                        parser.variables.extend(variables.iter().cloned());
                    }
                    return Ok(Pipe {
                        at,
                        variables,
                        assigns,
                        commands,
                    });
                }
                match token.kind {
                    Kind::Bool
                    | Kind::Character
                    | Kind::Number
                    | Kind::Dot
                    | Kind::Field
                    | Kind::Identifier
                    | Kind::Variable
                    | Kind::String
                    | Kind::RawString
                    | Kind::LeftParen => commands.push(parser.command()?),
                    Kind::Keyword if token.text == "nil" => commands.push(parser.command()?),
                    _ => return Err(parser.unexpected(&token, context)),
                }
            }
        })
    }

    /// `$x :=`, `$x =`, and in a `range` `$x, $y :=`.
    fn declaration(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        let start = self.next;
        let mut variables = Vec::new();
        while self.peek_word().kind == Kind::Variable {
            variables.push(self.take().text.to_owned());
            match self.peek_word().kind {
                Kind::Declare | Kind::Assign => {
                    let assigns = self.take().kind == Kind::Assign;
                    let undefined = variables.iter().find(|v| !self.variables.contains(v));
                    if let (true, Some(undefined)) = (assigns, undefined) {
                        return Err(self.error(format!("undefined variable {undefined:?}")));
                    }
                    return Ok((variables, assigns));
                }
                Kind::Comma if context == "range" && variables.len() < 2 => self.next += 1,
                Kind::Comma => {
                    return Err(self.error(format!("too many declarations in {context}")));
                }
                _ => break,
            }
        }
        self.next = start;
        Ok((Vec::new(), false))
    }

    fn check_pipeline(&self, commands: &[Command], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (at, command) in commands.iter().enumerate().skip(1) {
            let fixed = matches!(
                command.words[0].kind,
                WordKind::Dot | WordKind::Nil | WordKind::Literal(..)
            );
            if fixed {
                let message = format!("non executable command in pipeline stage {}", at + 1);
                return Err(self.error(message));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut words = Vec::new();
        loop {
            self.skip_spaces();
            if let Some(word) = self.operand()? {
                words.push(word);
            }
            let token = self.peek().clone();
            match token.kind {
                Kind::Space => self.next += 1,
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next += 1;
                    let next = self.peek_word().clone();
                    if matches!(next.kind, Kind::RightDelim | Kind::RightParen | Kind::Pipe) {
                        return Err(self.error("missing value for command"));
                    }
                    break;
                }
                _ => return Err(self.unexpected(&token, "operand")),
            }
        }
        if words.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { words })
    }

    fn operand(&mut self) -> Parsed<Option<Word>> {
        let Some(word) = self.term()? else {
            return Ok(None);
        };
        let at = self.peek().at;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.take().text[1..].to_owned());
        }
        if names.is_empty() {
            return Ok(Some(word));
        }
        let kind = match word.kind {
            WordKind::Fields(mut have) => {
                have.extend(names);
                return Ok(Some(Word {
                    at: word.at,
                    kind: WordKind::Fields(have),
                }));
            }
            WordKind::Variable(mut have) => {
                have.extend(names);
                return Ok(Some(Word {
                    at: word.at,
                    kind: WordKind::Variable(have),
                }));
            }
            WordKind::Nil | WordKind::Literal(..) => {
                return Err(self.error(format!("unexpected . after term {:?}", word.to_string())));
            }
            _ => WordKind::Chain(Box::new(word), names),
        };
        Ok(Some(Word { at, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Word>> {
        let token = self.peek().clone();
        let written = || token.text.to_owned();
        let kind = match token.kind {
            Kind::Identifier if functions::is_known(token.text) => WordKind::Function(written()),
            Kind::Identifier => {
                self.next += 1;
                return Err(self.error(format!("function {:?} not defined", token.text)));
            }
            Kind::Dot => WordKind::Dot,
            Kind::Keyword if token.text == "nil" => WordKind::Nil,
            Kind::Variable => {
                if !self.variables.iter().any(|known| known == token.text) {
                    self.next += 1;
                    return Err(self.error(format!("undefined variable {:?}", token.text)));
                }
                WordKind::Variable(vec![written()])
            }
            Kind::Field => WordKind::Fields(vec![token.text[1..].to_owned()]),
            Kind::Bool | Kind::Number | Kind::Character | Kind::String | Kind::RawString => {
                let value = literal::value(&token);
                let value = value
                    .map_err(|message| ParseError::new(self.name, self.text, token.at, message))?;
                WordKind::Literal(value, written())
            }
            Kind::LeftParen => {
                self.next += 1;
                let pipe = self.pipeline("parenthesized pipeline", &Kind::RightParen)?;
                let kind = WordKind::Group(Box::new(pipe));
                return Ok(Some(Word { at: token.at, kind }));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(Word { at: token.at, kind }))
    }
}

enum Action {
    Node(Node),
    /// It defined a template and leaves nothing in its place.
    Defined,
    Stop(Stop),
}
