//! The statements that both dialects understand.

pub(crate) const TAKE_LEASE: &str =
    "UPDATE lease SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch, seq, hash";
pub(crate) const FENCE: &str =
    "UPDATE lease SET seq = $1, hash = $2 WHERE id = 1 AND epoch = $3 AND seq = $4";
pub(crate) const META: &str = "SELECT key, value FROM meta";
pub(crate) const SET_META: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

pub(crate) const TARGETS: &str = "SELECT id, labels FROM target WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const SERIES: &str = "SELECT id, target, inherits, labels, first_ms FROM series \
    WHERE id > $1 ORDER BY id LIMIT $2";

pub(crate) const OBJECTS: &str = "SELECT kind, key, updated_ms FROM object";
pub(crate) const OBJECT: &str = "SELECT updated_ms, body FROM object WHERE kind = $1 AND key = $2";
pub(crate) const OBJECTS_AFTER: &str = "SELECT key, updated_ms, body FROM object \
    WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3";
