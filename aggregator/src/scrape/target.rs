//! From a job's lists to targets: labels, URL, timing.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Url;
use system_stats_model::labels::{INSTANCE, JOB, Labels, LabelsBuilder};

use system_stats_model::relabel::relabel;

use crate::config::{Scheme, ScrapeConfig, format_duration, parse_duration};
use crate::discovery::ADDRESS;

const METRICS_PATH: &str = "__metrics_path__";
const SCHEME: &str = "__scheme__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";
/// Labels that begin so are for the way to the target, not for its series.
const INTERNAL: &str = "__";

/// The most targets of one job.
const MAX_TARGETS: usize = 100_000;

/// Words in the name of a query parameter whose value is nobody's business.
const SECRET_WORDS: [&str; 6] = ["token", "key", "secret", "password", "passwd", "auth"];

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What its series get.
    pub(super) labels: Labels,
    /// What it was known by before relabelling.
    pub(super) discovered: Labels,
    pub(super) url: Url,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// How many targets there are where the job must not have as many: then none is asked.
    pub(super) crowd: Option<usize>,
}

impl Target {
    /// The same over restarts, and different for different endpoints.
    pub(super) fn hash(&self) -> u64 {
        let labels = fnv64a(self.labels.encoded().as_bytes());
        fnv64a(format!("{labels:016}{}", self.url).as_bytes())
    }

    /// The URL as people may see it: without user, password, and the values of parameters that
    /// look secret.
    pub(super) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Fails only for URLs without a host, and then there is nothing to take away.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let is_secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            SECRET_WORDS.iter().any(|word| name.contains(word))
        };
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<(String, String)> = url
                .query_pairs()
                .map(|(name, value)| {
                    let shown = if is_secret(&name) {
                        "REDACTED".into()
                    } else {
                        value
                    };
                    (name.into_owned(), shown.into_owned())
                })
                .collect();
            url.query_pairs_mut().clear().extend_pairs(pairs);
        }
        url.to_string()
    }

    /// Where our own exporter answers with the host's `/system` document.
    pub(super) fn system_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path("/system");
        url.set_query(None);
        url
    }
}

/// FNV-1a with 64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub(super) fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a job makes of what was found.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Each endpoint once.
    pub(super) targets: Vec<Target>,
    /// Those that relabelling dropped, as far as they are to be shown, and how many there are.
    pub(super) dropped: Vec<Labels>,
    pub(super) dropped_count: u64,
    /// What is wrong with those that were left out.
    pub(super) problems: Vec<String>,
}

/// The targets of a job.
pub(super) fn of_job(job: &ScrapeConfig, found: &[Labels]) -> Chosen {
    let mut chosen = Chosen::default();
    let mut seen = HashSet::new();
    for found in found.iter().take(MAX_TARGETS) {
        let discovered = discovered(job, found);
        let Some(labels) = relabel(&job.relabel_configs, &discovered) else {
            let limit = job.limits.keep_dropped_targets;
            if limit == 0 || chosen.dropped_count < limit {
                chosen.dropped.push(discovered);
            }
            chosen.dropped_count += 1;
            continue;
        };
        match target(job, &labels, discovered) {
            Ok(target) => {
                if seen.insert((target.labels.clone(), target.url.clone())) {
                    chosen.targets.push(target);
                }
            }
            Err(reason) => {
                let address = found.get(ADDRESS).unwrap_or_default();
                let problem = format!("target {address:?} is left out: {reason}");
                chosen.problems.push(problem);
            }
        }
    }
    let (count, limit) = (chosen.targets.len(), job.limits.target_limit);
    if limit > 0 && count as u64 > limit {
        for target in &mut chosen.targets {
            target.crowd = Some(count);
        }
    }
    if found.len() > MAX_TARGETS {
        let problem = format!("only the first {MAX_TARGETS} targets are taken; split the job");
        chosen.problems.insert(0, problem);
    }
    chosen
}

