//! What travels through the trait of the compressed past: packs, layouts, windows, blocks.

use bytes::Bytes;
use system_stats_model::sample::Millis;

/// How coarse what a block holds is. The tiers have the same shape and their own tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Samples as they came.
    Raw,
    /// Buckets of five minutes.
    FiveMinutes,
    /// Buckets of an hour.
    Hour,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::Hour];

    /// The number that stands for it in a database.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::FiveMinutes => 1,
            Self::Hour => 2,
        }
    }

    /// The tier that a number in a database stands for.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.code() == code)
    }
}

/// What is known of a pack beside its targets: one row a pack, replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRow {
    /// The id of the target that opened it.
    pub id: u64,
    /// What its blocks add up to, per series.
    pub blob: Bytes,
}

/// The order of a pack's columns. Never changes once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutRow {
    /// The pack.
    pub pack: u64,
    /// Which of its layouts, from 1 on.
    pub id: u64,
    /// The series.
    pub blob: Bytes,
}

/// Which window of which pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// Its start, in milliseconds since 1970.
    pub window: Millis,
    /// The pack.
    pub pack: u64,
}

/// A window's header without its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowHead {
    /// Which window.
    pub key: WindowKey,
    /// The version of it that is valid, from 1 on. Of each group the newest block counts whose
    /// version is not above it.
    pub ver: u64,
    /// The layout of its columns.
    pub layout: u64,
    /// Every commit up to this one is in it, as far as it concerns the window; none after.
    pub fold_seq: u64,
}

/// A window's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRow {
    /// All but the clocks.
    pub head: WindowHead,
    /// When the samples are.
    pub clocks: Bytes,
}

/// Some columns of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Which columns, by the layout.
    pub group: u32,
    /// The columns.
    pub blob: Bytes,
}

/// A header becomes valid, or a window disappears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This is the window's header from now on, in place of any before.
    Valid(Tier, WindowRow),
    /// The window has nothing left: no header, and no block counts.
    Gone(Tier, WindowKey),
}

/// Everything that makes a fold visible, in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldCommit {
    /// Layouts that the headers are the first to name. One that is there already is the same.
    pub layouts: Vec<LayoutRow>,
    /// The headers.
    pub turns: Vec<Turn>,
    /// Packs whose row is new or changes.
    pub packs: Vec<PackRow>,
    /// Metadata that changes.
    pub meta: Vec<(&'static str, i64)>,
}

/// What is asked of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which window.
    pub key: WindowKey,
    /// Which of its blocks, ascending.
    pub groups: Vec<u32>,
}

/// What there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The header.
    pub row: WindowRow,
    /// Those of the blocks wanted that count, ascending by group, at most one of each.
    pub blocks: Vec<BlockRow>,
}

/// A deletion that still hides samples in blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionRow {
    /// The number of the commit that brought it.
    pub seq: u64,
    /// Which samples.
    pub blob: Bytes,
}

/// Rows that nothing names any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Layouts: pack and id.
    pub layouts: Vec<(u64, u64)>,
    /// Packs.
    pub packs: Vec<u64>,
    /// Deletions, by number.
    pub deletions: Vec<u64>,
}
