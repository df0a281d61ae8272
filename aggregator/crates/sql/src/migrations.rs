//! The migrations, part of the program.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, title, statements. Append only: what has been released is never changed.
const SQLITE: [(i64, &str, &str); 3] = [
    (
        1,
        "journal",
        include_str!("../migrations/sqlite/0001_journal.sql"),
    ),
    (
        2,
        "blocks",
        include_str!("../migrations/sqlite/0002_blocks.sql"),
    ),
    (
        3,
        "alert_event",
        include_str!("../migrations/sqlite/0003_alert_event.sql"),
    ),
];

const POSTGRES: [(i64, &str, &str); 3] = [
    (
        1,
        "journal",
        include_str!("../migrations/postgres/0001_journal.sql"),
    ),
    (
        2,
        "blocks",
        include_str!("../migrations/postgres/0002_blocks.sql"),
    ),
    (
        3,
        "alert_event",
        include_str!("../migrations/postgres/0003_alert_event.sql"),
    ),
];

/// The migrations of SQLite databases.
pub(crate) fn sqlite() -> Migrator {
    migrator(&SQLITE)
}

/// The migrations of Postgres databases.
pub(crate) fn postgres() -> Migrator {
    migrator(&POSTGRES)
}

fn migrator(list: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, title, sql): &(i64, &'static str, &'static str)| {
        let kind = MigrationType::Simple;
        Migration::new(
            version,
            Cow::Borrowed(title),
            kind,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(list.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_under_its_name() {
        for (dialect, list) in [("sqlite", &SQLITE), ("postgres", &POSTGRES)] {
            let directory = format!("{}/migrations/{dialect}", env!("CARGO_MANIFEST_DIR"));
            let entries = std::fs::read_dir(directory).unwrap();
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().file_name().into_string().unwrap()
            };
            let mut files: Vec<String> = entries.map(name).collect();
            files.sort();
            let listed = list.map(|(version, title, _)| format!("{version:04}_{title}.sql"));
            assert_eq!(files, listed);
        }
    }
}
