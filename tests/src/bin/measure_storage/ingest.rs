//! What it takes to store while a window fills, and to fold it.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, Usage, quantile};
use system_stats_storage::FoldScope;

use super::{Database, HOUR, Progress, START, close, millis, per, settled};

pub(super) async fn window(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    minutes: i64,
) -> Table {
    let shape = Shape { hosts, seed: 1 };
    let before = Usage::own();
    let idle = Feed::new(trace, shape, START).idle(minutes.min(10) * 60);
    let own = Usage::own().since(before).cpu.as_secs_f64() / idle as f64;
    let mut feed = Feed::new(trace, shape, START);
    let (storage, _) = database.open(Feed::options()).await;
    let before = Usage::own();
    feed.name(&storage);
    let named = Usage::own();
    // The first round brings the names into the database; the second shows how much there is to
    // commit.
    feed.run_rounds(&storage, 1).await;
    feed.pace(&storage).await;
    let (begun, before_window) = (Usage::own(), feed.samples);
    let mut progress = Progress::of("ingest");
    for minute in 0..minutes {
        feed.run(&storage, 60).await;
        progress.at(minute, minutes);
    }
    let full = Usage::own();
    let status = storage.status();
    settled().await;
    let journalled = Usage::own();
    let folded = storage.fold(FoldScope::Everything).await;
    folded.unwrap_or_else(|e| panic!("{e}"));
    settled().await;
    let after = Usage::own();
    let (samples, series) = (feed.samples - before_window, feed.series() as u64);
    let cpu = |used: Usage| used.cpu.as_secs_f64() * 1e6 / samples as f64;
    let (append, fold) = (journalled.since(begun), after.since(journalled));
    let append_cpu = cpu(append) - own * 1e6;
    let mut table = Table::default();
    let name = format!("{series} series, {minutes} min");
    table.add(
        format!(
            "CPU of the storage path, {name} (the fleet's own {:.3} taken off): all; append and \
             journal; fold",
            own * 1e6
        ),
        format!(
            "{:.3}; {append_cpu:.3}; {:.3} s per million samples",
            append_cpu + cpu(fold),
            cpu(fold)
        ),
        "≤ 0.08",
    );
    let written = [after.since(begun), append, fold].map(|used| per(used.written, samples));
    let journal = per(status.journal_bytes, samples);
    table.add(
        format!(
            "bytes written, {name}: all; append and journal ({journal:.2} of it content); fold"
        ),
        format!(
            "{:.2}; {:.2}; {:.2} B/sample",
            written[0], written[1], written[2]
        ),
        "≤ 4",
    );
    let counted = [status.sample_bytes, status.series_bytes, status.index_bytes];
    table.add(
        format!("memory, {name}: head and index; samples; what is known of series; index"),
        format!(
            "{:.0}; {:.0}; {:.0}; {:.0} B per series",
            per(counted.iter().sum(), series),
            per(counted[0], series),
            per(counted[1], series),
            per(counted[2], series),
        ),
        "≤ 350",
    );
    table.add(
        format!(
            "resident memory, {name}, with caches of the database and of the allocator: at the end; \
             before the first sample"
        ),
        format!(
            "{:.0}; {:.0} B per series",
            per(full.since(before).resident, series),
            per(named.since(before).resident, series),
        ),
        "",
    );
    let mut commits = std::mem::take(&mut feed.commits);
    table.add(
        format!("append of a second's scrapes and the commits, {name}: median, p99, greatest"),
        format!(
            "{:.1}, {:.1}, {:.1} ms",
            millis(quantile(&mut commits, 0.5)),
            millis(quantile(&mut commits, 0.99)),
            millis(quantile(&mut commits, 1.0)),
        ),
        "≤ 50",
    );
    close(storage).await;
    table
}

pub(super) async fn day(trace: &Trace, database: &Database, hosts: usize, hours: i64) -> Table {
    // As the program commits what few hosts have.
    let mut feed = Feed::new(trace, Shape { hosts, seed: 1 }, START).together(5);
    let (storage, _) = database.open(Feed::options()).await;
    let before = Usage::own();
    let mut progress = Progress::of("day");
    for hour in 0..hours {
        feed.run(&storage, HOUR).await;
        // What the program does a while after each hour.
        let folded = storage.fold(FoldScope::Everything).await;
        folded.unwrap_or_else(|e| panic!("{e}"));
        progress.at(hour, hours);
    }
    settled().await;
    let used = Usage::own().since(before);
    let daily = used.written as f64 * 24.0 / hours as f64;
    let mut table = Table::default();
    table.add(
        format!("written a day, {hosts} hosts, reckoned from {hours} h with a commit in 5 s"),
        format!(
            "{:.2} GB ({:.2} B/sample)",
            daily / 1e9,
            per(used.written, feed.samples)
        ),
        "≤ 0.5",
    );
    close(storage).await;
    table
}
