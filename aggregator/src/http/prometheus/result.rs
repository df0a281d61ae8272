//! The result of a query as Prometheus writes it.

use std::fmt::Write as _;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::value::{Columns, Element, Series, Value, write_value};

use super::body::{PIECE, Pieces, write_notes, write_text};
use crate::query::Answer;

/// Notes of either kind that are shown.
const MAX_NOTES: usize = 10;

/// Which statistics are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stats {
    None,
    Totals,
    /// Totals, and the samples of each step.
    PerStep,
}

/// An answer on its way out.
pub(super) struct Body {
    answer: Answer,
    stats: Stats,
    /// How many series there are to write.
    series: usize,
    is_cut: bool,
    stamps: Stamps,
    begun: bool,
    /// The next series, and in it the next sample; a series whose samples have begun is open.
    at: usize,
    sample: usize,
    is_open: bool,
}

impl Body {
    /// Writes at most `limit` series; 0 is no limit.
    pub(super) fn new(answer: Answer, stats: Stats, limit: usize) -> Self {
        let all = match &answer.value {
            Value::Scalar { .. } | Value::String { .. } => 0,
            Value::Vector { elements, .. } => elements.len(),
            Value::Matrix(series) => series.len(),
            Value::Range(columns) => columns.len(),
        };
        let is_cut = limit > 0 && all > limit;
        let stamps = match &answer.value {
            Value::Range(columns) => Stamps::of(columns),
            _ => Stamps::default(),
        };
        Self {
            series: if is_cut { limit } else { all },
            is_cut,
            answer,
            stats,
            stamps,
            begun: false,
            at: 0,
            sample: 0,
            is_open: false,
        }
    }

    fn begin(&mut self, out: &mut String) {
        self.begun = true;
        let kind = match &self.answer.value {
            Value::Scalar { .. } => "scalar",
            Value::String { .. } => "string",
            Value::Vector { .. } => "vector",
            Value::Matrix(_) | Value::Range(_) => "matrix",
        };
        out.push_str("{\"status\":\"success\",\"data\":{\"resultType\":\"");
        out.push_str(kind);
        out.push_str("\",\"result\":[");
    }

    /// Writes series until the piece is full; false when that was the last.
    fn write_series(&mut self, out: &mut String) -> bool {
        match &self.answer.value {
            Value::Scalar { timestamp, value } => {
                write_short_stamp(out, *timestamp);
                out.push_str(",\"");
                write_value(out, *value);
                out.push('"');
            }
            Value::String { timestamp, value } => {
                write_short_stamp(out, *timestamp);
                out.push(',');
                write_text(out, value);
            }
            Value::Vector {
                timestamp,
                elements,
            } => {
                while self.at < self.series {
                    if out.len() >= PIECE {
                        return true;
                    }
                    write_element(out, self.at, *timestamp, &elements[self.at]);
                    self.at += 1;
                }
            }
            Value::Matrix(_) | Value::Range(_) => {
                while self.at < self.series {
                    if out.len() >= PIECE {
                        return true;
                    }
                    self.write_samples(out);
                }
            }
        }
        false
    }

    /// Writes samples of the current series; goes on to the next one when there is none left.
    fn write_samples(&mut self, out: &mut String) {
        let labels = match &self.answer.value {
            Value::Matrix(series) => &series[self.at].labels,
            Value::Range(columns) => &columns.labels()[self.at],
            _ => return,
        };
        if !self.is_open {
            open(out, self.at, labels);
            out.push_str(",\"values\":[");
            self.is_open = true;
        }
        let rest = match &self.answer.value {
            Value::Matrix(series) => write_own(out, &series[self.at], self.sample),
            Value::Range(columns) => write_column(out, columns, self.at, &self.stamps, self.sample),
            _ => return,
        };
        if let Some(next) = rest {
            self.sample = next;
        } else {
            // In place of the comma after the last sample.
            out.pop();
            out.push_str("]}");
            (self.at, self.sample, self.is_open) = (self.at + 1, 0, false);
        }
    }

    fn end(&self, out: &mut String) {
        out.push(']');
        self.write_stats(out);
        out.push('}');
        let cut = self
            .is_cut
            .then(|| "results truncated due to limit".to_owned());
        let warnings: Vec<String> = cut
            .into_iter()
            .chain(self.answer.warnings.iter().cloned())
            .collect();
        let warnings = shown(&warnings, "warning annotations omitted");
        write_notes(out, "warnings", &warnings);
        let infos = shown(&self.answer.infos, "info annotations omitted");
        write_notes(out, "infos", &infos);
        out.push('}');
    }

