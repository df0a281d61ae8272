//! What every store has to do, on Postgres.

use std::sync::Arc;

use async_trait::async_trait;
use e2e::postgres::Database;
use system_stats_storage::Store;
use system_stats_storage::conformance::{CaseError, Harness};

struct Server(Database);

#[async_trait]
impl Harness for Server {
    async fn store(&self) -> Result<Arc<dyn Store>, CaseError> {
        Ok(system_stats_sql::open(&self.0.url()).await?)
    }

    async fn beside(&self, _: &Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, CaseError> {
        self.store().await.map(Some)
    }
}

system_stats_storage::conformance!(Server(Database::new()));
system_stats_storage::conformance!(blocks Server(Database::new()));
system_stats_storage::conformance!(events Server(Database::new()));
