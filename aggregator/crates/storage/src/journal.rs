//! The journal's records.
//!
//! A row of the journal is what one commit brought: a version byte, the records compressed by
//! zstd, a CRC-32C. A record is samples of one target, or a deletion. Samples are coded against
//! the previous value of their series in the same segment; the chain of each target begins anew in
//! each segment, so a segment can be read on its own. Records of a chain are numbered: when a row
//! is unreadable, the records that build on it are recognised and left out, up to the target's
//! next first record.

mod chain;
mod decode;
mod frame;
mod value;

pub(crate) use chain::Chain;
pub(crate) use decode::{Decoder, Replayed};
pub(crate) use frame::{pack, unpack};

use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::TimeRange;

use crate::varint::{Malformed, Reader, write_i64, write_len, write_text};

/// Kinds of record.
const SAMPLES: u8 = 1;
const DELETION: u8 = 2;

/// Appends a record: its kind, its length, its content.
fn write_record(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    write_len(out, content.len());
    out.extend_from_slice(content);
}

/// Appends the record of a deletion.
pub(crate) fn write_deletion(out: &mut Vec<u8>, matchers: &[Matcher], range: TimeRange) {
    let mut content = Vec::new();
    write_i64(&mut content, range.start);
    write_i64(&mut content, range.end);
    write_len(&mut content, matchers.len());
    for matcher in matchers {
        content.push(match matcher.op() {
            MatchOp::Equal => 0,
            MatchOp::NotEqual => 1,
            MatchOp::Regex => 2,
            MatchOp::NotRegex => 3,
        });
        write_text(&mut content, matcher.name());
        write_text(&mut content, matcher.value());
    }
    write_record(out, DELETION, &content);
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
