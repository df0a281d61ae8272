//! The command line of `system-stats-exporter`: flags as users of `node_exporter` know them, each
//! with an environment twin (`--web.listen-address` is `SYSTEM_STATS_WEB_LISTEN_ADDRESS`).
//! Flags win over the environment.

mod flags;
mod health;
mod listen;

use std::collections::BTreeMap;
use std::ffi::OsString;

use tracing::level_filters::LevelFilter;

use crate::build_info;
use crate::collect;
use crate::config::Config;
use crate::telemetry::LogFormat;
use flags::{FLAGS, Flag};
pub use health::{Unhealthy, healthcheck};
pub use listen::ListenAddress;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run the exporter.
    Serve(Box<Options>),
    /// Ask the exporter that listens there whether it is healthy.
    Healthcheck(ListenAddress),
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
    let mut given = Given::default();
    let mut args = args.into_iter().peekable();
    let is_healthcheck = args.next_if(|first| first == "healthcheck").is_some();
    while let Some(arg) = args.next() {
        let arg = text(arg, "an argument")?;
        let Some(body) = arg.strip_prefix("--") else {
            match arg.as_str() {
                "-h" => return Ok(Command::Print(flags::help())),
                "-V" => return Ok(Command::Print(build_info::version())),
                _ => return Err(UsageError::UnexpectedArgument(arg)),
            }
        };
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        match name {
            "help" => return Ok(Command::Print(flags::help())),
            "version" => return Ok(Command::Print(build_info::version())),
            _ => {}
        }
        let Some(target) = Target::named(name) else {
            return Err(UsageError::UnknownFlag {
                flag: format!("--{name}"),
                nearest: flags::nearest(name),
            });
        };
        let value = match (inline, target.placeholder()) {
            (Some(value), _) => value,
            (None, None) => (!target.is_negated()).to_string(),
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
        given.add(&target, format!("--{name}"), value);
    }
    let mut options = options(given, env)?;
    Ok(if is_healthcheck {
        Command::Healthcheck(options.listen.swap_remove(0))
    } else {
        Command::Serve(Box::new(options))
    })
}

