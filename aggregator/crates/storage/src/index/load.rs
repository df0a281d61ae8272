//! Many series at once, as a start brings them.
//!
//! Hosts are alike: the own labels of their series are the same few texts again and again. Each
//! text is taken apart once; every further series that has it is a list of numbers.

use std::collections::HashMap;

use system_stats_model::labels::{InvalidLabels, Labels};

use super::{Index, half};

/// So many texts are remembered at a time.
const FORMS: usize = 1 << 16;

/// Marks the place of a shared pair. There are fewer pairs than this.
const SHARED: u32 = 1 << 31;

/// Fills an index.
#[derive(Debug)]
pub(crate) struct Loader {
    index: Index,
    shapes: Vec<Shape>,
    /// Hashes, and the series to be found by them.
    hashes: Vec<(u32, u32)>,
    /// Room for the pairs of a series.
    pairs: Vec<u32>,
}

/// The pairs that the series of a target share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    shape: usize,
    /// Number and hash, ascending by name.
    pairs: Vec<(u32, u64)>,
}

/// What is known of series that share pairs with certain names.
#[derive(Debug, Default)]
struct Shape {
    names: Vec<Box<str>>,
    forms: Vec<Form>,
    /// Forms by the own labels of their series.
    by_text: HashMap<Box<str>, usize>,
}

#[derive(Debug)]
struct Form {
    /// Pairs by number, or the places of shared ones, ascending by name.
    pairs: Box<[u32]>,
    /// What those that are not shared add to the hash.
    hash: u64,
}

impl Loader {
    pub(crate) fn new() -> Self {
        Self {
            index: Index::default(),
            // The first is that of series that share nothing.
            shapes: vec![Shape::default()],
            hashes: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// What series share whose target has these labels.
    pub(crate) fn shared(&mut self, labels: &Labels) -> Shared {
        let is_same = |shape: &Shape| {
            let names = shape.names.iter().map(|name| &**name);
            names.eq(labels.iter().map(|(name, _)| name))
        };
        let shape = self.shapes.iter().position(is_same);
        let shape = shape.unwrap_or_else(|| {
            self.shapes.push(Shape {
                names: labels.iter().map(|(name, _)| name.into()).collect(),
                ..Shape::default()
            });
            self.shapes.len() - 1
        });
        let mut pairs = Vec::new();
        for (name, value) in labels {
            let hash = self.index.pair_hash(name, value);
            pairs.push((self.index.pairs.number(name, value), hash));
        }
        Shared { shape, pairs }
    }

    /// Adds a series that is not there: with the labels that `text` holds, and those shared ones
    /// for which it has none of the same name.
    ///
    /// # Errors
    /// When the text is not a stored label set.
    pub(crate) fn add(
        &mut self,
        id: u32,
        target: u32,
        shared: &Shared,
        text: &str,
    ) -> Result<(), InvalidLabels> {
        let index = &mut self.index;
        let shape = &mut self.shapes[shared.shape];
        let form = match shape.by_text.get(text) {
            Some(&form) => form,
            None => shape.form(index, text)?,
        };
        let form = &shape.forms[form];
        let mut hash = form.hash;
        self.pairs.clear();
        for &pair in &form.pairs {
            let number = match shared.pairs.get((pair ^ SHARED) as usize) {
                Some((number, of_pair)) => {
                    hash = hash.wrapping_add(*of_pair);
                    *number
                }
                None => pair,
            };
            index.pairs.note(number, id);
            self.pairs.push(number);
        }
        index.entries.insert(id, target, self.pairs.iter().copied());
        self.hashes.push((half(hash), id));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Index {
        self.index.by_hash.reserve(self.hashes.len());
        for (hash, id) in self.hashes {
            self.index.note_hash(hash, id);
        }
        self.index.pairs.drop_unused();
        self.index
    }
}

impl Shape {
    /// Takes a text apart; the number of its form.
    fn form(&mut self, index: &mut Index, text: &str) -> Result<usize, InvalidLabels> {
        let own = Labels::pairs(text)?;
        if self.forms.len() >= FORMS {
            self.forms.clear();
            self.by_text.clear();
        }
        let (mut pairs, mut hash) = (Vec::new(), 0u64);
        let mut shared = (SHARED..)
            .zip(self.names.iter().map(|name| &**name))
            .peekable();
        for (name, value) in own {
            while let Some((place, _)) = shared.next_if(|(_, have)| *have < name) {
                pairs.push(place);
            }
            shared.next_if(|(_, have)| *have == name);
            pairs.push(index.pairs.number(name, value));
            hash = hash.wrapping_add(index.pair_hash(name, value));
        }
        pairs.extend(shared.map(|(place, _)| place));
        let pairs = pairs.into();
        self.forms.push(Form { pairs, hash });
        self.by_text.insert(text.into(), self.forms.len() - 1);
        Ok(self.forms.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use system_stats_model::matcher::Matcher;

    use super::*;

    type Pairs = BTreeMap<String, String>;

    fn pairs() -> impl Strategy<Value = Pairs> {
        prop::collection::btree_map("[a-d]", "[x-z]", 0..4)
    }

    proptest! {
        #[test]
        fn it_is_as_if_they_had_come_one_by_one(
            targets in prop::collection::vec(pairs(), 1..4),
            series in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), pairs()), 0..40),
        ) {
            let mut loader = Loader::new();
            let mut expected = Index::default();
            let alone = Shared::default();
            let shared: Vec<Shared> =
                targets.iter().map(|pairs| loader.shared(&Labels::from_pairs(pairs))).collect();
            for (id, (target, inherits, own)) in (1u32..).zip(&series) {
                let at = target.index(targets.len());
                let target = u32::try_from(at).unwrap();
                let base = if *inherits { targets[at].clone() } else { Pairs::new() };
                let whole: Pairs = base.into_iter().chain(own.clone()).collect();
                expected.insert(id, target, &Labels::from_pairs(&whole));
                let shared = if *inherits { &shared[at] } else { &alone };
                let text = Labels::from_pairs(own);
                prop_assert_eq!(loader.add(id, target, shared, text.encoded()), Ok(()));
            }
            let index = loader.finish();
            prop_assert_eq!(index.len(), expected.len());
            for (id, _) in (1u32..).zip(&series) {
                let labels = expected.labels(id).unwrap();
                prop_assert_eq!(index.labels(id), Some(labels.clone()));
                prop_assert_eq!(index.target(id), expected.target(id));
                let target = expected.target(id).unwrap();
                prop_assert_eq!(index.find(target, &labels), expected.find(target, &labels));
                prop_assert_eq!(index.twins(&labels, id), expected.twins(&labels, id));
                for (name, value) in &labels {
                    let matchers = [Matcher::equal(name, value)];
                    prop_assert_eq!(index.select(&matchers), expected.select(&matchers));
                }
            }
            let mut index = index;
            index.remove(&expected.select(&[]));
            prop_assert!(index.pairs.is_empty() && index.by_hash.is_empty());
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,20}") {
            let mut loader = Loader::new();
            let added = loader.add(1, 1, &Shared::default(), &text);
            let labels = Labels::decode(&text).ok();
            prop_assert_eq!(added.is_ok(), labels.is_some());
            prop_assert_eq!(loader.finish().labels(1), labels);
        }
    }
}
