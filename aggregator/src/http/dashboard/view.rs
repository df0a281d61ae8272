//! What the templates show, worded and rounded.

use jiff::Timestamp;
use serde::Serialize;
use system_stats_model::sample::Millis;

use super::alerts::board::{Board, OfHost};
use super::alerts::{self, label_filter};
use super::chart::Span;
use super::chart::bands::{Band, BandView};
use super::chart::panels::Panels;
use super::chart::twin::Twin;
use super::strip::{Strip, sparkline};
use super::table::TableView;
use crate::inventory::alerts::Severity;
use crate::inventory::facts::Fact;
use crate::inventory::hosts::{self, Fleet};
use crate::inventory::trends;

/// From here on a usage is high.
const HIGH: f64 = 65.0;
/// From here on it is critical.
const CRITICAL: f64 = 90.0;
/// A sensor that is at most so many degrees below its limit is near it.
const NEAR: f64 = 10.0;

#[derive(Serialize)]
pub(super) struct OverviewView {
    pub(super) counts: Counts,
    /// The worst of those that fire.
    pub(super) alerts: Vec<Firing>,
    pub(super) table: TableView,
    /// Whether there is any host, shown or not.
    pub(super) has_hosts: bool,
    pub(super) hosts: Vec<Host>,
    pub(super) charted: Option<Host>,
    pub(super) range: Range,
    pub(super) authority: String,
}

#[derive(Serialize)]
pub(super) struct RowsView {
    pub(super) hosts: Vec<Host>,
}

#[derive(Serialize)]
pub(super) struct HostView {
    pub(super) host: Host,
    pub(super) stretch: Stretch,
    pub(super) ranges: [Range; 6],
    #[serde(flatten)]
    pub(super) raised: RaisedView,
    pub(super) charts: Vec<Twin>,
}

/// What a host's page says about the host, without its charts.
#[derive(Serialize)]
pub(super) struct FactsView {
    pub(super) host: Host,
}

/// The alerts of a host: those that there are, and when they and others fired.
#[derive(Serialize)]
pub(super) struct RaisedView {
    alerts: Vec<Firing>,
    /// Newest first.
    bands: Vec<BandView>,
}

impl RaisedView {
    pub(super) fn new(board: &Board, instance: &str, charts: &Panels, now: Millis) -> Self {
        Self {
            alerts: alerts::lines_of(board, instance, now),
            bands: charts.alerts.iter().rev().map(Band::view).collect(),
        }
    }
}

/// The numbers above the table.
#[derive(Serialize)]
pub(super) struct CountsView {
    pub(super) counts: Counts,
    pub(super) alerts: Vec<Firing>,
}

/// An alert that fires, in a line.
#[derive(Serialize)]
pub(super) struct Firing {
    pub(super) severity: Level,
    pub(super) title: String,
    pub(super) subject: Option<String>,
    /// The subject's page, if it is a host, as a segment of a path.
    pub(super) path: Option<String>,
    /// What else is to be said.
    pub(super) notes: Vec<String>,
    pub(super) since: Seen,
}

#[derive(Serialize)]
pub(super) struct ErrorView<'a> {
    pub(super) title: &'a str,
    pub(super) message: &'a str,
}

/// How bad an alert is.
#[derive(Clone, Serialize)]
pub(super) struct Level {
    /// In the rule's own word, if it has one.
    word: String,
    class: &'static str,
}

impl Level {
    pub(super) fn of(severity: Severity, word: Option<&str>) -> Self {
        let class = severity.as_str();
        Self {
            word: word.unwrap_or(class).to_owned(),
            class,
        }
    }
}

/// How many hosts are how.
#[derive(Default, Serialize)]
pub(super) struct Counts {
    up: usize,
    down: usize,
    silent: usize,
    gone: usize,
    /// Alerts that need somebody, whosever they are.
    alerting: usize,
    /// Those that somebody has seen to.
    silenced: usize,
}

impl Counts {
    pub(super) fn of(fleet: &Fleet, board: &Board) -> Self {
        let mut counts = Self {
            alerting: board.alerting(),
            silenced: board.silenced(),
            ..Self::default()
        };
        for host in fleet.hosts() {
            *match host.status {
                hosts::Status::Up => &mut counts.up,
                hosts::Status::Down => &mut counts.down,
                hosts::Status::Silent => &mut counts.silent,
                hosts::Status::Gone => &mut counts.gone,
            } += 1;
        }
        counts
    }
}

/// A stretch of time until now that a page offers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Range {
    name: &'static str,
    words: &'static str,
    pub(super) seconds: i64,
}

