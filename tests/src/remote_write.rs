//! Samples for a server that takes remote write, ours or Prometheus.

use std::net::SocketAddr;

use crate::http::Request;

/// A series and its samples.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Names and values.
    pub labels: Vec<(String, String)>,
    /// Milliseconds since 1970, ascending, and values.
    pub samples: Vec<(i64, f64)>,
}

impl Series {
    /// A series without samples.
    pub fn new(labels: &[(&str, &str)]) -> Series {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut labels: Vec<_> = labels.iter().map(own).collect();
        labels.sort();
        Series {
            labels,
            samples: Vec::new(),
        }
    }
}

/// The body of a remote write 1.0 with the samples of `series` from `from` to before `to`.
pub fn body(series: &[Series], from: i64, to: i64) -> Vec<u8> {
    let mut message = Vec::new();
    for one in series {
        let start = one.samples.partition_point(|(at, _)| *at < from);
        let end = one.samples.partition_point(|(at, _)| *at < to);
        if start == end {
            continue;
        }
        let mut written = Vec::new();
        for (name, value) in &one.labels {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut written, 1, &label);
        }
        for (at, value) in &one.samples[start..end] {
            let mut sample = vec![1 << 3 | 1];
            sample.extend(value.to_bits().to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, at.cast_unsigned());
            bytes(&mut written, 2, &sample);
        }
        bytes(&mut message, 1, &written);
    }
    let compressed = snap::raw::Encoder::new().compress_vec(&message);
    compressed.expect("a message is shorter than 4 GiB")
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Writes everything, oldest first, so many milliseconds of all series at a time: Prometheus takes
/// nothing that lies an hour behind.
#[track_caller]
pub fn send(address: SocketAddr, series: &[Series], slice: i64) {
    let times = || {
        series
            .iter()
            .flat_map(|one| &one.samples)
            .map(|(at, _)| *at)
    };
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return;
    };
    let mut from = first;
    while from <= last {
        let answer = Request::new("POST", "/api/v1/write")
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body(series, from, from + slice))
            .send(address);
        assert_eq!(answer.status, 204, "{}", answer.text());
        from += slice;
    }
}
