//! Scrapes against the real store in memory, and against targets that misbehave on purpose.

mod fixture;
mod found;
mod hostile;
mod ingest;
mod limits;
mod loops;
mod relabelling;
mod server;
mod store;