fn options(
    mut given: Given,
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
        let values = match given.flags.remove(&index) {
            Some(values) => values,
            None => from_environment(flag, &variable)?,
        };
        for (origin, value) in values {
            (flag.apply)(&mut options, &value)
                .map_err(|reason| UsageError::BadValue { origin, reason })?;
        }
    }
    for entry in collect::ALL {
        let name = flags::variable(&format!("collector.{}", entry.name));
        let from_variable = || Ok(variable(&name)?.map(|value| (name.clone(), value)));
        let value = match given.collectors.remove(entry.name) {
            Some(value) => Some(value),
            None => from_variable()?.filter(|(_, value)| !value.is_empty()),
        };
        if let Some((origin, value)) = value {
            let is_on = flags::parse_switch(&value)
                .map_err(|reason| UsageError::BadValue { origin, reason })?;
            let switched = &mut options.config.collectors.switched;
            switched.insert(entry.name.to_owned(), is_on);
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
    let name = flags::variable(flag.name);
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

/// What was given on the command line, each with the flag it came by.
#[derive(Default)]
struct Given {
    flags: BTreeMap<usize, Vec<(String, String)>>,
    collectors: BTreeMap<&'static str, (String, String)>,
}

impl Given {
    fn add(&mut self, target: &Target, origin: String, value: String) {
        match target {
            Target::Flag { index, .. } => {
                let values = self.flags.entry(*index).or_default();
                if !FLAGS[*index].repeatable {
                    values.clear();
                }
                values.push((origin, value));
            }
            Target::Collector { name, .. } => {
                self.collectors.insert(name, (origin, value));
            }
        }
    }
}

/// What the name of a flag stands for; switches may be spelled `no-…`.
enum Target {
    Flag {
        index: usize,
        is_negated: bool,
    },
    Collector {
        name: &'static str,
        is_negated: bool,
    },
}

impl Target {
    fn named(text: &str) -> Option<Self> {
        Self::exactly(text, false).or_else(|| {
            let target = Self::exactly(text.strip_prefix("no-")?, true)?;
            target.placeholder().is_none().then_some(target)
        })
    }

    fn exactly(text: &str, is_negated: bool) -> Option<Self> {
        if let Some(index) = FLAGS.iter().position(|flag| flag.name == text) {
            return Some(Self::Flag { index, is_negated });
        }
        let collector = text.strip_prefix("collector.")?;
        let entry = collect::ALL.iter().find(|entry| entry.name == collector)?;
        Some(Self::Collector {
            name: entry.name,
            is_negated,
        })
    }

    fn placeholder(&self) -> Option<&'static str> {
        match self {
            Self::Flag { index, .. } => FLAGS[*index].placeholder,
            Self::Collector { .. } => None,
        }
    }

    fn is_negated(&self) -> bool {
        let (Self::Flag { is_negated, .. } | Self::Collector { is_negated, .. }) = self;
        *is_negated
    }
}

fn text(value: OsString, origin: &str) -> Result<String, UsageError> {
    value
        .into_string()
        .map_err(|_| UsageError::NotText(origin.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let lookup = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        match parse(args.iter().map(OsString::from), &lookup) {
            Ok(Command::Serve(options)) => Ok(*options),
            Ok(Command::Healthcheck(address)) => Err(format!("healthcheck of {address}")),
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
    fn health_is_asked_where_the_exporter_listens() {
        let env = [("SYSTEM_STATS_PORT", "6001")];
        let asked = |args: &[&str]| run(args, &env).unwrap_err();
        assert_eq!(asked(&["healthcheck"]), "healthcheck of 0.0.0.0:6001");
        let two = [
            "healthcheck",
            "--web.listen-address=:1",
            "--web.listen-address=:2",
        ];
        assert_eq!(asked(&two), "healthcheck of :1");
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
    fn collectors_are_switched_by_name() {
        let options = run(
            &[
                "--collector.disable-defaults",
                "--collector.processes",
                "--no-collector.hwmon",
                "--critical-process=nginx",
                "--critical-process",
                "sshd",
            ],
            &[
                ("SYSTEM_STATS_COLLECTOR_HWMON", "true"),
                ("SYSTEM_STATS_COLLECTOR_CPU", "true"),
                ("SYSTEM_STATS_CRITICAL_PROCESS", "never"),
            ],
        )
        .unwrap();
        let collectors = &options.config.collectors;
        assert!(collectors.disable_defaults);
        let switched: Vec<(&str, bool)> = collectors
            .switched
            .iter()
            .map(|(name, is_on)| (name.as_str(), *is_on))
            .collect();
        assert_eq!(
            switched,
            [("cpu", true), ("hwmon", false), ("processes", true)]
        );
        assert_eq!(options.config.critical_processes, ["nginx", "sshd"]);
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
                &["--collector.nothing"],
                &[],
                "unknown flag --collector.nothing; see --help",
            ),
            (
                &["--no-log.level"],
                &[],
                "unknown flag --no-log.level, did you mean --log.level?; see --help",
            ),
            (
                &["--collector.memninfo"],
                &[],
                "unknown flag --collector.memninfo, did you mean --collector.meminfo?; see --help",
            ),
            (
                &["--collector.cpu=perhaps"],
                &[],
                "--collector.cpu: \"perhaps\" is neither true nor false",
            ),
            (
                &["--web.telemetry-path=/system"],
                &[],
                "--web.telemetry-path: \"/system\" is taken; use another one, /metrics for example",
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

    proptest! {
        #[test]
        fn any_command_line_is_followed_or_refused(args in prop::collection::vec("(--)?[a-z.=:-]{0,24}|.*", 0..4)) {
            let _ = parse(args.into_iter().map(OsString::from), &|_| None);
        }
    }

    #[test]
    fn help_names_every_flag_and_variable() {
        let help = run(&["--help"], &[]).unwrap_err();
        for flag in FLAGS {
            assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
            let variable = flags::variable(flag.name);
            assert!(help.contains(&variable), "{variable}");
        }
        for entry in collect::ALL {
            assert!(help.contains(&format!(" {}", entry.name)), "{}", entry.name);
        }
        assert!(
            run(&["--version"], &[])
                .unwrap_err()
                .contains(env!("CARGO_PKG_VERSION"))
        );
    }
}
