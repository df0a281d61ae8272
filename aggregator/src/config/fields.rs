//! From located nodes to values: every problem is noted with its line, path and remedy, and reading
//! goes on, so that one look shows all of them.

use std::fmt;

use super::yaml::{Entry, Node, Value};

/// Problems reported at once; a file that is wrong everywhere is not helped by more.
const MAX_PROBLEMS: usize = 20;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named by the caller.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Where in the document, `scrape_configs[0].scrape_interval`; empty for the document itself.
    pub path: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The problems of one file, in the order in which they were found.
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            found: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: usize, path: &str, message: impl Into<String>) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(Problem {
                file: self.file.clone(),
                line,
                path: path.to_owned(),
                message: message.into(),
            });
        }
    }

    /// The problems sorted by line; none means that everything was fine.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }
}

/// A value, and where it stands.
pub(crate) struct Place<'n> {
    pub(crate) path: String,
    /// The line that messages name: that of the key, where there is one.
    pub(crate) line: usize,
    node: &'n Node,
}

impl<'n> Place<'n> {
    /// The document itself.
    pub(crate) fn root(node: &'n Node) -> Self {
        Self {
            path: String::new(),
            line: node.line,
            node,
        }
    }

    pub(crate) fn problem(&self, problems: &mut Problems, message: impl Into<String>) {
        problems.add(self.line, &self.path, message);
    }

    fn expected<T>(&self, problems: &mut Problems, what: &str) -> Option<T> {
        let message = format!("expected {what}, found {}", self.node.value.kind());
        self.problem(problems, message);
        None
    }

    /// The text of a single value; nothing reads as `""`.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Null => Some(""),
            Value::List(_) | Value::Map(_) => self.expected(problems, "a single value"),
        }
    }

    /// A single value that `read` understands; its error becomes the message.
    pub(crate) fn read<T>(
        &self,
        problems: &mut Problems,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(self.text(problems)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(problems, message);
                None
            }
        }
    }

    /// The items of a list; nothing is an empty list.
    pub(crate) fn list(&self, problems: &mut Problems) -> Option<Vec<Place<'n>>> {
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            Value::Text(_) | Value::Map(_) => {
                return self.expected(problems, "a list (one `- item` per line)");
            }
        };
        let place = |(at, node): (usize, &'n Node)| Place {
            path: format!("{}[{at}]", self.path),
            line: node.line,
            node,
        };
        Some(items.iter().enumerate().map(place).collect())
    }

    /// The entries of a map whose keys are the user's own; nothing is an empty map.
    pub(crate) fn entries(&self, problems: &mut Problems) -> Option<Vec<(&'n str, Place<'n>)>> {
        let entries = match &self.node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            Value::Text(_) | Value::List(_) => {
                return self.expected(problems, "a map (one `key: value` per line)");
            }
        };
        let entry = |entry: &'n Entry| (entry.key.as_str(), self.child(entry));
        Some(entries.iter().map(entry).collect())
    }

    /// The fields of a map whose keys we define; nothing is an empty map.
    pub(crate) fn fields(&self, problems: &mut Problems) -> Option<Fields<'n>> {
        let entries = self.entries(problems)?;
        Some(Fields {
            entries,
            known: Vec::new(),
        })
    }

    fn child(&self, entry: &'n Entry) -> Place<'n> {
        let path = if self.path.is_empty() {
            entry.key.clone()
        } else {
            format!("{}.{}", self.path, entry.key)
        };
        Place {
            path,
            line: entry.line,
            node: &entry.node,
        }
    }
}

/// The fields of a map that nobody has asked for yet.
pub(crate) struct Fields<'n> {
    entries: Vec<(&'n str, Place<'n>)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of `key`; a key without a value counts as not written.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Place<'n>> {
        self.known.push(key);
        let at = self.entries.iter().position(|(have, _)| *have == key)?;
        let (_, place) = self.entries.swap_remove(at);
        (place.node.value != Value::Null).then_some(place)
    }

    /// The value of `key` as `read` understands it, or `default` when it is not written or wrong.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        problems: &mut Problems,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.take(key)
            .and_then(|place| place.read(problems, read))
            .unwrap_or(default)
    }

    /// Refuses what is left: keys that Prometheus has and we do not, unless nothing is written there,
    /// and keys that nobody has.
    pub(crate) fn finish(self, unsupported: &[&str], problems: &mut Problems) {
        for (key, place) in &self.entries {
            if !unsupported.contains(key) && !is_discovery(key) {
                place.problem(problems, unknown(key, &self.known));
            } else if place.node.value != Value::Null {
                place.problem(problems, "not supported; remove it");
            }
        }
    }
}

/// Service discoveries other than the lists in the file itself.
fn is_discovery(key: &str) -> bool {
    key.len() > "_sd_configs".len() && key.ends_with("_sd_configs")
}

fn unknown(key: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (distance(key, name), *name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, name)) => format!("unknown key; did you mean {name}?"),
        None => format!("unknown key; remove it, or use one of {}", known.join(", ")),
    }
}

/// How many characters have to be inserted, removed or replaced (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// `true` and `false`, in the spellings that Prometheus' YAML takes.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Ok(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Ok(false)
        }
        _ => Err(format!("{text:?} is neither; write true or false")),
    }
}

/// A number of things; 0 means without a limit.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not a whole number; write one like 5000, or 0 for no limit")
    })
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("job", "jbo", 2),
            ("a", "b", 1),
        ];
        for (a, b, expected) in cases {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
