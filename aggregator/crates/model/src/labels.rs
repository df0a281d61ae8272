//! Label sets.
//!
//! A [`Labels`] is one shared string: for every label, sorted by name, the length of the name, the
//! name, the length of the value, the value. Lengths are base-64 digits below 0x80, so the whole
//! is valid UTF-8 and slicing it never needs an unchecked conversion. A label set therefore costs
//! one allocation and sixteen bytes of handle, and equality is a comparison of bytes.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds the name of the scrape job, or of the contract a push came by.
pub const JOB: &str = "job";
/// The label that tells hosts apart.
pub const INSTANCE: &str = "instance";

/// An immutable label set, sorted by name, without empty values (an empty value is an absent
/// label) and without repeated names.
///
/// Ordered as Prometheus orders: name by name and value by value, a shorter set first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The label set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Builds a label set from pairs in any order.
    ///
    /// Pairs with an empty value are left out; of pairs with the same name the last counts.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Builds a label set from pairs that are in order already: names strictly ascending, values
    /// not empty. One pass, for stores that keep labels sorted anyway.
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let size = pairs.clone().map(|(n, v)| n.len() + v.len() + 4).sum();
        Self::from_sorted_with(pairs, &mut String::with_capacity(size))
    }

    /// The same for those who build many sets, one after the other in the same `room`.
    pub fn from_sorted_with<'a>(
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        room: &mut String,
    ) -> Self {
        debug_assert!(
            pairs
                .clone()
                .map(|(name, _)| name)
                .is_sorted_by(|a, b| a < b)
        );
        debug_assert!(pairs.clone().all(|(_, value)| !value.is_empty()));
        room.clear();
        for (name, value) in pairs {
            write_text(room, name);
            write_text(room, value);
        }
        Self(Arc::from(room.as_str()))
    }

    /// The labels, sorted by name.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of `name`, if the label is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// The metric name, or `""`.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stored form: text that [`Labels::decode`] reads back.
    #[must_use]
    pub fn encoded(&self) -> &str {
        &self.0
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// [`InvalidLabels`] when the text is not what [`Labels::encoded`] writes: a length that
    /// points outside, names that are not strictly ascending, an empty value.
    pub fn decode(text: &str) -> Result<Self, InvalidLabels> {
        Self::pairs(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// The labels of a stored form, sorted by name, without a set being made of it.
    ///
    /// # Errors
    /// The same as those of [`Labels::decode`].
    pub fn pairs(text: &str) -> Result<Iter<'_>, InvalidLabels> {
        let mut rest = text;
        let mut last: Option<&str> = None;
        while !rest.is_empty() {
            let (name, after) = read_text(rest).ok_or(InvalidLabels)?;
            let (value, after) = read_text(after).ok_or(InvalidLabels)?;
            if value.is_empty() || last.is_some_and(|last| last >= name) {
                return Err(InvalidLabels);
            }
            last = Some(name);
            rest = after;
        }
        Ok(Iter { rest: text })
    }
}

/// The text is not a stored label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored label set")]
pub struct InvalidLabels;

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

/// Writes the set as PromQL does: `up{instance="a:1",job="b"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        f.write_str(name)?;
        let mut separator = '{';
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            write!(f, "{separator}{name}={value:?}")?;
            separator = ',';
        }
        match (separator, name) {
            (',', _) => f.write_str("}"),
            (_, "") => f.write_str("{}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The labels of a set, sorted by name.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = read_text(self.rest)?;
        let (value, rest) = read_text(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// Collects labels one by one; see [`Labels::from_pairs`] for what it does with empty values and
/// repeated names.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder without labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self
            .pairs
            .binary_search_by(|(have, _)| have.as_str().cmp(name))
        {
            Ok(at) if value.is_empty() => drop(self.pairs.remove(at)),
            Ok(at) => value.clone_into(&mut self.pairs[at].1),
            Err(_) if value.is_empty() => {}
            Err(at) => self.pairs.insert(at, (name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// Keeps the labels for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(name, value)| keep(name, value));
        self
    }

    /// The value of `name`, if the label is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self
            .pairs
            .binary_search_by(|(have, _)| have.as_str().cmp(name))
            .ok()?;
        Some(&self.pairs[at].1)
    }

    /// The labels so far, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The finished set.
    #[must_use]
    pub fn build(&self) -> Labels {
        let pairs = self.pairs.iter();
        Labels::from_sorted(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            pairs: labels.iter().map(own).collect(),
        }
    }
}

const DIGIT_BITS: u32 = 6;
const MORE: u8 = 1 << DIGIT_BITS;

fn write_text(out: &mut String, text: &str) {
    let mut length = text.len();
    while length >= usize::from(MORE) {
        #[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
        let digit = (length & usize::from(MORE - 1)) as u8;
        out.push(char::from(digit | MORE));
        length >>= DIGIT_BITS;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 64 after the loop")]
    out.push(char::from(length as u8));
    out.push_str(text);
}

/// Splits one length-prefixed text off; `None` when `from` holds none.
fn read_text(from: &str) -> Option<(&str, &str)> {
    let mut length = 0usize;
    for (at, byte) in from.bytes().enumerate() {
        let shift = u32::try_from(at).ok()?.checked_mul(DIGIT_BITS)?;
        if byte >= 2 * MORE || shift >= usize::BITS {
            return None;
        }
        length |= usize::from(byte & (MORE - 1)).checked_shl(shift)?;
        if byte & MORE == 0 {
            // One length, one spelling: equal sets are equal texts.
            if byte == 0 && at > 0 {
                return None;
            }
            let start = at + 1;
            let end = start.checked_add(length)?;
            return Some((from.get(start..end)?, from.get(end..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_sorted_and_the_last_of_a_name_counts() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(labels, Labels::from_pairs([("a", "1"), ("b", "3")]));
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn shown_as_promql_shows_it() {
        let shown = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).to_string();
        assert_eq!(shown(&[]), "{}");
        assert_eq!(shown(&[("__name__", "up")]), "up");
        assert_eq!(
            shown(&[("__name__", "up"), ("job", "a\"b")]),
            r#"up{job="a\"b"}"#
        );
        assert_eq!(shown(&[("job", "x"), ("a", "y")]), r#"{a="y",job="x"}"#);
    }

    #[test]
    fn ordered_by_names_then_values_not_by_lengths() {
        let one = |name: &str, value: &str| Labels::from_pairs([(name, value)]);
        assert!(one("a", "zz") < one("b", "a"));
        assert!(one("a", "aaa") < one("a", "b"));
        assert!(Labels::empty() < one("a", "a"));
    }

    #[test]
    fn long_values_survive() {
        let long = "x".repeat(100_000);
        let labels = Labels::from_pairs([("a", long.as_str()), ("b", "y")]);
        assert_eq!(labels.get("a"), Some(long.as_str()));
        assert_eq!(labels.get("b"), Some("y"));
    }

    proptest! {
        #[test]
        fn stored_form_comes_back(pairs in prop::collection::vec((".{0,70}", ".{0,70}"), 0..8)) {
            let labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (n, v)));
            prop_assert_eq!(Labels::decode(labels.encoded()), Ok(labels.clone()));
            prop_assert!(Labels::pairs(labels.encoded()).unwrap().eq(labels.iter()));
            for (name, _) in &pairs {
                let last = pairs.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
                prop_assert_eq!(labels.get(name), last.filter(|v| !v.is_empty()));
            }
            prop_assert_eq!(LabelsBuilder::from(&labels).build(), labels);
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in ".{0,40}") {
            if let Ok(labels) = Labels::decode(&text) {
                let again = Labels::from_pairs(labels.iter());
                prop_assert_eq!(again.encoded(), text);
            }
        }
    }
}