impl Range {
    pub(super) const ALL: [Self; 6] = [
        Self::new("15m", "15 minutes", 15 * 60),
        Self::new("1h", "hour", 3600),
        Self::new("6h", "6 hours", 6 * 3600),
        Self::new("24h", "24 hours", 24 * 3600),
        Self::new("7d", "7 days", 7 * 86_400),
        Self::new("30d", "30 days", 30 * 86_400),
    ];
    pub(super) const DEFAULT: Self = Self::ALL[1];

    const fn new(name: &'static str, words: &'static str, seconds: i64) -> Self {
        Self {
            name,
            words,
            seconds,
        }
    }

    /// The range of that name, an hour if there is none.
    pub(super) fn named(name: Option<&str>) -> Self {
        let named = Self::ALL.into_iter().find(|range| Some(range.name) == name);
        named.unwrap_or(Self::DEFAULT)
    }
}

/// The stretch of time that a host's page shows.
#[derive(Serialize)]
pub(super) struct Stretch {
    /// That of the offered ranges, if it is one.
    name: Option<&'static str>,
    words: String,
    /// The parameters that ask for it.
    query: String,
    /// As fields for a date and a time have it, in UTC.
    from: String,
    to: String,
}

impl Stretch {
    pub(super) fn new(span: Span, range: Option<Range>) -> Self {
        let (from, to) = span.ends();
        Self {
            name: range.map(|range| range.name),
            words: range.map_or_else(
                || format!("{} to {} UTC", moment(from), moment(to)),
                |range| format!("last {}", range.words),
            ),
            query: range.map_or_else(
                || format!("from={}&to={}", from / 1000, to / 1000),
                |range| format!("range={}", range.seconds),
            ),
            from: moment(from).replace(' ', "T"),
            to: moment(to).replace(' ', "T"),
        }
    }
}

/// A host as a row or a page shows it.
#[derive(Clone, Serialize)]
pub(super) struct Host {
    pub(super) name: String,
    /// The name as a segment of a path.
    path: String,
    instance: String,
    jobs: Option<String>,
    status: Status,
    cpu: Option<Usage>,
    memory: Option<Usage>,
    disk: Option<Usage>,
    mount: Option<String>,
    disks: Vec<Disk>,
    load: Option<String>,
    network: Option<Traffic>,
    temperature: Option<Heat>,
    uptime: Option<String>,
    last_seen: Option<Seen>,
    os: Option<String>,
    kernel: Option<String>,
    model: Option<String>,
    architecture: Option<String>,
    strip: Option<Strip>,
    spark: Option<String>,
    alerts: Option<HostAlerts>,
}

/// How many alerts of a host need somebody, and how bad the worst is.
#[derive(Clone, Serialize)]
struct HostAlerts {
    count: usize,
    worst: Level,
    /// The filter that picks them.
    filter: String,
}

/// Bytes per second in words.
#[derive(Clone, Serialize)]
struct Traffic {
    received: String,
    transmitted: String,
}

#[derive(Clone, Serialize)]
struct Status {
    word: &'static str,
    class: &'static str,
}

#[derive(Clone, Serialize)]
struct Disk {
    mount: String,
    usage: Usage,
}

#[derive(Clone, Serialize)]
struct Usage {
    text: String,
    level: &'static str,
}

/// The hottest sensor, and how the one is that is closest to its limit.
#[derive(Clone, Serialize)]
struct Heat {
    text: String,
    level: &'static str,
    word: Option<&'static str>,
}

/// A moment, and how long ago it was.
#[derive(Clone, Serialize)]
pub(super) struct Seen {
    iso: String,
    ago: String,
}

impl Host {
    pub(super) fn new(host: &hosts::Host, fact: &Fact, now: Millis) -> Self {
        let worst = host.worst_disk();
        let disk = |(mount, usage): &(String, f64)| Disk {
            mount: mount.clone(),
            usage: Usage::new(*usage),
        };
        let boot_time = host.boot_time.or(fact.boot_time);
        let up = host.status == hosts::Status::Up;
        let says = |names: &[&str]| {
            let info = host.info.as_ref()?;
            let mut said = names.iter().filter_map(|name| info.get(name));
            said.find(|said| !said.is_empty()).map(str::to_owned)
        };
        let traffic = |(received, transmitted)| Traffic {
            received: rate(received),
            transmitted: rate(transmitted),
        };
        let jobs: Vec<&str> = host.jobs.iter().map(String::as_str).collect();
        Self {
            path: encoded(&host.name),
            name: host.name.clone(),
            instance: host.instance.clone(),
            jobs: (!jobs.is_empty()).then(|| jobs.join(", ")),
            status: Status::new(host.status),
            cpu: host.cpu.map(Usage::new),
            memory: host.memory.map(Usage::new),
            disk: worst.map(|(_, usage)| Usage::new(*usage)),
            mount: worst.map(|(mount, _)| mount.clone()),
            disks: host.disks.iter().map(disk).collect(),
            load: host.load.map(|load| format!("{load:.2}")),
            // Nobody knows how long a host that does not answer has been up.
            uptime: boot_time
                .filter(|_| up)
                .map(|boot| duration(now as f64 / 1000.0 - boot)),
            last_seen: host.last_seen.map(|at| Seen::new(at, now)),
            network: host.received.zip(host.transmitted).map(traffic),
            temperature: host
                .temperature
                .map(|degrees| Heat::new(degrees, host.temperature_margin)),
            os: says(&["os", "sysname"]),
            kernel: says(&["kernel", "release"]),
            model: says(&["model"]),
            architecture: says(&["architecture", "machine"]),
            strip: None,
            spark: None,
            alerts: None,
        }
    }

