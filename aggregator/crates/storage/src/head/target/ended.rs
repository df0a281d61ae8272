//! Windows that have ended: their rows and tiles become one tile.
//!
//! That is the work of a moment for a usual target, but of too long a moment for whoever appends
//! the first sample of the next hour, so it is done elsewhere, without the target's lock.

use std::sync::{Arc, Mutex};

use system_stats_model::sample::Millis;

use super::TargetHead;
use crate::sync::lock;

/// So often a window is tried again that has grown in the meantime.
const ATTEMPTS: usize = 3;

impl TargetHead {
    /// The windows that have ended since this was asked last.
    pub(crate) fn take_ended(&mut self) -> Vec<Millis> {
        std::mem::take(&mut self.ended)
    }

    /// Finishes at once what has ended.
    pub(crate) fn finish_ended(&mut self) {
        for start in self.take_ended() {
            if let Some(window) = self.windows.get_mut(&start)
                && let Some(whole) = window.whole()
            {
                *window = Arc::new(whole);
            }
        }
    }

    /// Notes that a row goes into the window that begins at `start`. A window has ended when a
    /// newer one begins, one that is filled up belatedly when any other begins.
    pub(super) fn note_window(&mut self, start: Millis) {
        if self.windows.contains_key(&start) {
            return;
        }
        let newest = self.windows.last_key_value().map(|(newest, _)| *newest);
        let begun = self.begun.replace(start);
        self.ended.extend(newest.filter(|newest| *newest < start));
        self.ended
            .extend(begun.filter(|begun| Some(*begun) != newest));
    }
}

/// Finishes a window of a target, holding its lock only to look and to replace.
pub(crate) fn finish(head: &Mutex<TargetHead>, start: Millis) {
    for _ in 0..ATTEMPTS {
        let found = lock(head).windows.get(&start).map(Arc::clone);
        let Some(window) = found else { return };
        let Some(whole) = window.whole() else { return };
        if let Some(now) = lock(head).windows.get_mut(&start)
            && Arc::ptr_eq(now, &window)
        {
            *now = Arc::new(whole);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Row, WINDOW, Window};

    fn push(head: &mut TargetHead, timestamp: Millis) {
        head.replay(Row {
            timestamp,
            ids: [1].into(),
            values: [1.5].into(),
        });
    }

    #[test]
    fn windows_end_when_others_begin() {
        let mut head = TargetHead::default();
        head.add(1, None);
        let mut after = |hour: i64| {
            push(&mut head, hour * WINDOW);
            let ended = head.take_ended();
            ended.iter().map(|start| start / WINDOW).collect::<Vec<_>>()
        };
        assert_eq!(after(10), []);
        assert_eq!(after(11), [10]);
        assert_eq!(after(11), []);
        // An import beside the newest window, which goes on.
        assert_eq!(after(2), []);
        assert_eq!(after(3), [2]);
        assert_eq!(after(11), []);
        assert_eq!(after(12), [11, 3]);
    }

    #[test]
    fn a_finished_window_reads_the_same_and_is_smaller() {
        let mut head = TargetHead::default();
        head.add(1, None);
        let late = (100..110).map(|at| at * 15_000 + 500);
        for at in (0..200).map(|at| at * 15_000 + at % 7).chain(late) {
            push(&mut head, at);
        }
        push(&mut head, WINDOW);
        let read = |window: &Window| {
            let (mut timestamps, mut values) = (Vec::new(), Vec::new());
            let all = system_stats_model::sample::TimeRange::ALL;
            window.read(1, all, &mut timestamps, &mut values).unwrap();
            (timestamps, values)
        };
        let head = Mutex::new(head);
        let window = || Arc::clone(&lock(&head).windows[&0]);
        let before = window();
        finish(&head, 0);
        let after = window();
        assert!(read(&before) == read(&after));
        assert_eq!(before.samples(), after.samples());
        assert!(after.bytes() < before.bytes() * 2 / 3);
        finish(&head, 0);
        assert!(Arc::ptr_eq(&after, &window()));
    }
}