/// From labels after relabelling.
fn target(job: &ScrapeConfig, all: &Labels, discovered: Labels) -> Result<Target, String> {
    let value = |name: &str| all.get(name).unwrap_or_default();
    let timing = |name: &str| {
        parse_duration(value(name)).map_err(|reason| format!("label {name}: {reason}"))
    };
    let (interval, timeout) = (timing(SCRAPE_INTERVAL)?, timing(SCRAPE_TIMEOUT)?);
    if interval.is_zero() || timeout.is_zero() || timeout > interval {
        return Err(format!(
            "labels {SCRAPE_INTERVAL} and {SCRAPE_TIMEOUT} must be above 0, and the timeout not longer than the interval"
        ));
    }
    let mut labels = LabelsBuilder::from(all);
    labels.retain(|name, _| !name.starts_with(INTERNAL));
    if all.get(INSTANCE).is_none() {
        labels.set(INSTANCE, value(ADDRESS));
    }
    Ok(Target {
        labels: labels.build(),
        url: url(job, all)?,
        interval,
        timeout,
        crowd: None,
        discovered,
    })
}

/// The labels before relabelling; those that were found win over the job's.
fn discovered(job: &ScrapeConfig, found: &Labels) -> Labels {
    let mut labels = LabelsBuilder::new();
    labels.set(JOB, &job.job_name);
    labels.set(SCHEME, job.scheme.as_str());
    labels.set(METRICS_PATH, &job.metrics_path);
    labels.set(SCRAPE_INTERVAL, &format_duration(job.scrape_interval));
    labels.set(SCRAPE_TIMEOUT, &format_duration(job.scrape_timeout));
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            labels.set(&format!("{PARAM}{name}"), first);
        }
    }
    for (name, value) in found {
        labels.set(name, value);
    }
    labels.build()
}

