//! A trace as a file: small enough to lie in the repository.

use std::fs;
use std::path::Path;

use super::{Trace, Track, digits, scaled, unscaled};

const MAGIC: &[u8] = b"trace 1\n";
const LEVEL: i32 = 19;
/// The most that a file may hold, uncompressed.
const LARGEST: usize = 256 << 20;
/// Stands in the place of the digits: bits, not decimals.
const BITS: u8 = 255;

/// A trace cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TraceError {
    path: String,
    reason: String,
}

impl TraceError {
    pub(super) fn new(path: &Path, reason: &dyn ToString) -> Self {
        Self {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

impl Trace {
    /// Reads a file that [`Trace::write`] wrote.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let bytes = fs::read(path).map_err(|e| TraceError::new(path, &e))?;
        Self::decode(&bytes).map_err(|reason| TraceError::new(path, &reason))
    }

    /// Writes it into a file.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn write(&self, path: &Path) -> Result<(), TraceError> {
        let bytes = self.encode().map_err(|e| TraceError::new(path, &e))?;
        fs::write(path, bytes).map_err(|e| TraceError::new(path, &e))
    }

    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        let mut body = Vec::new();
        put(&mut body, self.times.len() as u64);
        put_deltas(&mut body, self.times.iter().copied());
        put(&mut body, self.series.len() as u64);
        for track in &self.series {
            put(&mut body, track.text.len() as u64);
            body.extend_from_slice(track.text.as_bytes());
            body.push(track.is_counter.into());
        }
        for track in &self.series {
            let missing = track.values.iter().map(|v| u8::from(v.is_none()));
            body.extend(missing);
            let there = track.values.iter().copied().flatten();
            if let Some(digits) = digits(there.clone()) {
                body.push(digits);
                put_deltas(&mut body, there.filter_map(|v| scaled(v, digits)));
            } else {
                body.push(BITS);
                for value in there {
                    body.extend_from_slice(&value.to_bits().to_be_bytes());
                }
            }
        }
        put(&mut out, body.len() as u64);
        out.extend(zstd::bulk::compress(&body, LEVEL)?);
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or("not a trace")?;
        let length = count(&mut rest, LARGEST)?;
        let body = zstd::bulk::decompress(rest, length).map_err(|_| "it is damaged")?;
        let rest = &mut &body[..];
        let moments = count(rest, rest.len())?;
        let times = deltas(rest, moments)?;
        let number = count(rest, rest.len())?;
        let mut series = Vec::with_capacity(number);
        for _ in 0..number {
            let length = count(rest, rest.len())?;
            let text = std::str::from_utf8(take(rest, length)?).map_err(|_| "no text")?;
            series.push(Track {
                text: text.to_owned(),
                is_counter: take(rest, 1)?[0] == 1,
                values: Vec::new(),
            });
        }
        for track in &mut series {
            let missing = take(rest, moments)?;
            let there = missing.iter().map(|&m| usize::from(m == 0)).sum();
            let digits = take(rest, 1)?[0];
            let values = if digits == BITS {
                bits(rest, there)?
            } else {
                let whole = deltas(rest, there)?.into_iter();
                whole.map(|whole| unscaled(whole, digits)).collect()
            };
            let mut values = values.into_iter();
            let value = |&missing: &u8| (missing == 0).then(|| values.next()).flatten();
            track.values = missing.iter().map(value).collect();
        }
        Ok(Self { times, series })
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn put_deltas(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let mut before = 0_i64;
    for value in values {
        let delta = value.wrapping_sub(before);
        put(out, (delta << 1 ^ delta >> 63).cast_unsigned());
        before = value;
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (taken, after) = rest.split_at_checked(length).ok_or("it is cut short")?;
    *rest = after;
    Ok(taken)
}

fn number(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number that is too long")
}

fn count(rest: &mut &[u8], most: usize) -> Result<usize, &'static str> {
    let count = usize::try_from(number(rest)?).unwrap_or(usize::MAX);
    (count <= most)
        .then_some(count)
        .ok_or("a count that is too large")
}

fn deltas(rest: &mut &[u8], count: usize) -> Result<Vec<i64>, &'static str> {
    let mut at = 0_i64;
    (0..count)
        .map(|_| {
            let delta = number(rest)?;
            at = at.wrapping_add((delta >> 1).cast_signed() ^ -((delta & 1).cast_signed()));
            Ok(at)
        })
        .collect()
}

fn bits(rest: &mut &[u8], count: usize) -> Result<Vec<f64>, &'static str> {
    (0..count)
        .map(|_| {
            let bytes = take(rest, 8)?.first_chunk().ok_or("it is cut short")?;
            Ok(f64::from_bits(u64::from_be_bytes(*bytes)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_comes_back() {
        let track = |text: &str, values: &[Option<f64>]| Track {
            text: text.to_owned(),
            is_counter: text.ends_with("_total"),
            values: values.to_vec(),
        };
        let whole = Trace {
            times: vec![1_000, 16_003, 31_001],
            series: vec![
                track("a_total", &[Some(1.0), Some(2.0), Some(2.0)]),
                track("b{c=\"d\"}", &[None, Some(-1.25), Some(f64::NAN)]),
                track("e", &[Some(0.1), None, Some(1.0 / 3.0)]),
                track("f", &[Some(-0.25), None, Some(1e15)]),
            ],
        };
        let bytes = whole.encode().unwrap();
        assert_eq!(Trace::decode(&bytes).as_ref(), Ok(&whole));
        for end in 0..bytes.len() {
            assert!(Trace::decode(&bytes[..end]).is_err(), "{end}");
        }
    }
}
