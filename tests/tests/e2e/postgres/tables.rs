//! Tables that go as a whole: the journal's ring, and the slices of blocks, beside long readers.

use std::sync::Arc;

use e2e::postgres::Database;
use e2e::process::Process;
use e2e::wait;
use system_stats_storage::Store;
use system_stats_storage::store::{
    BlockRow, CommitBatch, FoldCommit, Found, StoreError, Tier, Turn, Wanted, WindowHead,
    WindowKey, WindowRow,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

async fn opened(database: &Database) -> Arc<dyn Store> {
    let store = system_stats_sql::open(&database.url()).await.unwrap();
    store.open().await.unwrap();
    store
}

async fn commit(store: &dyn Store, seq: u64, segment: u64) {
    let batch = CommitBatch {
        seq,
        hash: seq,
        segment,
        blob: Some(format!("row {seq}").into()),
        ..CommitBatch::default()
    };
    store.commit(&batch).await.unwrap();
}

/// A reader that keeps every table from being dropped or emptied, as `pg_dump` does.
fn reader(database: &Database) -> Process {
    let mut psql = database.server.client("psql", &database.name);
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    for statement in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tablename FROM pg_tables \
         WHERE schemaname = 'system_stats' LOOP \
         EXECUTE format('LOCK TABLE system_stats.%I IN ACCESS SHARE MODE', t.tablename); \
         END LOOP; END $$",
        "SELECT 'locked'",
        "SELECT pg_sleep(60)",
    ] {
        psql.args(["--command", statement]);
    }
    let mut process = Process::start("psql", &mut psql);
    process.wait_for("its locks", |line| line.contains("locked").then_some(()));
    process
}

/// The server ends a client's statement some time after the client.
fn ended(database: &Database, mut reader: Process) {
    reader.kill();
    database.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' \
         AND pid <> pg_backend_pid()",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_a_ring() {
    let database = Database::new();
    let store = opened(&database).await;
    // Ten segments in eight tables, two rows each: the last table takes three.
    for segment in 1..=10 {
        for row in 0..2 {
            commit(&*store, segment * 2 - 1 + row, segment).await;
        }
    }
    let rows = store.journal(0, 0, 99).await.unwrap();
    let order: Vec<_> = rows.iter().map(|row| (row.segment, row.seq)).collect();
    let expected = (1..=20u64).map(|seq| (seq.div_ceil(2), seq));
    assert_eq!(order, expected.collect::<Vec<_>>());
    let count = |slot: u32| -> u32 {
        let sql = format!("SELECT count(*) FROM system_stats.journal_{slot}");
        database.sql(&sql).parse().unwrap()
    };
    assert_eq!([count(0), count(6), count(7)], [2, 2, 6]);
    // While somebody reads, a trimmed segment is gone, its rows are not.
    let reading = reader(&database);
    assert_eq!(store.trim(1, 10).await.unwrap(), 2);
    assert_eq!(store.trim(9, 10).await.unwrap(), 2);
    assert_eq!(store.trim(9, 10).await.unwrap(), 0);
    assert_eq!([count(0), count(7)], [2, 4]);
    let left = store.journal(0, 0, 99).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| row.segment).collect();
    assert_eq!(left, [2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 10, 10]);
    // Commits go on.
    commit(&*store, 21, 11).await;
    assert_eq!(count(7), 5);
    ended(&database, reading);
    // The next trimming empties what had to wait, and a new segment has a table of its own.
    assert_eq!(store.trim(2, 10).await.unwrap(), 2);
    assert_eq!([count(0), count(1)], [0, 0]);
    commit(&*store, 22, 12).await;
    assert_eq!([count(0), count(7)], [1, 5]);
    let again = opened(&database).await;
    let rows = again.journal(10, 0, 99).await.unwrap();
    let order: Vec<_> = rows.iter().map(|row| (row.segment, row.seq)).collect();
    assert_eq!(order, [(10, 19), (10, 20), (11, 21), (12, 22)]);
    let refused = store.trim(3, 10).await;
    assert_eq!(refused, Err(StoreError::Fenced));
}

fn head(window: i64, ver: u64) -> WindowRow {
    WindowRow {
        head: WindowHead {
            key: WindowKey { window, pack: 1 },
            ver,
            layout: 1,
            fold_seq: 1,
        },
        clocks: "clocks".into(),
    }
}

async fn write(store: &dyn Store, window: i64, text: &str) {
    let blocks = [BlockRow {
        group: 0,
        blob: text.to_owned().into(),
    }];
    let row = head(window, 1);
    let put = store.put_blocks(Tier::Raw, row.head.key, 1, &blocks).await;
    put.unwrap();
    let turns = vec![Turn::Valid(Tier::Raw, row)];
    let fold = FoldCommit {
        turns,
        ..FoldCommit::default()
    };
    store.turn(&fold).await.unwrap();
}

async fn read(store: &dyn Store, windows: &[i64]) -> Vec<String> {
    let wanted: Vec<_> = windows
        .iter()
        .map(|&window| Wanted {
            key: WindowKey { window, pack: 1 },
            groups: vec![0],
        })
        .collect();
    let found = store.read_windows(Tier::Raw, &wanted).await.unwrap();
    let text = |found: &Found| {
        let block = found.blocks.first();
        block.map_or_else(String::new, |block| {
            String::from_utf8(block.blob.to_vec()).unwrap()
        })
    };
    found.iter().map(text).collect()
}

async fn expire(store: &dyn Store, before: i64) {
    while store.expire(Tier::Raw, before, 2).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_go_a_day_at_a_time() {
    let database = Database::new();
    let store = opened(&database).await;
    let today = wait::epoch_seconds() * 1000 / DAY * DAY;
    let windows: Vec<i64> = (-2..1)
        .flat_map(|day| [today + day * DAY, today + day * DAY + 5 * HOUR])
        .collect();
    for (at, window) in windows.iter().enumerate() {
        write(&*store, *window, &format!("block {at}")).await;
    }
    let all: Vec<String> = (0..6).map(|at| format!("block {at}")).collect();
    assert_eq!(read(&*store, &windows).await, all);
    let tables = || {
        let sql = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'block\\_raw\\_%'";
        database.sql(sql)
    };
    assert_eq!(tables(), "3");
    // A day and an hour are over. While somebody reads, the day's table stays, without a header.
    let before = today - DAY + HOUR;
    let reading = reader(&database);
    expire(&*store, before).await;
    assert_eq!(tables(), "3");
    assert_eq!(read(&*store, &windows).await, all[3..]);
    ended(&database, reading);
    expire(&*store, before).await;
    assert_eq!(tables(), "2");
    assert_eq!(read(&*store, &windows).await, all[3..]);
    let frozen = database.sql("SELECT is_frozen FROM system_stats.slice ORDER BY number");
    assert_eq!(frozen, "t\nf");
    // What comes back to an expired window does not find what was there.
    let again = opened(&database).await;
    let fold = FoldCommit {
        turns: vec![Turn::Valid(Tier::Raw, head(windows[2], 2))],
        ..FoldCommit::default()
    };
    again.turn(&fold).await.unwrap();
    assert_eq!(read(&*again, &windows[2..4]).await, ["", "block 3"]);
    // Nor does what comes back to a day whose table is gone.
    write(&*again, windows[0], "late").await;
    assert_eq!(read(&*again, &windows[..2]).await, ["late"]);
}
