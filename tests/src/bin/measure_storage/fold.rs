//! Commits beside background work.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, quantile};
use std::path::Path;
use std::time::Duration;
use system_stats_storage::FoldScope;

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
    let folding = {
        let storage = storage.clone();
        tokio::spawn(async move { storage.fold(FoldScope::Everything).await })
    };
    while !folding.is_finished() {
        feed.run(&storage, 1).await;
    }
    let folded = folding.await.unwrap_or_else(|e| panic!("{e}"));
    folded.unwrap_or_else(|e| panic!("{e}"));
    add(
        "while an hour is folded",
        "≤ 50",
        std::mem::take(&mut feed.commits),
    );
    if let Some(files) = &database.files {
        let (url, copy) = (database.url.clone(), files.join("copy.db"));
        let copying = tokio::spawn(async move { backup(&url, &copy).await });
        while !copying.is_finished() {
            feed.run(&storage, 1).await;
        }
        copying.await.unwrap_or_else(|e| panic!("{e}"));
        add(
            "during a backup",
            "stated",
            std::mem::take(&mut feed.commits),
        );
    }
    close(storage).await;
    table
}

async fn backup(url: &str, copy: &Path) {
    let done = system_stats_sql::operations::backup(url, copy).await;
    done.unwrap_or_else(|e| panic!("{e}"));
}
