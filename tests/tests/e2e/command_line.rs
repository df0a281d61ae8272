//! What both programs say when they are only asked something, or asked wrongly.

use std::process::Command;

use e2e::process::{self, Finished};
use e2e::programs::{self, Exporter};

/// Runs each program with these arguments.
#[track_caller]
fn both(arguments: &[&str]) -> [(&'static str, Finished); 2] {
    let run = |mut command: Command| process::run(command.args(arguments));
    [
        ("system-stats-exporter", run(programs::exporter())),
        ("system-stats-aggregator", run(programs::aggregator())),
    ]
}

#[test]
fn version_and_help_are_answered_on_standard_output() {
    for (name, run) in both(&["--version"]) {
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.starts_with(name), "{run:?}");
        assert!(run.stdout.contains(env!("CARGO_PKG_VERSION")), "{run:?}");
    }
    for (name, run) in both(&["--help"]) {
        assert_eq!(run.code, Some(0), "{run:?}");
        for flag in ["--web.listen-address", "--log.level"] {
            assert!(
                run.stdout.contains(flag),
                "{name} does not explain {flag}: {run:?}"
            );
        }
    }
}

#[test]
fn an_unknown_flag_is_refused_with_a_hint() {
    for (name, run) in both(&["--web.listen-adress=127.0.0.1:0"]) {
        assert_eq!(run.code, Some(2), "{name}: {run:?}");
        assert!(
            run.stderr.contains("--web.listen-address"),
            "{name}: {run:?}"
        );
    }
}

#[test]
fn a_bad_address_is_refused_by_name() {
    for (name, run) in both(&["--web.listen-address=127.0.0.1:99999"]) {
        assert_eq!(run.code, Some(2), "{name}: {run:?}");
        assert!(run.stderr.contains("99999"), "{name}: {run:?}");
    }
}

#[test]
fn the_environment_stands_for_flags_and_flags_win() {
    let taken = Exporter::start(&[]);
    let address = taken.address.to_string();
    let exporter = |arguments: &[&str]| {
        let mut command = programs::exporter();
        command
            .env("SYSTEM_STATS_WEB_LISTEN_ADDRESS", &address)
            .args(arguments);
        process::run(&mut command)
    };
    let run = exporter(&[]);
    assert!(run.code.is_some_and(|code| code != 0), "{run:?}");
    assert!(run.stderr.contains(&address), "{run:?}");
    let run = exporter(&["--web.listen-address=127.0.0.1:99999"]);
    assert!(run.stderr.contains("99999"), "the flag wins: {run:?}");
}
