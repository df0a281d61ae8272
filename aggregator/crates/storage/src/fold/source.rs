//! What one target brings to a fold.

use std::sync::Arc;

use system_stats_model::sample::{Millis, TimeRange};

use super::merge::Samples;
use crate::head::Window;
use crate::varint::Malformed;

/// A target's frozen windows.
#[derive(Debug)]
pub(crate) struct Source {
    windows: Vec<Arc<Window>>,
    /// Every moment, since the start of the windows.
    clock: Arc<[u32]>,
    ids: Arc<[u32]>,
}

impl Source {
    /// None if the windows, which all begin at `start`, hold nothing.
    pub(crate) fn new(start: Millis, windows: &[Arc<Window>]) -> Option<Self> {
        let windows: Vec<_> = windows.iter().map(Window::sealed).collect();
        let (clock, ids) = Window::outline(start, &windows);
        (!ids.is_empty()).then(|| Self {
            windows,
            clock: clock.into(),
            ids,
        })
    }

    /// The series, ascending.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(super) fn clock(&self) -> &Arc<[u32]> {
        &self.clock
    }

    /// A series' samples; of one moment that of the first window counts. Times are since `start`.
    ///
    /// # Errors
    /// When memory is broken.
    pub(super) fn samples(&self, id: u32, start: Millis) -> Result<Samples, Malformed> {
        let mut values = Vec::with_capacity(self.clock.len());
        if let [window] = &self.windows[..]
            && window.read_whole(id, &mut values)?
        {
            let times = self.clock.to_vec();
            return Ok(Samples { times, values });
        }
        values.clear();
        let mut timestamps = Vec::new();
        for window in &self.windows {
            window.read(id, TimeRange::ALL, &mut timestamps, &mut values)?;
        }
        let since = |timestamp: Millis| u32::try_from(timestamp - start).unwrap_or(u32::MAX);
        let mut times: Vec<u32> = timestamps.into_iter().map(since).collect();
        if self.windows.len() > 1 {
            let mut samples: Vec<(u32, f64)> = times.into_iter().zip(values).collect();
            samples.sort_by_key(|sample| sample.0);
            samples.dedup_by_key(|sample| sample.0);
            (times, values) = samples.into_iter().unzip();
        }
        Ok(Samples { times, values })
    }
}
