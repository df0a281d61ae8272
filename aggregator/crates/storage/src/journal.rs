//! The journal's records.
//!
//! A row of the journal is what one commit brought: a version byte, the records compressed by
//! zstd, a CRC-32C. A record is samples of one target, or a deletion. Samples are coded as the
//! difference from the previous value of their series in the same segment; the chain of each target
//! begins anew in each segment, so a segment can be read on its own. Records of a chain are numbered: when a row
//! is unreadable, the records that build on it are recognised and left out, up to the target's
//! next first record.

mod chain;
mod decode;
mod frame;
mod planes;
mod value;

pub(crate) use chain::Chain;
pub(crate) use decode::{Decoder, Replayed};
pub(crate) use frame::{pack, pack_split, unpack, unpack_split};

use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::TimeRange;

use crate::varint::{Malformed, Reader, write_i64, write_len, write_text};
use chain::Scratch;

/// Kinds of record. The first is no longer written, and not read.
const OLD_SAMPLES: u8 = 1;
const DELETION: u8 = 2;
const SAMPLES: u8 = 3;

/// Records one after the other, and what writing one needs for a moment.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    content: Vec<u8>,
    scratch: Scratch,
}

impl Records {
    /// Adds a record: its kind, its length, its content, which `fill` writes.
    fn write(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>, &mut Scratch)) {
        self.content.clear();
        fill(&mut self.content, &mut self.scratch);
        self.bytes.push(kind);
        write_len(&mut self.bytes, self.content.len());
        self.bytes.extend_from_slice(&self.content);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Adds the record of a deletion.
pub(crate) fn write_deletion(records: &mut Records, matchers: &[Matcher], range: TimeRange) {
    records.write(DELETION, |content, _| {
        write_i64(content, range.start);
        write_i64(content, range.end);
        write_len(content, matchers.len());
        for matcher in matchers {
            content.push(match matcher.op() {
                MatchOp::Equal => 0,
                MatchOp::NotEqual => 1,
                MatchOp::Regex => 2,
                MatchOp::NotRegex => 3,
            });
            write_text(content, matcher.name());
            write_text(content, matcher.value());
        }
    });
}

fn read_deletion(content: &[u8]) -> Result<(Vec<Matcher>, TimeRange), Malformed> {
    let mut reader = Reader::new(content);
    let range = TimeRange {
        start: reader.i64()?,
        end: reader.i64()?,
    };
    let mut matchers = Vec::new();
    for _ in 0..reader.count()? {
        let op = match reader.u8()? {
            0 => MatchOp::Equal,
            1 => MatchOp::NotEqual,
            2 => MatchOp::Regex,
            3 => MatchOp::NotRegex,
            _ => return Err(Malformed("an unknown operator in a deletion")),
        };
        let (name, value) = (reader.text()?, reader.text()?);
        let matcher = Matcher::new(name, op, value);
        matchers.push(matcher.map_err(|_| Malformed("an unusable expression in a deletion"))?);
    }
    Ok((matchers, range))
}
