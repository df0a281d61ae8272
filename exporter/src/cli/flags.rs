use std::fmt::Write as _;
use std::path::PathBuf;

use super::Options;
use crate::collect;
use crate::config::TelemetryPathError;
use crate::telemetry;

/// One flag: a line in the table below and nothing else.
pub(super) struct Flag {
    /// Without the dashes.
    pub(super) name: &'static str,
    /// What kind of value follows; `None` for a switch, which `--no-NAME` turns off.
    pub(super) placeholder: Option<&'static str>,
    pub(super) repeatable: bool,
    help: &'static str,
    pub(super) apply: fn(&mut Options, &str) -> Result<(), String>,
}

impl Flag {
    const fn value(
        name: &'static str,
        placeholder: &'static str,
        help: &'static str,
        apply: fn(&mut Options, &str) -> Result<(), String>,
    ) -> Self {
        Self {
            name,
            placeholder: Some(placeholder),
            repeatable: false,
            help,
            apply,
        }
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    const fn switch(
        name: &'static str,
        help: &'static str,
        apply: fn(&mut Options, &str) -> Result<(), String>,
    ) -> Self {
        Self {
            name,
            placeholder: None,
            repeatable: false,
            help,
            apply,
        }
    }
}

/// The environment variable that stands for a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("SYSTEM_STATS_{}", flag.replace(['.', '-'], "_")).to_ascii_uppercase()
}

/// What a switch is set to.
pub(super) fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

pub(super) const FLAGS: &[Flag] = &[
    Flag::value(
        "web.listen-address",
        "ADDRESS",
        "where to listen, :5001 for every address; repeatable \
         (default SYSTEM_STATS_HOST:SYSTEM_STATS_PORT, 0.0.0.0:5001)",
        |options, value| {
            options.listen.push(value.parse()?);
            Ok(())
        },
    )
    .repeatable(),
    Flag::value(
        "web.telemetry-path",
        "PATH",
        "where the metrics are (default /metrics)",
        |options, value| {
            options.config.telemetry_path = value
                .parse()
                .map_err(|error: TelemetryPathError| error.to_string())?;
            Ok(())
        },
    ),
    Flag::value(
        "path.procfs",
        "DIR",
        "where proc is mounted (default /proc)",
        |options, value| {
            options.config.roots.procfs = directory(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "path.sysfs",
        "DIR",
        "where sysfs is mounted (default /sys)",
        |options, value| {
            options.config.roots.sysfs = directory(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "path.rootfs",
        "DIR",
        "where the host's root directory is mounted (default /)",
        |options, value| {
            options.config.roots.rootfs = directory(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "path.udev.data",
        "DIR",
        "where udev keeps what it knows of devices (default /run/udev/data)",
        |options, value| {
            options.config.roots.udev_data = directory(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "disk-path",
        "PATH",
        "a path on the file system that /system calls disk (default /)",
        |options, value| {
            options.config.disk_path = directory(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "critical-process",
        "NAME",
        "a process whose absence is reported; repeatable",
        |options, value| {
            options.config.critical_processes.push(value.to_owned());
            Ok(())
        },
    )
    .repeatable(),
    Flag::switch(
        "collector.disable-defaults",
        "run no collectors but those that are switched on",
        |options, value| {
            options.config.collectors.disable_defaults = parse_switch(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "log.level",
        "LEVEL",
        "debug, info, warn or error, in any case (default info)",
        |options, value| {
            options.log_level = telemetry::parse_level(value)?;
            Ok(())
        },
    ),
    Flag::value(
        "log.format",
        "FORMAT",
        "logfmt or json (default logfmt)",
        |options, value| {
            options.log_format = value.parse()?;
            Ok(())
        },
    ),
];

fn directory(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the path is empty; leave the flag out for the default".to_owned());
    }
    Ok(PathBuf::from(value))
}

/// What `--help` prints.
pub(super) fn help() -> String {
    let mut text = String::from(
        "Usage: system-stats-exporter [healthcheck] [FLAG]...\n\n\
         Tells the truth about this host: /metrics for Prometheus, /system as JSON, /health.\n\n\
         Flags (each with the environment variable that stands for it):\n",
    );
    for flag in FLAGS {
        let value = flag
            .placeholder
            .map_or_else(String::new, |name| format!("={name}"));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  --{}{value}\n      {}\n      [{}]\n",
            flag.name,
            flag.help,
            variable(flag.name)
        );
    }
    text.push_str(
        "  --collector.NAME, --no-collector.NAME\n      switch a collector on or off\n      \
         [SYSTEM_STATS_COLLECTOR_NAME=true or false]\n",
    );
    for (title, is_default) in [("on by default", true), ("off by default", false)] {
        let names = collect::ALL
            .iter()
            .filter(|entry| entry.is_default == is_default);
        let names: Vec<&str> = names.map(|entry| entry.name).collect();
        let _ = writeln!(text, "      {title}: {}", names.join(" "));
    }
    text.push_str("  --version\n  --help\n");
    text.push_str(
        "\nhealthcheck asks the exporter that was started with the same flags whether it is\n\
         healthy, and exits with 1 if it does not say so.\n",
    );
    text
}

/// The flag whose name is nearest to a mistyped one, if any is near: at most a quarter wrong.
pub(super) fn nearest(name: &str) -> Option<String> {
    // The part that all collectors share says nothing about which one was meant.
    let (start, end, known): (_, _, Vec<&str>) = match name.split_once("collector.") {
        Some((_, end)) => {
            let names = collect::ALL.iter().map(|entry| entry.name);
            (
                "collector.",
                end,
                names.chain(["disable-defaults"]).collect(),
            )
        }
        None => ("", name, FLAGS.iter().map(|flag| flag.name).collect()),
    };
    let distances = known.iter().map(|known| (edit_distance(known, end), known));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance * 4 <= end.len()).then(|| format!("--{start}{best}"))
}

/// Levenshtein's distance, one row at a time.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
