//! Why a database cannot be opened or read.

use std::io;
use std::path::{Path, PathBuf};

/// A database cannot be used. Every message says which, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The URL has a scheme that this program does not know.
    #[error(
        "the storage URL {url:?} is of an unknown kind; it has to begin with sqlite:// or postgres://"
    )]
    UnknownScheme {
        /// The URL, without a password.
        url: String,
    },
    /// The URL names no file.
    #[error("the storage URL {url:?} names no file; write it as sqlite://data/system-stats.db")]
    NoPath {
        /// The URL.
        url: String,
    },
    /// The URL has a parameter.
    #[error("the storage URL {url:?} has the parameter {parameter:?}, but takes none; remove it")]
    Parameter {
        /// The URL.
        url: String,
        /// What follows the question mark.
        parameter: String,
    },
    /// The URL of a server cannot be read.
    #[error(
        "the storage URL {url:?} cannot be read: {reason}; write it as postgres://user:password@host:5432/database"
    )]
    Unreadable {
        /// The URL, without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory of the file cannot be made.
    #[error("{}: the directory cannot be created: {source}; create it, or choose another place", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file, or the lock file beside it, cannot be opened or written.
    #[error("{}: it cannot be opened for writing: {source}; check its owner and permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process has the database.
    #[error("{}: another process uses this database (it holds {}); stop it, or choose another file", path.display(), lock.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// The file is something else.
    #[error("{}: this is not a SQLite database; choose another file", path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error("{}: this is the database of another program (it has the table {table:?}); choose another file", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// A table that is not ours.
        table: String,
    },
    /// The database belongs to the older push server.
    #[error("{}: this is the database of the older push server; its history can be imported into a new file", path.display())]
    Legacy {
        /// The database.
        path: PathBuf,
    },
    /// The database was to be read as the older push server's, and is not.
    #[error("{}: this is not the database of the older push server: it lacks the table metrics or host_details", path.display())]
    NotLegacy {
        /// The database.
        path: PathBuf,
    },
    /// The database has been written by a later version.
    #[error(
        "{database}: this database was written by a newer version of the program (migration {version}); use that version"
    )]
    Newer {
        /// The database.
        database: String,
        /// The migration that is not known here.
        version: i64,
    },
    /// The operation is for files only.
    #[error("{server}: {remedy}")]
    NotAFile {
        /// The server and database, without user and password.
        server: String,
        /// What does it for a server.
        remedy: &'static str,
    },
    /// A file is there already, and would be lost.
    #[error("{}: it is there already; remove it, or choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("{}: there is no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Something is stored in the database, and would be lost.
    #[error("{database}: something is stored in it already; choose an empty one")]
    NotEmpty {
        /// The database.
        database: String,
    },
    /// Another process has the server's database.
    #[error("{server}: another process uses this database; stop it first")]
    ServerInUse {
        /// The server and database, without user and password.
        server: String,
    },
    /// Anything that a server says.
    #[error("{server}: {action}: {reason}")]
    Server {
        /// The server and database, without user and password.
        server: String,
        /// What was being done.
        action: &'static str,
        /// What the server said.
        reason: String,
    },
    /// Anything that the database itself says.
    #[error("{}: {action}: {reason}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the database said.
        reason: String,
    },
}

impl SqlError {
    /// For `map_err`: what the database said while something was being done.
    pub(crate) fn database(
        path: &Path,
        action: &'static str,
    ) -> impl Fn(sqlx::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Database {
            path: path.clone(),
            action,
            reason: error.to_string(),
        }
    }
}
