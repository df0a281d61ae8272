//! The one model of what is exposed: a family of series with one name, help and type. It knows
//! no format but the label syntax `name="value"`, which both formats share.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The type of a family. `Unknown` is "untyped" in the older format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only ever grows while the thing counted exists. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// The kernel does not say.
    Unknown,
}

/// All series of one name.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: Cow<'static, str>,
    pub(crate) help: Cow<'static, str>,
    pub(crate) kind: Kind,
    /// The labels of all samples one after the other, escaped: `a="1",b="2"`.
    labels: String,
    /// Where each sample's labels end, and its value.
    samples: Vec<(usize, f64)>,
}

impl Family {
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        kind: Kind,
    ) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            kind,
            labels: String::new(),
            samples: Vec::new(),
        }
    }

    /// Adds a sample. Empty label values are left out: they mean the same as no label.
    pub(crate) fn push(&mut self, labels: &[(&str, &str)], value: f64) {
        let start = self.labels.len();
        for (name, text) in labels {
            if text.is_empty() {
                continue;
            }
            if self.labels.len() > start {
                self.labels.push(',');
            }
            // Writing to a string cannot fail.
            let _ = write!(self.labels, "{name}=\"");
            push_escaped(&mut self.labels, text);
            self.labels.push('"');
        }
        self.samples.push((self.labels.len(), value));
    }

    /// Every sample: its labels as both formats write them (without braces) and its value.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        let mut start = 0;
        self.samples.iter().map(move |&(end, value)| {
            let labels = &self.labels[start..end];
            start = end;
            (labels, value)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// Backslash, quote and line feed, the three that both formats escape in label values.
fn push_escaped(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// The families that a scrape has gathered so far.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<Family>);

impl Families {
    /// Begins a family and hands it out to be filled; one that stays empty is not exposed.
    pub(crate) fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        kind: Kind,
    ) -> &mut Family {
        let index = self.0.len();
        self.0.push(Family::new(name, help, kind));
        &mut self.0[index]
    }

    /// A family of exactly one sample without labels.
    pub(crate) fn single(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        kind: Kind,
        value: f64,
    ) {
        self.add(name, help, kind).push(&[], value);
    }

    /// The family of that name, begun if there is none yet. For collectors whose names come from
    /// the kernel and repeat.
    pub(crate) fn named(&mut self, name: String, help: String, kind: Kind) -> &mut Family {
        let known = self.0.iter().position(|family| family.name == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(Family::new(name, help, kind));
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    pub(crate) fn push(&mut self, family: Family) {
        self.0.push(family);
    }

    pub(crate) fn extend(&mut self, more: Families) {
        self.0.extend(more.0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter().filter(|family| !family.is_empty())
    }
}
