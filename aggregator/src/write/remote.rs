//! Remote write 1.0: a `WriteRequest` of Protocol Buffers in a block of snappy.
//!
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>

use system_stats_model::exposition::MetricType;
use system_stats_model::labels::Labels;
use system_stats_model::sample::Sample;

use super::WriteError;
use super::load::{Load, Series, check};
use super::protobuf::{Field, Message, WireError};
use crate::metadata::Description;

/// The largest message after decompression, in bytes; what Prometheus allows too.
const MAX_MESSAGE: usize = 32 << 20;

/// Reads the body of a request.
pub(super) fn read(body: &[u8]) -> Result<Load, WriteError> {
    let message = decompress(body)?;
    let mut load = Load::default();
    read_request(&message, &mut load)
        .map_err(|error| WriteError::Malformed(format!("proto: WriteRequest: {error}")))?;
    Ok(load)
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, WriteError> {
    let corrupt = |_| WriteError::Malformed("snappy: corrupt input".to_owned());
    let length = snap::raw::decompress_len(body).map_err(corrupt)?;
    if length > MAX_MESSAGE {
        return Err(WriteError::Malformed(format!(
            "snappy: decoded length {length} exceeds limit {MAX_MESSAGE}"
        )));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(corrupt)
}

fn read_request(message: &[u8], load: &mut Load) -> Result<(), WireError> {
    let mut pairs = Vec::new();
    for field in Message(message) {
        let field = field?;
        match field.number {
            1 => {
                pairs.clear();
                read_series(field.message()?, &mut pairs, load)?;
            }
            3 => match read_metadata(field.message()?) {
                // Only ever for people to read.
                Err(WireError::NotUtf8(_)) => {}
                read => load.descriptions.push(read?),
            },
            _ => {}
        }
    }
    Ok(())
}

fn read_series<'a>(
    message: Message<'a>,
    pairs: &mut Vec<(&'a str, &'a str)>,
    load: &mut Load,
) -> Result<(), WireError> {
    let before = load.samples.len();
    let mut is_text = true;
    for field in message {
        let field = field?;
        match field.number {
            1 => match read_label(field.message()?) {
                Err(WireError::NotUtf8(_)) => is_text = false,
                read => pairs.push(read?),
            },
            2 => load.samples.push(read_sample(field.message()?)?),
            3 => load.exemplars += 1,
            4 => load.histograms += 1,
            _ => {}
        }
    }
    let samples = load.samples.len() - before;
    let checked = if is_text {
        check(pairs)
    } else {
        Err("invalid metric name or labels, which are not UTF-8".to_owned())
    };
    if let Err(reason) = checked {
        load.samples.truncate(before);
        load.refuse(samples, || reason);
    } else if samples > 0 {
        let labels = Labels::from_pairs(pairs.iter().copied());
        load.series.push(Series { labels, samples });
    }
    Ok(())
}

fn read_label(message: Message<'_>) -> Result<(&str, &str), WireError> {
    let (mut name, mut value) = ("", "");
    for field in message {
        let field = field?;
        match field.number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn read_sample(message: Message<'_>) -> Result<Sample, WireError> {
    let mut sample = Sample {
        timestamp: 0,
        value: 0.0,
    };
    for field in message {
        let field = field?;
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.timestamp = field.int64()?,
            _ => {}
        }
    }
    Ok(sample)
}

fn read_metadata(message: Message<'_>) -> Result<(String, Description), WireError> {
    let (mut metric, mut description) = (String::new(), Description::default());
    for field in message {
        let field: Field<'_> = field?;
        match field.number {
            1 => description.kind = metric_type(field.int64()?),
            2 => field.text()?.clone_into(&mut metric),
            4 => field.text()?.clone_into(&mut description.help),
            5 => field.text()?.clone_into(&mut description.unit),
            _ => {}
        }
    }
    Ok((metric, description))
}

/// The protocol's `MetricMetadata.MetricType`.
fn metric_type(number: i64) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

#[cfg(test)]
pub(crate) mod sample_bodies {
    /// Writes messages as a client does.
    #[derive(Default)]
    pub(crate) struct Writer(pub(crate) Vec<u8>);

    impl Writer {
        fn varint(mut self, mut value: u64) -> Self {
            while value >= 0x80 {
                self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
                value >>= 7;
            }
            self.0.push(u8::try_from(value).unwrap());
            self
        }

        pub(crate) fn number(self, field: u64, value: i64) -> Self {
            self.varint(field << 3).varint(value.cast_unsigned())
        }

        fn double(self, field: u64, value: f64) -> Self {
            let mut written = self.varint(field << 3 | 1);
            written.0.extend(value.to_bits().to_le_bytes());
            written
        }

        pub(crate) fn bytes(self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
            let bytes = bytes.as_ref();
            let mut written = self.varint(field << 3 | 2).varint(bytes.len() as u64);
            written.0.extend(bytes);
            written
        }
    }

    /// A series of a request.
    pub(crate) fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
        let mut message = Writer::default();
        for (name, value) in labels {
            message = message.bytes(1, Writer::default().bytes(1, name).bytes(2, value).0);
        }
        for (timestamp, value) in samples {
            let sample = Writer::default().double(1, *value).number(2, *timestamp);
            message = message.bytes(2, sample.0);
        }
        message.0
    }

    /// The body of a request.
    pub(crate) fn body(series: &[Vec<u8>]) -> Vec<u8> {
        let message = series
            .iter()
            .fold(Writer::default(), |message, one| message.bytes(1, one));
        compressed(&message.0)
    }

    pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(message).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use system_stats_model::sample::STALE;

    use super::sample_bodies::{Writer, body, compressed, series};
    use super::*;

    fn malformed(body: &[u8]) -> String {
        match read(body) {
            Err(WriteError::Malformed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn samples_keep_their_bits_and_the_rest_is_counted() {
        let one = series(
            &[("__name__", "m"), ("job", "j"), ("empty", "")],
            &[(-5, 1.5), (i64::MAX, STALE)],
        );
        let one = Writer(one)
            .bytes(3, b"exemplar")
            .bytes(4, b"h")
            .bytes(4, b"h")
            .0;
        let two = series(&[("job", "nameless")], &[(1, 2.0), (2, 3.0)]);
        let metadata = Writer::default()
            .number(1, 2)
            .bytes(2, "m")
            .bytes(4, "How much")
            .bytes(5, "bytes");
        let message = Writer::default()
            .bytes(1, one)
            .bytes(1, two)
            .bytes(3, metadata.0)
            .bytes(77, "of a later version");
        let load = read(&compressed(&message.0)).unwrap();
        assert_eq!(load.series.len(), 1);
        assert_eq!(load.series[0].labels.to_string(), r#"m{job="j"}"#);
        assert_eq!(load.series[0].samples, 2);
        let bits: Vec<_> = load
            .samples
            .iter()
            .map(|s| (s.timestamp, s.value.to_bits()))
            .collect();
        assert_eq!(bits, [(-5, 1.5f64.to_bits()), (i64::MAX, STALE.to_bits())]);
        assert_eq!((load.exemplars, load.histograms, load.invalid), (1, 2, 2));
        let reason = load.first_invalid.as_deref();
        assert_eq!(
            reason,
            Some(r#"invalid metric name or labels, got {job="nameless"}"#)
        );
        let description = Description {
            kind: MetricType::Gauge,
            help: "How much".to_owned(),
            unit: "bytes".to_owned(),
        };
        assert_eq!(load.descriptions, [("m".to_owned(), description)]);
    }

    #[test]
    fn a_body_that_lies_about_its_length_costs_nothing() {
        // 4 GiB less one in the head of a block that holds a byte.
        let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x'];
        let limit = "snappy: decoded length 4294967295 exceeds limit 33554432";
        assert_eq!(malformed(&lie), limit);
        assert_eq!(malformed(b""), "snappy: corrupt input");
        assert_eq!(malformed(b"\x05\x00x"), "snappy: corrupt input");
        assert_eq!(malformed(b"{\"json\": 1}"), "snappy: corrupt input");
        let cut = compressed(&[0x0a, 0x7f]);
        assert_eq!(
            malformed(&cut),
            "proto: WriteRequest: unexpected end of the message"
        );
    }

    #[test]
    fn a_label_that_is_no_text_costs_its_series_only() {
        let label = Writer::default().bytes(1, "l").bytes(2, b"\xff").0;
        let bad = series(&[("__name__", "bad")], &[(1, 1.0), (2, 2.0)]);
        let bad = Writer(bad).bytes(1, label).0;
        let good = series(&[("__name__", "good")], &[(1, 1.0)]);
        let about = Writer::default().bytes(2, "good").bytes(4, b"\xff").0;
        let message = Writer::default()
            .bytes(1, bad)
            .bytes(1, good)
            .bytes(3, about);
        let load = read(&compressed(&message.0)).unwrap();
        assert_eq!((load.series.len(), load.samples.len()), (1, 1));
        assert_eq!((load.invalid, load.descriptions.len()), (2, 0));
        let reason = load.first_invalid.unwrap();
        assert_eq!(reason, "invalid metric name or labels, which are not UTF-8");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            if let Ok(load) = read(&compressed(&bytes)) {
                let samples: usize = load.series.iter().map(|series| series.samples).sum();
                prop_assert_eq!(samples, load.samples.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            samples in prop::collection::vec((any::<i64>(), any::<u64>()), 1..20),
            value in ".{1,20}",
        ) {
            let floats: Vec<(i64, f64)> =
                samples.iter().map(|(at, bits)| (*at, f64::from_bits(*bits))).collect();
            let load = read(&body(&[series(&[("__name__", "m"), ("l", &value)], &floats)])).unwrap();
            let read: Vec<(i64, u64)> =
                load.samples.iter().map(|s| (s.timestamp, s.value.to_bits())).collect();
            prop_assert_eq!(read, samples);
            prop_assert_eq!(load.series[0].labels.get("l"), Some(value.as_str()));
        }
    }
}
