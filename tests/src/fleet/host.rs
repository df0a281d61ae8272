//! One host of a fleet.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Trace, digits, scaled, unscaled};
use crate::random::Random;

/// A host that goes through its ancestor's scrapes over and over, each time in another order, so
/// that no two hosts and no two rounds are alike though all of them move as the ancestor did.
/// Counters go on rising from round to round.
#[derive(Clone, Debug)]
pub struct Host {
    steps: Arc<Steps>,
    random: Random,
    /// The order of the scrapes in this round.
    order: Vec<usize>,
    at: usize,
    whole: Vec<i64>,
    values: Vec<f64>,
}

/// A trace taken apart into steps.
#[derive(Debug)]
struct Steps {
    scrapes: usize,
    series: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    text: String,
    /// Digits behind the point; none for values that are no decimals.
    digits: Option<u8>,
    start: i64,
    /// From each scrape to the next; the last one leads into the next round.
    deltas: Vec<i64>,
    /// For what is no decimal: the values.
    values: Vec<f64>,
}

impl Host {
    /// As many hosts as are wanted, each before its first scrape. A series that was missing in a
    /// scrape of the trace has the value that it had before, or will have.
    ///
    /// # Panics
    /// Without a scrape in the trace.
    pub fn fleet(trace: &Trace, hosts: usize, seed: u64) -> Vec<Self> {
        assert!(!trace.times.is_empty(), "a trace without a scrape");
        let steps = Arc::new(Steps {
            scrapes: trace.times.len(),
            series: trace.series.iter().map(Step::new).collect(),
        });
        let host = |number| Self {
            whole: steps.series.iter().map(|step| step.start).collect(),
            values: vec![0.0; steps.series.len()],
            order: (0..steps.scrapes).collect(),
            // The first step begins a round.
            at: steps.scrapes,
            random: Random::new(seed ^ (number as u64) << 20),
            steps: Arc::clone(&steps),
        };
        (0..hosts).map(host).collect()
    }

    /// Names and labels of the series, as exposed.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.steps.series.iter().map(|step| &*step.text)
    }

    /// The values of the next scrape, in the order of the series.
    pub fn scrape(&mut self) -> &[f64] {
        if self.at == self.steps.scrapes {
            self.shuffle();
        }
        let scrape = self.order[self.at];
        self.at += 1;
        let series = self.steps.series.iter().zip(&mut self.whole);
        for ((step, whole), value) in series.zip(&mut self.values) {
            *value = match step.digits {
                Some(digits) => {
                    *whole += step.deltas[scrape];
                    unscaled(*whole, digits)
                }
                None => step.values[scrape],
            };
        }
        &self.values
    }

    /// The next scrape as an exposition in the text format.
    pub fn exposition(&mut self) -> String {
        let steps = Arc::clone(&self.steps);
        let mut body = String::new();
        let mut name = "";
        for (step, value) in steps.series.iter().zip(self.scrape()) {
            let this = step.text.split('{').next().unwrap_or_default();
            if this != name {
                name = this;
                let _ = writeln!(
                    body,
                    "# HELP {name} As the kernel tells.\n# TYPE {name} untyped"
                );
            }
            let _ = writeln!(body, "{} {value}", step.text);
        }
        body
    }

    fn shuffle(&mut self) {
        self.at = 0;
        for at in (1..self.order.len()).rev() {
            let other = self.random.below(at as u64 + 1);
            self.order.swap(at, usize::try_from(other).unwrap_or(0));
        }
    }
}

impl Step {
    fn new(track: &super::Track) -> Self {
        let first = track.values.iter().copied().flatten().next().unwrap_or(0.0);
        let mut before = first;
        let fill = |value: &Option<f64>| {
            before = value.unwrap_or(before);
            before
        };
        let values: Vec<f64> = track.values.iter().map(fill).collect();
        let digits = digits(values.iter().copied());
        let whole = |digits| -> Vec<i64> {
            let scale = |&value: &f64| scaled(value, digits).unwrap_or_default();
            values.iter().map(scale).collect()
        };
        let whole = digits.map(whole).unwrap_or_default();
        let mut deltas: Vec<i64> = whole.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let rise: i64 = deltas.iter().sum();
        // A counter starts its next round where it is, everything else where it began.
        deltas.push(if track.is_counter { 0 } else { -rise });
        Self {
            text: track.text.clone(),
            digits,
            start: whole.first().copied().unwrap_or_default(),
            deltas,
            values: if digits.is_none() { values } else { Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::invented;

    #[test]
    fn hosts_differ_and_move_as_their_ancestor() {
        let trace = invented(20, 7);
        let mut hosts = Host::fleet(&trace, 2, 1);
        let mut rounds = hosts.iter_mut().map(|host| {
            let mut scrapes = Vec::new();
            for _ in 0..60 {
                scrapes.push(host.scrape().to_vec());
            }
            scrapes
        });
        let (a, b) = (rounds.next().unwrap(), rounds.next().unwrap());
        assert_ne!(a, b);
        for (at, track) in trace.series.iter().enumerate() {
            let first = track.values[0];
            if track.is_counter {
                assert!(a.windows(2).all(|pair| pair[0][at] <= pair[1][at]));
            } else {
                // A round leads back to where it began.
                assert_eq!(Some(a[19][at]), first, "{}", track.text);
            }
        }
        let body = hosts[0].exposition();
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), trace.series.len());
    }
}
