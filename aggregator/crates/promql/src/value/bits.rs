/// Which steps of a column hold a value, 64 to a word, the first step in the lowest bit.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    words: &'a [u64],
}

const WORD: usize = 64;

impl<'a> Bits<'a> {
    pub(crate) fn new(words: &'a [u64]) -> Self {
        Self { words }
    }

    /// Whether step `at` holds a value.
    #[must_use]
    pub fn has(self, at: usize) -> bool {
        self.words[at / WORD] >> (at % WORD) & 1 == 1
    }

    /// How many steps hold a value.
    #[must_use]
    pub fn count(self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether any step holds a value.
    #[must_use]
    pub fn any(self) -> bool {
        self.words.iter().any(|word| *word != 0)
    }

    /// Calls `f` for every step that holds a value, ascending: faster than
    /// [`iter`](Self::iter) where most do.
    pub(crate) fn for_each(self, mut f: impl FnMut(usize)) {
        for (at, word) in self.words.iter().enumerate() {
            let start = at * WORD;
            if *word == u64::MAX {
                (start..start + WORD).for_each(&mut f);
                continue;
            }
            let mut rest = *word;
            while rest != 0 {
                f(start + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }

    /// The steps that hold a value, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> + 'a {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * WORD + bit)
            })
        })
    }
}

/// How many words `steps` bits need.
pub(crate) fn words_for(steps: usize) -> usize {
    steps.div_ceil(WORD)
}

pub(crate) fn set(words: &mut [u64], at: usize) {
    words[at / WORD] |= 1 << (at % WORD);
}

pub(crate) fn clear(words: &mut [u64], at: usize) {
    words[at / WORD] &= !(1 << (at % WORD));
}

/// Sets the first `steps` bits and clears the rest.
pub(crate) fn set_all(words: &mut [u64], steps: usize) {
    words.fill(u64::MAX);
    if let (Some(last), rest @ 1..) = (words.last_mut(), steps % WORD) {
        *last = (1 << rest) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_counted_and_listed() {
        let mut words = [0; 3];
        for at in [0, 63, 64, 130] {
            set(&mut words, at);
        }
        clear(&mut words, 64);
        let bits = Bits::new(&words);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 130]);
        let mut visited = Vec::new();
        Bits::new(&[u64::MAX, 0, 2]).for_each(|at| visited.push(at));
        assert_eq!(visited, (0..64).chain([129]).collect::<Vec<_>>());
        assert_eq!(bits.count(), 3);
        assert!(bits.has(130) && !bits.has(64));
    }

    #[test]
    fn all_bits_end_at_the_last_step() {
        for steps in [1, 63, 64, 65, 128, 130] {
            let mut words = vec![0; words_for(steps)];
            set_all(&mut words, steps);
            assert_eq!(
                Bits::new(&words).iter().collect::<Vec<_>>(),
                (0..steps).collect::<Vec<_>>()
            );
        }
    }
}
