//! `/proc/pressure/*` (`Documentation/accounting/psi.rst`).

/// How long tasks waited since boot, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    /// Some task waited.
    pub(crate) some: Option<u64>,
    /// All tasks waited at once.
    pub(crate) full: Option<u64>,
}

/// The totals of the file.
pub(crate) fn parse(text: &str) -> Pressure {
    let total = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let total = line
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix("total="))?;
        total.parse().ok()
    };
    Pressure {
        some: total("some "),
        full: total("full "),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn totals_are_found() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=x\n";
        assert_eq!(
            parse(text),
            Pressure {
                some: Some(12),
                full: None
            }
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "((some|full|total=[0-9]{0,22}|\n) ?){0,12}|.*") {
            parse(&text);
        }
    }
}
