//! A series' buckets of one window as bytes, in two parts.
//!
//! The *shape* says which buckets there are, how many samples each has and when its ends were
//! taken. It is the same for all series that were always sampled together, and is stored once for
//! them. The *values* are columns, one for each number of a bucket; a column that follows from
//! those before it in every bucket (most counters never fall, most gauges rest) is left out, and a
//! bit says so.

use system_stats_model::rollup::Bucket;
use system_stats_model::sample::Millis;

use crate::column::{self, Parts};
use crate::varint::{Malformed, Reader, write_i64, write_len, write_u64};

/// The most buckets that a window may have: a year of the finest resolution there is.
const MOST_BUCKETS: usize = 106_000;

/// The columns behind the one of last values, in their order. Each is guessed from those before it.
const COLUMNS: [Column; 6] = [
    Column {
        get: |bucket| bucket.first.value,
        set: |bucket, value| bucket.first.value = value,
        guess: |bucket| bucket.last.value,
    },
    Column {
        get: |bucket| bucket.correction,
        set: |bucket, value| bucket.correction = value,
        guess: |_| 0.0,
    },
    Column {
        get: |bucket| bucket.min,
        set: |bucket, value| bucket.min = value,
        guess: |bucket| lesser(bucket.first.value, bucket.last.value),
    },
    Column {
        get: |bucket| bucket.max,
        set: |bucket, value| bucket.max = value,
        guess: |bucket| -lesser(-bucket.first.value, -bucket.last.value),
    },
    Column {
        get: |bucket| bucket.sum,
        set: |bucket, value| bucket.sum = value,
        guess: |bucket| (bucket.first.value + bucket.last.value) * bucket.count as f64 / 2.0,
    },
    Column {
        get: |bucket| bucket.compensation,
        set: |bucket, value| bucket.compensation = value,
        guess: |_| 0.0,
    },
];

struct Column {
    get: fn(&Bucket) -> f64,
    set: fn(&mut Bucket, f64),
    guess: fn(&Bucket) -> f64,
}

