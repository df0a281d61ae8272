//! When the alerts of a host fired: by their `ALERTS` series, and by what a device that judges its
//! own samples has told.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use serde::Serialize;
use system_stats_model::labels::{INSTANCE, Labels, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange, is_stale};
use system_stats_model::source::{Samples, Selector};

use super::super::view::moment;
use super::{LATE, Span, seconds};
use crate::inventory::alerts::{Severity, Transition};
use crate::inventory::hosts::Host;
use crate::inventory::{DEVICE_JOB, Inventory, InventoryError};
use crate::rules::{ALERT_NAME, ALERT_STATE, ALERTS};

/// An alert whose series says nothing for so long does not fire: queries look back as far.
const SILENCE: Millis = 5 * 60 * 1000;
/// Alerts that began or ended on devices that are gone through.
const PAST: usize = 10_000;
/// Bands of one chart, the newest; more cannot be told apart.
const SHOWN: usize = 100;
/// What does not tell alerts of one name on one host apart.
const SAID: [&str; 6] = [
    METRIC_NAME,
    ALERT_NAME,
    ALERT_STATE,
    INSTANCE,
    "job",
    "severity",
];

/// The stretches of time in which alerts of a host fired.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Bands(Vec<Period>);

#[derive(Clone, Debug, PartialEq)]
struct Period {
    labels: Labels,
    from: Millis,
    /// When it was last heard of, or ended.
    to: Millis,
    has_ended: bool,
}

/// A stretch of time for the charts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in super::super) struct Band {
    name: String,
    /// The labels that tell it from others of its name.
    about: String,
    severity: &'static str,
    /// In seconds since 1970.
    pub(super) from: f64,
    /// `None` while it fires.
    pub(super) to: Option<f64>,
}

/// The same in words.
#[derive(Serialize)]
pub(in super::super) struct BandView {
    name: String,
    about: String,
    severity: &'static str,
    from: String,
    to: Option<String>,
}

impl Bands {
    /// Those of a host in a span, or what came since its `since`.
    pub(in super::super) async fn read(
        inventory: &Inventory,
        host: &Host,
        span: Span,
    ) -> Result<Self, InventoryError> {
        let range = TimeRange {
            start: span.start().saturating_sub(LATE),
            end: span.to,
        };
        let selector = Selector {
            matchers: vec![
                Matcher::equal(METRIC_NAME, ALERTS),
                Matcher::equal(ALERT_STATE, "firing"),
                Matcher::equal(INSTANCE, host.instance.as_str()),
            ],
            range,
        };
        let periods = inventory.decode(vec![selector.clone()], move |source| {
            let mut periods = Vec::new();
            let read = source.for_each(&selector, &mut |labels, samples| {
                periods.extend(periods_of(labels, samples));
                ControlFlow::Continue(())
            });
            read.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
            Ok(periods)
        });
        let mut bands = Self::default().going_on(periods.await?);
        if host.jobs.contains(DEVICE_JOB) {
            let told = inventory.transitions(PAST);
            let told = told.iter().map(|(_, transition)| transition.as_ref());
            let told = told.filter(|transition| transition.device == host.instance);
            let told = of_transitions(told).into_iter();
            bands
                .0
                .extend(told.filter(|period| !period.has_ended || period.to >= range.start));
        }
        Ok(bands)
    }

    /// With what came after it.
    pub(in super::super) fn and(self, newer: Self) -> Self {
        self.going_on(newer.0)
    }

    fn going_on(mut self, newer: Vec<Period>) -> Self {
        let mut last: HashMap<Labels, usize> = HashMap::new();
        for (at, period) in self.0.iter().enumerate() {
            last.insert(period.labels.clone(), at);
        }
        for period in newer {
            let before = last.get(&period.labels).and_then(|at| self.0.get_mut(*at));
            match before {
                // It is known already, and what came then too.
                Some(before) if period.to < before.from => {}
                Some(before) if before.goes_on_with(&period) => {
                    before.to = if period.has_ended {
                        period.to
                    } else {
                        before.to.max(period.to)
                    };
                    before.has_ended = period.has_ended;
                }
                // The end of something that is not known to have begun.
                _ if period.has_ended && period.from == period.to => {}
                _ => {
                    last.insert(period.labels.clone(), self.0.len());
                    self.0.push(period);
                }
            }
        }
        self
    }

