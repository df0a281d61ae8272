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
    // A distributor's build has no repository and names the revision itself.
    let named = env::var("SYSTEM_STATS_REVISION").ok();
    // In development every commit would rebuild the program only to rename it.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let revision = named.or_else(|| if is_release { head() } else { None });
    let rustc = env::var("RUSTC")
        .ok()
        .and_then(|rustc| first_line(&rustc, &["--version"]));
    let platform = env::var("TARGET").ok();
    for (name, value) in [
        ("REVISION", revision),
        ("RUSTC", rustc),
        ("PLATFORM", platform),
    ] {
        let value = value.unwrap_or_else(|| "unknown".to_owned());
        println!("cargo::rustc-env=SYSTEM_STATS_{name}={value}");
    }
}

/// The commit that is checked out; the file that names it makes a new commit a new build.
fn head() -> Option<String> {
    let logs = first_line("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={logs}");
    first_line("git", &["rev-parse", "--short=12", "HEAD"])
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
