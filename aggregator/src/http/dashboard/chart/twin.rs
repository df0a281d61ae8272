//! The table twins of a host's charts: the same numbers for whoever does not see the drawing.

use std::collections::BTreeSet;

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::view::{moment, rate};
use super::bands::Band;
use super::panels::{Panel, Panels};

/// A chart as its frame and its table.
#[derive(Serialize)]
pub(in super::super) struct Twin {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    notes: Vec<String>,
    /// The names of the alerts that fired in its time.
    alerts: Vec<String>,
    /// What the lines are called.
    names: Vec<String>,
    /// Newest first.
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    time: String,
    /// In the order of the names.
    values: Vec<String>,
    /// The names of the alerts that fired then.
    alerts: String,
}

impl Panels {
    /// The tables, in the order of the charts.
    pub(in super::super) fn twins(&self) -> Vec<Twin> {
        (self.all.iter())
            .map(|panel| Twin::new(panel, &self.alerts))
            .collect()
    }
}

impl Twin {
    fn new(panel: &Panel, bands: &[Band]) -> Self {
        let row = |(at, time): (usize, &f64)| {
            let firing = bands.iter().filter(|band| band.is_at(*time));
            let firing: BTreeSet<&str> = firing.map(Band::name).collect();
            let value = |values: &Vec<Option<f64>>| word(values.get(at).copied().flatten(), panel);
            let is_gap = panel.lines.iter().all(|line| line.avg[at].is_none());
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a time that was milliseconds"
            )]
            let time = moment((time * 1000.0).round() as Millis);
            (!is_gap).then(|| Row {
                time,
                values: panel.lines.iter().map(|line| value(&line.avg)).collect(),
                alerts: firing.into_iter().collect::<Vec<_>>().join(", "),
            })
        };
        Self {
            id: panel.id,
            title: panel.title,
            unit: panel.unit,
            notes: panel.notes.clone(),
            alerts: {
                let names: BTreeSet<&str> = bands.iter().map(Band::name).collect();
                names.into_iter().map(str::to_owned).collect()
            },
            names: panel.lines.iter().map(|line| line.name.clone()).collect(),
            rows: panel
                .times
                .iter()
                .enumerate()
                .rev()
                .filter_map(row)
                .collect(),
        }
    }
}

/// A number in the panel's unit, which the table's head names unless a prefix makes it another.
fn word(value: Option<f64>, panel: &Panel) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if panel.unit == "B/s" => rate(value),
        Some(value) if panel.unit.is_empty() => format!("{value:.2}"),
        Some(value) => format!("{value:.1}"),
    }
}
