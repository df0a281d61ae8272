//! The command line of `system-stats-exporter`: flags as users of `node_exporter` know them, each
//! with an environment twin (`--web.listen-address` is `SYSTEM_STATS_WEB_LISTEN_ADDRESS`).
//! Flags win over the environment.

mod flags;
mod listen;

use std::collections::BTreeMap;
use std::ffi::OsString;

use tracing::level_filters::LevelFilter;

use crate::config::Config;
use crate::telemetry::LogFormat;
use flags::{FLAGS, Flag};
pub use listen::ListenAddress;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run the exporter.
    Serve(Box<Options>),
    /// Print this and leave (`--help`, `--version`).
    Print(String),
}

/// The settings of a run.
#[derive(Debug)]
pub struct Options {
    /// What to look at.
    pub config: Config,
    /// Where to listen; never empty.
    pub listen: Vec<ListenAddress>,
    /// What is worth a line in the log.
    pub log_level: LevelFilter,
    /// How such a line looks.
    pub log_format: LogFormat,
}

/// A command line that cannot be followed, with what to do about it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// No flag has this name.
    #[error("unknown flag {flag}{}; see --help", did_you_mean(.nearest.as_deref()))]
    UnknownFlag {
        /// The flag as it was given.
        flag: String,
        /// The flag that was probably meant.
        nearest: Option<String>,
    },
    /// A flag needs a value and none followed.
    #[error("{flag} needs a value: {flag}={placeholder}")]
    MissingValue {
        /// The flag.
        flag: String,
        /// What kind of value.
        placeholder: &'static str,
    },
    /// A flag or environment variable has a value that makes no sense.
    #[error("{origin}: {reason}")]
    BadValue {
        /// The flag or variable.
        origin: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Something that is not a flag.
    #[error("unexpected argument {0:?}; all settings are flags, see --help")]
    UnexpectedArgument(String),
    /// An argument or variable that is not text.
    #[error("{0} is not valid UTF-8")]
    NotText(String),
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

/// Reads the command line (without the program's name) and the environment.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Command, UsageError> {
    let mut given: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let arg = text(arg, "an argument")?;
        let Some(body) = arg.strip_prefix("--") else {
            match arg.as_str() {
                "-h" => return Ok(Command::Print(flags::help())),
                "-V" => return Ok(Command::Print(flags::version())),
                _ => return Err(UsageError::UnexpectedArgument(arg)),
            }
        };
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        match name {
            "help" => return Ok(Command::Print(flags::help())),
            "version" => return Ok(Command::Print(flags::version())),
            _ => {}
        }
        let Some((index, flag, negated)) = find(name) else {
            return Err(UsageError::UnknownFlag {
                flag: format!("--{name}"),
                nearest: flags::nearest(name),
            });
        };
        let value = match (inline, flag.placeholder) {
            (Some(value), _) => value,
            (None, None) => (!negated).to_string(),
            (None, Some(placeholder)) => match args.next() {
                Some(value) => text(value, &format!("--{name}"))?,
                None => {
                    return Err(UsageError::MissingValue {
                        flag: format!("--{name}"),
                        placeholder,
                    });
                }
            },
        };
        let values = given.entry(index).or_default();
        if !flag.repeatable {
            values.clear();
        }
        values.push((format!("--{name}"), value));
    }
    options(given, env).map(|options| Command::Serve(Box::new(options)))
}

