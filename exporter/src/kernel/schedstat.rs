//! `/proc/schedstat` (`Documentation/scheduler/sched-stats.rst`).

/// What the scheduler did with one processor since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuSchedule<'a> {
    pub(crate) cpu: &'a str,
    pub(crate) running_nanos: u64,
    pub(crate) waiting_nanos: u64,
    pub(crate) timeslices: u64,
}

/// Every processor of the file.
pub(crate) fn parse(text: &str) -> Vec<CpuSchedule<'_>> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<CpuSchedule<'_>> {
    let mut words = line.split_ascii_whitespace();
    let cpu = words.next()?.strip_prefix("cpu")?;
    let is_number = !cpu.is_empty() && cpu.bytes().all(|byte| byte.is_ascii_digit());
    // Six fields about scheduling calls come first.
    let mut words = words.skip(6);
    let mut next = || words.next()?.parse().ok();
    is_number.then_some(CpuSchedule {
        cpu,
        running_nanos: next()?,
        waiting_nanos: next()?,
        timeslices: next()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_three_fields_count() {
        let text = "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 7 8 9\ndomain0 3 1 2\ncpu1 0\n";
        let expected = CpuSchedule {
            cpu: "0",
            running_nanos: 7,
            waiting_nanos: 8,
            timeslices: 9,
        };
        assert_eq!(parse(text), [expected]);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "cpu[0-9x]{0,3}( [0-9]{1,21}){0,11}\n?.*") {
            parse(&text);
        }
    }
}
