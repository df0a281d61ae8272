//! Memory while hosts come and go.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, Usage};

use system_stats_storage::FoldScope;

use super::{Database, HOUR, Progress, START, close};

/// Seconds between two scrapes: days have to pass in minutes.
const INTERVAL: i64 = 300;

pub(super) async fn measured(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    hours: i64,
    percent: usize,
) -> Table {
    let fleet = |number: usize, hosts, start| {
        let seed = number as u64;
        Feed::new(trace, Shape { hosts, seed }, start).every(INTERVAL)
    };
    let (storage, _) = database.open(Feed::options()).await;
    let before = Usage::own();
    let part = hosts * percent / 100;
    let mut fleets = vec![fleet(1, hosts - part, START)];
    let (mut greatest, mut samples) = (0, 0);
    let mut progress = Progress::of("churn");
    for hour in 0..hours {
        progress.at(hour, hours);
        let start = START + hour * HOUR * 1000;
        if part > 0 {
            // The youngest hosts are replaced by others; the rest stays.
            fleets.truncate(1);
            let number = 2 + usize::try_from(hour).unwrap_or(0);
            fleets.push(fleet(number, part, start));
        }
        for fleet in &mut fleets {
            fleet.run_rounds(&storage, HOUR / INTERVAL).await;
        }
        greatest = greatest.max(Usage::own().since(before).resident);
        samples += fleets
            .iter_mut()
            .map(|fleet| std::mem::take(&mut fleet.samples))
            .sum::<u64>();
        let folded = storage.fold(FoldScope::Everything).await;
        folded.unwrap_or_else(|e| panic!("{e}"));
    }
    let used = Usage::own().since(before);
    let status = storage.status();
    let mut table = Table::default();
    table.add(
        format!(
            "memory after {hours} h, {hosts} hosts, {percent} % replaced an hour: at the end; greatest"
        ),
        format!(
            "{:.0}; {:.0} MB ({} series in memory, {} have left, {samples} samples)",
            used.resident as f64 / 1e6,
            greatest as f64 / 1e6,
            status.series,
            status.left_series
        ),
        "≤ 1.5 × that without",
    );
    close(storage).await;
    table
}