fn options(
    mut given: BTreeMap<usize, Vec<(String, String)>>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Options, UsageError> {
    let variable = |name: &str| env(name).map(|value| text(value, name)).transpose();
    let mut options = Options {
        config: Config::default(),
        listen: Vec::new(),
        log_level: LevelFilter::INFO,
        log_format: LogFormat::default(),
    };
    for (index, flag) in FLAGS.iter().enumerate() {
        let values = match given.remove(&index) {
            Some(values) => values,
            None => from_environment(flag, &variable)?,
        };
        for (origin, value) in values {
            (flag.apply)(&mut options, &value)
                .map_err(|reason| UsageError::BadValue { origin, reason })?;
        }
    }
    if options.listen.is_empty() {
        let host = variable("SYSTEM_STATS_HOST")?.filter(|host| !host.is_empty());
        let port = variable("SYSTEM_STATS_PORT")?.filter(|port| !port.is_empty());
        options.listen.push(
            ListenAddress::from_host_and_port(host.as_deref(), port.as_deref()).map_err(
                |reason| UsageError::BadValue {
                    origin: "SYSTEM_STATS_PORT".to_owned(),
                    reason,
                },
            )?,
        );
    }
    Ok(options)
}

/// The values that a flag's environment twin holds: none if unset or empty, several separated by
/// commas if the flag may be repeated.
fn from_environment(
    flag: &Flag,
    variable: &dyn Fn(&str) -> Result<Option<String>, UsageError>,
) -> Result<Vec<(String, String)>, UsageError> {
    let name = flag.variable();
    let Some(value) = variable(&name)?.filter(|value| !value.is_empty()) else {
        return Ok(Vec::new());
    };
    if !flag.repeatable {
        return Ok(vec![(name, value)]);
    }
    let parts = value.split(',').map(str::trim);
    Ok(parts
        .filter(|part| !part.is_empty())
        .map(|part| (name.clone(), part.to_owned()))
        .collect())
}

/// The flag of that name, and whether it was spelled `no-…`.
fn find(name: &str) -> Option<(usize, &'static Flag, bool)> {
    let position = |name: &str| FLAGS.iter().position(|flag| flag.name == name);
    if let Some(index) = position(name) {
        return Some((index, &FLAGS[index], false));
    }
    let index = position(name.strip_prefix("no-")?)?;
    FLAGS[index]
        .placeholder
        .is_none()
        .then(|| (index, &FLAGS[index], true))
}

fn text(value: OsString, origin: &str) -> Result<String, UsageError> {
    value
        .into_string()
        .map_err(|_| UsageError::NotText(origin.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let lookup = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        match parse(args.iter().map(OsString::from), &lookup) {
            Ok(Command::Serve(options)) => Ok(*options),
            Ok(Command::Print(text)) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }

    fn listen(args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        let options = run(args, env).unwrap();
        options.listen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_win_over_their_twins_and_those_over_the_default() {
        let env = [
            ("SYSTEM_STATS_HOST", "127.0.0.1"),
            ("SYSTEM_STATS_PORT", "6001"),
        ];
        assert_eq!(listen(&[], &[]), ["0.0.0.0:5001"]);
        assert_eq!(listen(&[], &env), ["127.0.0.1:6001"]);
        assert_eq!(listen(&[], &[("SYSTEM_STATS_HOST", "::1")]), ["[::1]:5001"]);
        let twin = [("SYSTEM_STATS_WEB_LISTEN_ADDRESS", ":1, :2")];
        assert_eq!(listen(&[], &twin), [":1", ":2"]);
        let flags = ["--web.listen-address", ":7", "--web.listen-address=[::1]:8"];
        assert_eq!(listen(&flags, &twin), [":7", "[::1]:8"]);
    }

    #[test]
    fn paths_and_levels_arrive() {
        let options = run(
            &["--path.procfs=/host/proc", "--log.level", "WARNING"],
            &[
                ("SYSTEM_STATS_DISK_PATH", "/data"),
                ("SYSTEM_STATS_LOG_LEVEL", "debug"),
            ],
        )
        .unwrap();
        assert_eq!(options.config.roots.procfs, Path::new("/host/proc"));
        assert_eq!(options.config.disk_path, Path::new("/data"));
        assert_eq!(options.log_level, LevelFilter::WARN);
    }

    #[test]
    fn mistakes_say_what_to_do() {
        for (args, env, message) in [
            (
                &["--web.listen-adress=:1"][..],
                &[][..],
                "unknown flag --web.listen-adress, did you mean --web.listen-address?; see --help",
            ),
            (&["--xyzzy"], &[], "unknown flag --xyzzy; see --help"),
            (
                &["--log.level"],
                &[],
                "--log.level needs a value: --log.level=LEVEL",
            ),
            (
                &["--log.level=loud"],
                &[],
                "--log.level: unknown log level \"loud\"; use debug, info, warn or error",
            ),
            (
                &[],
                &[("SYSTEM_STATS_PORT", "many")],
                "SYSTEM_STATS_PORT: \"many\" is not a port; use a number from 0 to 65535",
            ),
            (
                &["serve"],
                &[],
                "unexpected argument \"serve\"; all settings are flags, see --help",
            ),
        ] {
            assert_eq!(run(args, env).unwrap_err(), message);
        }
    }

    #[test]
    fn help_names_every_flag_and_variable() {
        let help = run(&["--help"], &[]).unwrap_err();
        for flag in FLAGS {
            assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
            assert!(help.contains(&flag.variable()), "{}", flag.variable());
        }
        assert!(
            run(&["--version"], &[])
                .unwrap_err()
                .contains(env!("CARGO_PKG_VERSION"))
        );
    }
}
