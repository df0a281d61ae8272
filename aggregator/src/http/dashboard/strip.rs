//! Small drawings inside a row: paths of SVG, as a page may not carry styles of its own.

use std::fmt::Write;

use serde::Serialize;

/// The height of both drawings in their own units.
const HEIGHT: f64 = 12.0;

/// The availability of a day as one path per state.
#[derive(Clone, Serialize)]
pub(super) struct Strip {
    up: String,
    partly: String,
    down: String,
    words: String,
}

impl Strip {
    /// From the share of good scrapes in each slot; nothing if nothing was heard at all.
    pub(super) fn new(slots: &[Option<f64>]) -> Option<Self> {
        let heard: Vec<f64> = slots.iter().copied().flatten().collect();
        if heard.is_empty() {
            return None;
        }
        let share = heard.iter().sum::<f64>() / heard.len() as f64 * 100.0;
        // What is not whole is not rounded to the whole.
        let share = if share < 100.0 {
            share.min(99.9)
        } else {
            share
        };
        let path = |wanted: fn(f64) -> bool| blocks(slots, wanted);
        Some(Self {
            up: path(|share| share >= 1.0),
            partly: path(|share| share > 0.0 && share < 1.0),
            down: path(|share| share <= 0.0),
            words: format!("{share:.1} %"),
        })
    }
}

/// The runs of slots that are wanted, each as a rectangle.
fn blocks(slots: &[Option<f64>], wanted: fn(f64) -> bool) -> String {
    let mut path = String::new();
    let mut at = 0;
    for run in slots.chunk_by(|a, b| a.is_some_and(wanted) == b.is_some_and(wanted)) {
        if run[0].is_some_and(wanted) {
            let length = run.len();
            // Writing into a string does not fail.
            let _ = write!(path, "M{at} 0h{length}v{HEIGHT}h-{length}z");
        }
        at += run.len();
    }
    path
}

/// A line of percentages; where nothing was measured it is broken.
pub(super) fn sparkline(slots: &[Option<f64>]) -> Option<String> {
    let mut path = String::new();
    let mut before = false;
    for (at, value) in slots.iter().enumerate() {
        if let Some(value) = value {
            let y = HEIGHT - value.clamp(0.0, 100.0) / 100.0 * HEIGHT;
            let _ = write!(path, "{}{at} {y:.1}", if before { 'L' } else { 'M' });
        }
        before = value.is_some();
    }
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_blocks() {
        let slots = [None, Some(1.0), Some(1.0), Some(0.0), Some(0.5), Some(1.0)];
        let strip = Strip::new(&slots).unwrap();
        assert_eq!(strip.up, "M1 0h2v12h-2zM5 0h1v12h-1z");
        assert_eq!(strip.down, "M3 0h1v12h-1z");
        assert_eq!(strip.partly, "M4 0h1v12h-1z");
        assert_eq!(strip.words, "70.0 %");
        assert!(Strip::new(&[None, None]).is_none());
        let nearly = [Some(1.0); 47].into_iter().chain([Some(0.999)]);
        let nearly: Vec<Option<f64>> = nearly.collect();
        assert_eq!(Strip::new(&nearly).unwrap().words, "99.9 %");
    }

    #[test]
    fn a_line_breaks_at_a_gap() {
        let slots = [Some(0.0), Some(50.0), None, Some(200.0)];
        assert_eq!(sparkline(&slots).unwrap(), "M0 12.0L1 6.0M3 0.0");
        assert_eq!(sparkline(&[None]), None);
    }
}
