//! A target's hour: a window that grows, and windows that are being folded.

use std::sync::Arc;

use tokio::time::Instant;

use super::TargetHead;
use crate::head::row::Row;
use crate::head::window::Window;
use system_stats_model::sample::Millis;

/// What a target has of one hour in memory.
#[derive(Debug)]
pub(crate) struct Slot {
    live: Arc<Window>,
    /// Nothing is added to these any more. More than one when a fold has failed.
    frozen: Vec<Arc<Window>>,
    /// The oldest commit that brought something, of `live` and of `frozen`.
    live_since: Option<u64>,
    frozen_since: Option<u64>,
    /// The newest commit that brought something.
    last: u64,
    touched: Instant,
}

impl Slot {
    pub(super) fn new(start: Millis) -> Self {
        Self {
            live: Arc::new(Window::new(start)),
            frozen: Vec::new(),
            live_since: None,
            frozen_since: None,
            last: 0,
            touched: Instant::now(),
        }
    }

    /// Those that are being folded, then the one that grows.
    pub(super) fn windows(&self) -> impl Iterator<Item = &Arc<Window>> {
        self.frozen.iter().chain(std::iter::once(&self.live))
    }

    pub(super) fn insert(&mut self, row: Arc<Row>) {
        Arc::make_mut(&mut self.live).insert(row);
        self.touched = Instant::now();
    }

    pub(super) fn note(&mut self, seq: u64) {
        self.live_since.get_or_insert(seq);
        self.last = self.last.max(seq);
    }

    /// Changes every window for which `is_meant` holds.
    pub(super) fn change(
        &mut self,
        mut is_meant: impl FnMut(&Window) -> bool,
        change: impl Fn(&mut Window),
    ) {
        let all = self
            .frozen
            .iter_mut()
            .chain(std::iter::once(&mut self.live));
        for window in all {
            if is_meant(window) {
                change(Arc::make_mut(window));
            }
        }
        self.frozen.retain(|window| !window.is_empty());
        if self.frozen.is_empty() {
            self.frozen_since = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frozen.is_empty() && self.live.is_empty()
    }

    /// When something was added last.
    pub(crate) fn touched(&self) -> Instant {
        self.touched
    }

    /// What it takes in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.windows().map(|window| window.bytes()).sum()
    }

    /// The oldest commit that must stay in the journal for its sake.
    fn since(&self) -> Option<u64> {
        let both = [self.live_since, self.frozen_since];
        both.into_iter().flatten().min()
    }
}

impl TargetHead {
    /// The hours that have something, oldest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Millis, &Slot)> {
        self.slots.iter().map(|(start, slot)| (*start, slot))
    }

    /// Freezes an hour's window: what comes for it from now on has a window of its own. Returns
    /// everything frozen of the hour; none while something of it is not durable (the newest
    /// durable commit being `committed`).
    pub(crate) fn freeze(&mut self, start: Millis, committed: u64) -> Option<Vec<Arc<Window>>> {
        let Some(slot) = self.slots.get_mut(&start) else {
            return Some(Vec::new());
        };
        if slot.last > committed {
            return None;
        }
        if !slot.live.is_empty() {
            let live = std::mem::replace(&mut slot.live, Arc::new(Window::new(start)));
            slot.frozen.push(live);
            let since = slot.live_since.take();
            slot.frozen_since = slot.frozen_since.or(since);
        }
        Some(slot.frozen.clone())
    }

    /// The hour's window, if it is alone and could be smaller than it is.
    pub(crate) fn loose(&self, start: Millis) -> Option<Arc<Window>> {
        let slot = self.slots.get(&start)?;
        let is_loose = slot.frozen.is_empty() && !slot.live.is_whole();
        is_loose.then(|| Arc::clone(&slot.live))
    }

    /// Puts a window that holds the same in the place of another, if that is still there as it
    /// was.
    pub(crate) fn tighten(&mut self, start: Millis, loose: &Arc<Window>, tight: Window) {
        if let Some(slot) = self.slots.get_mut(&start)
            && Arc::ptr_eq(&slot.live, loose)
        {
            slot.live = Arc::new(tight);
        }
    }

    /// Drops what was frozen of an hour: it is in blocks now.
    pub(crate) fn melt(&mut self, start: Millis) {
        if let Some(slot) = self.slots.get_mut(&start) {
            slot.frozen.clear();
            slot.frozen_since = None;
            if slot.is_empty() {
                self.slots.remove(&start);
            }
        }
    }

    /// The oldest commit that is in memory only, apart from the journal.
    pub(crate) fn oldest_commit(&self) -> Option<u64> {
        self.slots.values().filter_map(Slot::since).min()
    }
}
