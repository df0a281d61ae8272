//! The groups decoded last, up to a number of bytes: pages and rules ask for the same again and
//! again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use crate::block::{Clocks, Group};
use crate::store::{WindowHead, WindowKey};
use crate::sync::lock;

/// Decoded groups, with the clocks of their windows.
///
/// What a header says never changes, and no window has the same header twice: the number of the
/// newest commit in it only grows. So what is here is right for whoever has the same header.
#[derive(Debug)]
pub(crate) struct Groups {
    state: Mutex<State>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    windows: HashMap<WindowKey, Kept>,
    /// By the time of their last use, which [`State::clock`] counts.
    order: BTreeMap<u64, WindowKey>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    head: WindowHead,
    clocks: Arc<Clocks>,
    groups: BTreeMap<u32, Arc<Group>>,
    bytes: usize,
    used: u64,
}

impl Groups {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            most_bytes,
        }
    }

    /// The clocks of a window and some of its groups, if all of these are here.
    pub(crate) fn get(
        &self,
        head: WindowHead,
        numbers: &[u32],
    ) -> Option<(Arc<Clocks>, Vec<Arc<Group>>)> {
        let mut state = lock(&self.state);
        let kept = state.windows.get(&head.key)?;
        if kept.head != head {
            return None;
        }
        let groups = numbers
            .iter()
            .map(|number| kept.groups.get(number).cloned());
        let groups: Vec<_> = groups.collect::<Option<_>>()?;
        let clocks = Arc::clone(&kept.clocks);
        state.touch(head.key);
        Some((clocks, groups))
    }

    /// Keeps a group, and lets the windows go that have not been used for longest.
    pub(crate) fn keep(
        &self,
        head: WindowHead,
        clocks: &Arc<Clocks>,
        number: u32,
        group: &Arc<Group>,
    ) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if let Some(kept) = state.windows.get(&head.key)
            && kept.head != head
        {
            if kept.head.fold_seq > head.fold_seq {
                return;
            }
            state.drop(head.key);
        }
        let kept = state.windows.entry(head.key).or_insert_with(|| {
            state.bytes += clocks.bytes();
            Kept {
                head,
                clocks: Arc::clone(clocks),
                groups: BTreeMap::new(),
                bytes: clocks.bytes(),
                used: 0,
            }
        });
        if kept.groups.insert(number, Arc::clone(group)).is_none() {
            kept.bytes += group.bytes();
            state.bytes += group.bytes();
        }
        state.touch(head.key);
        while state.bytes > self.most_bytes
            && let Some((_, &oldest)) = state.order.first_key_value()
        {
            state.drop(oldest);
        }
    }
}

impl State {
    fn touch(&mut self, key: WindowKey) {
        self.clock += 1;
        if let Some(kept) = self.windows.get_mut(&key) {
            self.order.remove(&kept.used);
            kept.used = self.clock;
            self.order.insert(kept.used, key);
        }
    }

    fn drop(&mut self, key: WindowKey) {
        if let Some(gone) = self.windows.remove(&key) {
            self.order.remove(&gone.used);
            self.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{GroupWriter, encode_clocks};
    use crate::column::Coding;

    fn head(window: i64, fold_seq: u64) -> WindowHead {
        WindowHead {
            key: WindowKey { window, pack: 1 },
            ver: 1,
            layout: 1,
            fold_seq,
        }
    }

    fn some() -> (Arc<Clocks>, Arc<Group>) {
        let clocks = Clocks::decode(encode_clocks(&[Arc::from([1, 2, 3])]).into()).unwrap();
        let mut writer = GroupWriter::default();
        writer.push(Coding::Packed, (0, 3), &[0, 2], &[1.0, 5.0]);
        let group = Group::decode(&writer.finish().unwrap()).unwrap();
        (Arc::new(clocks), Arc::new(group))
    }

    #[test]
    fn a_window_is_here_with_the_header_that_it_was_read_with() {
        let (clocks, group) = some();
        let groups = Groups::new(1 << 20);
        groups.keep(head(0, 5), &clocks, 3, &group);
        groups.keep(head(0, 5), &clocks, 4, &group);
        assert_eq!(groups.get(head(0, 5), &[3, 4]).unwrap().1.len(), 2);
        assert!(groups.get(head(0, 5), &[3, 5]).is_none());
        assert!(groups.get(head(0, 6), &[3]).is_none());
        assert!(groups.get(head(1, 5), &[3]).is_none());
        // Who was slow to decode does not bring an older version back.
        groups.keep(head(0, 6), &clocks, 3, &group);
        groups.keep(head(0, 5), &clocks, 3, &group);
        assert!(groups.get(head(0, 6), &[3]).is_some());
        assert!(groups.get(head(0, 6), &[4]).is_none());
    }

    #[test]
    fn the_windows_used_last_are_kept() {
        let (clocks, group) = some();
        let one = clocks.bytes() + group.bytes();
        let groups = Groups::new(3 * one);
        for window in 0..3 {
            groups.keep(head(window, 1), &clocks, 0, &group);
        }
        assert!(groups.get(head(0, 1), &[0]).is_some());
        groups.keep(head(3, 1), &clocks, 0, &group);
        let has = |window| groups.get(head(window, 1), &[0]).is_some();
        assert_eq!([0, 1, 2, 3].map(has), [true, false, true, true]);
        // One that is too large by itself is not kept.
        let small = Groups::new(one - 1);
        small.keep(head(0, 1), &clocks, 0, &group);
        assert!(small.get(head(0, 1), &[0]).is_none());
        assert_eq!(lock(&small.state).bytes, 0);
        assert!(lock(&small.state).order.is_empty());
    }
}
