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
//! written into every selector at other times; everything with one thread and with two, and with
//! names that are dropped at once and late (`names_at_once/` and `names_late/` hold what differs).
//! Experimental functions are there.

mod compare;
mod expect;
#[cfg(test)]
mod faulty;
mod run;
mod script;
mod series;

use std::fs;
use std::path::Path;

use run::{Names, run};

#[test]
fn scripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut report = Report::default();
    for names in [Names::AtOnce, Names::Late] {
        report.add(&folder, names);
    }
    report.add(&folder.join("names_at_once"), Names::AtOnce);
    report.add(&folder.join("names_late"), Names::Late);
    let (failed, cases) = (report.failures.len(), report.cases);
    assert!(
        failed == 0,
        "{failed} of {cases} cases:\n{}",
        report.failures.join("\n")
    );
}

#[derive(Default)]
struct Report {
    cases: usize,
    failures: Vec<String>,
}

impl Report {
    /// Runs the scripts that lie in a folder.
    fn add(&mut self, folder: &Path, names: Names) {
        let entries = fs::read_dir(folder).expect("the folder of scripts is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", folder.display());
        for path in paths {
            let name = path.display();
            let script = fs::read_to_string(&path).expect("it can be read");
            let outcome = run(&script, names).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(outcome.cases > 0, "{name} has no case");
            self.cases += outcome.cases;
            for failure in outcome.failures {
                let (line, text, message) = (failure.line, failure.text, failure.message);
                let failure = format!("{name}:{line}: {text}, names {names:?}\n    {message}");
                self.failures.push(failure);
            }
        }
    }
}
