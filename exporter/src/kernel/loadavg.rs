//! `/proc/loadavg`.

/// The load averages over 1, 5 and 15 minutes.
pub(crate) fn parse(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || -> Option<f64> {
        let load: f64 = fields.next()?.parse().ok()?;
        (load.is_finite() && load >= 0.0).then_some(load)
    };
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_numbers_or_nothing() {
        assert_eq!(parse("0.57 0.30 0.11 1/99 123\n"), Some([0.57, 0.3, 0.11]));
        assert_eq!(parse("0.57 nan 0.11"), None);
        assert_eq!(parse("0.57 0.30"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in ".*") {
            parse(&text);
        }
    }
}
