//! Judges a pushed sample by the alerting rules: its own numbers and nothing else, no history, no
//! other host.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use system_stats_model::labels::{INSTANCE, Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::MatchOp;
use system_stats_model::sample::Millis;
use system_stats_model::source::FixedSource;
use system_stats_promql::ast::{Expr, ValueType, VectorSelector};
use system_stats_promql::eval::{EvalError, Options, evaluate};
use system_stats_promql::parse::{ParseOptions, parse};
use system_stats_promql::plan::{Plan, TimeSpan};
use system_stats_promql::value::{Element, Value};
use system_stats_template::{Data, check, expand};

use super::InventoryError;
use super::alerts::{LEGACY_NAME, Severity};
use super::ingest::Measured;
use super::vocabulary::block_of;
use crate::config::builtin::HOSTS;
use crate::config::{self, RuleDefaults, RuleKind};

/// Samples and series that one evaluation may touch: a push has fewer.
const MOST: usize = 1_000_000;

/// The compiled rules.
#[derive(Debug)]
pub(super) struct Judge {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    plan: Plan,
    text: String,
    severity: Severity,
    /// The blocks of a sample that its metrics come from.
    blocks: Vec<&'static str>,
}

/// What is wrong with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: String,
    pub(super) text: String,
    pub(super) severity: Severity,
}

/// What the rules say of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Each text once.
    pub(super) findings: Vec<Finding>,
    /// The rules that cannot tell from this sample whether their alerts are over.
    pub(super) undecided: Vec<String>,
}

impl Judge {
    /// The built-in rules.
    ///
    /// # Errors
    /// [`InventoryError::Rules`].
    pub(super) fn builtin() -> Result<Self, InventoryError> {
        Self::compile(HOSTS.text, HOSTS.name)
    }

