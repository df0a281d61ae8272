//! What one target brings to a fold.

use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use crate::head::{Tile, Window};
use crate::varint::Malformed;

/// A target's frozen windows, and the same as one tile.
#[derive(Debug)]
pub(crate) struct Source {
    windows: Vec<Arc<Window>>,
    tile: Arc<Tile>,
}

impl Source {
    /// None if the windows, which all begin at `start`, hold nothing.
    ///
    /// # Errors
    /// When memory is broken.
    pub(crate) fn new(start: Millis, windows: Vec<Arc<Window>>) -> Result<Option<Self>, Malformed> {
        let tile = Window::whole(start, &windows)?;
        Ok(tile.map(|tile| Self { windows, tile }))
    }

    /// The series, ascending.
    pub(crate) fn ids(&self) -> &[u32] {
        self.tile.ids()
    }

    pub(super) fn clock(&self) -> &Arc<[u32]> {
        self.tile.clock()
    }

    /// A series' cells on the source's own clock, as they are stored.
    pub(super) fn cells(&self, id: u32) -> Option<&[u8]> {
        self.tile.cells(id)
    }

    /// A series' samples, read another way than the tile was made: times since `start`.
    pub(super) fn samples(&self, id: u32, start: Millis) -> Result<Vec<(u32, f64)>, Malformed> {
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        for window in &self.windows {
            window.read(id, TimeRange::ALL, &mut timestamps, &mut values)?;
        }
        let since = |timestamp: Millis| u32::try_from(timestamp - start).unwrap_or(u32::MAX);
        let times = timestamps.into_iter().map(since);
        let mut samples: Vec<(u32, f64)> = times.zip(values).collect();
        if self.windows.len() > 1 {
            samples.sort_by_key(|sample| sample.0);
            samples.dedup_by_key(|sample| sample.0);
        }
        Ok(samples)
    }
}
