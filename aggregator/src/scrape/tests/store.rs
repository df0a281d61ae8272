//! What a scrape does when the store does not take it.

use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use system_stats_model::append::{
    AppendError, Appender, Batch, Outcome, SeriesId, TargetId, Ticket, Urgency,
};
use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_storage::Storage;

use super::fixture::{Fixture, storage};
use crate::scrape::SystemSink;

/// The real store, which refuses the next batches with these errors, and has a defect: it panics
/// when it is asked for a series that is called `defect`.
pub(super) struct Refusing {
    storage: Arc<Storage>,
    errors: Mutex<Vec<AppendError>>,
}

impl Refusing {
    pub(super) fn new(storage: &Arc<Storage>) -> Self {
        Self {
            storage: Arc::clone(storage),
            errors: Mutex::default(),
        }
    }
}

impl SystemSink for Refusing {
    fn put_system(&self, instance: &str, updated: Millis, body: Bytes) -> Result<(), AppendError> {
        self.storage.put_system(instance, updated, body)
    }
}

impl Appender for Refusing {
    fn target(&self, labels: &Labels) -> Result<TargetId, AppendError> {
        Appender::target(&*self.storage, labels)
    }

    fn series(&self, target: TargetId, labels: &Labels) -> Result<SeriesId, AppendError> {
        assert_ne!(labels.metric_name(), "defect", "no such series");
        Appender::series(&*self.storage, target, labels)
    }

    fn append(&self, batch: Batch, urgency: Urgency) -> Result<(Ticket, Outcome), AppendError> {
        match self.errors.lock().unwrap().pop() {
            Some(error) => Err(error),
            None => self.storage.append(batch, urgency),
        }
    }
}

async fn fixture() -> (Fixture, Arc<Refusing>) {
    let storage = storage().await;
    let refusing = Arc::new(Refusing::new(&storage));
    let appender = Arc::<Refusing>::clone(&refusing);
    (Fixture::with(storage, appender, ""), refusing)
}

fn overloaded() -> AppendError {
    AppendError::Overloaded { waiting_bytes: 7 }
}

#[tokio::test]
async fn ids_that_the_store_has_forgotten_are_resolved_again() {
    for error in [
        AppendError::UnknownSeries(SeriesId(1)),
        AppendError::UnknownTarget(TargetId(1)),
    ] {
        let (mut fixture, store) = fixture().await;
        fixture.scrape(0, "a 1\n");
        store.errors.lock().unwrap().push(error);
        let scraped = fixture.scrape(15, "a 2\n");
        assert!(scraped.error.is_none(), "{scraped:?}");
        assert_eq!(fixture.stored().await, "a: 0=1 15=2\n");
        assert_eq!(fixture.report("up").await, "0=1 15=1");
    }
}

#[tokio::test]
async fn they_are_resolved_again_only_once() {
    let (mut fixture, store) = fixture().await;
    store
        .errors
        .lock()
        .unwrap()
        .extend(vec![AppendError::UnknownSeries(SeriesId(1)); 2]);
    let error = fixture.scrape(0, "a 1\n").error.unwrap();
    assert_eq!(error.to_string(), "unknown series 1");
    assert_eq!(fixture.report("up").await, "0=0");
}

#[tokio::test]
async fn a_store_that_is_behind_fails_the_scrape_with_its_reason() {
    let (mut fixture, store) = fixture().await;
    fixture.scrape(0, "a 1\n");
    store.errors.lock().unwrap().push(overloaded());
    let error = fixture.scrape(15, "a 2\n").error.unwrap();
    assert_eq!(
        error.to_string(),
        "the store is behind: 7 bytes wait to be committed; try again later"
    );
    assert_eq!(fixture.stored().await, "a: 0=1 15=end\n");
    assert_eq!(fixture.report("up").await, "0=1 15=0");
}

#[tokio::test]
async fn what_could_not_be_stored_at_all_is_made_up_for() {
    let (mut fixture, store) = fixture().await;
    fixture.scrape(0, "a 1\nb 1\n");
    store
        .errors
        .lock()
        .unwrap()
        .extend([overloaded(), overloaded()]);
    fixture.scrape(15, "a 2\nb 2\n");
    fixture.scrape(30, "a 3\n");
    assert_eq!(fixture.stored().await, "a: 0=1 30=3\nb: 0=1 30=end\n");
    assert_eq!(fixture.report("up").await, "0=1 30=1");
}

#[tokio::test]
async fn a_target_with_too_many_series_is_down() {
    let options = system_stats_storage::Options {
        series_per_target: 7,
        ..Default::default()
    };
    let store = Arc::new(system_stats_storage::memory::MemoryStore::new());
    let storage = Arc::new(Storage::open(store, options).await.unwrap());
    let appender = Arc::<Storage>::clone(&storage);
    let mut fixture = Fixture::with(storage, appender, "");
    // Five report series and two others.
    assert!(fixture.scrape(0, "a 1\nb 1\n").error.is_none());
    let error = fixture.scrape(15, "a 2\nb 2\nc 2\n").error.unwrap();
    assert_eq!(
        error.to_string(),
        "target {instance=\"h:1\",job=\"j\"} already has 7 series, the most a target may have"
    );
    assert_eq!(fixture.report("up").await, "0=1 15=0");
    assert_eq!(fixture.stored().await, "a: 0=1 15=end\nb: 0=1 15=end\n");
}

#[tokio::test]
async fn a_defect_of_ours_is_a_failed_scrape_and_no_more() {
    let (mut fixture, _) = fixture().await;
    fixture.scrape(0, "a 1\nb 1\n");
    let error = fixture.scrape(15, "a 2\nc 2\ndefect 2\n").error.unwrap();
    let message = error.to_string();
    assert!(
        message.starts_with("the aggregator failed at this answer: ")
            && message.contains("no such series"),
        "{message}"
    );
    fixture.scrape(30, "a 3\nc 3\n");
    assert_eq!(
        fixture.stored().await,
        "a: 0=1 15=end 30=3\nb: 0=1 15=end\nc: 30=3\n"
    );
    assert_eq!(fixture.report("up").await, "0=1 15=0 30=1");
}
