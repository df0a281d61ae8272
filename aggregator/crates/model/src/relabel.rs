//! Relabelling: rules that rewrite a label set, or refuse it, as Prometheus has them.
//!
//! Rules run one after the other, each on what the one before left.

mod expand;

use std::fmt;

use md5::{Digest as _, Md5};
use regex::Regex;

use self::expand::{expand, has_references};
use crate::labels::{Labels, LabelsBuilder};
use crate::matcher;

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets the target label to the replacement, if the source matches.
    #[default]
    Replace,
    /// Refuses what does not match.
    Keep,
    /// Refuses what matches.
    Drop,
    /// Refuses what is not equal to the target label.
    KeepEqual,
    /// Refuses what is equal to the target label.
    DropEqual,
    /// Sets the target label to a hash of the source, modulo a number.
    HashMod,
    /// Copies labels whose names match to other names.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// As a configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    /// Reads a name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// Whether it writes, or compares with, the target label.
    fn has_target(self) -> bool {
        !matches!(
            self,
            Self::Keep | Self::Drop | Self::LabelMap | Self::LabelDrop | Self::LabelKeep
        )
    }
}

/// What a rule says; `None` is what a configuration does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// What it does.
    pub action: Action,
    /// The labels whose values are looked at, joined.
    pub source_labels: Vec<String>,
    /// What joins them; `;` by default.
    pub separator: Option<String>,
    /// What they have to match as a whole; `(.*)` by default.
    pub regex: Option<String>,
    /// The modulus of a hash.
    pub modulus: u64,
    /// The label that is written.
    pub target_label: String,
    /// What is written; `$1` by default.
    pub replacement: Option<String>,
}

const SEPARATOR: &str = ";";
const REGEX: &str = "(.*)";
const REPLACEMENT: &str = "$1";

/// A rule that holds no contradiction. Two are equal when they are written alike.
#[derive(Clone)]
pub struct Relabel {
    definition: Definition,
    regex: Regex,
}

/// A rule that cannot be used; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRelabel {
    /// The expression is none, or too large.
    #[error("invalid regular expression {0:?}: {1}")]
    Regex(
        /// The expression.
        String,
        /// What is wrong with it.
        String,
    ),
    /// A hash without a modulus.
    #[error("hashmod needs a modulus above 0")]
    Modulus,
    /// Nowhere to write to.
    #[error("{0} needs a target_label")]
    NoTarget(
        /// The action.
        &'static str,
    ),
    /// New names for labels that would be empty.
    #[error("labelmap needs a replacement that is a name")]
    NoReplacement,
    /// Something that the action does not look at.
    #[error("{action} has no {field}; remove it")]
    Unused {
        /// The action.
        action: &'static str,
        /// What is written and has no meaning.
        field: &'static str,
    },
}

impl Relabel {
    /// A rule.
    ///
    /// # Errors
    /// [`InvalidRelabel`] for what Prometheus refuses as well.
    pub fn new(definition: Definition) -> Result<Self, InvalidRelabel> {
        let pattern = definition.regex.as_deref().unwrap_or(REGEX);
        let regex = matcher::anchored(pattern)
            .map_err(|reason| InvalidRelabel::Regex(pattern.to_owned(), reason))?;
        let relabel = Self { definition, regex };
        relabel.check()?;
        Ok(relabel)
    }

    fn check(&self) -> Result<(), InvalidRelabel> {
        let Definition {
            action,
            target_label,
            ..
        } = &self.definition;
        let action = *action;
        if action == Action::HashMod && self.definition.modulus == 0 {
            return Err(InvalidRelabel::Modulus);
        }
        if action.has_target() && target_label.is_empty() {
            return Err(InvalidRelabel::NoTarget(action.as_str()));
        }
        if action == Action::LabelMap && self.replacement().is_empty() {
            return Err(InvalidRelabel::NoReplacement);
        }
        match self.unused() {
            None => Ok(()),
            Some(field) => {
                let action = action.as_str();
                Err(InvalidRelabel::Unused { action, field })
            }
        }
    }

