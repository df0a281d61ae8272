//! Walking a parsed template and writing its text.

use std::fmt;
use std::sync::Arc;

use crate::functions::{self, Environment, Refused};
use crate::node::{Branch, Command, Node, Pipe, Word, WordKind};
use crate::parse::Tree;
use crate::print;
use crate::value::{Data, Value};

/// Bytes that a template may write.
const MAX_OUTPUT: usize = 1 << 20;
/// Nodes that may be walked: loops inside loops are bounded by it.
const MAX_STEPS: u32 = 1 << 20;
/// Templates inside templates.
const MAX_DEPTH: usize = 50;

/// Expanding went wrong; reads as Go's own message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}:{byte}: executing {executing:?} at <{context}>: {message}")]
pub struct ExecError {
    /// The name that the text was parsed under.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// Bytes from the start of the line; from 1 on all lines but the first, as Go counts.
    pub byte: usize,
    /// The template that was being executed: `name`, or one that the text defines.
    pub executing: String,
    /// What was being evaluated.
    pub context: String,
    /// What is wrong.
    pub message: String,
}

/// Why the walk of a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, Box<ExecError>>;

pub(crate) fn execute(
    name: &str,
    text: &str,
    tree: &Tree,
    data: &Data,
    environment: &Environment<'_>,
) -> Done<String> {
    let dot = Value::Data(Arc::new(data.clone()));
    let mut walk = Walk {
        name,
        executing: name,
        text,
        tree,
        environment,
        output: String::new(),
        variables: vec![("$".to_owned(), dot.clone())],
        steps: 0,
        depth: 0,
    };
    walk.list(&dot, &tree.body)?;
    Ok(walk.output)
}

struct Walk<'a> {
    name: &'a str,
    executing: &'a str,
    text: &'a str,
    tree: &'a Tree,
    environment: &'a Environment<'a>,
    output: String,
    variables: Vec<(String, Value)>,
    steps: u32,
    depth: usize,
}

impl<'a> Walk<'a> {
    fn fail<T>(
        &self,
        at: usize,
        context: &dyn fmt::Display,
        message: impl Into<String>,
    ) -> Done<T> {
        let before = &self.text[..at.min(self.text.len())];
        let line_start = before.rfind('\n');
        Err(Box::new(ExecError {
            name: self.name.to_owned(),
            line: 1 + before.matches('\n').count(),
            byte: line_start.map_or(before.len(), |start| before.len() - start - 1),
            executing: self.executing.to_owned(),
            context: context.to_string(),
            message: message.into(),
        }))
    }

    fn list(&mut self, dot: &Value, nodes: &'a [Node]) -> Done<Flow> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, dot: &Value, node: &'a Node) -> Done<Flow> {
        self.steps += 1;
        match node {
            Node::Text(text) => self.write(text, 0, &"text")?,
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.write(&print::shown(&value), pipe.at, pipe)?;
                }
            }
            Node::If(branch) | Node::With(branch) => {
                let mark = self.variables.len();
                let value = self.pipe(dot, &branch.pipe)?;
                let inner = match node {
                    Node::With(_) => value.clone(),
                    _ => dot.clone(),
                };
                let flow = if value.is_true() {
                    self.list(&inner, &branch.body)
                } else {
                    self.list(dot, branch.otherwise.as_deref().unwrap_or_default())
                };
                self.variables.truncate(mark);
                return flow;
            }
            Node::Range(branch) => self.range(dot, branch)?,
            Node::Template { name, at, pipe } => self.template(dot, name, *at, pipe.as_ref())?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn write(&mut self, text: &str, at: usize, context: &dyn fmt::Display) -> Done<()> {
        if self.output.len() + text.len() > MAX_OUTPUT {
            let message = format!("the result is longer than {MAX_OUTPUT} bytes");
            return self.fail(at, context, message);
        }
        self.output.push_str(text);
        Ok(())
    }

