//! What a target remembers from one scrape to the next: which text is which series, and which
//! series were there.
//!
//! Texts are kept as 128-bit hashes. A collision mixes two series of one target up, nothing else,
//! and at a million texts its chance is below one in 10^26.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use system_stats_model::append::SeriesId;
use xxhash_rust::xxh3::xxh3_128;

/// The hash of a series' text as exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextKey(u128);

impl TextKey {
    pub(super) fn new(raw: &str) -> Self {
        Self(xxh3_128(raw.as_bytes()))
    }
}

/// Takes the keys as they are: they are hashes already.
#[derive(Default)]
pub(super) struct Prehashed(u64);

impl Hasher for Prehashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let half = key as u64;
        self.0 = half;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Where a series is in the cache; valid until the next [`Cache::keep_seen`] or
/// [`Cache::forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

impl Slot {
    /// In the place of a series that is not kept.
    const DROPPED: Self = Self(usize::MAX);

    /// Whether the text is known to be of a series that is not kept.
    pub(super) fn is_dropped(self) -> bool {
        self == Self::DROPPED
    }
}

struct Text {
    slot: Slot,
    /// The scrape in which the text was last seen.
    seen: u64,
}

struct Series {
    id: SeriesId,
    /// The scrape in which the series was last seen.
    seen: u64,
    /// Whether that sample had no time of its own, so that its end has to be marked.
    is_tracked: bool,
    /// Whether readers take the series for alive: stored, tracked, not marked since.
    is_live: bool,
}

/// Texts that failed scrapes may leave beyond twice those of the last good one.
const SPARE_TEXTS: usize = 1000;

/// The memory of one target. Nothing is live until a scrape is stored.
#[derive(Default)]
pub(super) struct Cache {
    scrape: u64,
    /// How many texts the last stored scrape had.
    kept: usize,
    texts: HashMap<TextKey, Text, BuildHasherDefault<Prehashed>>,
    slots: HashMap<SeriesId, Slot>,
    series: Vec<Series>,
}

impl Cache {
    /// A scrape begins; nothing has been seen in it. What failed scrapes have left is forgotten
    /// when it is much.
    pub(super) fn begin(&mut self) {
        self.scrape += 1;
        if self.texts.len() > 2 * self.kept + SPARE_TEXTS {
            self.keep_live();
        }
    }

    /// The series that a text was found to be.
    pub(super) fn find(&mut self, key: TextKey) -> Option<Slot> {
        let text = self.texts.get_mut(&key)?;
        text.seen = self.scrape;
        Some(text.slot)
    }

    /// Remembers what a text was found to be.
    pub(super) fn insert(&mut self, key: TextKey, id: SeriesId) -> Slot {
        let next = Slot(self.series.len());
        let slot = *self.slots.entry(id).or_insert(next);
        if slot == next {
            self.series.push(Series {
                id,
                seen: 0,
                is_tracked: false,
                is_live: false,
            });
        }
        let seen = self.scrape;
        self.texts.insert(key, Text { slot, seen });
        slot
    }

    /// Remembers that the series of a text is not kept.
    pub(super) fn insert_dropped(&mut self, key: TextKey) -> Slot {
        let (slot, seen) = (Slot::DROPPED, self.scrape);
        self.texts.insert(key, Text { slot, seen });
        slot
    }

    /// Notes that a series is there; `None` when it was in this scrape already.
    pub(super) fn see(&mut self, slot: Slot, is_tracked: bool) -> Option<SeriesId> {
        let series = self.series.get_mut(slot.0)?;
        if series.seen == self.scrape {
            return None;
        }
        series.seen = self.scrape;
        series.is_tracked = is_tracked;
        Some(series.id)
    }

    /// Live series that this scrape has not shown.
    pub(super) fn vanished(&self) -> impl Iterator<Item = SeriesId> {
        let gone = |series: &&Series| series.is_live && series.seen != self.scrape;
        self.series.iter().filter(gone).map(|series| series.id)
    }

    /// All live series.
    pub(super) fn live(&self) -> impl Iterator<Item = SeriesId> {
        self.series
            .iter()
            .filter(|series| series.is_live)
            .map(|series| series.id)
    }

    /// This scrape is stored: what it showed is live, and only that is remembered.
    pub(super) fn keep_seen(&mut self) {
        let scrape = self.scrape;
        let mut is_complete = true;
        for series in &mut self.series {
            series.is_live = series.is_tracked && series.seen == scrape;
            is_complete &= series.seen == scrape;
        }
        self.texts.retain(|_, text| text.seen == scrape);
        self.kept = self.texts.len();
        if !is_complete {
            self.retain(|series| series.seen == scrape);
        }
    }

    /// Keeps some series, which have to be all that texts lead to.
    fn retain(&mut self, is_kept: impl Fn(&Series) -> bool) {
        let mut moved = Vec::with_capacity(self.series.len());
        let mut kept = 0;
        for series in &self.series {
            moved.push(Slot(kept));
            kept += usize::from(is_kept(series));
        }
        self.series.retain(is_kept);
        for text in self.texts.values_mut() {
            // What is dropped has no place.
            text.slot = moved.get(text.slot.0).copied().unwrap_or(Slot::DROPPED);
        }
        self.slots.clear();
        let slots = self.series.iter().enumerate();
        self.slots
            .extend(slots.map(|(at, series)| (series.id, Slot(at))));
    }

    /// The ends of all series are stored; texts stay known for when the target comes back.
    pub(super) fn none_live(&mut self) {
        for series in &mut self.series {
            series.is_live = false;
        }
    }

    /// What texts mean has changed. Series stay live until a scrape does not show them.
    pub(super) fn forget_texts(&mut self) {
        self.texts.clear();
    }