    fn write_stats(&self, out: &mut String) {
        if self.stats == Stats::None {
            return;
        }
        let (timings, statistics) = (&self.answer.timings, &self.answer.statistics);
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{},\"resultSortTime\":0,\
             \"queryPreparationTime\":{},\"innerEvalTime\":{},\"execQueueTime\":{},\
             \"execTotalTime\":{}}},\"samples\":{{",
            (timings.preparation + timings.evaluation).as_secs_f64(),
            timings.preparation.as_secs_f64(),
            timings.evaluation.as_secs_f64(),
            timings.queue.as_secs_f64(),
            timings.total.as_secs_f64(),
        );
        if self.stats == Stats::PerStep {
            out.push_str("\"totalQueryableSamplesPerStep\":[");
            for (at, (timestamp, samples)) in statistics.per_step.iter().enumerate() {
                out.push_str(if at > 0 { ",[" } else { "[" });
                write_stamp(out, *timestamp);
                let _ = write!(out, ",{samples}]");
            }
            out.push_str("],");
        }
        let (total, peak) = (statistics.total_samples, statistics.peak_samples);
        let _ = write!(
            out,
            "\"totalQueryableSamples\":{total},\"peakSamples\":{peak}}}}}"
        );
    }
}

impl Pieces for Body {
    fn write(&mut self, out: &mut String) -> bool {
        if !self.begun {
            self.begin(out);
        }
        if self.write_series(out) {
            return true;
        }
        self.end(out);
        false
    }
}

/// As many notes as are shown, and how many more there are.
fn shown(notes: &[String], omitted: &str) -> Vec<String> {
    let mut shown: Vec<String> = notes.iter().take(MAX_NOTES).cloned().collect();
    if notes.len() > MAX_NOTES {
        shown.push(format!("{} more {omitted}", notes.len() - MAX_NOTES));
    }
    shown
}

fn open(out: &mut String, at: usize, labels: &Labels) {
    out.push_str(if at > 0 {
        ",{\"metric\":"
    } else {
        "{\"metric\":"
    });
    write_labels(out, labels);
}

fn write_element(out: &mut String, at: usize, timestamp: Millis, element: &Element) {
    open(out, at, &element.labels);
    out.push_str(",\"value\":[");
    write_stamp(out, timestamp);
    out.push_str(",\"");
    write_value(out, element.value);
    out.push_str("\"]}");
}

/// Writes samples from `from` on, each with a comma after it; where to go on when the piece is
/// full.
fn write_own(out: &mut String, series: &Series, from: usize) -> Option<usize> {
    for at in from..series.timestamps.len() {
        if out.len() >= PIECE {
            return Some(at);
        }
        out.push('[');
        write_stamp(out, series.timestamps[at]);
        out.push_str(",\"");
        write_value(out, series.values[at]);
        out.push_str("\"],");
    }
    None
}

fn write_column(
    out: &mut String,
    columns: &Columns,
    series: usize,
    stamps: &Stamps,
    from: usize,
) -> Option<usize> {
    let (values, valid) = (columns.values(series), columns.valid(series));
    for at in valid.iter().filter(|at| *at >= from) {
        if out.len() >= PIECE {
            return Some(at);
        }
        out.push_str(stamps.get(at));
        write_value(out, values[at]);
        out.push_str("\"],");
    }
    None
}

/// The times of a grid as they stand before each value: `[1435781451.781,"`.
#[derive(Default)]
struct Stamps {
    text: String,
    ends: Vec<usize>,
}