    fn range(&mut self, dot: &Value, branch: &'a Branch) -> Done<()> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let entries: Vec<(Value, Value)> = match &value {
            Value::Samples(samples) => (0..)
                .zip(&**samples)
                .map(|(at, sample)| (Value::Int(at), Value::Sample(Arc::clone(sample))))
                .collect(),
            Value::Labels(labels) => labels
                .iter()
                .map(|(name, value)| (Value::text(name), Value::text(value)))
                .collect(),
            Value::Args(args) => args
                .iter()
                .map(|(name, value)| (Value::text(name.as_str()), value.clone()))
                .collect(),
            Value::Int(count) => (0..(*count).min(MAX_STEPS.into()))
                .map(|at| (Value::Int(at), Value::Int(at)))
                .collect(),
            Value::Nil => Vec::new(),
            other => {
                let message = format!("range can't iterate over {}", print::shown(other));
                return self.fail(branch.pipe.at, &branch.pipe, message);
            }
        };
        self.variables.truncate(mark);
        if entries.is_empty() {
            self.list(dot, branch.otherwise.as_deref().unwrap_or_default())?;
        }
        for (key, element) in entries {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return self.fail(branch.at, &branch.pipe, "too many steps");
            }
            match branch.pipe.variables.as_slice() {
                [of_element] => self.bind(of_element, &element, branch.pipe.assigns),
                [of_key, of_element] => {
                    self.bind(of_key, &key, branch.pipe.assigns);
                    self.bind(of_element, &element, branch.pipe.assigns);
                }
                _ => {}
            }
            let flow = self.list(&element, &branch.body)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn bind(&mut self, name: &str, value: &Value, assigns: bool) {
        let known = self
            .variables
            .iter_mut()
            .rev()
            .find(|(have, _)| have == name);
        match known {
            Some((_, have)) if assigns => have.clone_from(value),
            _ => self.variables.push((name.to_owned(), value.clone())),
        }
    }

    fn template(&mut self, dot: &Value, name: &str, at: usize, pipe: Option<&'a Pipe>) -> Done<()> {
        let call = format!("{{{{template {name:?}}}}}");
        let Some((name, body)) = self.tree.defined.get_key_value(name) else {
            return self.fail(at, &call, format!("template {name:?} not defined"));
        };
        if self.depth >= MAX_DEPTH {
            return self.fail(at, &call, "exceeded maximum template depth");
        }
        let dot = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        let inner = vec![("$".to_owned(), dot.clone())];
        let outer = std::mem::replace(&mut self.variables, inner);
        let executing = std::mem::replace(&mut self.executing, name);
        self.depth += 1;
        self.list(&dot, body)?;
        self.depth -= 1;
        self.executing = executing;
        self.variables = outer;
        Ok(())
    }

