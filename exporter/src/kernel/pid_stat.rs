//! `/proc/PID/stat` (`proc_pid_stat(5)`).

/// The parts of a process that are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidStat {
    /// The command, cut to 15 bytes by the kernel.
    pub(crate) name: String,
    /// `R`, `S`, `D`, `Z`, …
    pub(crate) state: char,
    pub(crate) threads: u64,
}

/// The process, if the text describes one.
pub(crate) fn parse(text: &str) -> Option<PidStat> {
    // The command may hold anything, parentheses included; the last one closes it.
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let threads = fields.nth(16)?.parse().ok()?;
    Some(PidStat {
        name: name.to_owned(),
        state,
        threads,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_may_hold_anything() {
        let text = "42 (a) (b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 7 0 1\n";
        let stat = parse(text).unwrap();
        assert_eq!(stat.name, "a) (b");
        assert_eq!((stat.state, stat.threads), ('Z', 7));
        assert_eq!(parse("42 (a) Z"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "[0-9]{1,3} \\(.{0,9}\\)( [0-9A-Z]{1,9}){0,20}|.*") {
            parse(&text);
        }
    }
}