    /// With the drawings of its last day and hour.
    pub(super) fn with_trends(mut self, trends: &trends::Fleet) -> Self {
        self.strip = Strip::new(&trends.availability(&self.instance));
        self.spark = sparkline(&trends.cpu(&self.instance));
        self
    }

    /// With a word about its alerts.
    pub(super) fn with_alerts(mut self, alerts: Option<OfHost>) -> Self {
        self.alerts = alerts.map(|OfHost { count, worst }| HostAlerts {
            count,
            worst: Level::of(worst, None),
            filter: label_filter("instance", &self.instance),
        });
        self
    }
}

impl Status {
    fn new(status: hosts::Status) -> Self {
        let (word, class) = match status {
            hosts::Status::Up => ("Up", "up"),
            hosts::Status::Down => ("Down", "down"),
            hosts::Status::Silent => ("Silent", "silent"),
            hosts::Status::Gone => ("Gone", "gone"),
        };
        Self { word, class }
    }
}

impl Usage {
    fn new(value: f64) -> Self {
        let level = if value >= CRITICAL {
            "critical"
        } else if value >= HIGH {
            "high"
        } else {
            "fine"
        };
        Self {
            text: format!("{value:.1}"),
            level,
        }
    }
}

impl Heat {
    /// Degrees, and by how many a sensor stays below its limit.
    fn new(degrees: f64, margin: Option<f64>) -> Self {
        let (level, word) = match margin {
            None => ("fine", None),
            Some(margin) if margin <= 0.0 => ("critical", Some("at limit")),
            Some(margin) if margin <= NEAR => ("high", Some("near limit")),
            Some(_) => ("fine", Some("below limit")),
        };
        Self {
            text: format!("{degrees:.0} °C"),
            level,
            word,
        }
    }
}

impl Seen {
    pub(super) fn new(at: Millis, now: Millis) -> Self {
        let ago = (now - at) / 1000;
        Self {
            iso: iso(at),
            ago: match ago {
                ..0 => "in the future".to_owned(),
                0..=1 => "now".to_owned(),
                2..=119 => format!("{ago} s ago"),
                _ => format!("{} ago", duration(ago as f64)),
            },
        }
    }
}

impl Seen {
    /// How long ago it was, in words.
    pub(super) fn ago(&self) -> &str {
        &self.ago
    }
}

/// When something will be.
pub(super) fn ahead(at: Millis, now: Millis) -> String {
    if at <= now {
        return "now".to_owned();
    }
    format!("in {}", length(at - now + 999))
}

/// A number to five digits or so, without zeros that say nothing.
pub(super) fn short(value: f64) -> String {
    if value.is_nan() || value.is_infinite() || value == 0.0 {
        return format!("{value}");
    }
    let digits = value.abs().log10().floor();
    if (-4.0..9.0).contains(&digits) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 8"
        )]
        let decimals = (4.0 - digits).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        if !text.contains('.') {
            return text;
        }
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{value:.4e}")
}

/// Bytes per second with a binary prefix.
pub(super) fn rate(bytes: f64) -> String {
    let units = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];
    let (mut value, mut at) = (bytes, 0);
    while value >= 1000.0 && at + 1 < units.len() {
        value /= 1024.0;
        at += 1;
    }
    let digits = usize::from(at > 0 && value < 100.0);
    format!("{value:.digits$} {}", units[at])
}

/// A length of time, to the second where it is short.
pub(super) fn length(millis: Millis) -> String {
    match millis / 1000 {
        seconds @ ..=119 => format!("{seconds} s"),
        seconds => duration(seconds as f64),
    }
}

/// A length of time as `4h 12m` or `3d 4h`.
fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and nothing is up that long"
    )]
    let minutes = (seconds.max(0.0) / 60.0) as i64;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn iso(at: Millis) -> String {
    let seconds = Timestamp::from_second(at.div_euclid(1000));
    seconds.map_or_else(|_| "unknown".to_owned(), |time| time.to_string())
}

/// A moment to the second in UTC, without saying so.
pub(super) fn moment(at: Millis) -> String {
    iso(at).replace('T', " ").replace('Z', "")
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
            );
        }
    }
    out
}
