//! What is said about metrics beside their samples: type, help, unit.
//!
//! Scrapes and remote write tell it again and again; what nobody has told for some hours is
//! forgotten. It is not stored: after a restart it is there again with the first scrapes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use system_stats_model::exposition::{Entry, MetricType};
use system_stats_model::sample::Millis;

/// Metrics that are remembered; further ones are not.
const MAX_METRICS: usize = 100_000;
/// Different descriptions of one metric that are remembered.
const MAX_VARIANTS: usize = 16;
/// Bytes of a help text that are remembered.
const MAX_HELP: usize = 4 << 10;
/// Bytes of the longest name or unit.
const MAX_NAME: usize = 4 << 10;
/// For how long a description is remembered that nobody repeats.
const KEPT: Millis = 3 * 3_600_000;
/// How long a teller may wait before it repeats a description that has not changed.
pub const REPEATED: Millis = 3_600_000;

/// What a metric is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its type.
    pub kind: MetricType,
    /// What it means.
    pub help: String,
    /// Its unit, or nothing.
    pub unit: String,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            kind: MetricType::Unknown,
            help: String::new(),
            unit: String::new(),
        }
    }
}

/// Gathers what a body says about its metrics, line by line.
#[derive(Debug, Default)]
pub struct Descriptions(BTreeMap<String, Description>);

impl Descriptions {
    /// Adds what a line says; samples say nothing.
    pub fn add(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Type { name, kind } => self.of(name).kind = kind,
            Entry::Help { name, text } => self.of(name).help = text.into_owned(),
            Entry::Unit { name, unit } => unit.clone_into(&mut self.of(name).unit),
            Entry::Series(_) => {}
        }
    }

    fn of(&mut self, metric: Cow<'_, str>) -> &mut Description {
        self.0.entry(metric.into_owned()).or_default()
    }
}

impl IntoIterator for Descriptions {
    type Item = (String, Description);
    type IntoIter = std::collections::btree_map::IntoIter<String, Description>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

struct Told {
    description: Description,
    at: Millis,
}

/// The descriptions of all metrics.
#[derive(Default)]
pub struct Metadata {
    metrics: RwLock<BTreeMap<String, Vec<Told>>>,
}

impl Metadata {
    /// Remembers descriptions by metric as told at `now`.
    pub fn tell(&self, descriptions: impl IntoIterator<Item = (String, Description)>, now: Millis) {
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        for (metric, mut description) in descriptions {
            let too_long = metric.len().max(description.unit.len()) > MAX_NAME;
            if metric.is_empty() || too_long {
                continue;
            }
            let help = description.help.floor_char_boundary(MAX_HELP);
            description.help.truncate(help);
            if metrics.len() >= MAX_METRICS && !metrics.contains_key(&metric) {
                continue;
            }
            let known = metrics.entry(metric).or_default();
            let same = known
                .iter_mut()
                .find(|told| told.description == description);
            if let Some(told) = same {
                told.at = told.at.max(now);
                continue;
            }
            if known.len() >= MAX_VARIANTS {
                known.remove(0);
            }
            known.push(Told {
                description,
                at: now,
            });
        }
    }

    /// The descriptions of `metric`, or of all metrics: at most `limit` metrics with at most
    /// `per_metric` descriptions each.
    pub fn list(
        &self,
        metric: Option<&str>,
        limit: Option<usize>,
        per_metric: Option<usize>,
    ) -> Vec<(String, Vec<Description>)> {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        let descriptions = |told: &Vec<Told>| {
            let told = told.iter().map(|told| told.description.clone());
            told.take(per_metric.unwrap_or(usize::MAX)).collect()
        };
        let listed = |(metric, told): (&String, &Vec<Told>)| (metric.clone(), descriptions(told));
        match metric {
            Some(metric) => (metrics.get_key_value(metric).into_iter())
                .take(limit.unwrap_or(1))
                .map(listed)
                .collect(),
            None => (metrics.iter())
                .take(limit.unwrap_or(usize::MAX))
                .map(listed)
                .collect(),
        }
    }

    /// Forgets what has not been told for three hours.
    pub fn forget_old(&self, now: Millis) {
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        metrics.retain(|_, told| {
            told.retain(|told| now.saturating_sub(told.at) <= KEPT);
            !told.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(help: &str) -> Description {
        Description {
            help: help.to_owned(),
            ..Description::default()
        }
    }

    fn helps(metadata: &Metadata, metric: &str) -> Vec<String> {
        let listed = metadata.list(Some(metric), None, None);
        let all = listed.into_iter().flat_map(|(_, all)| all);
        all.map(|description| description.help).collect()
    }

    #[test]
    fn different_descriptions_stand_side_by_side_until_nobody_repeats_them() {
        let metadata = Metadata::default();
        let tell = |help, at| metadata.tell([("m".to_owned(), description(help))], at);
        tell("a", 0);
        tell("b", 1000);
        tell("a", KEPT);
        assert_eq!(helps(&metadata, "m"), ["a", "b"]);
        metadata.forget_old(KEPT + 1001);
        assert_eq!(helps(&metadata, "m"), ["a"]);
        metadata.forget_old(2 * KEPT + 1);
        assert!(metadata.list(None, None, None).is_empty());
    }

    #[test]
    fn limits_hold() {
        let metadata = Metadata::default();
        let name = |n: usize| format!("m{n:02}");
        for n in 0..40 {
            metadata.tell([(name(n % 4), description(&name(n)))], 0);
        }
        assert_eq!(helps(&metadata, "m00").len(), 10);
        assert_eq!(metadata.list(None, Some(2), Some(3)).len(), 2);
        assert_eq!(metadata.list(None, None, Some(3))[3].1.len(), 3);
        for n in 0..40 {
            metadata.tell([(name(0), description(&name(100 + n)))], 0);
        }
        assert_eq!(helps(&metadata, "m00").len(), MAX_VARIANTS);
        assert_eq!(helps(&metadata, "m00").last().unwrap(), "m139");
        metadata.tell([(name(0), description(&"ä".repeat(MAX_HELP)))], 0);
        assert_eq!(helps(&metadata, "m00").last().unwrap().len(), MAX_HELP);
        metadata.tell([(String::new(), description("nameless"))], 0);
        metadata.tell([("x".repeat(MAX_NAME + 1), description("long"))], 0);
        assert_eq!(metadata.list(None, None, None).len(), 4);
    }
}
