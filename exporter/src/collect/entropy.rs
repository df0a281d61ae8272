use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

/// `/proc/sys/kernel/random` (`random(4)`).
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    for (file, name, help) in [
        (
            "sys/kernel/random/entropy_avail",
            "node_entropy_available_bits",
            "Bits of available entropy.",
        ),
        (
            "sys/kernel/random/poolsize",
            "node_entropy_pool_size_bits",
            "Bits of entropy pool.",
        ),
    ] {
        let bits: u64 = host
            .files
            .proc(file)?
            .trim()
            .parse()
            .map_err(|_| CollectError::Malformed { file })?;
        out.single(name, help, Kind::Gauge, bits as f64);
    }
    Ok(())
}
