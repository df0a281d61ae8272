//! From a body to rows.

use system_stats_model::append::{Appender, Row, SeriesId, TargetId};
use system_stats_model::exposition::{self, Entry, Format, LabelPair, MetricType, Parser, Series};
use system_stats_model::labels::Labels;
use system_stats_model::relabel::relabel;
use system_stats_model::sample::{Millis, STALE};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cache::{Cache, Slot, TextKey};
use super::error::ScrapeError;
use super::merge::merge;
use crate::config::{Limits, ScrapeConfig};

/// Samples from further ahead than this are dropped: 10 minutes.
const MAX_AHEAD: Millis = 600_000;

/// The series by which our own exporter is known.
const OWN_EXPORTER: &str = "system_stats_exporter_build_info";

/// How a target's samples are read.
pub(super) struct Rules<'a> {
    pub(super) job: &'a ScrapeConfig,
    /// The target's labels.
    pub(super) labels: &'a Labels,
    pub(super) target: TargetId,
    /// The time of samples without their own.
    pub(super) at: Millis,
    pub(super) now: Millis,
}

/// What a body held; counted as far as it could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Samples in the body.
    pub(super) scraped: u64,
    /// Samples that are left after relabelling.
    pub(super) kept: u64,
    /// Series that the last scrapes did not show.
    pub(super) added: u64,
    /// Samples dropped because their series was in the body before.
    pub(super) repeated: u64,
    /// Samples dropped because their time is before 1970 or more than 10 minutes ahead.
    pub(super) out_of_bounds: u64,
    /// Whether our own exporter exposed it.
    pub(super) is_own_exporter: bool,
}

/// Reads one body.
pub(super) struct Reading<'a> {
    rules: &'a Rules<'a>,
    appender: &'a dyn Appender,
    cache: &'a mut Cache,
    pub(super) counts: Counts,
    pub(super) rows: Vec<Row>,
    /// A hash of what the body says about its metrics.
    pub(super) descriptions: u64,
    /// Whether there were more series than the job allows.
    is_over: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        rules: &'a Rules<'a>,
        appender: &'a dyn Appender,
        cache: &'a mut Cache,
    ) -> Self {
        cache.begin();
        Self {
            rules,
            appender,
            cache,
            counts: Counts::default(),
            rows: Vec::new(),
            descriptions: 0,
            is_over: false,
        }
    }

    /// Reads all of it; afterwards the rows are what there is to store, the ends of vanished series
    /// included.
    pub(super) fn read(&mut self, body: &[u8], format: Format) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(body, format, exposition::Limits::default());
        let mut pairs = Vec::new();
        while let Some(entry) = parser.next() {
            match entry? {
                Entry::Series(series) => self.sample(&parser, &series, &mut pairs)?,
                Entry::Type { name, kind } => self.described(&name, MetricType::as_str(kind)),
                Entry::Help { name, text } => self.described(&name, &text),
                Entry::Unit { name, unit } => self.described(&name, unit),
            }
        }
        if self.is_over {
            return Err(ScrapeError::Samples(self.rules.job.limits.sample_limit));
        }
        let at = self.rules.at;
        self.rows
            .extend(self.cache.vanished().map(|series| end(series, at)));
        Ok(())
    }

    fn described(&mut self, name: &str, what: &str) {
        let hash = xxh3_64_with_seed(name.as_bytes(), self.descriptions);
        self.descriptions = xxh3_64_with_seed(what.as_bytes(), hash);
    }

    fn sample<'b>(
        &mut self,
        parser: &Parser<'b>,
        series: &Series<'b>,
        pairs: &mut Vec<LabelPair<'b>>,
    ) -> Result<(), ScrapeError> {
        self.counts.scraped += 1;
        self.counts.kept += 1;
        let key = TextKey::new(series.raw);
        if self.is_over && self.rules.job.metric_relabel_configs.is_empty() {
            // The scrape has failed; what follows is only counted.
            return Ok(());
        }
        let (slot, is_new) = match self.cache.find(key) {
            Some(slot) => (slot, false),
            None => (self.resolve(parser, series, key, pairs)?, true),
        };
        self.counts.is_own_exporter |= series.raw.starts_with(OWN_EXPORTER);
        if slot.is_dropped() {
            self.counts.kept -= 1;
            return Ok(());
        }
        if self.is_over {
            return Ok(());
        }
        let own_time = series.timestamp.filter(|_| self.rules.job.honor_timestamps);
        let is_tracked = own_time.is_none() || self.rules.job.track_timestamps_staleness;
        let Some(id) = self.cache.see(slot, is_tracked) else {
            self.counts.repeated += 1;
            return Ok(());
        };
        let limit = self.rules.job.limits.sample_limit;
        self.is_over = limit > 0 && self.counts.kept - self.counts.repeated > limit;
        let timestamp = own_time.unwrap_or(self.rules.at);
        if !(0..=self.rules.now.saturating_add(MAX_AHEAD)).contains(&timestamp) {
            self.counts.out_of_bounds += 1;
            return Ok(());
        }
        self.counts.added += u64::from(is_new && !self.is_over);
        self.rows.push(Row {
            series: id,
            timestamp,
            value: series.value,
        });
        Ok(())
    }

    /// Takes a text apart that was not in the last scrapes.
    fn resolve<'b>(
        &mut self,
        parser: &Parser<'b>,
        series: &Series<'b>,
        key: TextKey,
        pairs: &mut Vec<LabelPair<'b>>,
    ) -> Result<Slot, ScrapeError> {
        parser.labels(series, pairs)?;
        let mut labels = merge(pairs, self.rules.labels, self.rules.job.honor_labels);
        let relabelling = &self.rules.job.metric_relabel_configs;
        if !relabelling.is_empty() {
            match relabel(relabelling, &labels) {
                Some(kept) if !kept.is_empty() => labels = kept,
                _ => return Ok(self.cache.insert_dropped(key)),
            }
            if labels.metric_name().is_empty() {
                return Err(ScrapeError::NoName);
            }
        }
        check(&labels, &self.rules.job.limits)?;
        let id = self.appender.series(self.rules.target, &labels)?;
        Ok(self.cache.insert(key, id))
    }
}

/// The row that ends a series.
pub(super) fn end(series: SeriesId, at: Millis) -> Row {
    Row {
        series,
        timestamp: at,
        value: STALE,
    }
}

fn check(labels: &Labels, limits: &Limits) -> Result<(), ScrapeError> {
    let exceeds = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    let series = || labels.metric_name().chars().take(80).collect::<String>();
    if exceeds(labels.len(), limits.label_limit) {
        return Err(ScrapeError::Labels {
            series: series(),
            limit: limits.label_limit,
        });
    }
    for (name, value) in labels {
        if exceeds(name.len(), limits.label_name_length_limit) {
            let limit = limits.label_name_length_limit;
            return Err(ScrapeError::LabelName {
                series: series(),
                limit,
            });
        }
        if exceeds(value.len(), limits.label_value_length_limit) {
            let limit = limits.label_value_length_limit;
            return Err(ScrapeError::LabelValue {
                series: series(),
                limit,
            });
        }
    }
    Ok(())
}
