use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let uname = host.uname();
    if uname.sysname.is_empty() {
        return Err(CollectError::NoData);
    }
    out.add(
        "node_uname_info",
        "Labeled system information as provided by the uname system call.",
        Kind::Gauge,
    )
    .push(
        &[
            ("domainname", &uname.domainname),
            ("machine", &uname.machine),
            ("nodename", &uname.nodename),
            ("release", &uname.release),
            ("sysname", &uname.sysname),
            ("version", &uname.version),
        ],
        1.0,
    );
    Ok(())
}
