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
#[cfg(test)]
mod limits;
mod run;
mod script;

use std::path::Path;
use std::{fs, io};

use run::{Names, run};

#[test]
fn scripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut report = Report::default();
    for names in [Names::AtOnce, Names::Late] {
        report.add(&folder, names).unwrap();
    }
    let apart = folder.join("names_at_once");
    report.add(&apart, Names::AtOnce).unwrap();
    let apart = folder.join("names_late");
    report.add(&apart, Names::Late).unwrap();
    assert_eq!(report.apart, 0, "cases that are not evaluated");
    let (failed, cases) = (report.failures.len(), report.cases);
    assert!(
        failed == 0,
        "{failed} of {cases} cases:\n{}",
        report.failures.join("\n")
    );
}

/// Scripts of others: those of the folder that `PROMQL_SCRIPTS` names, where names are dropped late.
/// Cases that could see a native histogram are left out.
#[test]
#[ignore = "needs a folder of scripts"]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder is the test's argument"
)]
fn scripts_of_others_hold() {
    let folder = std::env::var("PROMQL_SCRIPTS").unwrap();
    let mut report = Report::default();
    report.add(Path::new(&folder), Names::Late).unwrap();
    println!("{} cases, {} apart", report.cases, report.apart);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

/// What the parser lets through can be evaluated on the stack that threads have.
#[test]
fn what_is_as_deep_as_may_be_is_evaluated() {
    let nested = |open: &str, close: &str| format!("{}a{}", open.repeat(98), close.repeat(98));
    let cases = [
        (nested("(", ")"), "a 1"),
        (format!("{}a{}", "-(".repeat(48), ")".repeat(48)), "{} 1"),
        (nested("sum(", ")"), "{} 1"),
        (nested("abs(", ")"), "{} 1"),
        (format!("a{}", " + 1".repeat(254)), "{} 255"),
        (format!("a{}", " or a".repeat(254)), "a 1"),
        (format!("a{}", " * on () a".repeat(254)), "{} 1"),
        (format!("1{}", "^1".repeat(98)), "1"),
    ];
    for (text, result) in cases {
        let script = format!("load 1m\n  a 1\n\neval instant at 0 {text}\n  {result}\n");
        let outcome = run(&script, Names::Late).unwrap();
        let messages: Vec<&str> = outcome
            .failures
            .iter()
            .map(|f| f.message.as_str())
            .collect();
        assert_eq!(messages, [""; 0], "{text}");
    }
}

#[derive(Default)]
struct Report {
    cases: usize,
    apart: usize,
    failures: Vec<String>,
}

impl Report {
    /// Runs the scripts that lie in a folder.
    fn add(&mut self, folder: &Path, names: Names) -> Result<(), String> {
        let unreadable = |error: io::Error| format!("{}: {error}", folder.display());
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|e| e.path())).collect();
        let mut paths = paths.map_err(unreadable)?;
        paths.retain(|path| path.is_file());
        paths.sort();
        for path in paths {
            let name = path.display();
            let script = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            let outcome = run(&script, names);
            let outcome = outcome.map_err(|reason| format!("{name}: {reason}"))?;
            if outcome.cases + outcome.apart == 0 {
                return Err(format!("{name} has no case"));
            }
            self.cases += outcome.cases;
            self.apart += outcome.apart;
            for failure in outcome.failures {
                let (line, text, message) = (failure.line, failure.text, failure.message);
                let failure = format!("{name}:{line}: {text}, names {names:?}\n    {message}");
                self.failures.push(failure);
            }
        }
        Ok(())
    }
}