    /// A scrape broke off anywhere: what is left is what readers take for alive.
    pub(super) fn keep_live(&mut self) {
        self.texts.clear();
        self.retain(|series| series.is_live);
    }

    /// The store knows the ids no more.
    pub(super) fn forget(&mut self) {
        let scrape = self.scrape;
        *self = Self::default();
        self.scrape = scrape;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(cache: &mut Cache, shown: &[(&str, u64)]) -> Vec<u64> {
        cache.begin();
        for (text, id) in shown {
            let key = TextKey::new(text);
            let slot = cache
                .find(key)
                .unwrap_or_else(|| cache.insert(key, SeriesId(*id)));
            cache.see(slot, true);
        }
        let mut vanished: Vec<u64> = cache.vanished().map(|id| id.0).collect();
        vanished.sort_unstable();
        vanished
    }

    #[test]
    fn series_that_are_not_shown_again_have_vanished_once() {
        let mut cache = Cache::default();
        assert!(scrape(&mut cache, &[("a", 1), ("b", 2), ("c", 3)]).is_empty());
        cache.keep_seen();
        assert_eq!(scrape(&mut cache, &[("b", 2), ("d", 4)]), [1, 3]);
        cache.keep_seen();
        assert!(scrape(&mut cache, &[("b", 2), ("d", 4)]).is_empty());
        cache.keep_seen();
        assert_eq!(cache.live().count(), 2);
        assert_eq!(scrape(&mut cache, &[("d", 4)]), [2]);
    }

    #[test]
    fn what_was_not_stored_was_never_live() {
        let mut cache = Cache::default();
        scrape(&mut cache, &[("a", 1)]);
        assert!(scrape(&mut cache, &[]).is_empty());
        cache.keep_seen();
        assert!(cache.find(TextKey::new("a")).is_none());
    }

    #[test]
    fn texts_survive_a_failure_but_nothing_is_live_after_it() {
        let mut cache = Cache::default();
        scrape(&mut cache, &[("a", 1)]);
        cache.keep_seen();
        assert_eq!(cache.live().count(), 1);
        cache.none_live();
        assert_eq!(cache.live().count(), 0);
        cache.begin();
        let slot = cache.find(TextKey::new("a")).unwrap();
        assert_eq!(cache.see(slot, true), Some(SeriesId(1)));
    }

    #[test]
    fn a_series_is_seen_once_by_whatever_text() {
        let mut cache = Cache::default();
        cache.begin();
        let (first, second) = (TextKey::new("a{}"), TextKey::new("a"));
        let slot = cache.insert(first, SeriesId(1));
        assert_eq!(cache.see(slot, true), Some(SeriesId(1)));
        let slot = cache.insert(second, SeriesId(1));
        assert_eq!(cache.see(slot, true), None);
    }

    #[test]
    fn untracked_series_leave_without_a_mark() {
        let mut cache = Cache::default();
        cache.begin();
        let slot = cache.insert(TextKey::new("a"), SeriesId(1));
        cache.see(slot, false);
        cache.keep_seen();
        assert!(scrape(&mut cache, &[]).is_empty());
    }

    #[test]
    fn forgotten_texts_leave_their_series_to_vanish() {
        let mut cache = Cache::default();
        scrape(&mut cache, &[("a", 1), ("b", 2)]);
        cache.keep_seen();
        cache.forget_texts();
        assert_eq!(scrape(&mut cache, &[("a", 1), ("b", 7)]), [2]);
        cache.forget();
        assert_eq!(cache.live().count(), 0);
    }

    #[test]
    fn failed_scrapes_do_not_pile_up() {
        let mut cache = Cache::default();
        scrape(&mut cache, &[("a", 0)]);
        cache.keep_seen();
        for id in 1..10_000 {
            scrape(&mut cache, &[(&format!("s{id}"), id)]);
        }
        assert!(cache.texts.len() < 1100, "{}", cache.texts.len());
        assert!(cache.series.len() < 1100, "{}", cache.series.len());
        assert_eq!(scrape(&mut cache, &[]), [0]);
    }

    #[test]
    fn what_is_dropped_is_remembered_while_it_is_shown() {
        let mut cache = Cache::default();
        let (dropped, kept) = (TextKey::new("d"), TextKey::new("a"));
        scrape(&mut cache, &[("a", 1), ("b", 2)]);
        assert!(cache.insert_dropped(dropped).is_dropped());
        cache.keep_seen();
        // Another series leaves, so places change.
        cache.begin();
        assert!(cache.find(dropped).unwrap().is_dropped());
        let slot = cache.find(kept).unwrap();
        cache.see(slot, true);
        assert_eq!(cache.vanished().count(), 1);
        cache.keep_seen();
        assert!(cache.find(dropped).unwrap().is_dropped());
        assert!(!cache.find(kept).unwrap().is_dropped());
        cache.begin();
        cache.keep_seen();
        assert!(cache.find(dropped).is_none());
    }

    #[test]
    fn slots_stay_right_when_others_leave() {
        let mut cache = Cache::default();
        let all: Vec<(String, u64)> = (0..100).map(|at| (format!("s{at}"), at)).collect();
        let shown: Vec<(&str, u64)> = all.iter().map(|(text, id)| (text.as_str(), *id)).collect();
        scrape(&mut cache, &shown);
        cache.keep_seen();
        let odd: Vec<(&str, u64)> = shown
            .iter()
            .copied()
            .filter(|(_, id)| id % 2 == 1)
            .collect();
        assert_eq!(scrape(&mut cache, &odd).len(), 50);
        cache.keep_seen();
        cache.begin();
        for (text, id) in odd {
            let slot = cache.find(TextKey::new(text)).unwrap();
            assert_eq!(cache.see(slot, true), Some(SeriesId(id)));
        }
    }
}
