//! The program's log: one line an event on standard error, logfmt or JSON.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::str::FromStr;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::clock;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `ts=… level=info msg="…" key=value`.
    #[default]
    Logfmt,
    /// One JSON object a line with the same keys.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "logfmt" => Ok(Self::Logfmt),
            "json" => Ok(Self::Json),
            _ => Err(format!("unknown log format {text:?}; use logfmt or json")),
        }
    }
}

/// Reads a log level in any case; `warning` and `critical` are understood as well.
pub fn parse_level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "error" | "critical" => Ok(LevelFilter::ERROR),
        "off" => Ok(LevelFilter::OFF),
        _ => Err(format!(
            "unknown log level {text:?}; use debug, info, warn or error"
        )),
    }
}

/// Sends the events of this crate, and the warnings of all others, to standard error. Does
/// nothing if the process has a subscriber already.
pub fn install(level: LevelFilter, format: LogFormat) {
    // An embedding program that was there first keeps its own log.
    let _ = tracing::subscriber::set_global_default(Log { level, format });
}

/// A subscriber without spans: the exporter has none, and this keeps it small.
struct Log {
    level: LevelFilter,
    format: LogFormat,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with("system_stats");
        let limit = if own {
            self.level
        } else {
            self.level.min(LevelFilter::WARN)
        };
        metadata.is_event() && *metadata.level() <= limit
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = line(
            self.format,
            clock::now(),
            *event.metadata().level(),
            &fields,
        );
        line.push('\n');
        // A log that cannot be written has nowhere to say so.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// One line of the log, without its end.
fn line(format: LogFormat, now: SystemTime, level: Level, fields: &Fields) -> String {
    let level = level.as_str().to_ascii_lowercase();
    let ts = clock::iso8601_millis(now);
    let head = [("ts", &ts), ("level", &level), ("msg", &fields.message)];
    let rest = fields.rest.iter().map(|(name, value)| (*name, value));
    let pairs = head.into_iter().chain(rest);
    let mut line = String::new();
    match format {
        LogFormat::Logfmt => {
            for (name, value) in pairs {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(name);
                line.push('=');
                push_logfmt(&mut line, value);
            }
        }
        LogFormat::Json => {
            line.push('{');
            for (name, value) in pairs {
                if line.len() > 1 {
                    line.push(',');
                }
                let value = serde_json::Value::from(value.as_str());
                // Names are identifiers from the source: nothing in them needs escaping.
                let _ = write!(line, "\"{name}\":{value}");
            }
            line.push('}');
        }
    }
    line
}

fn push_logfmt(line: &mut String, value: &str) {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'=';
    if !value.is_empty() && value.bytes().all(plain) {
        line.push_str(value);
    } else {
        let _ = write!(line, "{value:?}");
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.rest.push((field.name(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn fields(message: &str, value: &str) -> Fields {
        Fields {
            message: message.to_owned(),
            rest: vec![("error", value.to_owned())],
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let fields = fields("a collector fails", "line \"one\"\ntwo");
        let show = |format| line(format, UNIX_EPOCH, Level::WARN, &fields);
        assert_eq!(
            show(LogFormat::Logfmt),
            "ts=1970-01-01T00:00:00.000+00:00 level=warn msg=\"a collector fails\" \
             error=\"line \\\"one\\\"\\ntwo\""
        );
        assert_eq!(
            show(LogFormat::Json),
            "{\"ts\":\"1970-01-01T00:00:00.000+00:00\",\"level\":\"warn\",\
             \"msg\":\"a collector fails\",\"error\":\"line \\\"one\\\"\\ntwo\"}"
        );
    }

    #[test]
    fn levels_are_read_in_any_case() {
        for (text, level) in [
            ("INFO", LevelFilter::INFO),
            ("Warning", LevelFilter::WARN),
            ("critical", LevelFilter::ERROR),
            ("debug", LevelFilter::DEBUG),
        ] {
            assert_eq!(parse_level(text), Ok(level));
        }
        assert!(parse_level("loud").is_err());
        assert_eq!("JSON".parse(), Ok(LogFormat::Json));
        assert!("xml".parse::<LogFormat>().is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_said_stays_on_one_line(message in ".*", value in "[^x]*") {
            let fields = fields(&message, &value);
            for format in [LogFormat::Logfmt, LogFormat::Json] {
                let line = line(format, UNIX_EPOCH, Level::INFO, &fields);
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}
