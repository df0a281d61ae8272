//! YAML as a tree of located nodes.
//!
//! Built from the parser's events with a stack of our own: nesting, size and what aliases expand
//! to are bounded, keys may not repeat, and every node knows its line.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// Levels of lists and maps inside each other.
const MAX_DEPTH: usize = 64;
/// Nodes in the whole document, with every alias expanded and what anchors keep for them; long
/// texts count for several.
const MAX_NODES: usize = 1_000_000;
/// Bytes of text that count as one node.
const NODE_BYTES: usize = 64;

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The line of its first character, from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What a node holds. Scalars stay text: what they mean depends on who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line of the key, from 1.
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) node: Node,
}

/// Why a text is not a usable document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads the one document of `text`; an empty text is [`Value::Null`].
pub(crate) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            line: error.marker().line(),
            reason: format!(
                "not valid YAML: {}; check the indentation, quotes and brackets",
                error.info()
            ),
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let reason = "a second document starts here; keep one document in a file";
                return Err(at(span, reason));
            }
        }
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node {
        line: 1,
        value: Value::Null,
    }))
}

fn at(span: Span, reason: impl Into<String>) -> Unreadable {
    Unreadable {
        line: span.start.line(),
        reason: reason.into(),
    }
}

/// A list or map that is not finished.
struct Frame {
    line: usize,
    anchor: usize,
    height: usize,
    nodes: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The line of every key so far.
        seen: HashMap<String, usize>,
        /// The key whose value comes next.
        key: Option<(usize, String)>,
        /// What `<<` names, in order.
        merged: Vec<Node>,
    },
}

/// A node that aliases may repeat.
struct Anchored {
    node: Node,
    height: usize,
    nodes: usize,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Unreadable> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), span)?;
                let nodes = 1 + text.len() / NODE_BYTES;
                let kept = if anchor == 0 { 0 } else { nodes };
                self.count(nodes + kept, span)?;
                self.finished(Node { line, value }, anchor, 0, nodes)
            }
            Event::SequenceStart(anchor, tag) => {
                known_tag(tag.as_deref(), span)?;
                self.open(Open::List(Vec::new()), anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                known_tag(tag.as_deref(), span)?;
                let map = Open::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.open(map, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return Err(at(span, "an alias inside of what it repeats"));
                };
                let (height, nodes) = (anchored.height, anchored.nodes);
                if self.stack.len() + height > MAX_DEPTH {
                    return Err(too_deep(span));
                }
                let node = anchored.node.clone();
                self.count(nodes, span)?;
                self.finished(Node { line, ..node }, 0, height, nodes)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let reason = format!(
                "more than {MAX_NODES} values, with aliases expanded; use fewer anchors and aliases"
            );
            return Err(at(span, reason));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, span: Span) -> Result<(), Unreadable> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.count(1, span)?;
        self.stack.push(Frame {
            line: span.start.line(),
            anchor,
            height: 1,
            nodes: 1,
            open,
        });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Unreadable> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        if frame.anchor != 0 {
            self.count(frame.nodes, span)?;
        }
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map {
                mut entries,
                mut seen,
                merged,
                ..
            } => {
                for node in merged {
                    merge(node, &mut entries, &mut seen)?;
                }
                Value::Map(entries)
            }
        };
        let node = Node {
            line: frame.line,
            value,
        };
        self.finished(node, frame.anchor, frame.height, frame.nodes)
    }

    /// Hands a finished node to the list or map around it.
    fn finished(
        &mut self,
        node: Node,
        anchor: usize,
        height: usize,
        nodes: usize,
    ) -> Result<(), Unreadable> {
        if anchor != 0 {
            let copy = Anchored {
                node: node.clone(),
                height,
                nodes,
            };
            self.anchors.insert(anchor, copy);
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height + 1);
        frame.nodes += nodes;
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map {
                entries,
                seen,
                key,
                merged,
            } => match key.take() {
                None => *key = Some(new_key(node, seen)?),
                Some((_, key)) if key == "<<" => merged.push(node),
                Some((line, key)) => entries.push(Entry { line, key, node }),
            },
        }
        Ok(())
    }
}

fn too_deep(span: Span) -> Unreadable {
    at(span, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn new_key(node: Node, seen: &mut HashMap<String, usize>) -> Result<(usize, String), Unreadable> {
    let line = node.line;
    let refused = |reason| Err(Unreadable { line, reason });
    let Value::Text(key) = node.value else {
        return refused(format!(
            "a key must be a text, this is {}; put quotes around what is meant as one text",
            node.value.kind()
        ));
    };
    if let Some(first) = seen.insert(key.clone(), line) {
        return refused(format!(
            "key {key:?} is already there in line {first}; remove one of the two"
        ));
    }
    Ok((line, key))
}

/// `<<: *defaults`: the keys of a map (or of each map of a list), unless they are there already.
fn merge(
    node: Node,
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<String, usize>,
) -> Result<(), Unreadable> {
    let maps = match node.value {
        Value::List(items) => items,
        value => vec![Node { value, ..node }],
    };
    for map in maps {
        let Value::Map(merged) = map.value else {
            return Err(Unreadable {
                line: map.line,
                reason: format!("`<<` merges maps, this is {}", map.value.kind()),
            });
        };
        for entry in merged {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.line);
                entries.push(entry);
            }
        }
    }
    Ok(())
}

fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Value, Unreadable> {
    known_tag(tag, span)?;
    let plain = style == ScalarStyle::Plain && tag.is_none();
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::Null);
    }
    Ok(Value::Text(text.to_owned()))
}

fn known_tag(tag: Option<&Tag>, span: Span) -> Result<(), Unreadable> {
    let known =
        |tag: &Tag| tag.is_yaml_core_schema() || (tag.handle == "!" && tag.suffix.is_empty());
    match tag {
        Some(tag) if !known(tag) => Err(at(span, format!("unknown tag {tag}; remove it"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// One line per value: its path, its line, itself.
    fn flat(node: &Node, path: &str, out: &mut String) {
        match &node.value {
            Value::Null => writeln!(out, "{path}:{} null", node.line).unwrap(),
            Value::Text(text) => writeln!(out, "{path}:{} {text:?}", node.line).unwrap(),
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    flat(item, &format!("{path}[{at}]"), out);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    flat(&entry.node, &format!("{path}.{}", entry.key), out);
                }
            }
        }
    }

    fn shown(text: &str) -> String {
        match parse(text) {
            Err(error) => format!("line {}: {}", error.line, error.reason),
            Ok(node) => {
                let mut out = String::new();
                flat(&node, "", &mut out);
                out
            }
        }
    }

    #[test]
    fn values_know_their_lines() {
        assert_eq!(
            shown("a: 1\nb:\n  - x\n  - \"null\"\n  - ~\nc: {d: 'e'}\n"),
            ".a:1 \"1\"\n.b[0]:3 \"x\"\n.b[1]:4 \"null\"\n.b[2]:5 null\n.c.d:6 \"e\"\n"
        );
        assert_eq!(shown(""), ":1 null\n");
        assert_eq!(shown("# nothing\n"), ":1 null\n");
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nagain: *b\n";
        assert_eq!(
            shown(text),
            ".base.x:1 \"1\"\n.base.y:1 \"2\"\n.use.y:4 \"3\"\n.use.x:1 \"1\"\n.again.x:1 \"1\"\n.again.y:1 \"2\"\n"
        );
    }

    #[test]
    fn what_is_refused_and_where() {
        let cases = [
            (
                "a: 1\nb: 2\na: 3\n",
                "line 3: key \"a\" is already there in line 1; remove one of the two",
            ),
            (
                "a: 1\n---\nb: 2\n",
                "line 2: a second document starts here; keep one document in a file",
            ),
            ("a: !file x\n", "line 1: unknown tag !file; remove it"),
            (
                "a: &x [1, *x]\n",
                "line 1: an alias inside of what it repeats",
            ),
            (
                "[1]: 2\n",
                "line 1: a key must be a text, this is a list; put quotes around what is meant as one text",
            ),
            (
                "a:\n  <<: 5\n",
                "line 2: `<<` merges maps, this is a single value",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(shown("a: [1\nb: 2").starts_with("line 2: not valid YAML: "));
    }

    #[test]
    fn nesting_is_bounded() {
        let flat = parse(&"[".repeat(100)).unwrap_err();
        assert_eq!(flat.reason, "nested deeper than 64 levels");
        let blocks = (0..100).fold(String::new(), |text, at| {
            format!("{text}{}a:\n", " ".repeat(at))
        });
        let error = parse(&blocks).unwrap_err();
        assert_eq!(
            (error.line, error.reason.as_str()),
            (65, "nested deeper than 64 levels")
        );
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
        let chain = (1..100).fold("a0: &a0 [x]\n".to_owned(), |mut text, at| {
            writeln!(text, "a{at}: &a{at} [*a{}]", at - 1).unwrap();
            text
        });
        assert_eq!(
            parse(&chain).unwrap_err().reason,
            "nested deeper than 64 levels"
        );
    }

    #[test]
    fn aliases_of_aliases_do_not_explode() {
        let bomb = (1..30).fold("a0: &a0 [x]\n".to_owned(), |mut text, at| {
            let ten = vec![format!("*a{}", at - 1); 10].join(", ");
            writeln!(text, "a{at}: &a{at} [{ten}]").unwrap();
            text
        });
        assert_eq!(
            parse(&bomb).unwrap_err().reason,
            "more than 1000000 values, with aliases expanded; use fewer anchors and aliases"
        );
    }

    #[test]
    fn anchors_around_anchors_do_not_pile_up_copies() {
        let items = "x,".repeat(100_000);
        let nested = |depth: usize| {
            let list = format!("[{items}]");
            (0..depth).fold(list, |inside, at| format!("[&a{at} {inside}]"))
        };
        assert!(parse(&nested(5)).is_ok());
        let error = parse(&nested(50)).unwrap_err();
        assert!(
            error.reason.starts_with("more than 1000000 values"),
            "{}",
            error.reason
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-:a&*<>{}\\[\\]|#!\"' ,\n\t0?%@`\\\\é]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_characters_are_read_or_refused(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