    /// For the charts of a span: by their beginnings, the newest hundred.
    pub(in super::super) fn within(&self, span: Span) -> Vec<Band> {
        let is_there = |period: &&Period| period.to >= span.from && period.from <= span.to;
        let mut bands: Vec<Band> = self
            .0
            .iter()
            .filter(is_there)
            .map(|one| one.band(span))
            .collect();
        bands.sort_by(|a, b| a.from.total_cmp(&b.from).then_with(|| a.name.cmp(&b.name)));
        bands.split_off(bands.len().saturating_sub(SHOWN))
    }
}

impl Period {
    fn goes_on_with(&self, newer: &Self) -> bool {
        let silence = if self.has_ended { 0 } else { SILENCE };
        newer.from <= self.to.saturating_add(silence)
    }

    fn band(&self, span: Span) -> Band {
        let fires = !self.has_ended && span.to - self.to <= SILENCE;
        let about = self.labels.iter().filter(|(name, _)| !SAID.contains(name));
        let about: Vec<String> = about
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let severity = self.labels.get("severity").unwrap_or_default();
        Band {
            name: self.labels.get(ALERT_NAME).unwrap_or_default().to_owned(),
            about: about.join(" "),
            severity: Severity::from_label(severity).as_str(),
            from: seconds(self.from.max(span.from)),
            to: (!fires).then(|| seconds(self.to.min(span.to))),
        }
    }
}

impl Band {
    /// Whether it fires at a moment, in seconds since 1970.
    pub(super) fn is_at(&self, time: f64) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The same in words.
    pub(in super::super) fn view(&self) -> BandView {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times that were milliseconds"
        )]
        let words = |time: f64| moment((time * 1000.0).round() as Millis);
        BandView {
            name: self.name.clone(),
            about: self.about.clone(),
            severity: self.severity,
            from: words(self.from),
            to: self.to.map(words),
        }
    }
}

/// The stretches of one series. A marker of its end without a sample before is one without length.
fn periods_of(labels: &Labels, samples: Samples<'_>) -> Vec<Period> {
    let mut periods: Vec<Period> = Vec::new();
    for (at, value) in samples.timestamps.iter().zip(samples.values) {
        let new = Period {
            labels: labels.clone(),
            from: *at,
            to: *at,
            has_ended: is_stale(*value),
        };
        match periods
            .last_mut()
            .filter(|last| !last.has_ended && last.goes_on_with(&new))
        {
            Some(last) => {
                last.to = *at;
                last.has_ended = new.has_ended;
            }
            None => periods.push(new),
        }
    }
    periods
}

/// The stretches between the beginnings and the ends that a device has told, oldest first.
fn of_transitions<'a>(told: impl Iterator<Item = &'a Transition>) -> Vec<Period> {
    let mut open: BTreeMap<&str, Period> = BTreeMap::new();
    let mut periods = Vec::new();
    for transition in told {
        let alert = transition.alert.as_str();
        let name = alert.strip_suffix(" - recovered").unwrap_or(alert);
        match (transition.recovered, open.remove(name)) {
            (true, Some(period)) => periods.push(Period {
                to: transition.at,
                has_ended: true,
                ..period
            }),
            (true, None) => {}
            (false, before) => {
                let severity = transition.severity.as_str();
                let first = Period {
                    labels: Labels::from_pairs([(ALERT_NAME, name), ("severity", severity)]),
                    from: transition.at,
                    to: Millis::MAX,
                    has_ended: false,
                };
                open.insert(name, before.unwrap_or(first));
            }
        }
    }
    periods.extend(open.into_values());
    periods
}

