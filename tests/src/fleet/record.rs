//! From the bodies of many scrapes to a trace.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use system_stats_model::exposition::{Entry, Format, Limits, MetricType, Parser};

use super::{Trace, TraceError, Track};

/// Makes a trace of a capture: bodies in the text format, each behind a line with its time in
/// milliseconds and its length in bytes.
///
/// # Errors
/// [`TraceError`]; an unfinished last scrape is left out.
pub fn compact(capture: &Path) -> Result<Trace, TraceError> {
    let bytes = fs::read(capture).map_err(|e| TraceError::new(capture, &e))?;
    let mut trace = Trace {
        times: Vec::new(),
        series: Vec::new(),
    };
    let mut by_text = HashMap::new();
    let mut rest = &bytes[..];
    while let Some((time, body, after)) = next(rest) {
        trace.times.push(time);
        add(&mut trace, &mut by_text, body).map_err(|e| TraceError::new(capture, &e))?;
        rest = after;
    }
    let scrapes = trace.times.len();
    for track in &mut trace.series {
        track.values.resize(scrapes, None);
    }
    Ok(trace)
}

fn next(bytes: &[u8]) -> Option<(i64, &[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let (time, length) = head.split_once(' ')?;
    let (body, rest) = bytes[end + 1..].split_at_checked(length.parse().ok()?)?;
    Some((time.parse().ok()?, body, rest))
}

fn add(trace: &mut Trace, by_text: &mut HashMap<String, usize>, body: &[u8]) -> Result<(), String> {
    let at = trace.times.len() - 1;
    let parser = Parser::new(body, Format::Text, Limits::default());
    let mut counters = Vec::new();
    for entry in parser {
        match entry.map_err(|e| e.to_string())? {
            Entry::Type { name, kind } => {
                if matches!(kind, MetricType::Counter) {
                    counters.push(name.into_owned());
                }
            }
            Entry::Series(series) => {
                let place = by_text.get(series.raw).copied().unwrap_or_else(|| {
                    by_text.insert(series.raw.to_owned(), trace.series.len());
                    let name = series.raw.split('{').next().unwrap_or_default();
                    trace.series.push(Track {
                        text: series.raw.to_owned(),
                        is_counter: counters.last().is_some_and(|counter| counter == name),
                        values: Vec::new(),
                    });
                    trace.series.len() - 1
                });
                let values = &mut trace.series[place].values;
                values.resize(at, None);
                values.push(Some(series.value));
            }
            Entry::Help { .. } | Entry::Unit { .. } => {}
        }
    }
    Ok(())
}