    fn pipe(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<Value> {
        let mut value: Option<Value> = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        // Those of a range are bound to its elements.
        if let [variable] = pipe.variables.as_slice() {
            self.bind(variable, &value, pipe.assigns);
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &'a Command, last: Option<Value>) -> Done<Value> {
        self.steps += 1;
        let first = &command.words[0];
        if self.steps > MAX_STEPS {
            return self.fail(first.at, first, "too many steps");
        }
        if let WordKind::Function(name) = &first.kind {
            return self.call(dot, name, command, last);
        }
        if command.words.len() > 1 || last.is_some() {
            return match &first.kind {
                WordKind::Fields(names) | WordKind::Variable(names) | WordKind::Chain(_, names)
                    if names.len() > usize::from(matches!(first.kind, WordKind::Variable(_))) =>
                {
                    let name = &names[names.len() - 1];
                    let message = format!("{name} is not a method but has arguments");
                    self.fail(first.at, first, message)
                }
                _ => {
                    let message = format!("can't give argument to non-function {first}");
                    self.fail(first.at, first, message)
                }
            };
        }
        if matches!(first.kind, WordKind::Nil) {
            return self.fail(first.at, first, "nil is not a command");
        }
        self.word(dot, first)
    }

    fn word(&mut self, dot: &Value, word: &'a Word) -> Done<Value> {
        match &word.kind {
            WordKind::Dot => Ok(dot.clone()),
            WordKind::Nil => Ok(Value::Nil),
            WordKind::Literal(value, _) => Ok(value.clone()),
            WordKind::Fields(names) => self.fields(dot.clone(), names, word),
            WordKind::Variable(names) => {
                let known = self
                    .variables
                    .iter()
                    .rev()
                    .find(|(name, _)| *name == names[0]);
                // The parser let only known ones pass.
                let value = known.map_or(Value::Nil, |(_, value)| value.clone());
                self.fields(value, &names[1..], word)
            }
            WordKind::Group(pipe) => {
                let mark = self.variables.len();
                let value = self.pipe(dot, pipe);
                self.variables.truncate(mark);
                value
            }
            WordKind::Chain(of, names) => {
                let value = self.word(dot, of)?;
                self.fields(value, names, word)
            }
            WordKind::Function(name) => self.invoke(name, &[], std::slice::from_ref(word), word),
        }
    }

    fn fields(&self, mut value: Value, names: &[String], word: &Word) -> Done<Value> {
        // Where Go has it: behind what the chain begins with.
        let at = match &word.kind {
            WordKind::Variable(all) if all.len() > 1 => word.at + all[0].len(),
            WordKind::Fields(all) if all.len() > 1 => word.at + 1 + all[0].len(),
            _ => word.at,
        };
        for name in names {
            value = match value.field(name) {
                Some(value) => value,
                None if matches!(value, Value::Nil) => {
                    let message = format!("nil pointer evaluating interface {{}}.{name}");
                    return self.fail(at, word, message);
                }
                None => {
                    let kind = value.type_name();
                    let message = format!("can't evaluate field {name} in type {kind}");
                    return self.fail(at, word, message);
                }
            };
        }
        Ok(value)
    }

    fn call(
        &mut self,
        dot: &Value,
        name: &str,
        command: &'a Command,
        last: Option<Value>,
    ) -> Done<Value> {
        let first = &command.words[0];
        let stops: Option<fn(&Value) -> bool> = match name {
            "and" => Some(|value| !value.is_true()),
            "or" => Some(Value::is_true),
            _ => None,
        };
        let mut values = Vec::with_capacity(command.words.len());
        for word in &command.words[1..] {
            let value = self.word(dot, word)?;
            if stops.is_some_and(|stops| stops(&value)) {
                return Ok(value);
            }
            values.push(value);
        }
        values.extend(last);
        if let ("call", Some(callee)) = (name, values.first()) {
            let named = command.words.get(1);
            let named = named.map_or_else(|| print::shown(callee), ToString::to_string);
            let message = match callee {
                Value::Nil => "call of nil".to_owned(),
                callee => format!("non-function {named} of type {}", callee.type_name()),
            };
            let message = format!("error calling call: {message}");
            return self.fail(first.at, command, message);
        }
        self.invoke(name, &values, &command.words, command)
    }

    fn invoke(
        &self,
        name: &str,
        values: &[Value],
        words: &[Word],
        context: &dyn fmt::Display,
    ) -> Done<Value> {
        let at = words.first().map_or(0, |first| first.at);
        let Some(function) = functions::of(name) else {
            return self.fail(at, context, format!("{name:?} is not a defined function"));
        };
        match function.call(self.environment, values) {
            Ok(value) => Ok(value),
            Err(Refused::Count(message)) => self.fail(at, &name, message),
            Err(Refused::Type { argument, expected }) => {
                let (word, message) = misfit(words, argument, &values[argument], expected);
                self.fail(word.map_or(at, |word| word.at), &Seen(word, name), message)
            }
            Err(Refused::Call(message)) => {
                self.fail(at, context, format!("error calling {name}: {message}"))
            }
        }
    }
}

/// Go's words for an argument of a wrong type, and the word that it had looked at last.
fn misfit<'w>(
    words: &'w [Word],
    argument: usize,
    value: &Value,
    expected: &str,
) -> (Option<&'w Word>, String) {
    // The first word is the function; what comes through the pipe has no word here.
    let written = words.get(argument + 1);
    let message = match (written.map(|word| &word.kind), value) {
        (Some(WordKind::Nil), _) => format!("cannot assign nil to {expected}"),
        (Some(WordKind::Literal(..)), _) => {
            let word = written.map_or_else(String::new, ToString::to_string);
            match expected {
                "string" => format!("expected string; found {word}"),
                _ => format!("can't handle {word} for arg of type {expected}"),
            }
        }
        (_, Value::Nil) => format!("invalid value; expected {expected}"),
        (_, value) => {
            let got = value.type_name();
            format!("wrong type for value; expected {expected}; got {got}")
        }
    };
    let looked_at = written.or_else(|| words[1..].last());
    (looked_at.map(innermost), message)
}

/// The last word that is evaluated in a word.
fn innermost(word: &Word) -> &Word {
    let WordKind::Group(pipe) = &word.kind else {
        return word;
    };
    let last = pipe.commands.last();
    let last = last.and_then(|command| command.words.last());
    last.map_or(word, innermost)
}

/// What had been looked at: a word, or the function itself.
struct Seen<'a>(Option<&'a Word>, &'a str);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(word) => write!(f, "{word}"),
            None => f.write_str(self.1),
        }
    }
}