#[cfg(test)]
mod tests {
    use system_stats_model::sample::STALE;

    use super::*;

    const MINUTE: Millis = 60_000;

    fn hot() -> Labels {
        Labels::from_pairs([
            ("__name__", "ALERTS"),
            ("alertname", "Hot"),
            ("alertstate", "firing"),
            ("instance", "a"),
            ("sensor", "core 0"),
            ("severity", "critical"),
        ])
    }

    /// One character a minute from `first` on: `1` a sample, `x` the marker of an end.
    fn periods(first: Millis, script: &str) -> Vec<Period> {
        let minutes = (first..)
            .zip(script.chars())
            .filter(|(_, word)| *word != ' ');
        let (times, values): (Vec<Millis>, Vec<f64>) = minutes
            .map(|(at, word)| (at * MINUTE, if word == 'x' { STALE } else { 1.0 }))
            .unzip();
        let samples = Samples {
            timestamps: &times,
            values: &values,
        };
        periods_of(&hot(), samples)
    }

    fn span(from: Millis, to: Millis) -> Span {
        Span {
            from: from * MINUTE,
            to: to * MINUTE,
            points: 10,
            step: None,
            since: None,
        }
    }

    fn shown(bands: &Bands, span: Span) -> String {
        let words = |band: &Band| {
            let to = band
                .to
                .map_or("now".to_owned(), |to| (to / 60.0).to_string());
            format!("{}-{to}", band.from / 60.0)
        };
        bands
            .within(span)
            .iter()
            .map(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_series_is_bands() {
        for (script, to, expected) in [
            ("111x", 20, "0-3"),
            ("111x11x", 20, "0-3 4-6"),
            ("x", 20, ""),
            ("1111", 6, "0-now"),
            ("1111", 20, "0-3"),
            // Five minutes of silence are no end, six are.
            ("1    1x", 20, "0-6"),
            ("1     1x", 20, "0-0 6-7"),
        ] {
            let bands = Bands::default().going_on(periods(0, script));
            assert_eq!(shown(&bands, span(0, to)), expected, "{script}");
        }
        let bands = Bands::default().going_on(periods(0, "111x111111111111x"));
        assert_eq!(shown(&bands, span(5, 10)), "5-10");
        assert_eq!(shown(&bands, span(17, 30)), "");
        let band = bands.within(span(0, 30))[0].clone();
        assert_eq!(
            (band.name.as_str(), band.about.as_str(), band.severity),
            ("Hot", "sensor=\"core 0\"", "critical")
        );
        assert!(band.is_at(0.0) && band.is_at(179.0) && !band.is_at(180.0));
    }

    #[test]
    fn bands_go_on_as_if_read_at_once() {
        let script = "111x  1 11     x  1111x1x      11111";
        let end = Millis::try_from(script.len()).unwrap();
        let whole = Bands::default().going_on(periods(0, script));
        for (at, _) in script.char_indices() {
            for overlap in 0..=at.min(3) {
                let (first, rest) = (&script[..at], &script[at - overlap..]);
                let from = Millis::try_from(at - overlap).unwrap();
                let known = Bands::default().going_on(periods(0, first));
                let known = known.and(Bands(periods(from, rest)));
                let shown = |bands| shown(bands, span(0, end));
                assert_eq!(shown(&known), shown(&whole), "{at} {overlap}");
            }
        }
    }

    #[test]
    fn what_a_device_told_is_bands() {
        let told = |at: Millis, alert: &str, recovered: bool| Transition {
            at: at * MINUTE,
            device: "pi".to_owned(),
            alert: alert.to_owned(),
            severity: Severity::Warning,
            recovered,
        };
        let told = [
            told(1, "High CPU - recovered", true),
            told(2, "High CPU", false),
            told(3, "Low Disk Space", false),
            told(5, "High CPU - recovered", true),
        ];
        let bands = Bands(of_transitions(told.iter()));
        assert_eq!(shown(&bands, span(0, 10)), "2-5 3-now");
    }
}
