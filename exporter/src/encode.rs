//! The formats that families are written in, and which one a client gets. Nothing else knows
//! formats.
//!
//! Sources: the OpenMetrics 1.0.0 specification, and "Exposition formats" of the Prometheus
//! documentation for text 0.0.4.

mod accept;

use std::fmt::Write as _;

use crate::family::{Families, Family, Kind};

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format for a request with this `Accept` header: OpenMetrics for who prefers it,
    /// text for everybody else.
    pub(crate) fn for_accept(accept: Option<&str>) -> Self {
        accept.map_or(Self::Text, accept::choose)
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes everything out.
    pub(crate) fn encode(self, families: &Families) -> String {
        let mut out = String::with_capacity(64 * 1024);
        for family in families.iter() {
            self.head(&mut out, family);
            for (labels, value) in family.samples() {
                out.push_str(&family.name);
                if !labels.is_empty() {
                    out.push('{');
                    out.push_str(labels);
                    out.push('}');
                }
                out.push(' ');
                push_value(&mut out, value);
                out.push('\n');
            }
        }
        if self == Self::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    fn head(self, out: &mut String, family: &Family) {
        // OpenMetrics names the family of a counter without the suffix that its samples carry.
        let (name, kind) = match (self, family.kind) {
            (Self::Text, Kind::Counter) => (family.name.as_ref(), "counter"),
            (Self::Text, Kind::Unknown) => (family.name.as_ref(), "untyped"),
            (Self::OpenMetrics, Kind::Counter) => match family.name.strip_suffix("_total") {
                Some(name) => (name, "counter"),
                None => (family.name.as_ref(), "unknown"),
            },
            (Self::OpenMetrics, Kind::Unknown) => (family.name.as_ref(), "unknown"),
            (_, Kind::Gauge) => (family.name.as_ref(), "gauge"),
        };
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        self.push_help(out, &family.help);
        // Writing to a string cannot fail.
        let _ = write!(out, "\n# TYPE {name} {kind}\n");
    }

    fn push_help(self, out: &mut String, help: &str) {
        for char in help.chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '"' if self == Self::OpenMetrics => out.push_str("\\\""),
                other => out.push(other),
            }
        }
    }
}

/// The largest magnitude below which every whole `f64` is written exactly as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn push_value(out: &mut String, value: f64) {
    // Writing to a string cannot fail.
    let _ = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value.abs() < EXACT && value.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number below 2^53 fits, and integers are printed several times faster"
        )]
        let whole = value as i64;
        write!(out, "{whole}")
    } else {
        write!(out, "{value}")
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Families {
        let mut families = Families::default();
        let counter = families.add("node_a_total", "Quote \" and \\ and\nline.", Kind::Counter);
        counter.push(&[("device", "a\"b\\c\nd"), ("empty", "")], 1.5);
        families.single("node_b", "A gauge.", Kind::Gauge, -0.25);
        families.single("node_vmstat_c", "Untyped.", Kind::Unknown, f64::INFINITY);
        families.add("node_nothing", "No samples.", Kind::Gauge);
        families
    }

    #[test]
    fn text_says_what_its_specification_wants() {
        insta::assert_snapshot!(Format::Text.encode(&sample()), @r#"
        # HELP node_a_total Quote " and \\ and\nline.
        # TYPE node_a_total counter
        node_a_total{device="a\"b\\c\nd"} 1.5
        # HELP node_b A gauge.
        # TYPE node_b gauge
        node_b -0.25
        # HELP node_vmstat_c Untyped.
        # TYPE node_vmstat_c untyped
        node_vmstat_c +Inf
        "#);
    }

    #[test]
    fn openmetrics_says_what_its_specification_wants() {
        insta::assert_snapshot!(Format::OpenMetrics.encode(&sample()), @r#"
        # HELP node_a Quote \" and \\ and\nline.
        # TYPE node_a counter
        node_a_total{device="a\"b\\c\nd"} 1.5
        # HELP node_b A gauge.
        # TYPE node_b gauge
        node_b -0.25
        # HELP node_vmstat_c Untyped.
        # TYPE node_vmstat_c unknown
        node_vmstat_c +Inf
        # EOF
        "#);
    }

    proptest! {
        #[test]
        fn a_value_is_read_back_as_it_was(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let mut text = String::new();
            push_value(&mut text, value);
            let read: f64 = text.parse().unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() || value == 0.0);
        }

        #[test]
        fn any_label_value_stays_on_its_line(text in ".*") {
            let mut families = Families::default();
            families.add("m", "h", Kind::Gauge).push(&[("l", &text)], 1.0);
            prop_assert_eq!(Format::Text.encode(&families).matches('\n').count(), 3);
        }
    }
}
