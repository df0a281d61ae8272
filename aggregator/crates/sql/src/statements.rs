//! The statements that both dialects understand.

use system_stats_storage::store::Tier;

/// The same statement for each of some tables: the parts with a word of the table's name between.
macro_rules! for_each {
    ([$($word:literal),+] $parts:tt) => {
        [$($crate::statements::joined!($word $parts)),+]
    };
}
macro_rules! joined {
    ($word:literal ($first:literal $($part:literal)+)) => {
        concat!($first, $($word, $part),+)
    };
}
/// [`for_each`] tier, in the order of [`tier_index`].
macro_rules! for_each_tier {
    ($($part:literal)+) => {
        $crate::statements::for_each!(["raw", "5m", "1h"] ($($part)+))
    };
}
pub(crate) use {for_each, for_each_tier, joined};

/// Where a tier's statement is.
pub(crate) fn tier_index(tier: Tier) -> usize {
    match tier {
        Tier::Raw => 0,
        Tier::FiveMinutes => 1,
        Tier::Hour => 2,
    }
}

pub(crate) const META: &str = "SELECT key, value FROM meta";
pub(crate) const SET_META: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

pub(crate) const TARGETS: &str = "SELECT id, pack, labels FROM target \
    WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const LEFT_SERIES: &str = "SELECT id, target, inherits, labels, first_ms, last_ms \
    FROM series WHERE id > $1 AND last_ms IS NOT NULL ORDER BY id LIMIT $2";

pub(crate) const LAYOUT: &str = "SELECT blob FROM layout WHERE pack = $1 AND id = $2";
pub(crate) const PUT_LAYOUT: &str = "INSERT INTO layout (pack, id, blob) VALUES ($1, $2, $3) \
    ON CONFLICT (pack, id) DO NOTHING";
pub(crate) const DELETE_LAYOUT: &str = "DELETE FROM layout WHERE pack = $1 AND id = $2";
pub(crate) const PACKS: &str = "SELECT id, blob FROM pack WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const PACK: &str = "SELECT blob FROM pack WHERE id = $1";
pub(crate) const PUT_PACK: &str = "INSERT INTO pack (id, blob) VALUES ($1, $2) \
    ON CONFLICT (id) DO UPDATE SET blob = excluded.blob";
pub(crate) const DELETE_PACK: &str = "DELETE FROM pack WHERE id = $1";
pub(crate) const DELETIONS: &str = "SELECT seq, blob FROM deletion ORDER BY seq";
pub(crate) const PUT_DELETION: &str = "INSERT INTO deletion (seq, blob) VALUES ($1, $2)";
pub(crate) const DELETE_DELETION: &str = "DELETE FROM deletion WHERE seq = $1";

pub(crate) const WINDOWS: [&str; 3] = for_each_tier!(
    "SELECT win, pack, ver, layout, fold_seq FROM header_"
    " WHERE (win, pack) > ($1, $2) ORDER BY win, pack LIMIT $3"
);
pub(crate) const PUT_HEADER: [&str; 3] = for_each_tier!(
    "INSERT INTO header_"
    " (win, pack, ver, layout, fold_seq, clocks) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (win, pack) DO UPDATE SET ver = excluded.ver, layout = excluded.layout, \
     fold_seq = excluded.fold_seq, clocks = excluded.clocks"
);
pub(crate) const DELETE_HEADER: [&str; 3] =
    for_each_tier!("DELETE FROM header_" " WHERE win = $1 AND pack = $2");

pub(crate) const EVENTS: &str = "SELECT at_ms, id, body FROM alert_event \
    WHERE at_ms >= $1 AND (at_ms, id) < ($2, $3) ORDER BY at_ms DESC, id DESC LIMIT $4";
pub(crate) const EXPIRE_EVENTS: &str = "DELETE FROM alert_event WHERE (at_ms, id) IN \
    (SELECT at_ms, id FROM alert_event WHERE at_ms < $1 ORDER BY at_ms, id LIMIT $2)";

pub(crate) const OBJECTS: &str = "SELECT kind, key, updated_ms FROM object";
pub(crate) const OBJECT: &str = "SELECT updated_ms, body FROM object WHERE kind = $1 AND key = $2";
pub(crate) const OBJECTS_AFTER: &str = "SELECT key, updated_ms, body FROM object \
    WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3";
