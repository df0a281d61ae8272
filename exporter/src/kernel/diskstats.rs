//! `/proc/diskstats` (`Documentation/admin-guide/iostats.rst`).

/// Bytes in what the kernel calls a sector here, whatever the device's own are.
pub(crate) const SECTOR: u64 = 512;

/// The statistics of a device or partition since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskStats {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) device: String,
    /// In the kernel's order: reads, reads merged, sectors read, ms reading, the same four for
    /// writes, I/Os in progress, ms busy, weighted ms, then from 4.18 on the first four for
    /// discards, then from 5.5 on flushes and ms flushing.
    fields: [u64; 17],
    count: usize,
}

impl DiskStats {
    /// The fields that this kernel prints, 4 for partitions of very old ones.
    pub(crate) fn fields(&self) -> &[u64] {
        &self.fields[..self.count]
    }

    pub(crate) fn reads(&self) -> u64 {
        self.fields[0]
    }

    pub(crate) fn reads_merged(&self) -> u64 {
        self.fields[1]
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.fields[2].saturating_mul(SECTOR)
    }

    pub(crate) fn read_millis(&self) -> u64 {
        self.fields[3]
    }

    pub(crate) fn writes(&self) -> u64 {
        self.fields[4]
    }

    pub(crate) fn writes_merged(&self) -> u64 {
        self.fields[5]
    }

    pub(crate) fn written_bytes(&self) -> u64 {
        self.fields[6].saturating_mul(SECTOR)
    }

    pub(crate) fn write_millis(&self) -> u64 {
        self.fields[7]
    }

    pub(crate) fn busy_millis(&self) -> u64 {
        self.fields[9]
    }
}

/// Every line that has the statistics of a device.
pub(crate) fn parse(text: &str) -> Vec<DiskStats> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<DiskStats> {
    let mut words = line.split_ascii_whitespace();
    let major = words.next()?.parse().ok()?;
    let minor = words.next()?.parse().ok()?;
    let device = words.next()?.to_owned();
    let mut fields = [0; 17];
    let mut count = 0;
    for (slot, word) in fields.iter_mut().zip(words) {
        *slot = word.parse().ok()?;
        count += 1;
    }
    (count >= 11).then_some(DiskStats {
        major,
        minor,
        device,
        fields,
        count,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_and_new_kernels_are_understood() {
        let text = " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n 8 1 sda1 1 2 3 4\n\
                    254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n8 2 sdb x\n";
        let disks = parse(text);
        assert_eq!(disks.len(), 2);
        assert_eq!(disks[0].fields().len(), 11);
        assert_eq!(disks[1].fields().len(), 17);
        assert_eq!(disks[1].read_bytes(), 3 * 512);
        assert_eq!(disks[1].busy_millis(), 10);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "( {0,3}[0-9a-z]{1,21}){0,22}\n?.*") {
            parse(&text);
        }
    }
}
