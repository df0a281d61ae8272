use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

/// `/proc/sys/fs/file-nr`: allocated, unused, maximum (`Documentation/admin-guide/sysctl/fs.rst`).
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let text = host.files.proc("sys/fs/file-nr")?;
    let numbers: Vec<u64> = text
        .split_ascii_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let &[allocated, _, maximum, ..] = numbers.as_slice() else {
        return Err(CollectError::Malformed {
            file: "sys/fs/file-nr",
        });
    };
    out.single(
        "node_filefd_allocated",
        "File descriptor statistics: allocated.",
        Kind::Gauge,
        allocated as f64,
    );
    out.single(
        "node_filefd_maximum",
        "File descriptor statistics: maximum.",
        Kind::Gauge,
        maximum as f64,
    );
    Ok(())
}
