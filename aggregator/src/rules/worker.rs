//! The loop of one group.

use std::sync::Arc;
use std::time::Duration;

use system_stats_model::sample::Millis;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::group::Group;
use crate::clock::Schedule;

/// How a loop is told to end.
#[derive(Clone)]
pub(super) struct Ending {
    /// The program stops: nothing more is written.
    pub(super) shutdown: CancellationToken,
    /// The group is no more: its series end, a while later.
    pub(super) removed: CancellationToken,
    /// Another loop takes the group over, and what it remembers.
    pub(super) replaced: CancellationToken,
}

impl Ending {
    async fn begun(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.removed.cancelled() => {}
            () = self.replaced.cancelled() => {}
        }
    }
}

pub(super) struct Worker {
    pub(super) engine: Arc<Engine>,
    pub(super) group: Arc<Group>,
    pub(super) schedule: Schedule,
    /// Held as long as the loop runs.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// The loop before this one, which has to end first.
    pub(super) before: Option<(Arc<Group>, Arc<tokio::sync::Mutex<()>>)>,
    pub(super) ending: Ending,
    pub(super) restores: bool,
}

impl Worker {
    pub(super) async fn run(self) {
        let _turn = self.turn.lock().await;
        if let Some((before, turn)) = &self.before {
            let _ended = turn.lock().await;
            self.group.inherit(before);
        }
        let mut last: Option<Millis> = None;
        let mut evaluations = 0_u32;
        loop {
            let now = self.engine.clock.now();
            let at = self.schedule.next(last, now);
            if let Some(last) = last {
                self.engine.metrics.missed(self.schedule.missed(last, at));
            }
            tokio::select! {
                biased;
                () = self.ending.begun() => break,
                () = tokio::time::sleep(between(now, at)) => {}
            }
            self.group.evaluate(&self.engine, at).await;
            evaluations = evaluations.saturating_add(1);
            last = Some(at);
            // Only now there may be enough scraped for the alerts of before to be there again.
            if self.restores && evaluations == 2 {
                self.group
                    .restore(&self.engine, self.engine.clock.now())
                    .await;
            }
        }
        if self.ending.removed.is_cancelled() {
            self.end().await;
        }
    }

    /// Ends the group's series, two intervals later: another group may write them by then.
    async fn end(&self) {
        let now = self.engine.clock.now();
        tokio::select! {
            biased;
            () = self.ending.shutdown.cancelled() => return,
            () = tokio::time::sleep(self.group.definition.interval * 2) => {}
        }
        self.group.end(&self.engine, now);
    }
}

fn between(now: Millis, at: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at - now).unwrap_or_default())
}
