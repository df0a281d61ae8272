//! Tells the program what it was built from, for `--version` and the build info metric.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by the environment"
)]

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SYSTEM_STATS_REVISION");
    let revision = env::var("SYSTEM_STATS_REVISION").ok().or_else(|| {
        // A development build is not worth building again for every commit.
        let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
        is_release.then(checked_out).flatten()
    });
    let compiler = env::var("RUSTC").ok();
    let compiler = compiler.and_then(|rustc| output(&rustc, &["--version"]));
    for (name, value) in [("REVISION", revision), ("RUSTC", compiler)] {
        let value = value.unwrap_or_else(|| "unknown".to_owned());
        println!("cargo::rustc-env=SYSTEM_STATS_{name}={value}");
    }
}

/// The commit that is checked out, if this is a repository.
fn checked_out() -> Option<String> {
    let moves = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={moves}");
    output("git", &["rev-parse", "--short=12", "HEAD"])
}

/// The first line that a program prints, if it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
