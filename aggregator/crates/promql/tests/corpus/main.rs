//! The evaluator against scripts: `tests/scripts/*.test`, in the grammar that users of Prometheus
//! write such tests in.
//!
//! ```text
//! load 1m
//!   requests_total{job="a"} 0+60x10
//!
//! eval instant at 10m rate(requests_total[5m])
//!   expect no_warn
//!   {job="a"} 1
//! ```
//!
//! Time begins at 0. An instant is evaluated as such, as the middle of a range, and with its time
//! written into every selector at other times; everything with one thread and with two. Names are
//! dropped at the end of a query, experimental functions are there.

mod compare;
mod expect;
#[cfg(test)]
mod faulty;
mod run;
mod script;
mod series;

use std::fs;
use std::path::Path;

use run::run;

#[test]
fn scripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut cases, mut failures) = (0, Vec::new());
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let script = fs::read_to_string(path).unwrap();
        let outcome = run(&script);
        let outcome = outcome.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert!(outcome.cases > 0, "{name} has no case");
        cases += outcome.cases;
        for failure in outcome.failures {
            let (line, text, message) = (failure.line, failure.text, failure.message);
            failures.push(format!("{name}:{line}: {text}\n    {message}"));
        }
    }
    let failed = failures.len();
    assert!(
        failures.is_empty(),
        "{failed} of {cases} cases:\n{}",
        failures.join("\n")
    );
}
