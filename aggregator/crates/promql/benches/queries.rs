//! What evaluating takes, without storage and without HTTP: the usual shapes over 4,000 series
//! with three hours of samples every 15 s, and the CPU rate of a fleet over a day.

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{Criterion, criterion_group, criterion_main};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{SampleBuffer, Selector, SeriesSet, SeriesSource, SourceError};
use system_stats_promql::eval::{Options, evaluate};
use system_stats_promql::parse::{ParseOptions, parse};
use system_stats_promql::plan::{Plan, TimeSpan};

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
/// How often there is a sample.
const INTERVAL: Millis = 15 * SECOND;

/// Counters whose samples are computed when they are read: reading costs about as much as copying.
struct Counters {
    labels: Vec<Labels>,
}

impl Counters {
    /// 10 jobs with 10 instances each and 40 paths.
    fn requests() -> Self {
        let series = (0..4000).map(|at| {
            let (instance, path) = (at / 40, at % 40);
            Labels::from_pairs([
                ("__name__", "http_requests_total".to_owned()),
                ("instance", format!("host-{instance:03}:9100")),
                ("job", format!("job-{}", instance / 10)),
                (
                    "method",
                    if path % 2 == 0 { "get" } else { "post" }.to_owned(),
                ),
                ("path", format!("/api/v1/path-{path:02}")),
                ("zone", format!("zone-{}", instance % 3)),
            ])
        });
        Self::sorted(series.collect())
    }

    /// 100 hosts with four processors in seven modes.
    fn processors() -> Self {
        const MODES: [&str; 7] = ["idle", "iowait", "irq", "nice", "softirq", "system", "user"];
        let series = (0..2800).map(|at| {
            Labels::from_pairs([
                ("__name__", "node_cpu_seconds_total".to_owned()),
                ("cpu", (at / 7 % 4).to_string()),
                ("instance", format!("host-{:03}:9100", at / 28)),
                ("job", "node".to_owned()),
                ("mode", MODES[at % 7].to_owned()),
            ])
        });
        Self::sorted(series.collect())
    }

    fn sorted(mut labels: Vec<Labels>) -> Self {
        labels.sort_unstable();
        Self { labels }
    }
}

impl SeriesSource for Counters {
    fn select<'a>(&'a self, selector: &Selector) -> Result<Box<dyn SeriesSet + 'a>, SourceError> {
        let matches = |labels: &&Labels| {
            let mut matchers = selector.matchers.iter();
            matchers.all(|matcher: &Matcher| matcher.matches_labels(labels))
        };
        let labels = self.labels.iter().filter(matches).cloned().collect();
        Ok(Box::new(Picked(labels)))
    }
}

struct Picked(Vec<Labels>);

impl SeriesSet for Picked {
    fn labels(&self) -> &[Labels] {
        &self.0
    }

    fn read(
        &self,
        at: usize,
        range: TimeRange,
        into: &mut SampleBuffer,
    ) -> Result<(), SourceError> {
        let first = (range.start + INTERVAL - 1).div_euclid(INTERVAL);
        let last = range.end.div_euclid(INTERVAL);
        let slope = 1.0 + at as f64 * 0.01;
        into.clear();
        into.timestamps
            .extend((first..=last).map(|tick| tick * INTERVAL));
        into.values
            .extend((first..=last).map(|tick| tick as f64 * slope));
        Ok(())
    }
}

fn bench(criterion: &mut Criterion, name: &str, source: &Counters, text: &str, span: TimeSpan) {
    let plan = parse(text, &ParseOptions::default()).map(|expr| Plan::new(&expr, text));
    let Ok(plan) = plan else {
        unreachable!("the expressions here parse");
    };
    let mut options = Options::new(span);
    options.threads = NonZeroUsize::MIN.saturating_add(1);
    options.max_samples = usize::MAX / 8;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| evaluate(black_box(&plan), source, &options));
    });
}

fn requests(criterion: &mut Criterion) {
    const QUERIES: [(&str, &str); 10] = [
        (
            "selector of 40 series",
            r#"http_requests_total{instance="host-017:9100"}"#,
        ),
        ("sum", "sum(http_requests_total)"),
        (
            "sum by of rate 5m",
            "sum by (job) (rate(http_requests_total[5m]))",
        ),
        (
            "sum by of rate 1h",
            "sum by (instance) (rate(http_requests_total[1h]))",
        ),
        (
            "rate of 400 series",
            r#"rate(http_requests_total{path=~".*-0[0-3]"}[5m])"#,
        ),
        (
            "topk of sum by",
            "topk(5, sum by (path) (rate(http_requests_total[5m])))",
        ),
        (
            "subquery",
            "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
        ),
        (
            "one to one",
            "http_requests_total / on (instance, job, method, path) http_requests_total",
        ),
        (
            "quantile by",
            "quantile by (job) (0.99, rate(http_requests_total[5m]))",
        ),
        (
            "avg_over_time 1h",
            r#"avg_over_time(http_requests_total{path=~".*-0[0-3]"}[1h])"#,
        ),
    ];
    let source = Counters::requests();
    for (step, label) in [(MINUTE, "60s"), (INTERVAL, "15s")] {
        let span = TimeSpan {
            start: HOUR,
            end: 3 * HOUR,
            step,
        };
        for (name, text) in QUERIES {
            bench(criterion, &format!("{name} @{label}"), &source, text, span);
        }
    }
}

fn fleet(criterion: &mut Criterion) {
    let source = Counters::processors();
    let text = r#"sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))"#;
    let day = TimeSpan {
        start: HOUR,
        end: 25 * HOUR,
        step: MINUTE,
    };
    bench(criterion, "fleet processors 24h @60s", &source, text, day);
    bench(
        criterion,
        "fleet processors instant",
        &source,
        text,
        TimeSpan::instant(25 * HOUR),
    );
}

criterion_group! {
    name = queries;
    config = Criterion::default().sample_size(10);
    targets = requests, fleet
}
criterion_main!(queries);
