//! Results, one line each.

use std::fmt;
use std::time::Duration;

/// What was asked, what came out, what was hoped for.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure, with its unit.
    pub figure: String,
    /// The target, if there is one.
    pub target: &'static str,
}

/// Rows under each other.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a line.
    pub fn add(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        target: &'static str,
    ) {
        let (what, figure) = (what.into(), figure.into());
        self.0.push(Row {
            what,
            figure,
            target,
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            writeln!(f, "| {} | {} | {} |", row.what, row.figure, row.target)?;
        }
        Ok(())
    }
}

/// The value below which a share of the times lies; zero of none.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into the times"
    )]
    let at = (last as f64 * share).round() as usize;
    times.get(at).copied().unwrap_or_default()
}
