//! `/proc/meminfo`: whatever lines the kernel prints, in its order.

/// One line: a name as the kernel writes it, and a value in bytes or a plain count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: u64,
    /// Whether the kernel gave a unit, so that `value` is in bytes.
    pub(crate) is_bytes: bool,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemInfo(Vec<Entry>);

impl MemInfo {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(parse_line).collect())
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The value of one line; bytes where the kernel gives a unit.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        let entry = self.0.iter().find(|entry| entry.name == name)?;
        Some(entry.value)
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let (name, rest) = line.split_once(':')?;
    let mut fields = rest.split_ascii_whitespace();
    let value: u64 = fields.next()?.parse().ok()?;
    // The only unit there is; it means 1024 bytes.
    let is_bytes = fields.next() == Some("kB");
    let name = name.trim();
    (!name.is_empty()).then(|| Entry {
        name: name.to_owned(),
        value: if is_bytes {
            value.saturating_mul(1024)
        } else {
            value
        },
        is_bytes,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_become_bytes_and_counts_stay() {
        let info = MemInfo::parse("MemTotal:  8 kB\nHugePages_Total:  3\nOdd\nBad: x kB\n");
        assert_eq!(info.get("MemTotal"), Some(8192));
        assert_eq!(info.get("HugePages_Total"), Some(3));
        assert_eq!(info.entries().len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([A-Za-z()_]{0,9}:? *[0-9]{0,22} (kB)?\n|.){0,20}") {
            MemInfo::parse(&text);
        }
    }
}
