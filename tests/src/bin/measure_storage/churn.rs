//! Memory while hosts come and go.

use e2e::fleet::Trace;
use e2e::measure::{Feed, Shape, Table, Usage};

use super::{Database, HOUR, Progress, START, close, settled};

pub(super) async fn measured(
    trace: &Trace,
    database: &Database,
    hosts: usize,
    hours: i64,
    percent: usize,
) -> Table {
    let fleet = |number: usize, hosts, start| {
        let seed = number as u64;
        Feed::new(trace, Shape { hosts, seed }, start)
    };
    let (storage, _) = database.open(Feed::options()).await;
    let before = Usage::own();
    let part = hosts * percent / 100;
    let mut fleets = vec![fleet(1, hosts - part, START)];
    let mut greatest = 0;
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
        for minute in 0..60 {
            for fleet in &mut fleets {
                fleet.run(&storage, 60).await;
                fleet.commits.clear();
            }
            if minute % 10 == 0 {
                greatest = greatest.max(Usage::own().since(before).resident);
            }
        }
        // Whoever waits for a quiet moment finds one.
        if hour % 4 == 3 {
            settled().await;
        }
    }
    settled().await;
    let used = Usage::own().since(before);
    let samples: u64 = fleets.iter().map(|fleet| fleet.samples).sum();
    let mut table = Table::default();
    table.add(
        format!(
            "memory after {hours} h, {hosts} hosts, {percent} % replaced an hour: at the end; greatest"
        ),
        format!(
            "{:.0}; {:.0} MB ({} series in memory, {samples} samples)",
            used.resident as f64 / 1e6,
            greatest as f64 / 1e6,
            storage.status().series
        ),
        "≤ 1.5 × that without",
    );
    close(storage).await;
    table
}
