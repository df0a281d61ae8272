//! Documents: the newest version of each, its body in memory only until it is durable.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use system_stats_model::append::{AppendError, Ticket, Urgency};
use system_stats_model::sample::Millis;

use super::{ReadError, Storage};
use crate::journal::unpack;
use crate::object::{Event, Object, ObjectKind};
use crate::store::{StoreError, StoredObject};
use crate::sync::lock;

/// What becomes durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Documents to keep, each in place of the version there is.
    pub objects: Vec<Object>,
    /// Documents to remove; before others are kept.
    pub removed: Vec<(ObjectKind, String)>,
    /// Events, in their order.
    pub events: Vec<Event>,
}

/// The documents there are.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    kept: Mutex<BTreeMap<(ObjectKind, String), Kept>>,
}

#[derive(Debug)]
struct Kept {
    updated: Millis,
    /// The batch that will make it durable, and the body until then.
    pending: Option<(u64, Bytes)>,
}

impl Objects {
    pub(crate) fn load(objects: Vec<(ObjectKind, String, Millis)>) -> Self {
        let kept = |(kind, key, updated)| {
            let pending = None;
            ((kind, key), Kept { updated, pending })
        };
        Self {
            kept: Mutex::new(objects.into_iter().map(kept).collect()),
        }
    }

    /// Notes that batch `seq` with these documents is durable.
    pub(crate) fn stored<'a>(&self, seq: u64, keys: impl Iterator<Item = (ObjectKind, &'a str)>) {
        let mut kept = lock(&self.kept);
        for (kind, key) in keys {
            if let Some(kept) = kept.get_mut(&(kind, key.to_owned()))
                && kept.pending.as_ref().is_some_and(|(of, _)| *of == seq)
            {
                kept.pending = None;
            }
        }
    }
}

impl Storage {
    /// Keeps a document in place of the version there is, whatever their times.
    ///
    /// # Errors
    /// [`AppendError::Closed`], [`AppendError::Overloaded`].
    pub fn put_object(&self, object: Object, urgency: Urgency) -> Result<Ticket, AppendError> {
        self.put_objects(vec![object], urgency)
    }

    /// Keeps documents as [`Self::put_object`] does; they become durable together or not at all.
    ///
    /// # Errors
    /// [`AppendError::Closed`], [`AppendError::Overloaded`].
    pub fn put_objects(
        &self,
        objects: Vec<Object>,
        urgency: Urgency,
    ) -> Result<Ticket, AppendError> {
        let changes = Changes {
            objects,
            ..Changes::default()
        };
        self.change(changes, urgency)
    }

    /// Adds events and keeps and removes documents, all of it together or not at all.
    ///
    /// # Errors
    /// [`AppendError::Closed`], [`AppendError::Overloaded`]; nothing was taken.
    pub fn change(&self, changes: Changes, urgency: Urgency) -> Result<Ticket, AppendError> {
        self.inner.queue.admit()?;
        let mut kept = lock(&self.inner.objects.kept);
        let bodies: Vec<_> = (changes.objects.iter())
            .map(|object| {
                let key = (object.kind, object.key.clone());
                (key, object.updated, object.body.clone())
            })
            .collect();
        for key in &changes.removed {
            kept.remove(key);
        }
        let ticket = self.inner.queue.add(urgency, |pending, _| {
            for (kind, key) in changes.removed {
                pending.delete_object(kind, &key);
            }
            for object in changes.objects {
                pending.put_object(object);
            }
            for event in changes.events {
                pending.add_event(event);
            }
        });
        for (key, updated, body) in bodies {
            let pending = Some((ticket.0, body));
            kept.insert(key, Kept { updated, pending });
        }
        Ok(ticket)
    }

    /// Removes a document; false if there was none.
    ///
    /// # Errors
    /// [`AppendError::Closed`], [`AppendError::Overloaded`].
    pub fn delete_object(
        &self,
        kind: ObjectKind,
        key: &str,
    ) -> Result<(Ticket, bool), AppendError> {
        self.inner.queue.admit()?;
        let mut kept = lock(&self.inner.objects.kept);
        if kept.remove(&(kind, key.to_owned())).is_none() {
            return Ok((self.inner.queue.latest(Urgency::Waiting), false));
        }
        let fill = |pending: &mut crate::queue::Pending, _| pending.delete_object(kind, key);
        Ok((self.inner.queue.add(Urgency::Waiting, fill), true))
    }

    /// A document's newest version, durable or not.
    ///
    /// # Errors
    /// [`ReadError`] when the database cannot be read or its row is damaged.
    pub async fn object(&self, kind: ObjectKind, key: &str) -> Result<Option<Object>, ReadError> {
        match lock(&self.inner.objects.kept).get(&(kind, key.to_owned())) {
            None => return Ok(None),
            Some(Kept {
                updated,
                pending: Some((_, body)),
            }) => {
                return Ok(Some(Object {
                    kind,
                    key: key.to_owned(),
                    updated: *updated,
                    body: body.clone(),
                }));
            }
            Some(Kept { pending: None, .. }) => {}
        }
        let Some(stored) = self.inner.store.object(kind, key).await? else {
            return Ok(None);
        };
        let body = unpack(&stored.body).map_err(|reason| StoreError::Corrupt {
            place: format!("the stored document of {key:?}"),
            reason: reason.to_string(),
        })?;
        Ok(Some(Object {
            kind,
            key: stored.key,
            updated: stored.updated,
            body: body.into(),
        }))
    }

    /// Up to `limit` durable documents of a kind with keys above `after`, ascending: all of them,
    /// page by page, at a start.
    ///
    /// # Errors
    /// [`ReadError`] when the database cannot be read or one of the rows is damaged.
    pub async fn object_page(
        &self,
        kind: ObjectKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Object>, ReadError> {
        let rows = self.inner.store.objects(kind, after, limit).await?;
        let object = |stored: StoredObject| {
            let body = unpack(&stored.body).map_err(|reason| StoreError::Corrupt {
                place: format!("the stored document of {:?}", stored.key),
                reason: reason.to_string(),
            })?;
            Ok(Object {
                kind,
                key: stored.key,
                updated: stored.updated,
                body: body.into(),
            })
        };
        rows.into_iter().map(object).collect()
    }

    /// The keys of all documents of a kind, ascending, and when each was made.
    #[must_use]
    pub fn objects(&self, kind: ObjectKind) -> Vec<(String, Millis)> {
        let kept = lock(&self.inner.objects.kept);
        let from_kind = kept.range((kind, String::new())..);
        let of_kind = from_kind.take_while(|((of, _), _)| *of == kind);
        of_kind
            .map(|((_, key), kept)| (key.clone(), kept.updated))
            .collect()
    }
}