impl Stamps {
    fn of(columns: &Columns) -> Self {
        let timeline = columns.timeline();
        let mut stamps = Self::default();
        for at in 0..timeline.steps {
            stamps.text.push('[');
            write_stamp(&mut stamps.text, timeline.time(at));
            stamps.text.push_str(",\"");
            stamps.ends.push(stamps.text.len());
        }
        stamps
    }

    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

/// Writes a time as seconds, with three decimals or none.
pub(super) fn write_stamp(out: &mut String, timestamp: Millis) {
    if timestamp < 0 {
        out.push('-');
    }
    let (seconds, millis) = (
        timestamp.unsigned_abs() / 1000,
        timestamp.unsigned_abs() % 1000,
    );
    let _ = write!(out, "{seconds}");
    if millis != 0 {
        let _ = write!(out, ".{millis:03}");
    }
}

/// Writes a time as seconds, with as many decimals as it needs: how the only sample of an answer is
/// written.
fn write_short_stamp(out: &mut String, timestamp: Millis) {
    write_stamp(out, timestamp);
    if timestamp % 1000 != 0 {
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Writes a label set as an object.
pub(super) fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_text(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use system_stats_promql::eval::Statistics;

    use super::*;
    use crate::query::Timings;

    fn answer(value: Value) -> Answer {
        Answer {
            value,
            warnings: Vec::new(),
            infos: Vec::new(),
            statistics: Statistics {
                total_samples: 7,
                peak_samples: 3,
                per_step: vec![(1500, 4), (3000, 3)],
            },
            timings: Timings {
                queue: Duration::from_millis(1),
                preparation: Duration::from_millis(2),
                evaluation: Duration::from_millis(4),
                total: Duration::from_millis(8),
            },
        }
    }

    fn written(answer: Answer, stats: Stats, limit: usize) -> String {
        let (mut body, mut all) = (Body::new(answer, stats, limit), String::new());
        loop {
            let mut piece = String::new();
            let is_more = body.write(&mut piece);
            all.push_str(&piece);
            if !is_more {
                return all;
            }
        }
    }

    fn labels(value: &str) -> Labels {
        Labels::from_pairs([("__name__", "m"), ("l", value)])
    }

    fn element(value: f64) -> Element {
        let labels = labels("\"\n");
        Element { labels, value }
    }

    #[test]
    fn each_kind_of_result() {
        let scalar = Value::Scalar {
            timestamp: 4000,
            value: 2.0,
        };
        assert_eq!(
            written(answer(scalar), Stats::None, 1),
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
        );
        let text = Value::String {
            timestamp: -1500,
            value: "a\"b".to_owned(),
        };
        assert_eq!(
            written(answer(text), Stats::None, 0),
            r#"{"status":"success","data":{"resultType":"string","result":[-1.5,"a\"b"]}}"#
        );
        let vector = |elements| Value::Vector {
            timestamp: 1_435_781_451_050,
            elements,
        };
        assert_eq!(
            written(answer(vector(Vec::new())), Stats::None, 0),
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#
        );
        let mut two = answer(vector(vec![element(f64::NAN), element(1e-7)]));
        two.warnings = (0..12).map(|n| format!("w{n}")).collect();
        two.infos = vec!["i".to_owned()];
        assert_eq!(
            written(two, Stats::None, 1),
            concat!(
                r#"{"status":"success","data":{"resultType":"vector","result":["#,
                r#"{"metric":{"__name__":"m","l":"\"\n"},"value":[1435781451.050,"NaN"]}]},"#,
                r#""warnings":["results truncated due to limit","w0","w1","w2","w3","w4","w5","w6","#,
                r#""w7","w8","3 more warning annotations omitted"],"infos":["i"]}"#
            )
        );
    }

    #[test]
    fn samples_of_their_own_times_in_many_pieces() {
        let count = 20_000;
        let one = |value: &str| Series {
            labels: labels(value),
            timestamps: (0..count).collect(),
            values: (0..count).map(|at| at as f64).collect(),
        };
        let value = Value::Matrix(vec![one("a"), one("b")]);
        let text = written(answer(value), Stats::Totals, 0);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let result = json["data"]["result"].as_array().unwrap();
        assert_eq!(result.len(), 2);
        for series in result {
            let values = series["values"].as_array().unwrap();
            assert_eq!(values.len(), 20_000);
            assert_eq!(values[1500], serde_json::json!([1.5, "1500"]));
        }
        let stats = r#""stats":{"timings":{"evalTotalTime":0.006,"resultSortTime":0,"queryPreparationTime":0.002,"innerEvalTime":0.004,"execQueueTime":0.001,"execTotalTime":0.008},"samples":{"totalQueryableSamples":7,"peakSamples":3}}}}"#;
        assert!(text.ends_with(stats), "{}", &text[text.len() - 300..]);
    }

    #[test]
    fn samples_of_each_step_are_listed_for_who_asks() {
        let value = Value::Matrix(Vec::new());
        let text = written(answer(value), Stats::PerStep, 0);
        let steps = r#"{"totalQueryableSamplesPerStep":[[1.500,4],[3,3]],"totalQueryableSamples""#;
        assert!(text.contains(steps), "{text}");
    }
}
