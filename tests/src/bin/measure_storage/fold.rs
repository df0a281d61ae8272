//! Commits beside background work.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, quantile};
use std::path::Path;
use std::time::Duration;
use system_stats_storage::{FoldScope, Storage};
use tokio::task::JoinSet;

use super::{Database, HOUR, START, close, millis};

pub(super) async fn measured(trace: &Trace, database: &Database, hosts: usize) -> Table {
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START);
    let (storage, _) = database.open(Feed::options()).await;
    feed.run(&storage, HOUR).await;
    let mut table = Table::default();
    let mut add = |what: &str, target: &'static str, mut commits: Vec<Duration>| {
        table.add(
            format!("append and commit of a second's scrapes {what}, {hosts} hosts: median, p99, greatest of {}", commits.len()),
            format!(
                "{:.1}, {:.1}, {:.1} ms",
                millis(quantile(&mut commits, 0.5)),
                millis(quantile(&mut commits, 0.99)),
                millis(quantile(&mut commits, 1.0)),
            ),
            target,
        );
    };
    feed.commits.clear();
    feed.run(&storage, 300).await;
    add("alone", "", std::mem::take(&mut feed.commits));
    let mut beside = JoinSet::new();
    let same = storage.clone();
    beside.spawn(async move {
        let folded = same.fold(FoldScope::Everything).await;
        folded.unwrap_or_else(|e| panic!("{e}"));
    });
    until_done(&mut beside, &mut feed, &storage).await;
    add(
        "while an hour is folded",
        "≤ 50",
        std::mem::take(&mut feed.commits),
    );
    if let Some(files) = &database.files {
        let (url, copy) = (database.url.clone(), files.join("copy.db"));
        beside.spawn(async move { backup(&url, &copy).await });
        until_done(&mut beside, &mut feed, &storage).await;
        add(
            "during a backup",
            "stated",
            std::mem::take(&mut feed.commits),
        );
    }
    close(storage).await;
    table
}

/// Scrapes until what runs beside them has ended.
async fn until_done(beside: &mut JoinSet<()>, feed: &mut Feed, storage: &Storage) {
    loop {
        feed.run(storage, 1).await;
        if let Some(done) = beside.try_join_next() {
            return done.unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

async fn backup(url: &str, copy: &Path) {
    let done = system_stats_sql::operations::backup(url, copy).await;
    done.unwrap_or_else(|e| panic!("{e}"));
}
