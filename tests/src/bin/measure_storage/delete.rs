//! Deletions until they are acknowledged.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table};
use std::time::Instant;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::TimeRange;
use system_stats_storage::{FoldScope, Storage};

use super::{Database, HOUR, Progress, START, close, millis};

pub(super) async fn measured(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    hours: i64,
) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let (storage, _) = database.open(Feed::options()).await;
    let mut progress = Progress::of("delete");
    for hour in 0..hours {
        feed.run_rounds(&storage, HOUR / 15).await;
        let folded = storage.fold(FoldScope::Everything).await;
        folded.unwrap_or_else(|e| panic!("{e}"));
        progress.at(hour, hours);
    }
    // An hour in memory.
    feed.run_rounds(&storage, HOUR / 15).await;
    let name = format!(
        "{} series, {hours} h in blocks, one in memory",
        feed.series()
    );
    let host = Matcher::equal("instance", "host-01-0000:9100");
    let part = TimeRange {
        start: START + HOUR * 500,
        end: feed.now() - HOUR * 500,
    };
    let mut table = Table::default();
    for (what, matchers, range) in [
        ("a part of one host", vec![host.clone()], part),
        ("one host", vec![host], TimeRange::ALL),
        ("a part of all series", Vec::new(), part),
        ("all series", Vec::new(), TimeRange::ALL),
    ] {
        let took = delete(&storage, &matchers, range).await;
        table.add(
            format!("{what} deleted, acknowledged, {name}"),
            format!("{took:.0} ms"),
            "≤ 1000",
        );
    }
    close(storage).await;
    table
}

async fn delete(storage: &Storage, matchers: &[Matcher], range: TimeRange) -> f64 {
    let start = Instant::now();
    let deleted = storage.delete(matchers, range).await;
    let (ticket, _) = deleted.unwrap_or_else(|e| panic!("{e}"));
    let done = storage.committed(ticket).await;
    done.unwrap_or_else(|e| panic!("{e}"));
    millis(start.elapsed())
}
