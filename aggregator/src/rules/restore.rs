//! Pending alerts after a restart.

use std::collections::HashMap;
use std::ops::ControlFlow;

use system_stats_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange, is_stale};
use system_stats_model::source::{Selector, SeriesSource as _};

use super::Engine;
use super::alert::{ALERT_NAME, ALERTS_FOR_STATE, millis};
use super::group::{Group, RunningRule};
use crate::config::RuleKind;

impl Group {
    /// Gives pending alerts back the time that they had waited before the program stopped.
    pub(super) async fn restore(&self, engine: &Engine, now: Millis) {
        for rule in &self.rules {
            let RuleKind::Alerting { alert, hold, .. } = &rule.rule.kind else {
                continue;
            };
            let grace = engine.options.grace_period;
            if *hold >= grace && !rule.active().is_empty() {
                match before(engine, alert, now).await {
                    Ok(since) => {
                        let of = |labels: &Labels| since.get(labels).copied();
                        rule.alerts().restore(*hold, now, grace, of);
                    }
                    Err(error) => {
                        let (file, group) = self.key();
                        tracing::error!(file, group, alert, error, "alerts start over");
                    }
                }
            }
            rule.restored();
        }
    }
}

impl RunningRule {
    fn restored(&self) {
        self.alerts().restored = true;
    }
}

/// The last samples of an alert's `ALERTS_FOR_STATE` series: when, and since when it was active.
async fn before(
    engine: &Engine,
    alert: &str,
    now: Millis,
) -> Result<HashMap<Labels, (Millis, f64)>, String> {
    let selector = selector(alert, now - millis(engine.options.outage_tolerance), now);
    let snapshot = engine
        .appender
        .snapshot(std::slice::from_ref(&selector))
        .await;
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let mut last = HashMap::new();
    let read = snapshot.for_each(&selector, &mut |labels, samples| {
        if let (Some(&at), Some(&value)) = (samples.timestamps.last(), samples.values.last())
            && !is_stale(value)
        {
            let mut labels = LabelsBuilder::from(labels);
            labels.remove(METRIC_NAME);
            last.insert(labels.build(), (at, value));
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| error.to_string())?;
    Ok(last)
}

fn selector(alert: &str, start: Millis, end: Millis) -> Selector {
    Selector {
        matchers: vec![
            Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE),
            Matcher::equal(ALERT_NAME, alert),
        ],
        range: TimeRange { start, end },
    }
}
