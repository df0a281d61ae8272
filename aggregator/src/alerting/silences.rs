//! All silences, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use system_stats_model::labels::Labels;
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::Millis;

use super::AlertingError;
use super::silence::{Silence, SilenceState};

/// How many silences there may be, those that are over included.
const MAX_SILENCES: usize = 10_000;
/// How large one may be, in bytes of its document.
const MAX_BYTES: usize = 64 << 10;
/// How large all may be.
const MAX_ALL_BYTES: usize = 16 << 20;
/// How many regular expressions all of them may have: compiled, each takes some kilobytes.
const MAX_EXPRESSIONS: usize = 1000;

/// The silences there are, until five days after their end.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    all: BTreeMap<String, (Arc<Silence>, usize)>,
    bytes: usize,
    expressions: usize,
}

impl Silences {
    /// A silence.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.all.get(id).map(|(silence, _)| silence)
    }

    /// All of them, as Alertmanager lists them: those in force that end first, those that begin
    /// first, those that ended last.
    #[must_use]
    pub fn sorted(&self, now: Millis) -> Vec<Arc<Silence>> {
        let mut all: Vec<Arc<Silence>> = self.iter().map(Arc::clone).collect();
        all.sort_by_key(|silence| {
            let state = silence.state(now);
            let order = match state {
                SilenceState::Active => silence.ends_at,
                SilenceState::Pending => silence.starts_at,
                SilenceState::Expired => -silence.ends_at,
            };
            (state, order)
        });
        all
    }

    /// Those in force at `now` that are about an alert with these labels.
    #[must_use]
    pub fn silencing(&self, labels: &Labels, now: Millis) -> Vec<Arc<Silence>> {
        let silencing = self.iter().filter(|silence| {
            silence.state(now) == SilenceState::Active && silence.matches(labels)
        });
        silencing.map(Arc::clone).collect()
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.all.values().map(|(silence, _)| silence)
    }

    /// How many are in force or will be.
    pub(super) fn live(&self, now: Millis) -> usize {
        let live = self.iter();
        live.filter(|silence| silence.state(now) != SilenceState::Expired)
            .count()
    }

    /// Those that are over without history knowing.
    pub(super) fn ended_unnoted(&self, now: Millis) -> Vec<Arc<Silence>> {
        let ended = self
            .iter()
            .filter(|silence| !silence.is_end_noted && silence.state(now) == SilenceState::Expired);
        ended.map(Arc::clone).collect()
    }

    /// The ids of those that ended before `horizon`.
    pub(super) fn old(&self, horizon: Millis) -> Vec<String> {
        let old = self.iter().filter(|silence| silence.ends_at < horizon);
        old.map(|silence| silence.id.clone()).collect()
    }

    /// Those not over at `now` that acknowledge the alert with these labels.
    pub(super) fn acknowledging(&self, labels: &Labels, now: Millis) -> Vec<Arc<Silence>> {
        let acknowledging = self.iter().filter(|silence| {
            silence.acknowledges.as_ref() == Some(labels)
                && silence.state(now) != SilenceState::Expired
        });
        acknowledging.map(Arc::clone).collect()
    }

    /// Acknowledgements that are not over at `now`, each with the labels of its alert.
    pub(super) fn acknowledgements(
        &self,
        now: Millis,
    ) -> impl Iterator<Item = (&Labels, &Arc<Silence>)> {
        let live = self.iter();
        let live = live.filter(move |silence| silence.state(now) != SilenceState::Expired);
        live.filter_map(|silence| Some((silence.acknowledges.as_ref()?, silence)))
    }

    /// Adds a silence, or another version of one, whose document has `bytes`.
    pub(super) fn insert(&mut self, silence: Silence, bytes: usize) {
        self.remove(&silence.id);
        self.bytes += bytes;
        self.expressions += expressions(&silence.matchers);
        self.all
            .insert(silence.id.clone(), (Arc::new(silence), bytes));
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some((silence, bytes)) = self.all.remove(id) {
            self.bytes -= bytes;
            self.expressions -= expressions(&silence.matchers);
        }
    }

    /// Whether one may have a document of so many bytes.
    pub(super) fn check_size(bytes: usize) -> Result<(), AlertingError> {
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        Err(AlertingError::Invalid(format!(
            "silence exceeded maximum size: {bytes} bytes (limit: {MAX_BYTES} bytes)"
        )))
    }

    /// Whether there is room for one more; those that have to go for it, which are over.
    pub(super) fn make_room(
        &self,
        matchers: &[Matcher],
        bytes: usize,
        now: Millis,
    ) -> Result<Vec<String>, AlertingError> {
        Self::check_size(bytes)?;
        let mut over: Vec<&(Arc<Silence>, usize)> = (self.all.values())
            .filter(|(silence, _)| silence.state(now) == SilenceState::Expired)
            .collect();
        over.sort_by_key(|(silence, _)| -silence.ends_at);
        let (mut count, mut all_bytes) = (self.all.len() + 1, self.bytes + bytes);
        let mut all_expressions = self.expressions + expressions(matchers);
        let mut gone = Vec::new();
        loop {
            let full = if count > MAX_SILENCES {
                format!("exceeded maximum number of silences: (limit: {MAX_SILENCES})")
            } else if all_bytes > MAX_ALL_BYTES {
                format!("exceeded maximum size of all silences: (limit: {MAX_ALL_BYTES} bytes)")
            } else if all_expressions > MAX_EXPRESSIONS {
                format!(
                    "exceeded maximum number of regular expressions: (limit: {MAX_EXPRESSIONS})"
                )
            } else {
                return Ok(gone);
            };
            let Some((oldest, bytes)) = over.pop() else {
                return Err(AlertingError::Full(full));
            };
            count -= 1;
            all_bytes -= bytes;
            all_expressions -= expressions(&oldest.matchers);
            gone.push(oldest.id.clone());
        }
    }
}

fn expressions(matchers: &[Matcher]) -> usize {
    let is_expression =
        |matcher: &&Matcher| matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex);
    matchers.iter().filter(is_expression).count()
}
