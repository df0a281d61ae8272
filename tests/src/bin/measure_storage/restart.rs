//! From the start to the first answer.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table};
use std::time::Instant;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_model::source::Selector;

use super::rest::read;
use super::{Database, Progress, START, close};

pub(super) async fn measured(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    scrapes: i64,
) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let (storage, _) = database.open(Feed::options()).await;
    let mut progress = Progress::of("restart");
    for scrape in 0..scrapes {
        feed.run(&storage, 15).await;
        progress.at(scrape, scrapes);
    }
    close(storage).await;
    // What the first life has left in memory is not the second's.
    let (series, samples) = (feed.series(), feed.samples);
    let newest = feed.now();
    drop(feed);
    let start = Instant::now();
    let (storage, _) = database.open(Feed::options()).await;
    let opened = start.elapsed();
    let selector = Selector {
        matchers: vec![
            Matcher::equal("__name__", "node_load1"),
            Matcher::equal("instance", "host-01-0000:9100"),
        ],
        range: TimeRange {
            start: newest - 300_000,
            end: newest,
        },
    };
    let found = read(&storage, &selector).await;
    let answered = start.elapsed();
    let mut table = Table::default();
    table.add(
        format!("restart, {series} series, {samples} samples in the journal: open; first answer"),
        format!(
            "{:.2}; {:.2} s ({found} samples read)",
            opened.as_secs_f64(),
            answered.as_secs_f64()
        ),
        "≤ 1.5",
    );
    close(storage).await;
    table
}