    /// What is written that the action does not allow.
    fn unused(&self) -> Option<&'static str> {
        use Action::{DropEqual, KeepEqual, LabelDrop, LabelKeep, Lowercase, Uppercase};
        let Definition {
            action,
            source_labels,
            regex,
            modulus,
            target_label,
            ..
        } = &self.definition;
        let is_equal = matches!(action, KeepEqual | DropEqual);
        let is_names = matches!(action, LabelDrop | LabelKeep);
        let is_case = matches!(action, Lowercase | Uppercase);
        let is_strict = is_equal || is_names;
        [
            ("source_labels", is_names && !source_labels.is_empty()),
            ("target_label", is_names && !target_label.is_empty()),
            ("regex", is_equal && regex.is_some()),
            ("modulus", is_strict && *modulus != 0),
            ("separator", is_strict && self.separator() != SEPARATOR),
            (
                "replacement",
                (is_strict || is_case) && self.replacement() != REPLACEMENT,
            ),
        ]
        .into_iter()
        .find_map(|(field, is_written)| is_written.then_some(field))
    }

    fn separator(&self) -> &str {
        self.definition.separator.as_deref().unwrap_or(SEPARATOR)
    }

    fn replacement(&self) -> &str {
        let replacement = self.definition.replacement.as_deref();
        replacement.unwrap_or(REPLACEMENT)
    }

    /// Rewrites the labels; says whether they are kept.
    pub fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let target = &self.definition.target_label;
        let source = || {
            let values = self.definition.source_labels.iter();
            let values: Vec<&str> = values
                .map(|name| labels.get(name).unwrap_or_default())
                .collect();
            values.join(self.separator())
        };
        match self.definition.action {
            Action::Keep => return self.regex.is_match(&source()),
            Action::Drop => return !self.regex.is_match(&source()),
            Action::KeepEqual => return labels.get(target).unwrap_or_default() == source(),
            Action::DropEqual => return labels.get(target).unwrap_or_default() != source(),
            Action::Replace => {
                let source = source();
                self.replace(&source, labels);
            }
            Action::HashMod => {
                let hash = hash(&source()) % self.definition.modulus;
                labels.set(target, &hash.to_string());
            }
            Action::Lowercase => {
                let value: String = source().chars().map(lower).collect();
                labels.set(target, &value);
            }
            Action::Uppercase => {
                let value: String = source().chars().map(upper).collect();
                labels.set(target, &value);
            }
            Action::LabelMap => self.map_names(labels),
            Action::LabelDrop => {
                labels.retain(|name, _| !self.regex.is_match(name));
            }
            Action::LabelKeep => {
                labels.retain(|name, _| self.regex.is_match(name));
            }
        }
        true
    }

    fn replace(&self, source: &str, labels: &mut LabelsBuilder) {
        let Some(captures) = self.regex.captures(source) else {
            return;
        };
        let target = &self.definition.target_label;
        let value = expand(self.replacement(), &captures);
        if !has_references(target) {
            labels.set(target, &value);
            return;
        }
        let target = expand(target, &captures);
        if !target.is_empty() {
            labels.set(&target, &value);
        }
    }

    fn map_names(&self, labels: &mut LabelsBuilder) {
        let before = labels.build();
        for (name, value) in &before {
            if let Some(captures) = self.regex.captures(name) {
                let name = expand(self.replacement(), &captures);
                if !name.is_empty() {
                    labels.set(&name, value);
                }
            }
        }
    }
}

impl PartialEq for Relabel {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition
    }
}

impl Eq for Relabel {}

impl fmt::Debug for Relabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.definition.fmt(f)
    }
}

/// Runs rules over labels; `None` when one of them refuses the set.
#[must_use]
pub fn relabel(rules: &[Relabel], labels: &Labels) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = LabelsBuilder::from(labels);
    let is_kept = rules.iter().all(|rule| rule.apply(&mut builder));
    is_kept.then(|| builder.build())
}

/// The second half of the MD5 sum, so that shards are the same as Prometheus'.
fn hash(text: &str) -> u64 {
    let sum: [u8; 16] = Md5::digest(text.as_bytes()).into();
    let half = sum[8..].iter();
    half.fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// Go maps character by character: what would become several stays, or becomes the first.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

#[cfg(test)]
mod tests;