fn lesser(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// Appends the shape of a series' buckets (ascending, none empty) to `out`. The time `start`
/// belongs to the bucket before the first.
pub(crate) fn encode_shape(
    buckets: &[Bucket],
    start: Millis,
    resolution: Millis,
    out: &mut Vec<u8>,
) {
    write_len(out, buckets.len());
    let mut end = start;
    for bucket in buckets {
        write_i64(out, (bucket.end - end) / resolution);
        end = bucket.end;
        write_u64(out, bucket.count << 1 | u64::from(bucket.ends_stale));
        if bucket.count > 0 {
            write_i64(out, end - bucket.last.timestamp);
        }
        if bucket.count > 1 {
            write_i64(out, bucket.last.timestamp - bucket.first.timestamp);
        }
    }
}

/// Says that columns have two parts; those of older files have one.
const IN_PARTS: u8 = 1 << 7;

/// Appends the values of a series' buckets to the two parts of a column.
pub(crate) fn encode_values(buckets: &[Bucket], out: &mut Vec<u8>, bits: &mut Vec<u8>) {
    let filled: Vec<&Bucket> = buckets.iter().filter(|b| b.count > 0).collect();
    let mask = out.len();
    out.push(IN_PARTS);
    if filled.is_empty() {
        return;
    }
    let mut values: Vec<f64> = filled.iter().map(|b| b.last.value).collect();
    write_column(&values, out, bits);
    for (at, column) in COLUMNS.iter().enumerate() {
        let is_guessed = |b: &&Bucket| (column.get)(b).to_bits() == (column.guess)(b).to_bits();
        if filled.iter().all(is_guessed) {
            continue;
        }
        out[mask] |= 1 << at;
        values.clear();
        values.extend(filled.iter().map(|b| (column.get)(b)));
        write_column(&values, out, bits);
    }
}

fn write_column(values: &[f64], out: &mut Vec<u8>, bits: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(64);
    let from = bits.len();
    column::encode_split(values, &mut body, bits);
    write_len(out, body.len());
    write_len(out, bits.len() - from);
    out.extend_from_slice(&body);
}

/// The buckets that [`encode_shape`] wrote, without their values.
///
/// # Errors
/// On bytes that it did not write for this start and resolution.
pub(crate) fn decode_shape(
    reader: &mut Reader<'_>,
    start: Millis,
    resolution: Millis,
) -> Result<Vec<Bucket>, Malformed> {
    let count = reader.count()?;
    if count > MOST_BUCKETS {
        return Err(Malformed("more buckets than a window has"));
    }
    let mut buckets = Vec::with_capacity(count);
    let mut end = start;
    for _ in 0..count {
        end = later(end, reader.i64()?, resolution)?;
        let mut bucket = Bucket::empty(end);
        let counted = reader.u64()?;
        (bucket.count, bucket.ends_stale) = (counted >> 1, counted & 1 == 1);
        if bucket.count > 0 {
            bucket.last.timestamp = earlier(end, reader.i64()?, resolution)?;
            bucket.first.timestamp = bucket.last.timestamp;
        } else if !bucket.ends_stale {
            return Err(Malformed("a bucket with nothing in it"));
        }
        if bucket.count > 1 {
            bucket.first.timestamp = earlier(bucket.last.timestamp, reader.i64()?, resolution)?;
        }
        if bucket.first.timestamp <= end - resolution {
            return Err(Malformed("a sample outside of its bucket"));
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

fn later(end: Millis, steps: i64, resolution: Millis) -> Result<Millis, Malformed> {
    let length = (steps > 0).then(|| steps.checked_mul(resolution)).flatten();
    let end = length.and_then(|length| end.checked_add(length));
    // Far enough from the ends of time for differences to be safe.
    end.filter(|end| end.abs() < Millis::MAX / 4)
        .ok_or(Malformed("a bucket out of order"))
}

fn earlier(than: Millis, by: i64, resolution: Millis) -> Result<Millis, Malformed> {
    if (0..resolution).contains(&by) {
        Ok(than - by)
    } else {
        Err(Malformed("a sample outside of its bucket"))
    }
}

/// Fills in the values that [`encode_values`] wrote.
///
/// # Errors
/// On bytes that it did not write for this shape.
pub(crate) fn decode_values(column: Parts<'_>, buckets: &mut [Bucket]) -> Result<(), Malformed> {
    let mut reader = Reader::new(column.body);
    let head = reader.u8()?;
    let mut bits = (head & IN_PARTS != 0).then(|| Reader::new(column.bits));
    let mask = head & !IN_PARTS;
    if mask >> COLUMNS.len() != 0 {
        return Err(Malformed("a column that this program does not know"));
    }
    let count = buckets.iter().filter(|b| b.count > 0).count();
    if count == 0 {
        return Ok(());
    }
    let mut values = Vec::with_capacity(count);
    let filled = |buckets: &mut [Bucket], set: &mut dyn FnMut(&mut Bucket)| {
        let filled = buckets.iter_mut().filter(|b| b.count > 0);
        filled.for_each(set);
    };
    read_column(&mut reader, &mut bits, count, &mut values)?;
    let mut last = values.iter();
    filled(buckets, &mut |bucket| {
        bucket.last.value = last.next().copied().unwrap_or_default();
    });
    for (at, column) in COLUMNS.iter().enumerate() {
        if mask >> at & 1 == 0 {
            filled(buckets, &mut |bucket| {
                let guess = (column.guess)(bucket);
                (column.set)(bucket, guess);
            });
            continue;
        }
        values.clear();
        read_column(&mut reader, &mut bits, count, &mut values)?;
        let mut each = values.iter();
        filled(buckets, &mut |bucket| {
            (column.set)(bucket, each.next().copied().unwrap_or_default());
        });
    }
    Ok(())
}

fn read_column(
    reader: &mut Reader<'_>,
    bits: &mut Option<Reader<'_>>,
    count: usize,
    values: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let length = reader.count()?;
    let bits = match bits {
        Some(bits) => bits.take(reader.u32()? as usize)?,
        None => &[],
    };
    column::decode(reader.take(length)?, bits, count, values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use system_stats_model::rollup::buckets;
    use system_stats_model::sample::STALE;

    use super::*;

    const RESOLUTION: Millis = 300_000;

    fn round_trip(times: &[Millis], values: &[f64]) -> usize {
        let mut have = Vec::new();
        buckets(times, values, RESOLUTION, &mut have);
        let (mut shape, mut body, mut bits) = (Vec::new(), Vec::new(), Vec::new());
        encode_shape(&have, 0, RESOLUTION, &mut shape);
        encode_values(&have, &mut body, &mut bits);
        let mut reader = Reader::new(&shape);
        let mut back = decode_shape(&mut reader, 0, RESOLUTION).unwrap();
        assert!(reader.is_empty());
        let column = Parts {
            body: &body,
            bits: &bits,
        };
        decode_values(column, &mut back).unwrap();
        assert_eq!(have, back);
        crate::journal::pack_split(&body, &bits).unwrap().len()
    }

    #[test]
    fn what_follows_is_not_stored() {
        let times: Vec<Millis> = (1..5760).map(|i| i * 15_000).collect();
        let of = |value: fn(Millis) -> f64| times.iter().map(|&time| value(time)).collect();
        let cases: [(&str, Vec<f64>, usize); 3] = [
            ("a gauge at rest", of(|_| 42.0), 30),
            ("a steady counter", of(|time| (time / 1000) as f64), 200),
            (
                "a noisy gauge",
                of(|time| (time / 15_000 * 7 % 97) as f64),
                2300,
            ),
        ];
        for (name, values, most) in cases {
            let size = round_trip(&times, &values);
            assert!(size <= most, "{name}: {size} bytes, at most {most}");
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (0..2000u32).prop_map(|v| f64::from(v) / 8.0),
            4 => (0..3u32).prop_map(f64::from),
            1 => any::<u64>().prop_map(f64::from_bits),
            1 => prop_oneof![Just(STALE), Just(-0.0), Just(f64::NAN), Just(f64::MAX)],
        ]
    }

    proptest! {
        #[test]
        fn buckets_come_back_bit_for_bit(
            steps in prop::collection::vec((1..200_000i64, value()), 0..200),
        ) {
            let mut time = 0;
            let steps = steps.into_iter().map(|(gap, value)| {
                time += gap;
                (time, value)
            });
            let (times, values): (Vec<_>, Vec<_>) = steps.unzip();
            round_trip(&times, &values);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            shape in prop::collection::vec(any::<u8>(), 0..60),
            values in prop::collection::vec(any::<u8>(), 0..60),
            bits in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Ok(mut buckets) = decode_shape(&mut Reader::new(&shape), 0, RESOLUTION) {
                prop_assert!(buckets.len() <= shape.len());
                let column = Parts { body: &values, bits: &bits };
                let _ = decode_values(column, &mut buckets);
            }
        }
    }

    #[test]
    fn a_bucket_keeps_its_samples_inside() {
        let mut bucket = Bucket::empty(RESOLUTION);
        bucket.add(0, 1.0);
        let mut shape = Vec::new();
        encode_shape(&[bucket], 0, RESOLUTION, &mut shape);
        let refused = decode_shape(&mut Reader::new(&shape), 0, RESOLUTION);
        assert_eq!(refused, Err(Malformed("a sample outside of its bucket")));
    }
}
