//! The Store trait on SQL databases; the only home of sqlx.
