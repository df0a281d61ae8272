//! `/proc/net/softnet_stat`: one line a processor, hexadecimal.

/// What became of the packets that one processor received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Softnet {
    pub(crate) cpu: u32,
    pub(crate) processed: u64,
    pub(crate) dropped: u64,
    pub(crate) squeezed: u64,
    /// From here on newer kernels only.
    pub(crate) collision: Option<u64>,
    pub(crate) received_rps: Option<u64>,
    pub(crate) flow_limit: Option<u64>,
    pub(crate) backlog: Option<u64>,
}

/// Every processor of the file.
pub(crate) fn parse(text: &str) -> Vec<Softnet> {
    (0..)
        .zip(text.lines())
        .filter_map(|(at, line)| parse_line(at, line))
        .collect()
}

fn parse_line(at: u32, line: &str) -> Option<Softnet> {
    let fields: Vec<&str> = line.split_ascii_whitespace().take(16).collect();
    let field = |index: usize| u64::from_str_radix(fields.get(index)?, 16).ok();
    Some(Softnet {
        // Since 5.10 the line says whose it is; processors that are offline have none.
        cpu: field(12)
            .and_then(|cpu| u32::try_from(cpu).ok())
            .unwrap_or(at),
        processed: field(0)?,
        dropped: field(1)?,
        squeezed: field(2)?,
        collision: field(8),
        received_rps: field(9),
        flow_limit: field(10),
        backlog: field(11),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_and_new_lines_are_understood() {
        let text = "0000000a 1 2 0 0 0 0 0 3\nff 0 0 0 0 0 0 0 1 2 3 4 00000007 0 0\nzz\n";
        let found = parse(text);
        assert_eq!(
            (found[0].cpu, found[0].processed, found[0].collision),
            (0, 10, Some(3))
        );
        assert_eq!(found[0].backlog, None);
        assert_eq!((found[1].cpu, found[1].backlog), (7, Some(4)));
        assert_eq!(found.len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([0-9a-fx]{1,20}[ \n]){0,40}|.*") {
            parse(&text);
        }
    }
}
