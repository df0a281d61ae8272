//! Appending what nearly every batch is.

use std::sync::Arc;

use system_stats_model::append::Row as Incoming;

use super::columns::Moment;
use super::{Appended, TargetHead};
use crate::head::policy::{Policy, Verdict};
use crate::head::row::Row;

impl TargetHead {
    /// Takes a batch of one moment that is newer than all that its series have, each of which it
    /// brings once, in their order, and which the tables name. None if it is anything else; nothing
    /// has changed then.
    pub(super) fn append_scrape(
        &mut self,
        incoming: &[Incoming],
        policy: Policy,
    ) -> Option<Appended> {
        let timestamp = incoming.first()?.timestamp;
        if policy.judge(timestamp, None) != Verdict::Append {
            return None;
        }
        let known = self.layout.as_deref().unwrap_or_default();
        let mut is_same = known.len() == incoming.len();
        let mut known = known.iter();
        let mut values = Vec::with_capacity(incoming.len());
        let (mut next, mut judged) = (0, None);
        for row in incoming {
            let id = u32::try_from(row.series.0).ok()?;
            let at = self.columns.position(id, next)?;
            if at < next || row.timestamp != timestamp {
                return None;
            }
            let cohort = self.columns.cohort(at);
            if judged.replace(cohort) != Some(cohort) {
                let standing = self.columns.standing(at);
                if Some(timestamp) <= standing.latest_at() || !standing.saved {
                    return None;
                }
            }
            is_same = is_same && known.next() == Some(&id);
            values.push(row.value);
            next = at + 1;
        }
        let ids = match &self.layout {
            Some(layout) if is_same => Arc::clone(layout),
            _ => {
                let ids = incoming.iter().map(|row| u32::try_from(row.series.0));
                Arc::clone(self.layout.insert(ids.collect::<Result<_, _>>().ok()?))
            }
        };
        let mut moment = Moment::new(timestamp);
        self.columns.count_row(&ids, &values, &mut moment);
        let row = Arc::new(Row {
            timestamp,
            ids,
            values: values.into(),
        });
        self.insert(Arc::clone(&row));
        let mut appended = Appended::default();
        appended.outcome.stored = incoming.len();
        appended.rows.push(row);
        Some(appended)
    }
}

#[cfg(test)]
mod tests {
    use system_stats_model::append::{Order, SeriesId};
    use system_stats_model::sample::TimeRange;

    use super::*;

    fn batch(samples: &[(u64, i64)]) -> Vec<Incoming> {
        let row = |&(id, timestamp): &(u64, i64)| Incoming {
            series: SeriesId(id),
            timestamp,
            value: timestamp as f64,
        };
        samples.iter().map(row).collect()
    }

    #[test]
    fn only_what_is_a_scrape_goes_the_quick_way() {
        let mut head = TargetHead::default();
        (1..=3).for_each(|id| head.add(id, None));
        let policy = Policy {
            order: Order::Any,
            window: 1000,
            floor: 5,
        };
        let cases: [(&[(u64, i64)], bool); 12] = [
            (&[(1, 10), (2, 10), (3, 10)], true),
            (&[(1, 20), (3, 20)], true),
            (&[(2, 20)], true),
            (&[(1, 30), (2, 30), (3, 30)], true),
            (&[], false),
            (&[(1, 4)], false),
            (&[(1, 30)], false),
            (&[(3, 40), (1, 40)], false),
            (&[(1, 40), (1, 40)], false),
            (&[(1, 40), (2, 41)], false),
            (&[(1, 40), (4, 40)], false),
            (&[(1, 40), (2, 40), (3, 40)], true),
        ];
        for (samples, is_quick) in cases {
            let appended = head.append_scrape(&batch(samples), policy);
            let stored = appended.map(|appended| (appended.outcome.stored, appended.rows.len()));
            assert_eq!(
                stored,
                is_quick.then_some((samples.len(), 1)),
                "{samples:?}"
            );
        }
        let window = &head.windows(TimeRange::ALL)[0];
        for (id, expected) in [(1, [10, 20, 30, 40]), (2, [10, 20, 30, 40])] {
            let (mut timestamps, mut values) = (Vec::new(), Vec::new());
            let read = window.read(id, TimeRange::ALL, &mut timestamps, &mut values);
            assert_eq!((read, timestamps), (Ok(()), expected.to_vec()));
            let latest = head.tally(id).and_then(|tally| tally.latest_at());
            assert_eq!(latest, Some(40));
        }
    }
}
