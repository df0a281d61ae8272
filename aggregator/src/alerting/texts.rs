//! Labels, matchers and values as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use system_stats_model::labels::Labels;

/// The number by which Prometheus and Alertmanager call a set of labels: FNV-1a over names and
/// values, each followed by a byte that is in no text (`LabelSet.Fingerprint`).
#[must_use]
pub fn fingerprint(labels: &Labels) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, mix);
    format!("{hash:016x}")
}

/// A value as the text of a document. Nothing here fails to be written; should it, it is said and
/// left out.
pub(super) fn json<T: Serialize>(value: &T) -> Option<Bytes> {
    match serde_json::to_vec(value) {
        Ok(json) => Some(json.into()),
        Err(error) => {
            tracing::error!(%error, "what an alert did cannot be written down");
            None
        }
    }
}

/// A set of labels as an object.
pub(super) mod label_map {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{BTreeMap, Labels};

    pub(in super::super) fn serialize<S: Serializer>(
        labels: &Labels,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.iter())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Labels, D::Error> {
        let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Labels::from_pairs(pairs))
    }
}

/// A set of labels as an object, or nothing.
pub(super) mod maybe_label_map {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{BTreeMap, Labels, label_map};

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(in super::super) fn serialize<S: Serializer>(
        labels: &Option<Labels>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match labels {
            Some(labels) => label_map::serialize(labels, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Labels>, D::Error> {
        let pairs = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
        Ok(pairs.map(Labels::from_pairs))
    }
}

/// A value as text: JSON has no NaN and no infinity.
pub(super) mod number {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(in super::super) fn serialize<S: Serializer>(
        value: &f64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Matchers as their three parts each.
pub(super) mod matchers {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use system_stats_model::matcher::{MatchOp, Matcher};

    type Parts = (String, String, String);

    pub(in super::super) fn serialize<S: Serializer>(
        matchers: &[Matcher],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let parts = |matcher: &Matcher| -> Parts {
            let (name, value) = (matcher.name().to_owned(), matcher.value().to_owned());
            (name, matcher.op().to_string(), value)
        };
        serializer.collect_seq(matchers.iter().map(parts))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Matcher>, D::Error> {
        let all = [
            MatchOp::Equal,
            MatchOp::NotEqual,
            MatchOp::Regex,
            MatchOp::NotRegex,
        ];
        let matcher = |(name, op, value): Parts| {
            let op = all.into_iter().find(|known| known.to_string() == op);
            let op = op.ok_or_else(|| de::Error::custom("an unknown operator"))?;
            Matcher::new(name, op, value).map_err(de::Error::custom)
        };
        let parts = Vec::<Parts>::deserialize(deserializer)?;
        parts.into_iter().map(matcher).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_alertmanager() {
        let of = |pairs: &[(&str, &str)]| fingerprint(&Labels::from_pairs(pairs.iter().copied()));
        assert_eq!(of(&[]), "cbf29ce484222325");
        // As Alertmanager 0.25 shows an alert with these labels.
        let alert = [("alertname", "HighLoad"), ("instance", "web-1:9100")];
        assert_eq!(of(&alert), "1b9c5a8c06ddbf21");
    }
}