fn url(job: &ScrapeConfig, labels: &Labels) -> Result<Url, String> {
    let value = |name: &str| labels.get(name).unwrap_or_default();
    let scheme = value(SCHEME);
    if Scheme::from_name(scheme).is_none() {
        return Err(format!(
            "label {SCHEME}: unknown scheme {scheme:?}; use http or https"
        ));
    }
    let address = value(ADDRESS);
    if address.is_empty() || address.contains(['/', '@', '?', '#', '\\']) {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let mut url = Url::parse(&format!("{scheme}://{address}"))
        .map_err(|error| format!("not an address: {error}"))?;
    url.set_path(value(METRICS_PATH));
    let mut params = job.params.clone();
    for (name, value) in labels {
        let Some(name) = name.strip_prefix(PARAM) else {
            continue;
        };
        match params.iter_mut().find(|(have, _)| have == name) {
            Some((_, values)) if !values.is_empty() => value.clone_into(&mut values[0]),
            _ => params.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    // In one order, whatever the order in the file: the URL is part of what identifies a target.
    params.sort();
    let pairs = params
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::discovery::listed;

    fn job(text: &str) -> ScrapeConfig {
        let text = format!("scrape_configs:\n- {text}");
        let config = config::parse(&text, "prometheus.yml").unwrap();
        config.scrape_configs.into_iter().next().unwrap()
    }

    /// What becomes of the targets that are listed in the job itself.
    fn chosen(text: &str) -> Chosen {
        let job = job(text);
        of_job(&job, &listed(&job.discoveries.lists))
    }

    fn shown(text: &str) -> Vec<String> {
        let chosen = chosen(text);
        let targets = chosen.targets.iter();
        let targets = targets.map(|target| format!("{} {}", target.labels, target.url));
        let dropped = chosen.dropped.iter();
        let address = |labels: &Labels| format!("dropped {}", labels.get(ADDRESS).unwrap());
        let all = targets.chain(dropped.map(address)).chain(chosen.problems);
        all.collect()
    }

    #[test]
    fn labels_and_urls() {
        let cases: [(&str, &[&str]); 8] = [
            (
                "{job_name: a, static_configs: [{targets: ['h:1', h]}]}",
                &[
                    r#"{instance="h:1",job="a"} http://h:1/metrics"#,
                    r#"{instance="h",job="a"} http://h/metrics"#,
                ],
            ),
            (
                "{job_name: a, scheme: https, metrics_path: /x y, static_configs: [{targets: ['[::1]:1']}]}",
                &[r#"{instance="[::1]:1",job="a"} https://[::1]:1/x%20y"#],
            ),
            (
                "{job_name: a, static_configs: [{targets: ['h:1'], labels: {job: b, instance: c, d: e, __x: y}}]}",
                &[r#"{d="e",instance="c",job="b"} http://h:1/metrics"#],
            ),
            (
                "{job_name: a, static_configs: [{targets: ['h:1'], labels: {__scheme__: https, __metrics_path__: /p}}]}",
                &[r#"{instance="h:1",job="a"} https://h:1/p"#],
            ),
            (
                "{job_name: a, params: {m: [x, y], k: [z w]}, static_configs: [{targets: ['h:1'], labels: {__param_m: v, __param_n: '&'}}]}",
                &[r#"{instance="h:1",job="a"} http://h:1/metrics?k=z+w&m=v&m=y&n=%26"#],
            ),
            (
                "{job_name: a, static_configs: [{targets: ['h:1', 'h:1']}, {targets: ['h:1']}]}",
                &[r#"{instance="h:1",job="a"} http://h:1/metrics"#],
            ),
            (
                "{job_name: a, static_configs: [{targets: ['h:1'], labels: {__scheme__: ftp}}]}",
                &[
                    r#"target "h:1" is left out: label __scheme__: unknown scheme "ftp"; use http or https"#,
                ],
            ),
            (
                "{job_name: a, static_configs: [{targets: ['h:1'], labels: {__scrape_interval__: 5x}}]}",
                &[
                    r#"target "h:1" is left out: label __scrape_interval__: unknown unit in "5x"; use ms, s, m, h, d, w or y"#,
                ],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    /// Rules, and what they make of `h:1` with a label and a parameter.
    #[test]
    fn relabelling_decides() {
        let plain = r#"{env="prod",instance="h:1",job="a"} http://h:1/metrics?m=x&m=y"#;
        let cases: [(&str, &[&str]); 16] = [
            ("", &[plain]),
            (
                "{source_labels: [__address__], regex: 'h:.*', action: keep}",
                &[plain],
            ),
            (
                "{source_labels: [__address__], regex: 'h', action: keep}",
                &["dropped h:1"],
            ),
            (
                "{source_labels: [job, env], regex: 'a;prod', action: drop}",
                &["dropped h:1"],
            ),
            (
                "{source_labels: [__address__], regex: '(.*):1', target_label: instance}",
                &[r#"{env="prod",instance="h",job="a"} http://h:1/metrics?m=x&m=y"#],
            ),
            (
                "{target_label: __address__, replacement: 'p:2'}",
                &[r#"{env="prod",instance="p:2",job="a"} http://p:2/metrics?m=x&m=y"#],
            ),
            (
                "{source_labels: [__address__], target_label: __param_m}, {source_labels: [__param_m], target_label: instance}, {target_label: __address__, replacement: 'p:2'}",
                &[r#"{env="prod",instance="h:1",job="a"} http://p:2/metrics?m=h%3A1&m=y"#],
            ),
            (
                "{target_label: __scheme__, replacement: https}, {target_label: __metrics_path__, replacement: /p}, {target_label: __param_n, replacement: '1'}",
                &[r#"{env="prod",instance="h:1",job="a"} https://h:1/p?m=x&m=y&n=1"#],
            ),
            (
                "{source_labels: [env], target_label: __tmp_e}, {source_labels: [__tmp_e], target_label: stage, action: uppercase}, {regex: env, action: labeldrop}",
                &[r#"{instance="h:1",job="a",stage="PROD"} http://h:1/metrics?m=x&m=y"#],
            ),
            (
                "{source_labels: [__address__], modulus: 2, target_label: __tmp_shard, action: hashmod}, {source_labels: [__tmp_shard], regex: '2', action: keep}",
                &["dropped h:1"],
            ),
            (
                "{regex: '__meta_(.*)', action: labelmap}",
                &[r#"{env="prod",instance="h:1",job="a",zone="z"} http://h:1/metrics?m=x&m=y"#],
            ),
            (
                "{target_label: job, replacement: ''}",
                &[r#"{env="prod",instance="h:1"} http://h:1/metrics?m=x&m=y"#],
            ),
            (
                "{target_label: __address__, replacement: ''}",
                &[r#"target "h:1" is left out: "" is not a valid hostname"#],
            ),
            (
                "{target_label: __address__, replacement: 'http://h'}",
                &[r#"target "h:1" is left out: "http://h" is not a valid hostname"#],
            ),
            (
                "{target_label: __scrape_timeout__, replacement: 2m}",
                &[
                    r#"target "h:1" is left out: labels __scrape_interval__ and __scrape_timeout__ must be above 0, and the timeout not longer than the interval"#,
                ],
            ),
            (
                "{regex: '__scrape_interval__', action: labeldrop}",
                &[
                    r#"target "h:1" is left out: label __scrape_interval__: an empty duration; write one like 15s or 1m30s"#,
                ],
            ),
        ];
        for (rules, expected) in cases {
            let text = format!(
                "{{job_name: a, params: {{m: [x, y]}}, relabel_configs: [{rules}], static_configs: [{{targets: ['h:1'], labels: {{env: prod, __meta_zone: z}}}}]}}"
            );
            assert_eq!(shown(&text), expected, "{rules}");
        }
    }

    #[test]
    fn of_dropped_targets_so_many_are_kept() {
        let text = "{job_name: a, keep_dropped_targets: 2, relabel_configs: [{action: drop}], static_configs: [{targets: ['a:1', 'b:1', 'c:1']}]}";
        let chosen = chosen(text);
        assert!(chosen.targets.is_empty());
        assert_eq!((chosen.dropped.len(), chosen.dropped_count), (2, 3));
        assert_eq!(chosen.dropped[0].get("__scheme__"), Some("http"));
    }

    #[test]
    fn too_many_targets_are_none() {
        let text =
            "{job_name: a, target_limit: 2, static_configs: [{targets: ['a:1', 'b:1', 'a:1']}]}";
        let crowds = |text: &str| {
            let targets = chosen(text).targets;
            let crowds = targets.iter().map(|target| target.crowd);
            crowds.collect::<Vec<_>>()
        };
        assert_eq!(crowds(text), [None, None]);
        assert_eq!(crowds(&text.replace("2, ", "1, ")), [Some(2), Some(2)]);
    }

    #[test]
    fn labels_may_set_the_timing() {
        let text = "{job_name: a, static_configs: [{targets: ['h:1'], labels: {__scrape_interval__: 5s, __scrape_timeout__: 2s}}]}";
        let targets = chosen(text).targets;
        assert_eq!(targets[0].interval, Duration::from_secs(5));
        assert_eq!(targets[0].timeout, Duration::from_secs(2));
        assert_eq!(
            shown(&text.replace("2s", "6s")),
            [
                "target \"h:1\" is left out: labels __scrape_interval__ and __scrape_timeout__ must be above 0, and the timeout not longer than the interval"
            ]
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let text = "{job_name: a, params: {api_token: [abc], module: [x]}, static_configs: [{targets: ['h:1']}]}";
        let targets = chosen(text).targets;
        assert_eq!(
            targets[0].shown_url(),
            "http://h:1/metrics?api_token=REDACTED&module=x"
        );
        assert_eq!(targets[0].system_url().as_str(), "http://h:1/system");
    }

    #[test]
    fn the_hash_depends_on_labels_and_url_only() {
        let hash = |text: &str| chosen(text).targets[0].hash();
        let base = hash("{job_name: a, static_configs: [{targets: ['h:1']}]}");
        assert_eq!(
            base,
            hash("{job_name: a, scrape_interval: 5s, static_configs: [{targets: ['h:1']}]}")
        );
        assert_ne!(
            base,
            hash("{job_name: b, static_configs: [{targets: ['h:1']}]}")
        );
        assert_ne!(
            base,
            hash("{job_name: a, metrics_path: /x, static_configs: [{targets: ['h:1']}]}")
        );
        assert_eq!(fnv64a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
