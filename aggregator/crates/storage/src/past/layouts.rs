//! The layouts used last, up to a number of bytes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::block::Layout;
use crate::store::{Store, StoreError};
use crate::sync::lock;

/// Layouts by pack and id.
#[derive(Debug)]
pub(crate) struct Layouts {
    state: Mutex<State>,
    most_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<(u64, u64), Kept>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    layout: Arc<Layout>,
    used: u64,
}

impl Layouts {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            most_bytes: AtomicUsize::new(most_bytes),
        }
    }

    /// Lets them take another number of bytes from now on.
    pub(crate) fn allow(&self, bytes: usize) {
        self.most_bytes.store(bytes, Ordering::Relaxed);
        self.evict(&mut lock(&self.state));
    }

    /// A layout, from memory or from the store.
    ///
    /// # Errors
    /// When the store cannot be read, or what it has is no layout.
    pub(crate) async fn get(
        &self,
        store: &dyn Store,
        pack: u64,
        id: u64,
    ) -> Result<Arc<Layout>, StoreError> {
        if let Some(layout) = self.kept(pack, id) {
            return Ok(layout);
        }
        let corrupt = |reason: &dyn std::fmt::Display| StoreError::Corrupt {
            place: format!("layout {id} of pack {pack}"),
            reason: reason.to_string(),
        };
        let row = store.layout(pack, id).await?;
        let row = row.ok_or_else(|| corrupt(&"it is not there"))?;
        let layout = Layout::decode(&row.blob).map_err(|reason| corrupt(&reason))?;
        let layout = Arc::new(layout);
        self.keep(pack, id, &layout);
        Ok(layout)
    }

    fn kept(&self, pack: u64, id: u64) -> Option<Arc<Layout>> {
        let mut state = lock(&self.state);
        state.clock += 1;
        let now = state.clock;
        let kept = state.kept.get_mut(&(pack, id))?;
        kept.used = now;
        Some(Arc::clone(&kept.layout))
    }

    /// Keeps a layout, and lets those go that have not been used for longest.
    pub(crate) fn keep(&self, pack: u64, id: u64, layout: &Arc<Layout>) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        state.clock += 1;
        state.bytes += layout.bytes();
        let kept = Kept {
            layout: Arc::clone(layout),
            used: state.clock,
        };
        if let Some(before) = state.kept.insert((pack, id), kept) {
            state.bytes -= before.layout.bytes();
        }
        self.evict(state);
    }

    fn evict(&self, state: &mut State) {
        let most = self.most_bytes.load(Ordering::Relaxed);
        while state.bytes > most && state.kept.len() > 1 {
            let oldest = state.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(key) = oldest.map(|(key, _)| *key) else {
                break;
            };
            if let Some(gone) = state.kept.remove(&key) {
                state.bytes -= gone.layout.bytes();
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.state).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_used_last_are_kept() {
        let layout = |ids: u32| Arc::new(Layout::default().extended(0..ids));
        let layouts = Layouts::new(layout(100).bytes() * 3);
        for id in 1..=3 {
            layouts.keep(1, id, &layout(100));
        }
        assert!(layouts.kept(1, 1).is_some());
        layouts.keep(1, 4, &layout(100));
        let kept = (1..=4).filter(|id| layouts.kept(1, *id).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), [1, 3, 4]);
        // One that is too large alone is kept all the same: it is in use.
        layouts.keep(1, 5, &layout(1000));
        assert!(layouts.kept(1, 5).is_some() && layouts.kept(1, 4).is_none());
        assert_eq!(layouts.bytes(), layout(1000).bytes());
        layouts.allow(layout(1000).bytes() + layout(100).bytes());
        layouts.keep(1, 6, &layout(100));
        assert!(layouts.kept(1, 5).is_some());
        layouts.allow(layout(100).bytes());
        assert!(layouts.kept(1, 5).is_some() && layouts.kept(1, 6).is_none());
    }
}