    fn compile(text: &str, file: &str) -> Result<Self, InventoryError> {
        let read = config::parse_rules(text, file, &RuleDefaults::default());
        let read = read.map_err(|error| InventoryError::Rules(error.to_string()))?;
        let rules = read.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter_map(|rule| match &rule.kind {
            RuleKind::Alerting { annotations, .. } => Some(compile(rule, annotations)),
            RuleKind::Recording { .. } => None,
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// What is wrong with `host`, whose sample has these blocks.
    pub(super) fn judge(
        &self,
        host: &str,
        samples: &[Measured],
        blocks: &[&str],
        now: Millis,
    ) -> Verdict {
        let source = source(host, samples, now);
        let mut verdict = Verdict::default();
        for rule in &self.rules {
            let has = |block: &&'static str| blocks.contains(block);
            if !rule.blocks.iter().all(has) {
                verdict.undecided.push(rule.name.clone());
            }
            if !rule.blocks.iter().any(has) {
                continue;
            }
            match rule.elements(&source, now) {
                Ok(elements) => rule.find(elements, &mut verdict.findings),
                Err(error) => {
                    tracing::warn!(rule = rule.name, %error, "a sample cannot be judged");
                    verdict.undecided.push(rule.name.clone());
                }
            }
        }
        verdict
    }
}

fn compile(rule: &config::Rule, annotations: &[(String, String)]) -> Result<Rule, InventoryError> {
    let name = rule.name();
    let failed = |reason: String| InventoryError::Rules(format!("{name}: {reason}"));
    let expr = parse(&rule.expr, &ParseOptions::default());
    let expr = expr.map_err(|error| failed(error.to_string()))?;
    let plan = Plan::new(&expr, &rule.expr);
    if plan.value_type() != ValueType::Vector {
        return Err(failed("its expression yields no series".to_owned()));
    }
    let pair = |pairs: &[(String, String)], name: &str| {
        let mut named = pairs.iter().filter(|(have, _)| have == name);
        named.next().map(|(_, value)| value.clone())
    };
    let text = pair(annotations, LEGACY_NAME).unwrap_or_else(|| name.to_owned());
    check(name, &text).map_err(|error| failed(error.to_string()))?;
    let severity = pair(&rule.labels, "severity").unwrap_or_default();
    Ok(Rule {
        name: name.to_owned(),
        blocks: blocks_of(&expr),
        severity: Severity::from_label(&severity),
        plan,
        text,
    })
}

/// The blocks that the selectors of an expression look at.
fn blocks_of(expr: &Expr) -> Vec<&'static str> {
    let mut blocks = Vec::new();
    expr.for_each_selector(&mut |selector: &VectorSelector| {
        let names = selector.matchers.iter();
        let mut names = names.filter(|m| m.name() == METRIC_NAME && m.op() == MatchOp::Equal);
        let block = names.next().and_then(|matcher| block_of(matcher.value()));
        blocks.extend(block);
    });
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

impl Rule {
    fn elements(&self, source: &FixedSource, now: Millis) -> Result<Vec<Element>, EvalError> {
        let span = TimeSpan {
            start: now,
            end: now,
            step: 0,
        };
        let options = Options {
            max_samples: MOST,
            max_series: MOST,
            threads: NonZeroUsize::MIN,
            ..Options::new(span)
        };
        Ok(match evaluate(&self.plan, source, &options)?.value {
            Value::Vector { elements, .. } => elements,
            _ => Vec::new(),
        })
    }

    fn find(&self, elements: Vec<Element>, findings: &mut Vec<Finding>) {
        let told = findings.iter().map(|finding| finding.text.clone());
        let mut told: HashSet<String> = told.collect();
        for element in elements {
            let text = self.text_for(element);
            if told.insert(text.clone()) {
                findings.push(Finding {
                    rule: self.name.clone(),
                    text,
                    severity: self.severity,
                });
            }
        }
    }

    /// The alert's text; where it cannot be expanded, the rule's name.
    fn text_for(&self, element: Element) -> String {
        let data = Data {
            labels: element.labels,
            value: element.value,
            ..Data::default()
        };
        let no_queries = |_: &str| Err("a sample is judged by itself".to_owned());
        expand(&self.name, &self.text, &data, &no_queries).unwrap_or_else(|error| {
            tracing::warn!(rule = self.name, %error, "an alert's text cannot be expanded");
            self.name.clone()
        })
    }
}

/// The samples as what expressions read.
fn source(host: &str, samples: &[Measured], now: Millis) -> FixedSource {
    let labels: Vec<Labels> = samples
        .iter()
        .map(|sample| {
            let mut labels = LabelsBuilder::new();
            for (name, value) in &sample.labels {
                labels.set(name, value);
            }
            labels.set(METRIC_NAME, sample.metric).set(INSTANCE, host);
            labels.build()
        })
        .collect();
    let values = labels.iter().zip(samples);
    values
        .map(|(labels, sample)| (labels, now, sample.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::{
        CPU, CUSTOM_ALERT, DISK, INODES, MEMORY, PROCESS_RUNNING, RECEIVE_ERRORS, RECEIVED, SWAP,
        TEMPERATURE, TEMPERATURE_HIGH, TIME_DRIFT, TRANSMIT_ERRORS, TRANSMITTED, ZOMBIES,
    };
    use super::*;

    type Numbers<'a> = &'a [(&'static str, &'a [(&'static str, &'a str)], f64)];
    type Case<'a> = (Numbers<'a>, &'a [&'a str]);

    fn found(samples: Numbers<'_>) -> Vec<String> {
        let measured: Vec<Measured> = samples
            .iter()
            .map(|(metric, labels, value)| Measured {
                metric,
                labels: labels
                    .iter()
                    .map(|(name, value)| (*name, (*value).to_owned()))
                    .collect(),
                value: *value,
            })
            .collect();
        let blocks: Vec<&str> = samples
            .iter()
            .filter_map(|(metric, ..)| block_of(metric))
            .collect();
        let judge = Judge::builtin().unwrap();
        let verdict = judge.judge("host", &measured, &blocks, 1_780_000_000_000);
        let texts = verdict.findings.into_iter();
        texts
            .map(|finding| format!("{} {}", finding.severity.as_str(), finding.text))
            .collect()
    }

    #[test]
    fn thresholds_are_those_of_the_table() {
        let core = [("chip", "coretemp"), ("sensor", "Core 0")];
        let (eth, wlan) = ([("device", "eth0")], [("device", "wlan0")]);
        let (root, data) = ([("mountpoint", "/")], [("mountpoint", "/data")]);
        let (nginx, sshd) = ([("name", "nginx")], [("name", "sshd")]);
        let cases: &[Case<'_>] = &[
            (&[(CPU, &[], 90.0)], &[]),
            (&[(CPU, &[], 90.1)], &["critical High CPU usage"]),
            (&[(MEMORY, &[], 90.0), (SWAP, &[], 50.0)], &[]),
            (
                &[(MEMORY, &[], 90.1), (SWAP, &[], 50.1)],
                &["critical High Memory usage", "warning High swap usage"],
            ),
            (&[(DISK, &root, 90.0), (INODES, &root, 90.0)], &[]),
            (
                &[
                    (DISK, &root, 91.0),
                    (DISK, &data, 92.0),
                    (INODES, &data, 91.0),
                ],
                &["critical Low Disk Space", "warning High inode usage"],
            ),
            (
                &[(TEMPERATURE, &core, 85.0), (TEMPERATURE_HIGH, &core, 85.0)],
                &[],
            ),
            (
                &[(TEMPERATURE, &core, 85.1), (TEMPERATURE_HIGH, &core, 85.0)],
                &["critical Overheat detected"],
            ),
            (
                &[(TEMPERATURE, &core, 90.0), (TEMPERATURE_HIGH, &core, 100.0)],
                &[],
            ),
            (&[(TEMPERATURE, &core, 80.0)], &[]),
            (
                &[(TEMPERATURE, &core, 80.1)],
                &["critical Overheat detected"],
            ),
            (&[(TIME_DRIFT, &[], 60.0)], &[]),
            (&[(TIME_DRIFT, &[], -60.5)], &["warning High time drift"]),
            (
                &[(RECEIVED, &eth, 0.0), (TRANSMITTED, &eth, 0.0)],
                &["warning All network interfaces inactive"],
            ),
            (
                &[
                    (RECEIVED, &eth, 0.0),
                    (TRANSMITTED, &eth, 0.0),
                    (RECEIVED, &wlan, 0.0),
                    (TRANSMITTED, &wlan, 1.0),
                ],
                &[],
            ),
            (
                &[
                    (RECEIVE_ERRORS, &eth, 100.0),
                    (TRANSMIT_ERRORS, &eth, 100.0),
                ],
                &[],
            ),
            (
                &[(RECEIVE_ERRORS, &eth, 101.0), (TRANSMIT_ERRORS, &eth, 0.0)],
                &["warning Network interface errors detected"],
            ),
            (
                &[(RECEIVE_ERRORS, &eth, 0.0), (TRANSMIT_ERRORS, &eth, 101.0)],
                &["warning Network interface errors detected"],
            ),
            (&[(CUSTOM_ALERT, &[], 0.0)], &[]),
            (
                &[(CUSTOM_ALERT, &[], 1.0)],
                &["critical Custom Alert triggered"],
            ),
            (&[(ZOMBIES, &[], 0.0)], &[]),
            (
                &[(ZOMBIES, &[], 1.0)],
                &["warning Zombie processes detected"],
            ),
            (
                &[
                    (PROCESS_RUNNING, &nginx, 0.0),
                    (PROCESS_RUNNING, &sshd, 1.0),
                ],
                &["critical Critical process nginx is not running"],
            ),
        ];
        for (samples, expected) in cases {
            assert_eq!(found(samples), *expected, "{samples:?}");
        }
    }

    #[test]
    fn rules_without_their_blocks_are_undecided() {
        let judge = Judge::builtin().unwrap();
        let all = judge.judge("host", &[], &[], 0);
        assert_eq!(all.undecided.len(), 12);
        let cpu = judge.judge(
            "host",
            &[Measured::plain(CPU, 1.0)],
            &["cpu.total_percent"],
            0,
        );
        assert_eq!((cpu.findings.len(), cpu.undecided.len()), (0, 11));
        assert!(!cpu.undecided.contains(&"HighCpuUsage".to_owned()));
    }

    #[test]
    fn rules_that_cannot_judge_are_refused() {
        for (expr, expected) in [("x >", "parse error"), ("1", "yields no series")] {
            let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {expr}\n");
            let error = Judge::compile(&text, "r").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
