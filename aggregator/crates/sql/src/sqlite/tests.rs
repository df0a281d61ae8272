//! The store on real files.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use system_stats_storage::Store;
use system_stats_storage::conformance::{CaseError, Harness};
use system_stats_storage::store::{CommitBatch, Committed, StoreError, row_digest};

use super::testing::TempDir;
use crate::SqlError;

struct Files(TempDir);

#[async_trait]
impl Harness for Files {
    async fn store(&self) -> Result<Arc<dyn Store>, CaseError> {
        let path = self.0.join("deep/down/system-stats.db");
        Ok(crate::open(&format!("sqlite://{}", path.display())).await?)
    }
}

system_stats_storage::conformance!(Files(TempDir::new()));
system_stats_storage::conformance!(blocks Files(TempDir::new()));
system_stats_storage::conformance!(events Files(TempDir::new()));

/// What opening a file says, with the directory's name cut out.
async fn refusal(directory: &TempDir, name: &str) -> String {
    let path = directory.join(name);
    let refused = crate::open(&format!("sqlite://{}", path.display())).await;
    let message = refused
        .err()
        .map_or_else(|| "opened".to_owned(), |e| e.to_string());
    message.replace(&directory.join("").display().to_string(), "")
}

#[tokio::test]
async fn what_is_not_ours_is_refused_by_name() {
    let directory = TempDir::new();
    std::fs::write(directory.join("notes.txt"), "a letter to somebody").unwrap();
    std::fs::write(directory.join("empty.db"), "").unwrap();
    let foreign = SqliteConnectOptions::new()
        .filename(directory.join("foreign.db"))
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&foreign).await.unwrap();
    sqlx::query("CREATE TABLE recipe (a)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    std::fs::create_dir(directory.join("directory")).unwrap();
    let cases = [
        ("empty.db", "opened"),
        (
            "notes.txt",
            "notes.txt: this is not a SQLite database; choose another file",
        ),
        (
            "foreign.db",
            "foreign.db: this is the database of another program (it has the table \"recipe\"); \
             choose another file",
        ),
        (
            "directory",
            "directory: it cannot be opened for writing: Is a directory (os error 21); check its \
             owner and permissions",
        ),
        (
            "notes.txt/a.db",
            "notes.txt: the directory cannot be created: File exists (os error 17); create it, or \
             choose another place",
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(refusal(&directory, name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_has_closed() {
    let directory = TempDir::new();
    let url = format!("sqlite://{}", directory.join("a.db").display());
    let first = crate::open(&url).await.unwrap();
    assert_eq!(
        refusal(&directory, "a.db").await,
        "a.db: another process uses this database (it holds a.db.lock); stop it, or choose \
         another file"
    );
    first.close().await.unwrap();
    crate::open(&url).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let directory = TempDir::new();
    let path = directory.join("a.db");
    let url = format!("sqlite://{}", path.display());
    crate::open(&url).await.unwrap().close().await.unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let refused = crate::open(&url).await.err().unwrap();
    assert!(
        matches!(refused, SqlError::Newer { version: 9999, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_full_disk_fails_whole_and_the_same_batch_succeeds_later() {
    let directory = TempDir::new();
    let store = super::SqliteStore::open(&directory.join("a.db"))
        .await
        .unwrap();
    store.open().await.unwrap();
    let noise = (0..900_000u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    let batch = CommitBatch {
        seq: 1,
        hash: 7,
        segment: 1,
        blob: Some(noise.collect()),
        meta: vec![("horizon", 5)],
        ..CommitBatch::default()
    };
    sqlx::query("PRAGMA max_page_count = 60")
        .execute(&store.writer)
        .await
        .unwrap();
    let refused = store.commit(&batch).await;
    let Err(StoreError::Failed(message)) = refused else {
        panic!("{refused:?}");
    };
    assert!(message.ends_with("database or disk is full"), "{message}");
    assert_eq!(store.committed().await.unwrap().seq, 0);
    sqlx::query("PRAGMA max_page_count = 60000")
        .execute(&store.writer)
        .await
        .unwrap();
    store.commit(&batch).await.unwrap();
    assert_eq!(store.committed().await.unwrap().hash, 7);
    assert_eq!(
        store.journal(0, 0, 9).await.unwrap()[0].blob,
        batch.blob.unwrap()
    );
}

/// A batch that is nothing but a row of the journal.
fn row(seq: u64) -> CommitBatch {
    let blob = [u8::try_from(seq).unwrap(); 9];
    CommitBatch {
        seq,
        hash: row_digest(seq, &blob),
        segment: 1,
        blob: Some(blob.to_vec().into()),
        ..CommitBatch::default()
    }
}

#[tokio::test]
async fn the_journal_tells_the_newest_commit_until_it_is_trimmed() {
    let directory = TempDir::new();
    let path = directory.join("a.db");
    let store = super::SqliteStore::open(&path).await.unwrap();
    store.open().await.unwrap();
    let lease = async || -> i64 {
        let row = sqlx::query("SELECT seq FROM lease").fetch_one(&store.writer);
        row.await.unwrap().get(0)
    };
    let of = |batch: &CommitBatch| Committed {
        seq: batch.seq,
        hash: batch.hash,
    };
    for seq in 1..=3 {
        store.commit(&row(seq)).await.unwrap();
    }
    assert_eq!(lease().await, 0);
    assert_eq!(store.committed().await, Ok(of(&row(3))));
    for seq in [1, 3, 5] {
        assert_eq!(store.commit(&row(seq)).await, Err(StoreError::Fenced));
    }
    // Something that the row does not tell.
    let other = CommitBatch { hash: 7, ..row(4) };
    store.commit(&other).await.unwrap();
    assert_eq!(
        (lease().await, store.committed().await),
        (4, Ok(of(&other)))
    );
    store.commit(&row(5)).await.unwrap();
    assert_eq!(store.trim(1, 9).await, Ok(5));
    assert_eq!(
        (lease().await, store.committed().await),
        (5, Ok(of(&row(5))))
    );
    store.commit(&row(6)).await.unwrap();
    store.close().await.unwrap();
    let store = super::SqliteStore::open(&path).await.unwrap();
    let opened = store.open().await.unwrap();
    assert_eq!(opened.committed, of(&row(6)));
}

#[tokio::test]
async fn whoever_has_been_replaced_commits_no_row() {
    let directory = TempDir::new();
    let store = super::SqliteStore::open(&directory.join("a.db"))
        .await
        .unwrap();
    store.open().await.unwrap();
    store.commit(&row(1)).await.unwrap();
    sqlx::query("UPDATE lease SET epoch = epoch + 1")
        .execute(&store.writer)
        .await
        .unwrap();
    assert_eq!(store.commit(&row(2)).await, Err(StoreError::Fenced));
    assert_eq!(store.committed().await.unwrap().seq, 1);
}

#[tokio::test]
async fn the_file_is_set_up_as_documented() {
    let directory = TempDir::new();
    let store = super::SqliteStore::open(&directory.join("a.db"))
        .await
        .unwrap();
    let cases = [
        ("PRAGMA journal_mode", "wal"),
        ("PRAGMA synchronous", "2"),
        ("PRAGMA auto_vacuum", "2"),
        ("PRAGMA page_size", "4096"),
        ("PRAGMA wal_autocheckpoint", "400"),
        ("PRAGMA cache_size", "-8000"),
    ];
    for (pragma, expected) in cases {
        let row = sqlx::query(pragma).fetch_one(&store.writer).await.unwrap();
        let number = |_| row.get::<i64, _>(0).to_string();
        let value: String = row.try_get(0).unwrap_or_else(number);
        assert_eq!(value, expected, "{pragma}");
    }
}
