//! What people do: silence, end a silence, acknowledge.

use std::sync::Arc;

use system_stats_model::append::Ticket;
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;
use system_stats_storage::{Changes, ObjectKind};
use uuid::Uuid;

use super::event::Act;
use super::silence::{Draft, Silence, SilenceState};
use super::{Alerting, AlertingError, Silences, State, fingerprint, texts};

/// An acknowledgement ends with its alert; should nobody ever see that end, after a year.
const LONGEST_ACKNOWLEDGEMENT: Millis = 365 * 86_400_000;

/// Which alert somebody acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The one with exactly these labels.
    Labels(Labels),
    /// The one that [`fingerprint`] gives this for.
    Fingerprint(String),
}

impl Alerting {
    /// Makes a silence, or changes one; the id that it has then. What cannot be changed in place,
    /// an active silence's matchers for example, ends the old one and makes a new one. Durable on
    /// return.
    ///
    /// # Errors
    /// [`AlertingError`], in Alertmanager's words where it has some.
    pub async fn set_silence(&self, draft: Draft) -> Result<String, AlertingError> {
        let (id, ticket) = {
            let now = self.clock.now();
            self.state().set(draft, now)?
        };
        self.durable(ticket).await?;
        Ok(id)
    }

    /// Ends a silence, or an acknowledgement, now; one that is over stays as it is. Durable on
    /// return.
    ///
    /// # Errors
    /// [`AlertingError::Missing`] when there is none, [`AlertingError::Unavailable`].
    pub async fn expire_silence(&self, id: &str, by: &str) -> Result<(), AlertingError> {
        let ticket = {
            let now = self.clock.now();
            let mut state = self.state();
            let silence = state.silence(id)?;
            if silence.state(now) == SilenceState::Expired {
                return Ok(());
            }
            state.try_change(|state, batch| state.end_silence(&silence, now, by, batch))?
        };
        self.durable(ticket).await
    }

    /// Acknowledges an alert that is pending or firing: a silence of exactly its labels that ends
    /// with it. `told` are the labels of alerts that fire and that history knows nothing of: what
    /// devices tell of themselves. Its id; that of the first one if somebody has acknowledged it already. Durable on
    /// return.
    ///
    /// # Errors
    /// [`AlertingError::Missing`] when there is no such alert, [`AlertingError::Full`],
    /// [`AlertingError::Unavailable`].
    pub async fn acknowledge(
        &self,
        subject: &Subject,
        told: &[Labels],
        by: &str,
        comment: &str,
    ) -> Result<String, AlertingError> {
        let (id, ticket) = {
            let now = self.clock.now();
            let mut state = self.state();
            let labels = state.find(subject, told)?;
            if let Some(first) = state.silences.acknowledging(&labels, now).first() {
                return Ok(first.id.clone());
            }
            let equal = labels
                .iter()
                .map(|(name, value)| Matcher::equal(name, value));
            let draft = Draft {
                id: String::new(),
                matchers: equal.collect(),
                starts_at: now,
                ends_at: now.saturating_add(LONGEST_ACKNOWLEDGEMENT),
                created_by: by.to_owned(),
                comment: comment.to_owned(),
            };
            state.create(draft, Some(labels), now, None)?
        };
        self.durable(ticket).await?;
        Ok(id)
    }
}

impl State {
    fn silence(&self, id: &str) -> Result<Arc<Silence>, AlertingError> {
        let missing = || AlertingError::Missing("silence not found".to_owned());
        self.silences.get(id).cloned().ok_or_else(missing)
    }

    fn find(&self, subject: &Subject, told: &[Labels]) -> Result<Labels, AlertingError> {
        let found = match subject {
            Subject::Labels(labels) => {
                let is_there = self.active.has(labels) || told.contains(labels);
                is_there.then(|| labels.clone())
            }
            Subject::Fingerprint(wanted) => {
                let known = self.active.iter().map(|(last, _)| &last.labels);
                let mut all = known.chain(told);
                all.find(|labels| fingerprint(labels) == *wanted).cloned()
            }
        };
        let missing = || AlertingError::Missing("no such alert is pending or firing".to_owned());
        found.ok_or_else(missing)
    }

    /// As Alertmanager's `Silences.Set`.
    fn set(&mut self, draft: Draft, now: Millis) -> Result<(String, Ticket), AlertingError> {
        let before = match draft.id.as_str() {
            "" => None,
            id => Some(self.silence(id)?),
        };
        draft.check(now)?;
        let Some(before) = before else {
            return self.create(draft, None, now, None);
        };
        if !before.can_become(&draft, now) {
            return self.create(draft, None, now, Some(&before));
        }
        let changed = Silence {
            ends_at: draft.ends_at,
            starts_at: draft.starts_at,
            updated_at: now,
            created_by: draft.created_by,
            comment: draft.comment,
            ..(*before).clone()
        };
        Silences::check_size(size(&changed))?;
        let (id, by) = (changed.id.clone(), changed.created_by.clone());
        let put = |state: &mut Self, batch: &mut Changes| {
            state.put_silence(changed, Act::Changed, now, &by, batch);
        };
        Ok((id, self.try_change(put)?))
    }

    /// Makes a silence; ends the one whose place it takes.
    fn create(
        &mut self,
        draft: Draft,
        acknowledges: Option<Labels>,
        now: Millis,
        replaced: Option<&Silence>,
    ) -> Result<(String, Ticket), AlertingError> {
        let id = Uuid::new_v4().to_string();
        let silence = Silence {
            id: id.clone(),
            matchers: draft.matchers,
            starts_at: draft.starts_at.max(now),
            ends_at: draft.ends_at,
            updated_at: now,
            created_by: draft.created_by,
            comment: draft.comment,
            acknowledges,
            is_end_noted: false,
        };
        let gone = self.room(&silence, now)?;
        let by = silence.created_by.clone();
        let ticket = self.try_change(|state, batch| {
            for id in gone {
                Arc::make_mut(&mut state.silences).remove(&id);
                batch.removed.push((ObjectKind::Silence, id));
            }
            let replaced = replaced.filter(|before| before.state(now) != SilenceState::Expired);
            if let Some(before) = replaced {
                state.end_silence(before, now, &by, batch);
            }
            state.put_silence(silence, Act::Created, now, &by, batch);
        })?;
        Ok((id, ticket))
    }

    fn room(&self, silence: &Silence, now: Millis) -> Result<Vec<String>, AlertingError> {
        self.silences
            .make_room(&silence.matchers, size(silence), now)
    }

    /// Changes silences here and in the store, or neither here nor there.
    fn try_change(
        &mut self,
        change: impl FnOnce(&mut Self, &mut Changes),
    ) -> Result<Ticket, AlertingError> {
        let before = Arc::clone(&self.silences);
        let mut batch = Changes::default();
        change(self, &mut batch);
        let written = self.writer.write(batch);
        if written.is_err() {
            self.silences = before;
        }
        written
    }
}

/// The bytes of its document.
fn size(silence: &Silence) -> usize {
    texts::json(silence).map_or(0, |json| json.len())
}
