//! Waiting for something that can be observed, never for a time to pass.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long between two looks.
const STEP: Duration = Duration::from_millis(25);

/// Looks until `probe` yields something; panics with `what` when `limit` has passed before.
///
/// `probe` may leave a word about what it saw last by returning it as the error.
#[track_caller]
pub fn until<T, E: std::fmt::Debug>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) if start.elapsed() > limit => {
                panic!("{what}: not within {limit:?}; seen last: {last:#?}")
            }
            Err(_) => thread::sleep(STEP),
        }
    }
}

/// As [`until`], for a probe that has nothing to say while it is not so.
#[track_caller]
pub fn until_some<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    until(what, limit, || probe().ok_or(()))
}

/// The wall clock in whole seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "tests see the same clock as the programs they start"
)]
pub fn epoch_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("this is after 1970");
    since.as_secs().cast_signed()
}
