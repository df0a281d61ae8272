//! One scrape, from the answer to what is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use system_stats_model::append::{
    AppendError, Appender, Batch, Order, Outcome, Row, TargetId, Urgency,
};
use system_stats_model::exposition::{Format, Limits, Parser};
use system_stats_model::sample::Millis;
use tokio::time::Instant;

use super::cache::Cache;
use super::client::Answer;
use super::content;
use super::error::ScrapeError;
use super::reading::{Counts, Reading, Rules, end};
use super::report::Report;
use super::worker::Shared;
use crate::metadata::{Descriptions, REPEATED};

/// What a target's loop carries from scrape to scrape.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) cache: Cache,
    ids: Option<Ids>,
    /// How large the last body was.
    pub(super) body_bytes: usize,
    /// What was last told about the metrics, as a hash, and when.
    told: Option<(u64, Millis)>,
}

#[derive(Clone, Copy)]
struct Ids {
    target: TargetId,
    report: Report,
}

/// What came of a scrape.
#[derive(Debug)]
pub(super) struct Scraped {
    pub(super) counts: Counts,
    pub(super) duration: Duration,
    /// Why it failed, if it did.
    pub(super) error: Option<ScrapeError>,
}

/// When a scrape took place.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// The time of its samples.
    pub(super) at: Millis,
    pub(super) started: Instant,
}

impl Memory {
    fn ids(&mut self, shared: &Shared) -> Result<Ids, AppendError> {
        if let Some(ids) = self.ids {
            return Ok(ids);
        }
        let (appender, labels) = (&*shared.appender, &shared.target.labels);
        let target = appender.target(labels)?;
        let report = Report::new(appender, target, labels)?;
        Ok(*self.ids.insert(Ids { target, report }))
    }

    /// Whether there may be series to end.
    pub(super) fn has_stored(&self) -> bool {
        self.ids.is_some()
    }

    fn forget(&mut self) {
        self.cache.forget();
        self.ids = None;
    }

    /// Stores what an answer holds, or that there was none, as one batch. A panic while doing so is
    /// a failed scrape like others: the loop of the target has to go on.
    pub(super) fn ingest(
        &mut self,
        shared: &Shared,
        answer: Result<Answer, ScrapeError>,
        when: When,
    ) -> Scraped {
        let mut caught = |answer| {
            catch_unwind(AssertUnwindSafe(|| self.take(shared, answer, when))).map_err(|panic| {
                self.cache.keep_live();
                ScrapeError::from_panic(&*panic)
            })
        };
        let result = caught(answer).or_else(|defect| caught(Err(defect)));
        result.unwrap_or_else(|defect| Scraped {
            counts: Counts::default(),
            duration: when.started.elapsed(),
            error: Some(defect),
        })
    }

    fn take(
        &mut self,
        shared: &Shared,
        answer: Result<Answer, ScrapeError>,
        when: When,
    ) -> Scraped {
        let mut counts = Counts::default();
        let stored = answer.and_then(|answer| {
            self.body_bytes = answer.body.len();
            self.again(|memory| {
                counts = Counts::default();
                memory.store(shared, &answer, when, &mut counts)
            })
        });
        let error = stored.err().inspect(|_| {
            // That the scrape failed is the news; if not even that can be stored, so be it.
            let _ = self.again(|memory| memory.store_failure(shared, when, counts));
        });
        Scraped {
            counts,
            duration: when.started.elapsed(),
            error,
        }
    }

    /// Once more from the start when the store has forgotten what an id means.
    fn again(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<(), ScrapeError>,
    ) -> Result<(), ScrapeError> {
        match attempt(self) {
            Err(ScrapeError::Append(
                AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_),
            )) => {
                self.forget();
                attempt(self)
            }
            result => result,
        }
    }

    fn store(
        &mut self,
        shared: &Shared,
        answer: &Answer,
        when: When,
        counts: &mut Counts,
    ) -> Result<(), ScrapeError> {
        let job = &*shared.job;
        let format = content::format(answer.content_type.as_deref(), job.fallback_scrape_protocol)?;
        let ids = self.ids(shared)?;
        let rules = Rules {
            job,
            labels: &shared.target.labels,
            target: ids.target,
            at: when.at,
            now: shared.clock.now(),
        };
        let mut reading = Reading::new(&rules, &*shared.appender, &mut self.cache);
        let read = reading.read(&answer.body, format);
        let descriptions = reading.descriptions;
        *counts = reading.counts;
        let mut rows = reading.rows;
        read?;
        rows.extend(
            ids.report
                .rows(when.at, true, when.started.elapsed(), *counts),
        );
        let outcome = append(&*shared.appender, ids.target, rows)?;
        self.cache.keep_seen();
        note(shared, outcome, *counts);
        self.tell(shared, (&answer.body, format), descriptions, when.at);
        Ok(())
    }

    /// Tells what the body says about its metrics, when that is new or has not been told for long.
    fn tell(&mut self, shared: &Shared, body: (&[u8], Format), hash: u64, at: Millis) {
        let is_fresh = |(told, when): (u64, Millis)| told == hash && at - when < REPEATED;
        if !self.told.is_some_and(is_fresh) {
            shared.metadata.tell(descriptions(body.0, body.1), at);
            self.told = Some((hash, at));
        }
    }

    fn store_failure(
        &mut self,
        shared: &Shared,
        when: When,
        counts: Counts,
    ) -> Result<(), ScrapeError> {
        let ids = self.ids(shared)?;
        let mut rows: Vec<Row> = self
            .cache
            .live()
            .map(|series| end(series, when.at))
            .collect();
        rows.extend(
            ids.report
                .rows(when.at, false, when.started.elapsed(), counts),
        );
        append(&*shared.appender, ids.target, rows)?;
        self.cache.none_live();
        Ok(())
    }

    /// Stores that the target is no more. Where it has come back under another configuration, its
    /// series have newer samples and refuse their end.
    pub(super) fn store_end(&mut self, shared: &Shared, at: Millis) -> Result<(), AppendError> {
        let Some(ids) = self.ids else {
            return Ok(());
        };
        let mut rows: Vec<Row> = self.cache.live().map(|series| end(series, at)).collect();
        rows.extend(ids.report.ends(at));
        append(&*shared.appender, ids.target, rows)?;
        self.cache.none_live();
        Ok(())
    }
}

/// What a body that was read before says about its metrics.
fn descriptions(body: &[u8], format: Format) -> Descriptions {
    let mut found = Descriptions::default();
    let parser = Parser::new(body, format, Limits::default());
    parser
        .map_while(Result::ok)
        .for_each(|entry| found.add(entry));
    found
}

fn append(
    appender: &dyn Appender,
    target: TargetId,
    rows: Vec<Row>,
) -> Result<Outcome, AppendError> {
    let batch = Batch {
        target,
        order: Order::Strict,
        rows,
    };
    let (_, outcome) = appender.append(batch, Urgency::Relaxed)?;
    Ok(outcome)
}

fn note(shared: &Shared, outcome: Outcome, counts: Counts) {
    let metrics = &shared.metrics;
    metrics.samples.inc_by(outcome.stored as u64);
    metrics.reject("out_of_order", outcome.out_of_order as u64);
    metrics.reject("duplicate", outcome.duplicate as u64 + counts.repeated);
    metrics.reject("out_of_bounds", counts.out_of_bounds);
}
