//! Connections and what they are set to.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::error::SqlError;
use crate::migrations;
use crate::url::redacted;

use super::statements;

/// Where the tables are, so that a database can be shared with other programs.
const SCHEMA: &str = "system_stats";

/// Connections for commits, for jobs that write, and for readers: 10 in all.
const COMMITTERS: u32 = 1;
const JOBS: u32 = 2;
const READERS: u32 = 7;

/// How long to wait for a connection; a server that is gone is noticed after it.
const ACQUIRE: Duration = Duration::from_secs(5);
/// A statement that takes longer is given up by the server. Whoever waits for a lock of an owner
/// that hangs waits until that owner's transaction is ended, so this is longer.
const STATEMENT_TIMEOUT: &str = "60s";
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// How long a server may take to answer at the start.
const CONNECT: Duration = Duration::from_secs(10);

/// The pools of one store.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) committer: PgPool,
    pub(crate) jobs: PgPool,
    pub(crate) readers: PgPool,
}

/// Reads a URL; also the server's and database's name for messages.
pub(crate) fn options(url: &str) -> Result<(PgConnectOptions, String), SqlError> {
    let parsed: Result<PgConnectOptions, _> = url.parse();
    let options = parsed.map_err(|error: sqlx::Error| SqlError::Unreadable {
        url: redacted(url),
        reason: error.to_string(),
    })?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("system-stats-aggregator"),
    };
    let options = options.options([
        ("search_path", SCHEMA),
        ("statement_timeout", STATEMENT_TIMEOUT),
        (
            "idle_in_transaction_session_timeout",
            IDLE_IN_TRANSACTION_TIMEOUT,
        ),
    ]);
    let database = options.get_database().unwrap_or(options.get_username());
    let name = match options.get_socket() {
        Some(socket) => format!("postgres://{}/{database}", socket.display()),
        None => format!(
            "postgres://{}:{}/{database}",
            options.get_host(),
            options.get_port()
        ),
    };
    Ok((options, name))
}

/// Makes the schema if it is not there, over a connection of its own, so that whatever the server
/// has against it is said as the server says it.
pub(crate) async fn prepare(options: &PgConnectOptions, server: &str) -> Result<(), SqlError> {
    let failed = |action| failed(server, action);
    let connected = tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await;
    let connected = connected.map_err(|_| SqlError::Server {
        server: server.to_owned(),
        action: "it cannot be reached",
        reason: format!("no answer within {} s", CONNECT.as_secs()),
    })?;
    let mut connection = connected.map_err(failed("it cannot be reached"))?;
    let no_schema = failed("the schema of its tables cannot be made");
    let is_there: bool = sqlx::query_scalar(statements::HAS_SCHEMA)
        .bind(SCHEMA)
        .fetch_one(&mut connection)
        .await
        .map_err(&no_schema)?;
    if !is_there {
        sqlx::query(statements::CREATE_SCHEMA)
            .execute(&mut connection)
            .await
            .map_err(&no_schema)?;
    }
    connection
        .close()
        .await
        .map_err(failed("it cannot be read"))
}

/// Brings the tables up to date.
pub(crate) async fn migrate(pool: &PgPool, server: &str) -> Result<(), SqlError> {
    migrations::postgres()
        .run(pool)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(version) => SqlError::Newer {
                database: server.to_owned(),
                version,
            },
            error => SqlError::Server {
                server: server.to_owned(),
                action: "its tables cannot be brought up to date",
                reason: error.to_string(),
            },
        })
}

pub(crate) fn failed(
    server: &str,
    action: &'static str,
) -> impl Fn(sqlx::Error) -> SqlError + use<> {
    let server = server.to_owned();
    move |error| SqlError::Server {
        server: server.clone(),
        action,
        reason: error.to_string(),
    }
}

/// Pools without a connection yet; each is made when it is needed.
pub(crate) fn pools(options: &PgConnectOptions) -> Pools {
    let pool = |connections| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let durable = sqlx::query(statements::DURABLE);
                    durable.execute(connection).await.map(drop)
                })
            })
    };
    Pools {
        // It is in use all the time, and what is wrong with it shows in the commit.
        committer: pool(COMMITTERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.clone()),
        jobs: pool(JOBS).connect_lazy_with(options.clone()),
        readers: pool(READERS).connect_lazy_with(options.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_named_without_secrets() {
        let cases = [
            (
                "postgres://me:secret@host:1/db?sslmode=require",
                Ok("postgres://host:1/db"),
            ),
            (
                "postgres://me:secret@x/db?host=/run/postgresql",
                Ok("postgres:///run/postgresql/db"),
            ),
            ("postgresql://me:secret@host:1", Ok("postgres://host:1/me")),
            (
                "postgres://me:secret@host:99999/db",
                Err(
                    "the storage URL \"postgres://…@host:99999/db\" cannot be read: error with \
                     configuration: invalid port number; write it as \
                     postgres://user:password@host:5432/database",
                ),
            ),
            (
                "postgres://host/db?sslmode=maybe",
                Err(
                    "the storage URL \"postgres://host/db\" cannot be read: error with \
                     configuration: error with configuration: unknown value \"maybe\" for \
                     `ssl_mode`; write it as postgres://user:password@host:5432/database",
                ),
            ),
        ];
        for (url, expected) in cases {
            let named = options(url).map(|(_, name)| name);
            let named = named.map_err(|error| error.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(named, expected, "{url}");
        }
    }
}
